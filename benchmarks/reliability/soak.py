"""Hours of audits in one process, with a fault before or during each: does anything grow?

    python benchmarks/reliability/soak.py                    # two hours
    python benchmarks/reliability/soak.py --seconds 600      # ten minutes

One process audits a small data set again and again, as a notebook or the App's panel does. Before each round a picture of the
data is exchanged for a new one, so there is always something to embed, and a fault is put into the cache, the data, or
another process that uses the same cache. After it the cache is pruned to its cap. Of every round are kept the memory and the
descriptors of the process, the processes below it, temporary files, and the size of the cache. Every `CHECKED`th
round an undisturbed process with a cache of its own audits the same data: its audit.json must be the same, byte for byte.
Writes the part "soak" of results/reliability.json, from time to time and at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import results
from PIL import Image
from world import PATIENCE, World, kill

CAP_MB = 3
"""What `curator cache prune --max-size` leaves: less than the pictures of all rounds need, more than those of one."""
CHECKED = 25
WARM = 0.1
"""The share of the rounds that is not looked at for growth: libraries are still being loaded."""
GROWN_MB = 32.0
"""Growth of the median memory, from the first tenth after the warm rounds to the last tenth, that counts as a leak."""


@dataclass(slots=True)
class Auditor:
    """The long-lived process: it is told command lines and says how each ended and what it holds now."""

    environment: dict[str, str]
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--auditor"], env=self.environment, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def begin(self, words: list[str]) -> None:
        assert self.process.stdin is not None
        print(json.dumps(words), file=self.process.stdin, flush=True)

    def end(self) -> dict[str, Any]:
        """How the command ended. Raises: SystemExit where the process itself did."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"Error: the process that audits ended with {self.process.wait()}.")
        return dict(json.loads(line))

    def decoders(self) -> list[psutil.Process]:
        """The processes that decode for it, without the template that forks them."""
        with contextlib.suppress(psutil.Error):
            return [p for child in psutil.Process(self.process.pid).children() for p in child.children()]
        return []


def be_auditor() -> None:
    """The far side of `Auditor`."""
    from curator.cli.main import main

    me = psutil.Process()
    answers, sys.stdout = sys.stdout, io.StringIO()
    for line in sys.stdin:
        sys.argv = ["curator", *json.loads(line)]
        said = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            try:
                main()
                status: Any = 0
            except SystemExit as ended:
                status = ended.code or 0
            except Exception:
                status = traceback.format_exc()
        held = {
            "status": status,
            "said": said.getvalue()[-300:],
            "memory_mb": me.memory_info().rss / 2**20,
            "descriptors": me.num_fds(),
            "threads": me.num_threads(),
            "processes": len(me.children(recursive=True)),
        }
        print(json.dumps(held), file=answers, flush=True)


Fault = Callable[[World, random.Random], str | None]
"""Puts a fault in, and says what went wrong with that, if anything did."""


def exchange(world: World, rng: random.Random) -> None:
    """A picture of the data becomes a new one: a little cropped and saved again."""
    victim = rng.choice(sorted((world.home / "data").rglob("*.jpg")))
    with Image.open(victim) as picture:
        w, h = picture.size
        left, top = rng.randrange(1 + w // 50), rng.randrange(1 + h // 50)
        changed = picture.crop((left, top, w, h)).resize((w, h))
    changed.save(victim, quality=rng.randint(80, 95))


def one_of_cache(world: World, rng: random.Random) -> Path | None:
    """A file of what was stored; not of the weights."""
    files = [
        p
        for p in sorted((world.home / "cache").rglob("*"))
        if p.is_file() and p.stat().st_size and "encoders" not in p.parts
    ]
    return rng.choice(files) if files else None


def bit_flips(world: World, rng: random.Random) -> None:
    victim = one_of_cache(world, rng)
    if victim:
        content = bytearray(victim.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        victim.write_bytes(content)


def ends_early(world: World, rng: random.Random) -> None:
    victim = one_of_cache(world, rng)
    if victim:
        os.truncate(victim, rng.randrange(victim.stat().st_size))


def is_gone(world: World, rng: random.Random) -> None:
    victim = one_of_cache(world, rng)
    if victim:
        victim.unlink()


def other_run(how: signal.Signals) -> Fault:
    """Another process audits the same data with the same cache, and is ended at a random moment."""

    def ended(world: World, rng: random.Random) -> str:
        process = world.start("audit", "--out", str(world.home / "elsewhere"))
        try:
            process.communicate(timeout=rng.uniform(0.5, 12.0))
        except subprocess.TimeoutExpired:
            kill(process, how)
            try:
                process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                kill(process, signal.SIGKILL)
                process.communicate()
                return "does not stop"
        return ""

    return ended


def damaged_picture(world: World, rng: random.Random) -> None:
    """Half a picture more in the data: it is skipped, with its reason, until `mend` removes it."""
    whole = rng.choice(sorted((world.home / "data").rglob("*.jpg"))).read_bytes()
    (world.home / "data" / "hen" / "half.jpg").write_bytes(whole[: rng.randrange(len(whole))])


FAULTS: dict[str, Fault] = {
    "a bit of the cache flips": bit_flips,
    "a file of the cache ends early": ends_early,
    "a file of the cache vanishes": is_gone,
    "another run is killed": other_run(signal.SIGKILL),
    "another run is interrupted": other_run(signal.SIGINT),
    "half a picture": damaged_picture,
}
DECODER_KILLED = "a decoder is killed"


def mend(world: World) -> None:
    (world.home / "data" / "hen" / "half.jpg").unlink(missing_ok=True)


def n_temporary(world: World, tmp: Path) -> int:
    """Unfinished files beside results, and whatever was left where temporary files belong."""
    return len(world.leftovers()) + sum(1 for p in tmp.rglob("*") if p.is_file())


def cache_mb(world: World) -> float:
    """What was stored; the weights that are unpacked there count elsewhere."""
    files = (p for p in (world.home / "cache").rglob("*") if "encoders" not in p.parts)
    return sum(p.stat().st_size for p in files if p.is_file()) / 1e6


def audit_of(world: World, out: str, cache: str) -> list[str]:
    return [
        "audit", str(world.home / "data"), "--model", world.model, "--cache", str(world.home / cache),
        "--out", str(world.home / out), "--max-skipped", "0.5", "-q",
    ]  # fmt: skip


def is_same(world: World, environment: dict[str, str]) -> bool:
    """Whether the audit is that of a process that nothing disturbed."""
    shutil.rmtree(world.home / "fresh", ignore_errors=True)
    words = audit_of(world, "undisturbed", "fresh")
    subprocess.run([sys.executable, "-m", "curator", *words], check=True, capture_output=True, env=environment)
    return (world.home / "out" / "audit.json").read_bytes() == (world.home / "undisturbed" / "audit.json").read_bytes()


def soak(world: World, rng: random.Random, seconds: float, tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Rounds until the time is over. `tell` hears the figures now and then."""
    tmp = world.home / "tmp"
    tmp.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp)}
    os.environ["TMPDIR"] = str(tmp)  # of the other runs, too
    auditor = Auditor(environment)
    rounds: list[dict[str, Any]] = []
    injected: Counter[str] = Counter()
    lost: list[str] = []
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        exchange(world, rng)
        fault = rng.choice([*FAULTS, DECODER_KILLED])
        wrong = FAULTS[fault](world, rng) if fault in FAULTS else None
        if wrong:
            lost.append(f"round {len(rounds)}, {fault}: {wrong}")
        auditor.begin(audit_of(world, "out", "cache"))
        if fault == DECODER_KILLED:
            time.sleep(rng.uniform(0.0, 3.0))
            for process in auditor.decoders()[:1]:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        held = auditor.end()
        injected[fault] += 1
        if held["status"]:
            lost.append(f"round {len(rounds)}, {fault}: ends with {held['status']}: {held['said']}")
        elif len(rounds) % CHECKED == 0 and not is_same(world, environment):
            lost.append(f"round {len(rounds)}, {fault}: other results")
        mend(world)
        auditor.begin(["cache", "prune", "--cache", str(world.home / "cache"), "--max-size", f"{CAP_MB}M"])
        auditor.end()
        shutil.rmtree(world.home / "elsewhere", ignore_errors=True)
        rounds.append({**held, "temporary_files": n_temporary(world, tmp), "cache_mb": cache_mb(world)})
        if len(rounds) % CHECKED == 1:
            tell(figures(rounds, injected, lost, time.monotonic() - start))
    auditor.process.kill()
    auditor.process.wait()
    return figures(rounds, injected, lost, time.monotonic() - start)


def figures(rounds: list[dict[str, Any]], injected: Counter[str], lost: list[str], seconds: float) -> dict[str, Any]:
    """What was held after the warm rounds and at the end: medians over a tenth of the rounds each."""
    tenth = max(1, round(WARM * len(rounds)))
    warm, late = rounds[tenth : 2 * tenth] or rounds, rounds[-tenth:]

    def both(name: str) -> dict[str, float]:
        first, last = (round(statistics.median(r[name] for r in some), 1) for some in (warm, late))
        return {"first": first, "last": last, "most": round(max(r[name] for r in rounds), 1)}

    return {
        "seconds": round(seconds),
        "rounds": len(rounds),
        "faults": sum(injected.values()),
        "by_fault": dict(sorted(injected.items())),
        "lost": len(lost),
        "losses": lost,
        "checked": -(-len(rounds) // CHECKED),
        "memory_mb": both("memory_mb"),
        "descriptors": both("descriptors"),
        "threads": both("threads"),
        "processes": both("processes"),
        "temp_files": both("temporary_files"),
        "cache_mb": {**both("cache_mb"), "cap": CAP_MB},
        "load": round(os.getloadavg()[0], 1),
    }


def has_grown(found: dict[str, Any]) -> list[str]:
    """What is more at the end than it may be."""
    slack = {"memory_mb": GROWN_MB, "descriptors": 4, "threads": 2, "processes": 1, "temp_files": 0}
    grown = [name for name, by in slack.items() if found[name]["last"] - found[name]["first"] > by]
    # The last of what a killed run left may be too young to be removed, so not the most of all rounds.
    return grown + (["cache_mb"] if found["cache_mb"]["last"] > found["cache_mb"]["cap"] else [])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=7200.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--dry", action="store_true", help="write no result")
    parser.add_argument("--auditor", action="store_true", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.auditor:
        be_auditor()
        return 0

    def tell(found: dict[str, Any]) -> None:
        print(json.dumps({k: v for k, v in found.items() if k != "by_fault"}), flush=True)
        if not flags.dry:
            results.put("soak", {**found, "seed": flags.seed, "model": flags.model})

    with tempfile.TemporaryDirectory(dir=flags.folder) as folder:
        world = World.make(Path(folder), flags.model)
        found = soak(world, random.Random(flags.seed), flags.seconds, tell)
    tell(found)
    grown = has_grown(found)
    print(f"{found['rounds']} rounds, {found['lost']} lost; grown: {', '.join(grown) or 'nothing'}")
    return bool(found["lost"] or grown)


if __name__ == "__main__":
    sys.exit(main())
