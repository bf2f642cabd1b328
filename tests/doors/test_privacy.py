"""No command talks to anybody: every connection, every name that is looked up and every port is heard in the process itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from doors_kit import TELEMETRY, Doors, cut_off, has_database

HUB = {"the proxy", "proxy CONNECT huggingface.co:443"}
ASKED = {"doctor": HUB, "embed-auto": HUB}
"""`curator doctor` is asked whether the network works, and tries; `--model auto` is asked for CLIP. Nothing is sent but these
requests for public pages."""


@pytest.mark.slow
def test_nobody_is_asked_anything(doors: Doors) -> None:
    assert doors.asked() == ASKED
    assert {what for event, what in doors.heard if event == "command"} == set(doors.codes)


@pytest.mark.slow
def test_every_command_was_run(doors: Doors) -> None:
    from curator.cli.main import COMMANDS

    missing = set() if has_database() else {"browse"}
    assert {name.partition("-")[0] for name in doors.codes} == set(COMMANDS) - missing


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "used", ["import curator", "import curator.cli.main", "from curator.app.fiftyone_plugin import installing"]
)
def test_other_libraries_telemetry_is_off(used: str) -> None:
    say = f"{used}; import os, json; print(json.dumps(dict(os.environ)))"
    env = {k: v for k, v in os.environ.items() if k not in TELEMETRY}
    done = subprocess.run([sys.executable, "-c", say], env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {name: found.get(name) for name in TELEMETRY} == TELEMETRY


@pytest.mark.slow
def test_nothing_is_kept_to_be_sent_later(doors: Doors) -> None:
    """ONNX Runtime, left to itself, numbers the machine and stores what it could not send."""
    left = [
        p
        for p in (doors.folder / "home").rglob("*")
        if "microsoft" in p.name.lower() or "onnxruntime" in p.name.lower()
    ]
    assert left == []


def test_the_app_listens_on_this_machine_alone() -> None:
    import inspect

    from curator.app import browse
    from curator.cli.browse import command

    assert inspect.signature(browse.browse).parameters["address"].default == "127.0.0.1"
    option = next(p for p in command.params if p.name == "address")
    assert option.default == "127.0.0.1"


@pytest.mark.slow
@pytest.mark.skipif(not cut_off(), reason="this machine does not let a user start a program without a network")
def test_the_commands_above_ran_without_a_network(doors: Doors) -> None:
    done = subprocess.run([*cut_off(), "cat", "/proc/net/dev"], capture_output=True, text=True, check=True)
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines() if ":" in line] == ["lo"]
    assert doors.codes["audit"] == 3
