"""`audit --sample`: what the counts of all images cost beside the audit of the sample.

    python benchmarks/speed/sample_scale.py --n 1000000 4000000 --images FOLDER

Vectors are synthetic, a hundred thousand of them over and over under other names, with 20 classes and 12 columns, of which one
is a planted shortcut; they are written to a temporary folder as clip-retrieval writes them (1 GB a million, and twice that in
the cache). `--images` is a folder of class folders of real files: all are embedded with `embedded`, half are drawn. Each n
runs in a process of its own. Writes results/speed_sample.json: seconds, processor seconds and the most memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from audit_scale import CLASSES, Clocks, peak_mb, vectors

RESULT = Path(__file__).parent.parent / "results" / "speed_sample.json"
SAMPLE, SHARD = 20_000, 100_000
SHARE = 0.6
"""Planted: the share of class 0 that is given site v0; a sixth of the others has it."""


def folder(home: Path, n: int) -> Path:
    """n images as clip-retrieval tells of them."""
    rng = np.random.default_rng(0)
    made, _ = vectors(SHARD, rng, rng.integers(0, CLASSES, SHARD))
    made = made.astype(np.float16)
    for name in ("img_emb", "metadata"):
        (home / name).mkdir(parents=True)
    for k, start in enumerate(range(0, n, SHARD)):
        m = min(SHARD, n - start)
        labels = rng.integers(0, CLASSES, m)
        frame: dict[str, Any] = {
            "image_path": [f"{start + i:09d}.jpg" for i in range(m)],
            "label": np.array([f"class {c:02d}" for c in range(CLASSES)])[labels],
        }
        for c in range(6):
            frame[f"c{c}"] = np.array([f"v{v}" for v in range(6)])[rng.integers(0, 6, m)]
            frame[f"x{c}"] = rng.normal(size=m).round(3)
        frame["c0"] = np.where((labels == 0) & (rng.random(m) < SHARE), "v0", frame["c0"])
        np.save(home / "img_emb" / f"img_emb_{k}.npy", made[rng.permutation(SHARD)[:m]])
        pd.DataFrame(frame).to_parquet(home / "metadata" / f"metadata_{k}.parquet")
    return home


class Held(threading.Thread):
    """Watches how much memory the process holds, in MB. Pages of mapped files do not count: the system takes them back."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self.start()

    def run(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    self.most = max(self.most, int(line.split()[1]) / 1024)
            time.sleep(0.05)


def measure(data: str, sample: int, model: str, cache: str) -> dict[str, Any]:
    """One audit, in this process."""
    from curator.commands import audit
    from curator.commands._steps import sampled_counts
    from curator.commands.session import Session
    from curator.config import Settings

    settings = Settings()
    settings = replace(settings, audit=replace(settings.audit, sample=sample))
    session = replace(Session.open(model, cache=cache, device="cpu"), settings=settings)
    held = Held()
    clocks = Clocks()
    clocks.wrap(sampled_counts, "count", "counts")
    clocks.wrap(Session, "fill", "embedding")
    wall, cpu = time.perf_counter(), time.process_time()
    run = audit(data, session)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    assert run.whole is not None
    return {
        "n": run.whole.n_images, "sample": len(run.dataset), "model": model, "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1), "stages": clocks.stages, "peak_mb": round(held.most),
        "peak_mb_with_mapped_files": round(max(clocks.most, peak_mb())),
        "tests": run.audit.n_tests, "findings": len(run.findings),
        "first": run.findings[0].sentence if run.findings else "",
    }  # fmt: skip


def _alone(words: list[str]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--one", *words], stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{row['n']:>9,} images: {row['cpu_seconds']} s of processor, {row['peak_mb']} MB", file=sys.stderr)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, nargs="*", default=[1_000_000, 4_000_000])
    parser.add_argument("--images", type=Path, help="a folder of class folders of real files")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    if args.one:
        data, sample, model, cache = args.one
        print(json.dumps(measure(data, int(sample), model, cache)))
        return
    rows: list[dict[str, Any]] = []
    for n in args.n:
        with tempfile.TemporaryDirectory() as home:
            rows.append(_alone([str(folder(Path(home) / "data", n)), str(SAMPLE), "pixels", f"{home}/cache"]))
    if args.images:
        n = sum(1 for path in args.images.rglob("*") if path.is_file())
        with tempfile.TemporaryDirectory() as home:
            rows.append(_alone([str(args.images), str(n // 2), "embedded", home]))
    from curator.commands.session import versions
    from curator.report.json import dump

    dump({"runs": rows, "versions": versions()}, args.out)


if __name__ == "__main__":
    main()
