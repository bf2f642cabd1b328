"""How far a command is: a live bar with speed and time left on a terminal's stderr, nothing anywhere else."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_kit import FOUR, offline
from rich.console import Console

from curator.cli._support.progress import _bars, shown_on


class Clock:
    """A time that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def drawn(steps: list[tuple[float, str, int, int]], **how: object) -> list[str]:
    """The lines of the bars after these steps: at a time, a stage, how much of it is done, how much there is."""
    clock = Clock()
    console = Console(file=io.StringIO(), width=100, force_terminal=True, _environ={}, get_time=clock, **how)  # type: ignore[arg-type]
    bars = _bars(console)
    bars.get_time = clock
    show = shown_on(bars)
    for clock.now, stage, done, total in steps:
        show(stage, done, total)
    console.print(bars.get_renderable())
    text = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())  # type: ignore[attr-defined]
    return [re.sub(r"[━╸╺ ]+", " ", line).strip() for line in text.splitlines()]


def test_a_counted_stage_has_speed_and_time_left() -> None:
    # 100 images were in the store at once; then 50 more every second, so 250 are left for 5 seconds.
    steps = [(0.0, "reading train", 100, 400), (1.0, "reading train", 150, 400)]
    everything, reading = drawn(steps)
    assert reading.split() == ["reading", "train", "150/400", "50", "images/s", "0:00:01", "0:00:05", "left"]
    assert everything.startswith("all together")


def test_a_slow_stage_has_them_too() -> None:
    """One batch of 64 every three minutes."""
    steps = [(180.0 * k, "reading train", 64 * k, 640) for k in range(1, 4)]
    _, line = drawn(steps)
    assert line.split()[3:] == ["0.4", "images/s", "0:06:00", "0:21:00", "left"]


def test_a_stage_of_one_step_only_shows_that_it_lives() -> None:
    _, auditing = drawn([(0.0, "auditing", 0, 1), (3.0, "auditing", 0, 1)])
    assert auditing == "auditing 0:00:03"
    _, auditing = drawn([(0.0, "auditing", 0, 1), (3.0, "auditing", 1, 1)])
    assert auditing == "auditing 0:00:03"


def test_a_stage_that_is_done_has_nothing_left() -> None:
    _, line = drawn([(0.0, "forecasting", 0, 8), (2.0, "forecasting", 4, 8), (4.0, "forecasting", 8, 8)])
    assert line.split() == ["forecasting", "8/8", "2.0/s", "0:00:04"]


def on_a_terminal(*args: str | Path, env: dict[str, str]) -> tuple[int, str, str]:
    """Run `curator ARGS` with a pipe for stdout and a terminal for stderr: exit code and what each got."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "curator", *map(str, args)]
    job = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, env=env)
    os.close(theirs)
    assert job.stdout is not None
    got = {ours: b"", job.stdout.fileno(): b""}
    until, waiting = time.monotonic() + 300, set(got)
    while waiting and time.monotonic() < until:
        for stream in select.select(list(waiting), [], [], 1)[0]:
            try:
                part = os.read(stream, 65536)
            except OSError:  # a terminal that nobody holds any more
                part = b""
            got[stream] += part
            waiting -= set() if part else {stream}
    code = job.wait(timeout=60)
    err, out = got[ours].decode(), got[job.stdout.fileno()].decode()
    os.close(ours)
    job.stdout.close()
    return code, out, err


@pytest.mark.parametrize("no_color", ["", "1"])
def test_the_bar_is_on_stderr_and_json_alone_on_stdout(no_color: str, cache: Path, tmp_path: Path) -> None:
    import json

    env = {**offline(), "TERM": "xterm-256color"} | ({"NO_COLOR": no_color} if no_color else {})
    flags = ("--model", "pixels", "--cache", cache, "--out", tmp_path / "out", "--json")
    code, out, err = on_a_terminal("audit", FOUR, *flags, env=env)
    assert code == 0, err
    assert json.loads(out)["schema"] == "curator.audit/1"
    assert "reading four_bunnies" in err
    coloured = re.findall(r"\x1b\[[0-9;]*(?:3[0-7]|38;[0-9;]+|9[0-7])m", err)
    assert bool(coloured) is not bool(no_color)
    assert not out.count("\x1b")


def test_quiet_draws_nothing(cache: Path, tmp_path: Path) -> None:
    env = {**offline(), "TERM": "xterm-256color"}
    flags = ("--model", "pixels", "--cache", cache, "--out", tmp_path / "out", "-q")
    assert on_a_terminal("audit", FOUR, *flags, env=env) == (0, "", "")
