"""Give curator hostile input, a hundred thousand times, and count what comes of it.

Each target runs in a process of its own whose memory is limited; the parent watches the clock and starts another where one
dies or hangs. An input is made from the seed, the target and its number, so a failure is made again with
`--only TARGET --start N -n 1`.

    python benchmarks/reliability/fuzz.py                 # everything: 100,000 inputs
    python benchmarks/reliability/fuzz.py --seconds 90    # what fits, spread over all targets
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
import corpus
import results
import targets

ADDRESS_SPACE = 6 << 30
"""Bytes a worker may ask for (RLIMIT_AS); more is a MemoryError, which has to come out as a reason like any other."""
MEMORY_CAP = 3 << 30
"""Bytes of memory that reading one input may take (peak resident size). A picture of the 120 megapixels that are allowed takes
1.9 GB with its alpha channel; without a cap on pixels it would be 30 GB."""
HANG_SECONDS = 5.0
"""Processor seconds that one input may take; a machine that is busy otherwise does not make a hang."""
WALL_SECONDS = 60.0
"""And by the clock: what waits for something takes no processor time."""


@dataclass
class Tally:
    """What came of the inputs of one target. `faults` are the crashes, bugs and hangs, each with how to make it again."""

    target: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    without_reason: int = 0
    bugs: int = 0
    crashes: int = 0
    hangs: int = 0
    over_memory: int = 0
    peak_mb: int = 0
    slowest_s: float = 0.0
    seconds: float = 0.0
    families: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)


def worker(name: str, seed: int, start: int, stop: int, pipe: Connection, memory: int) -> None:
    """Run the inputs start..stop of a target; before each its number goes to the parent, after each what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        run = targets.TARGETS[name][0](folder)
        for k in range(start):  # the systematic ones come first: those that were done already are passed over
            if name != "images" or k >= 2 * _n_systematic():
                break
            run(random.Random(0), k)
        for k in range(start, stop):
            rng = random.Random(f"{seed} {name} {k}")
            what, work = run(rng, k)
            pipe.send(("begin", k, what))
            begun = time.process_time()
            try:
                said = targets.outcome(work)
                end = ("ok", "") if said == "ok" else ("refused", said)
            except BaseException as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                last = [f for f in traceback.extract_tb(error.__traceback__) if "/curator/" in f.filename][-1:]
                place = "; ".join(f"{Path(f.filename).name}:{f.lineno} in {f.name}" for f in (*last, where))
                end = ("bug", f"{type(error).__name__}: {str(error)[:300]} ({place})")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            pipe.send(("end", *end, time.process_time() - begun, peak))
        pipe.send(("done",))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_counted: list[int] = []


def _n_systematic() -> int:
    if not _counted:
        _counted.append(sum(1 for _ in corpus.systematic()))
    return _counted[0]


def processor_seconds(pid: int) -> float:
    """What a process has used so far; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


def run_target(name: str, seed: int, start: int, n: int, seconds: float, memory: int = ADDRESS_SPACE) -> Tally:
    """The inputs start..start+n of a target, or as many as fit into the time."""
    tally = Tally(target=name)
    families: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    begun, at, stop = time.monotonic(), start, start + n
    fork = multiprocessing.get_context("fork")
    while at < stop and time.monotonic() - begun < seconds:
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=worker, args=(name, seed, at, stop, theirs, memory))
        process.start()
        theirs.close()
        at = _watch(tally, process, ours, at, begun + seconds, families, reasons)
        ours.close()
        process.join()
    tally.seconds = round(time.monotonic() - begun, 1)
    tally.families = dict(sorted(families.items()))
    tally.reasons = dict(reasons.most_common(25))
    return tally


def _watch(
    tally: Tally,
    process: Any,
    pipe: Connection,
    at: int,
    deadline: float,
    families: Counter[str],
    reasons: Counter[str],
) -> int:
    """Take what a worker says until it is done, dies or hangs; the number of the next input to run."""
    what = ""
    while True:
        used, since = processor_seconds(process.pid), time.monotonic()
        while not pipe.poll(0.25):
            if time.monotonic() > deadline and not what:
                process.kill()
                return sys.maxsize
            long = processor_seconds(process.pid) - used > HANG_SECONDS or time.monotonic() - since > WALL_SECONDS
            if what and long:
                process.kill()
                tally.hangs += 1
                tally.inputs += 1
                tally.faults.append({"kind": "hang", "input": at, "what": what})
                return at + 1
        try:
            said = pipe.recv()
        except EOFError:
            process.join()
            tally.crashes += 1
            tally.inputs += 1
            tally.faults.append({"kind": f"crash, exit code {process.exitcode}", "input": at, "what": what})
            return at + 1
        if said[0] == "done":
            return sys.maxsize
        if said[0] == "begin":
            _, at, what = said
            continue
        _, end, why, took, peak = said
        tally.inputs += 1
        families[what.partition(":")[0] if ":" in what else what.partition(" ")[0]] += 1
        tally.accepted += end == "ok"
        tally.refused += end == "refused"
        tally.without_reason += end == "refused" and not why.strip()
        tally.slowest_s = max(tally.slowest_s, round(took, 2))
        if peak > tally.peak_mb and peak > MEMORY_CAP >> 20:
            tally.over_memory += 1
            tally.faults.append({"kind": f"{peak} MB", "input": at, "what": what})
        tally.peak_mb = max(tally.peak_mb, peak)
        if end == "refused":
            reasons[re.sub(r"\d+", "0", re.sub(r"\S*/fuzz-\S+", "FILE", why))[:70]] += 1
        elif end == "bug":
            tally.bugs += 1
            if len(tally.faults) < 60:
                tally.faults.append({"kind": "bug", "input": at, "what": what, "why": why})
        what = ""
        if time.monotonic() > deadline:
            process.kill()
            return sys.maxsize
        at += 1


@contextlib.contextmanager
def sound_files() -> Iterator[None]:
    """An audit.json and a forecast.json of a few sample pictures, made by curator as it is now."""
    train = corpus.BUNNIES / "train"
    with tempfile.TemporaryDirectory(prefix="fuzz-sound-") as scratch:
        folder = Path(scratch)
        rows = [f"{path},{name}" for name in ("bunny", "hen") for path in sorted((train / name).iterdir())[::4]]
        (folder / "few.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
        (folder / "quick.toml").write_text("[audit]\nn_edited = 0\nn_splits = 2\nn_permutations = 2\n")
        common = [
            "few.csv",
            "--allow-outside",
            "--model",
            "pixels",
            "--cache",
            "cache",
            "--out",
            ".",
            "-q",
            "--config",
            "quick.toml",
        ]
        for command in (["audit"], ["forecast", "--target", "0.95"]):
            subprocess.run([sys.executable, "-m", "curator", command[0], *common, *command[1:]], cwd=folder, check=True)
        os.environ[targets.SOUND] = scratch
        yield


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", choices=sorted(targets.TARGETS), help="one target")
    parser.add_argument("--start", type=int, default=0, help="number of the first input")
    parser.add_argument("-n", type=int, help="inputs of each target  [default: as in targets.py]")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time for all of them together")
    parser.add_argument("--write", action="store_true", help="put the figures into the results file")
    args = parser.parse_args()
    names = [args.only] if args.only else list(targets.TARGETS)
    tallies = []
    with sound_files():
        corpus.seeds()  # once, before the workers are forked
        for left, name in zip(range(len(names), 0, -1), names, strict=True):
            n = args.n or targets.TARGETS[name][1]
            seconds = args.seconds / len(names)
            tally = run_target(name, args.seed, args.start, n, seconds)
            tallies.append(tally)
            print(line(tally), f"({left - 1} to go)", flush=True)
            for fault in tally.faults[:20]:
                print("   ", fault, flush=True)
    if args.write:
        known = results.read().get("fuzz", {}).get("targets", {})
        limits = {"memory_cap_mb": MEMORY_CAP >> 20, "hang_seconds": HANG_SECONDS}
        results.put(
            "fuzz", {"seed": args.seed, **limits, "targets": {**known, **{t.target: asdict(t) for t in tallies}}}
        )
    return 1 if any(t.bugs + t.crashes + t.hangs + t.over_memory + t.without_reason for t in tallies) else 0


def line(t: Tally) -> str:
    """One target in a line of text."""
    return (
        f"{t.target}: {t.inputs} inputs, {t.accepted} read, {t.refused} refused with a reason, {t.bugs} bugs, "
        f"{t.crashes} crashes, {t.hangs} hangs, at most {t.peak_mb} MB and {t.slowest_s} s, {t.seconds} s in all"
    )


if __name__ == "__main__":
    sys.exit(main())
