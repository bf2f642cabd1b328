"""No command talks to anybody: every connection, every name that is looked up and every port is heard in the process itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from doors_kit import Doors, cut_off

ASKED = {"doctor": {"socket.getaddrinfo 'huggingface.co'"}}
"""`curator doctor` is asked whether the network works, and tries: nothing is sent but the request for a public page."""


def test_nobody_is_asked_anything(doors: Doors) -> None:
    assert doors.asked() == ASKED
    assert {what for event, what in doors.heard if event == "command"} == set(doors.codes)


def test_nothing_is_unpickled(doors: Doors) -> None:
    assert [what for event, what in doors.heard if event in ("pickle.find_class", "os.system")] == []


def test_the_ear_hears(tmp_path: Path) -> None:
    """The test above would be worth nothing if it were deaf."""
    from doors_kit import LISTENER

    (tmp_path / "sitecustomize.py").write_text(LISTENER)
    log = tmp_path / "log"
    log.touch()
    talk = "import socket\ntry:\n socket.create_connection(('127.0.0.1', 9), 1)\nexcept OSError:\n pass"
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "DOORS_LOG": str(log)}
    subprocess.run([*cut_off(), sys.executable, "-c", talk], env=env, check=True)
    heard = [json.loads(line) for line in log.read_text().splitlines()]
    assert ["socket.connect", "('127.0.0.1', 9)"] in heard


def test_other_libraries_telemetry_is_off() -> None:
    say = (
        "import os, json; from click.testing import CliRunner; from curator.cli.main import cli; "
        "CliRunner().invoke(cli, ['doctor', '--help']); "
        "print(json.dumps({k: v for k, v in os.environ.items() if 'TRACK' in k or 'TELEMETRY' in k or 'USAGE' in k}))"
    )
    quiet = ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK", "FIFTYONE_DO_NOT_TRACK", "RAY_USAGE_STATS_ENABLED")
    env = {k: v for k, v in os.environ.items() if k not in quiet}
    done = subprocess.run([sys.executable, "-c", say], env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found == {name: "0" if name == "RAY_USAGE_STATS_ENABLED" else "1" for name in quiet}


def test_the_app_listens_on_this_machine_alone() -> None:
    import inspect

    from curator import app
    from curator.cli.browse import command

    assert inspect.signature(app.browse).parameters["address"].default == "127.0.0.1"
    option = next(p for p in command.params if p.name == "address")
    assert option.default == "127.0.0.1"


@pytest.mark.skipif(not cut_off(), reason="this machine does not let a user start a program without a network")
def test_the_commands_above_ran_without_a_network(doors: Doors) -> None:
    done = subprocess.run([*cut_off(), "cat", "/proc/net/dev"], capture_output=True, text=True, check=True)
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines() if ":" in line] == ["lo"]
    assert doors.codes["audit"] == 3
