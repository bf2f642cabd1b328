"""A small data set with a cache and results: a command is run there, and what it leaves is compared with what it should."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BUNNIES = Path(__file__).parents[2] / "sample_data" / "bunnies"
CLASSES = ("bunny", "hen", "sheep")
N_TRAIN, N_POOL = 16, 30
PATIENCE = 300.0
"""Seconds after which a run counts as hanging."""
ATTRIBUTE = "bunny:background.colour=green"


@dataclass(slots=True)
class World:
    """A small data set of real photographs with a pool, a cache and a place for results, all below one folder."""

    home: Path
    model: str = "pixels"
    expected: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def make(cls, home: Path, model: str = "pixels") -> World:
        """Copies of a few sample pictures: enough for every command to have something to say."""
        for name in CLASSES:
            found = sorted((BUNNIES / "train" / name).iterdir())
            for path in found[:N_TRAIN]:
                (home / "data" / name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, home / "data" / name / path.name)
        (home / "pool").mkdir()
        for path in sorted((BUNNIES / "pool").iterdir())[:N_POOL]:
            shutil.copyfile(path, home / "pool" / path.name)
        return cls(home, model)

    def command(self, name: str) -> list[str]:
        """The command line, without the interpreter."""
        data, pool, out = str(self.home / "data"), str(self.home / "pool"), str(self.home / "out")
        shared = ["--model", self.model, "--cache", str(self.home / "cache"), "-q"]
        return {
            "embed": ["embed", data, *shared],
            "audit": ["audit", data, "--out", out, *shared],
            "recommend": ["recommend", data, "--pool", pool, "--attribute", ATTRIBUTE, "--budget", "6", "--out", out, *shared],
            "browse": ["browse", data, "--no-wait", "--out", out, *shared],
            "export": ["export", data, str(self.home / "exported"), "--format", "imagefolder", *shared],
        }[name]  # fmt: skip

    def start(self, name: str, *more: str, **options: Any) -> subprocess.Popen[str]:
        """The command as a process of its own, with a group of its own."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
        return subprocess.Popen(
            [sys.executable, "-m", "curator", *self.command(name), *more], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options,
        )  # fmt: skip

    def run(self, name: str, *more: str, **options: Any) -> tuple[int, str]:
        """Exit status and what was said on stderr; 124 for a run that hangs."""
        process = self.start(name, *more, **options)
        try:
            _, said = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            kill(process, signal.SIGKILL)
            return 124, "hangs"
        return process.returncode, said

    def clear(self, cache: bool = True) -> None:
        """Nothing has been run."""
        for name in ("out", "exported", *(["cache"] if cache else [])):
            shutil.rmtree(self.home / name, ignore_errors=True)

    def data_digest(self) -> str:
        """Of everything the user owns."""
        return digest(self.home / "data") + digest(self.home / "pool")

    def results_of(self, name: str) -> dict[str, str]:
        """The digest of each result of a command, times and counts of new images aside."""
        found: dict[str, str] = {}
        for top in ("out", "exported"):
            for path in sorted((self.home / top).rglob("*")):
                if path.is_file() and path.name != "run.json":
                    found[path.relative_to(self.home).as_posix()] = stable(path)
        return found

    def leftovers(self) -> list[str]:
        """Files that no run may leave: unfinished ones, wherever they are."""
        marks = (".part", ".tmp", "unfinished", "replaced-")
        return [
            p.relative_to(self.home).as_posix()
            for top in (self.home, self.home / "out", self.home / "cache")
            for p in (top.rglob("*") if top != self.home else top.iterdir())
            if any(m in p.name for m in marks)
        ]

    def learn(self, name: str) -> None:
        """What the command gives undisturbed."""
        self.clear()
        status, said = self.run(name)
        if status:
            raise SystemExit(f"Error: {name} fails without any fault ({status}): {said}")
        self.expected[name] = self.results_of(name)

    def verdict(self, name: str, *, after: tuple[int, str] | None = None) -> str:
        """Run the command once more and compare; `after` is a run that has been made already."""
        if name == "export" and (self.home / "exported").exists() and after is None:
            # It was done before the fault came: all of it has to be there.
            after = (0, "")
        status, said = after or self.run(name)
        if status:
            return f"the next run ends with {status}: {said.strip()[-300:]}"
        found = self.results_of(name)
        if found != self.expected[name]:
            other = sorted(
                k for k in found.keys() | self.expected[name].keys() if found.get(k) != self.expected[name].get(k)
            )
            return f"other results: {', '.join(other[:5])}"
        if left := self.leftovers():
            return f"left over: {', '.join(left[:5])}"
        return "survived"


def digest(folder: Path) -> str:
    """Of all names and contents below a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(repr((path.relative_to(folder).as_posix(), path.is_file())).encode())
        if path.is_file():
            found.update(path.read_bytes())
    return found.hexdigest()


def stable(path: Path) -> str:
    """The digest of a result without what may differ between two runs on the same data: when, how long, how many were new."""
    content = path.read_bytes()
    if path.suffix == ".json":
        loaded = json.loads(content)
        if isinstance(loaded, dict):
            for key in ("seconds", "n_new", "images_per_second", "started", "date"):
                loaded.pop(key, None)
        content = json.dumps(loaded, sort_keys=True).encode()
    elif path.suffix == ".html":
        return "a whole page" if content.rstrip().endswith(b"</html>") else "half a page"
    return hashlib.sha256(content).hexdigest()


def kill(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """Send the signal to the process and, for a kill, to all it started, as a machine that fails does."""
    try:
        if how == signal.SIGKILL:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
    except ProcessLookupError:
        return
