"""Faults put into real runs of the commands: kills, interrupts, full and read-only disks, damage, and two runs at once.

    python benchmarks/reliability/faults.py --seed 0                 # all of it, some 20 minutes on two cores
    python benchmarks/reliability/faults.py --seed 1 --seconds 60    # what fits into a minute

After each fault the same command runs once more, undisturbed. It survived if that run ends well with the results of a run that
nothing disturbed, byte for byte where the layout allows it; lost is whatever differs, is half written under a final name, or is
left over. Writes the part "faults" of results/reliability.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import results
from world import PATIENCE, World, kill

KILLS = 50
"""Kills at random moments, over all commands."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault did: `verdict` is "survived", or what was lost."""

    fault: str
    command: str
    verdict: str


def killed(world: World, name: str, moment: float) -> Outcome:
    """kill -9 after `moment` seconds."""
    process = world.start(name)
    try:
        process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        kill(process, signal.SIGKILL)
        process.communicate()
    return Outcome("kill -9 at a random moment", name, world.verdict(name))


def interrupted(world: World, name: str, moment: float) -> Outcome:
    """Ctrl-C after `moment` seconds: 130, or done, or stopped before Python could take it; then the same as for a kill."""
    process = world.start(name)
    said = ""
    try:
        _, said = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        kill(process, signal.SIGINT)
        try:
            _, said = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            kill(process, signal.SIGKILL)
            return Outcome("Ctrl-C", name, "does not stop within a minute")
    if process.returncode not in (0, 130, -signal.SIGINT):
        return Outcome("Ctrl-C", name, f"ends with {process.returncode}: {said.strip()[-300:]}")
    if process.returncode == 130 and "Traceback" in said:
        return Outcome("Ctrl-C", name, "a traceback")
    return Outcome("Ctrl-C", name, world.verdict(name))


@contextmanager
def small_disk(folder: Path, n_bytes: int) -> Iterator[None]:
    """A file system of that size at `folder`. Raises: OSError where this user cannot mount one."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise OSError("needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder cannot be written to, not even by root."""
    folder.mkdir(parents=True, exist_ok=True)
    bind = ["mount", "--bind", str(folder), str(folder)]
    if os.geteuid() or subprocess.run(bind, capture_output=True, check=False).returncode:
        raise OSError("needs root")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def one_line(status: int, said: str) -> str:
    """Whether a run that cannot go on says so as it should: exit 1 and one `Error:` line."""
    lines = [line for line in said.splitlines() if line.strip()]
    if status != 1 or "Traceback" in said or not any(line.startswith("Error:") for line in lines):
        return f"ends with {status}: {said.strip()[-300:]}"
    return ""


def full_disk(world: World, name: str, where: str, n_bytes: int) -> Outcome:
    """The disk of the cache, or of the results, is full after `n_bytes`."""
    fault = f"disk of {where} full"
    world.clear()
    with small_disk(world.home / where, n_bytes):
        status, said = world.run(name)
        if status and (wrong := one_line(status, said)):
            return Outcome(fault, name, wrong)
        if where == "out" and status:
            halves = [p.name for p in (world.home / where).glob("*.json") if not whole_json(p)]
            if halves:
                return Outcome(fault, name, f"half written: {', '.join(halves)}")
    return Outcome(fault, name, world.verdict(name))


def whole_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def read_only_data(world: World, name: str) -> Outcome:
    world.clear()
    with read_only(world.home / "data"), read_only(world.home / "pool"):
        return Outcome("read-only data", name, world.verdict(name))


def read_only_cache(world: World, name: str) -> Outcome:
    world.clear()
    with read_only(world.home / "cache"):
        wrong = one_line(*world.run(name))
    return Outcome("read-only cache", name, wrong or world.verdict(name))


def vanished(world: World, name: str, moment: float) -> Outcome:
    """A picture vanishes mid-run: that run names it or has read it already, and ends well; with it back, all is as ever."""
    victim = sorted((world.home / "data" / "hen").iterdir())[-1]
    return _without_picture("a file vanishes", world, name, moment, victim, victim.unlink)


def changed(world: World, name: str, moment: float) -> Outcome:
    """A picture becomes half of another one mid-run; with the first one back, all is as ever."""
    first, victim = sorted((world.home / "data" / "hen").iterdir())[-2:]
    half = first.read_bytes()[: victim.stat().st_size // 2]
    return _without_picture("a file changes", world, name, moment, victim, lambda: victim.write_bytes(half))


def _without_picture(
    fault: str, world: World, name: str, moment: float, victim: Path, take: Callable[[], object]
) -> Outcome:
    """The command, from some moment on without one of its pictures, and then with it again."""
    world.clear()
    content = victim.read_bytes()
    process = world.start(name, "--max-skipped", "0.5")
    time.sleep(moment)
    take()
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        kill(process, signal.SIGKILL)
        return Outcome(fault, name, "hangs")
    finally:
        victim.write_bytes(content)
    wrong = one_line(process.returncode, said) if process.returncode else ""
    world.clear(cache=False)
    return Outcome(fault, name, wrong or world.verdict(name))


def few_descriptors(world: World, name: str, n: int) -> Outcome:
    """Only `n` files may be open at once."""
    world.clear()
    status, said = world.run(name, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
    wrong = one_line(status, said) if status else ""
    return Outcome(f"{n} file descriptors", name, wrong or world.verdict(name))


def flipped(world: World, name: str, rng: random.Random) -> Outcome:
    """One bit of one file of the cache is another."""
    world.clear()
    world.run(name)
    files = [p for p in sorted((world.home / "cache").rglob("*")) if p.is_file() and p.stat().st_size]
    victim = rng.choice(files)
    content = bytearray(victim.read_bytes())
    at = rng.randrange(8 * len(content))
    content[at // 8] ^= 1 << at % 8
    victim.write_bytes(content)
    world.clear(cache=False)
    return Outcome("a bit of the cache flips", name, world.verdict(name))


def cut_short(world: World, name: str, rng: random.Random) -> Outcome:
    """One file of the cache ends early."""
    world.clear()
    world.run(name)
    files = [p for p in sorted((world.home / "cache").rglob("*")) if p.is_file() and p.stat().st_size]
    victim = rng.choice(files)
    os.truncate(victim, rng.randrange(victim.stat().st_size))
    world.clear(cache=False)
    return Outcome("a file of the cache ends early", name, world.verdict(name))


def both_at_once(world: World, name: str) -> Outcome:
    """Two runs on one cache, the second with results elsewhere."""
    world.clear()
    (world.home / "cache").mkdir()  # or the link of the second run leads nowhere for a moment
    first = world.start(name)
    second = World(world.home / "second", world.model, world.expected)
    for part in ("data", "pool"):
        (second.home / part).parent.mkdir(exist_ok=True)
        shutil.copytree(world.home / part, second.home / part, dirs_exist_ok=True)
    (second.home / "cache").unlink(missing_ok=True)
    (second.home / "cache").symlink_to(world.home / "cache")
    other = second.start(name)
    ended = [p.communicate(timeout=PATIENCE)[1] for p in (first, other)]
    codes = first.returncode, other.returncode
    shutil.rmtree(second.home)
    if any(codes):
        return Outcome("two runs on one cache", name, f"end with {codes}: {' '.join(ended).strip()[-300:]}")
    return Outcome("two runs on one cache", name, world.verdict(name, after=(0, "")))


BACKWARDS = """
import time, itertools
_real, _steps = time.time, itertools.count()
time.time = lambda: _real() - 50.0 * next(_steps)
time.time_ns = lambda: int(time.time() * 1e9)
"""


def clock_backwards(world: World, name: str) -> Outcome:
    """Every look at the clock finds it earlier, and the cache is of the future."""
    world.clear()
    world.run(name)
    for path in (world.home / "cache").rglob("*"):
        os.utime(path, (time.time() + 1e6, time.time() + 1e6))
    world.clear(cache=False)
    site = world.home / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(BACKWARDS, encoding="utf-8")
    path = os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH", ""))))
    after = world.run(name, env={"PYTHONPATH": path})
    shutil.rmtree(site)
    return Outcome("the clock goes backwards", name, world.verdict(name, after=after))


def database_dies(world: World, moment: float) -> Outcome:
    """MongoDB is killed while the App's data set is written: one line says so, and with a new MongoDB it is written."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    from app_kit import own_mongod

    from curator.errors import MissingExtraError

    fault = "MongoDB is killed"
    world.clear()
    try:
        with own_mongod(world.home / "mongo") as uri:
            process = world.start("browse", env=database(uri))
            time.sleep(moment)
            os.kill(pid_of(uri), signal.SIGKILL)
            try:
                _, said = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                kill(process, signal.SIGKILL)
                return Outcome(fault, "browse", "hangs")
    except MissingExtraError as error:
        raise OSError(str(error)) from None
    wrong = one_line(process.returncode, said) if process.returncode else ""
    if not wrong:
        with own_mongod(world.home / "mongo") as uri:
            status, said = world.run("browse", env=database(uri))
            wrong = f"the next run ends with {status}: {said.strip()[-300:]}" if status else ""
    shutil.rmtree(world.home / "mongo")
    return Outcome(fault, "browse", wrong or "survived")


def database(uri: str) -> dict[str, str]:
    return {"FIFTYONE_DATABASE_URI": uri, "FIFTYONE_DATABASE_NAME": "faults", "FIFTYONE_DO_NOT_TRACK": "true"}


def pid_of(uri: str) -> int:
    """Of the MongoDB that listens there."""
    import pymongo

    with pymongo.MongoClient(uri) as client:
        return int(client.admin.command("serverStatus")["pid"])


def schedule(world: World, rng: random.Random) -> Iterator[Callable[[], Outcome]]:
    """Every fault, the slow kills among the others so that a short run has some of each."""
    lasting: dict[str, float] = {}
    for name in ("audit", "recommend", "export", "embed"):
        world.clear()
        start = time.monotonic()
        world.learn(name)
        lasting[name] = time.monotonic() - start
    names = list(lasting)

    def moment(name: str) -> float:
        return rng.uniform(0.1, 1.0) * lasting[name]

    def kill_one(name: str, way: Callable[[World, str, float], Outcome]) -> Callable[[], Outcome]:
        def once() -> Outcome:
            world.clear()
            return way(world, name, moment(name))

        return once

    others: list[Callable[[], Outcome]] = []
    for name in ("audit", "recommend", "export", "embed"):
        others += [
            lambda n=name: full_disk(world, n, "cache", 1 << 12),
            lambda n=name: read_only_data(world, n),
            lambda n=name: read_only_cache(world, n),
            lambda n=name: few_descriptors(world, n, 40),
            lambda n=name: flipped(world, n, rng),
            lambda n=name: both_at_once(world, n),
        ]
    for name in ("audit", "recommend"):
        others += [
            lambda n=name: full_disk(world, n, "out", 1 << 14),
            lambda n=name: clock_backwards(world, n),
            lambda n=name: vanished(world, n, moment(n)),
            lambda n=name: changed(world, n, moment(n)),
            lambda n=name: cut_short(world, n, rng),
            lambda n=name: few_descriptors(world, n, 25),
        ]
    others += [lambda: database_dies(world, rng.uniform(1.0, 15.0)) for _ in range(3)]
    others += [kill_one(name, interrupted) for name in names for _ in range(3)]
    kills = [kill_one(names[k % len(names)], killed) for k in range(KILLS)]
    rng.shuffle(others)
    for k in range(max(len(kills), len(others))):
        yield from kills[k : k + 1]
        yield from others[k : k + 1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="stop after the fault that is under way then"
    )
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder by default")
    parser.add_argument("--dry", action="store_true", help="write no result")
    flags = parser.parse_args()
    outcomes: list[Outcome] = []
    skipped: list[str] = []
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=flags.folder) as folder:
        world = World.make(Path(folder))
        before = world.data_digest()
        for fault in schedule(world, random.Random(flags.seed)):
            if time.monotonic() - start > flags.seconds:
                break
            try:
                outcome = fault()
            except OSError as error:
                skipped.append(str(error))
                continue
            if world.data_digest() != before:
                raise SystemExit(f"Error: {outcome.fault} in {outcome.command} changed what the user owns.")
            outcomes.append(outcome)
            print(f"{outcome.fault:32} {outcome.command:10} {outcome.verdict}", flush=True)
    lost = [o for o in outcomes if o.verdict != "survived"]
    faults = {o.fault for o in outcomes}
    figures = {
        "seed": flags.seed,
        "seconds": round(time.monotonic() - start),
        "injected": len(outcomes),
        "survived": len(outcomes) - len(lost),
        "lost": len(lost),
        "skipped": len(skipped),
        "by_fault": {
            f: {"injected": sum(o.fault == f for o in outcomes), "lost": sum(o.fault == f for o in lost)}
            for f in sorted(faults)
        },
        "losses": [f"{o.fault}, {o.command}: {o.verdict}" for o in lost],
    }
    told = f"{len(outcomes)} faults, {len(outcomes) - len(lost)} survived, {len(lost)} lost"
    print(f"{told}, {len(skipped)} not possible here")
    if not flags.dry:
        results.put("faults", figures)
    return bool(lost)


if __name__ == "__main__":
    sys.exit(main())
