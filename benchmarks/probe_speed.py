"""Many refits of the probe against scikit-learn's LogisticRegression: how fast, and are they as good?

    python benchmarks/probe_speed.py --kit PATH --cats PATH --kept DIR

Speed: Gaussian classes, 100,000 x 512, 10 classes, 200 bootstrap refits; scikit-learn fits three of the same samples in
the same run, on one thread. Processor seconds are compared as well as time, for a machine that does other things too.
Accuracy: real vectors of `embedded`, half of the images to train and half to test, both fitters on the same bootstrap
samples. Writes results/probe_speed.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stock import Stock, folders, photokit

from curator.commands.session import Session, default_cache, versions
from curator.probe.linear import Probe
from curator.probe.refits import refit
from curator.report.json import dump

RESULT = Path(__file__).parent / "results" / "probe_speed.json"
N, DIM, CLASSES, REFITS, PEERS = 100_000, 512, 10, 200, 3
APART = 0.12
"""Standard deviation of class means along each axis, in that of the images: about 9 in 10 are told apart."""
C = 0.1


def clock(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What comes back, and the seconds it took: on the wall and of processors."""
    wall, cpu = time.perf_counter(), time.process_time()
    out = work()
    return out, {"seconds": round(time.perf_counter() - wall, 2), "cpu_seconds": round(time.process_time() - cpu, 2)}


def copies(counts: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Rows, each as often as it counts."""
    return np.repeat(np.arange(len(counts)), counts)


def speed(n_refits: int) -> dict[str, Any]:
    """Ours and theirs on the same Gaussian samples."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(CLASSES, DIM)) * APART
    labels = rng.integers(0, CLASSES, N + 5000).astype(np.int32)
    vectors = (rng.normal(size=(len(labels), DIM)).astype(np.float32) + means[labels]).astype(np.float32)
    x, y, new, truth = vectors[:N], labels[:N], vectors[N:], labels[N:]
    counts = rng.multinomial(N, np.full(N, 1 / N), n_refits)
    peers = [clock(lambda k=k: Probe.fit(x[copies(counts[k])], y[copies(counts[k])], CLASSES, C)) for k in range(PEERS)]
    fits, ours = clock(lambda: refit(x, y, CLASSES, C, counts))
    right = (fits.predict(new) == truth).mean(1)
    theirs = [float((p.predict(new) == truth).mean()) for p, _ in peers]
    each = min(t["cpu_seconds"] for _, t in peers)
    return {
        "images": N, "dim": DIM, "classes": CLASSES, "refits": n_refits,
        "ours": ours, "sklearn_one_fit": [t for _, t in peers],
        "times_faster_per_refit_cpu": round(each / (ours["cpu_seconds"] / n_refits), 1),
        "accuracy": round(float(right.mean()), 4),
        "largest_difference_in_accuracy": round(float(abs(right[:PEERS] - theirs).max()), 4),
    }  # fmt: skip


def accuracy(stock: Stock, c: float) -> dict[str, Any]:
    """Ours and theirs on 20 bootstrap samples of one half, asked about the other."""
    rng = np.random.default_rng(1)
    order = rng.permutation(len(stock.labels))
    train, test = order[::2], order[1::2]
    x, y, k = stock.vectors[train], stock.labels[train], len(stock.classes)
    counts = rng.multinomial(len(train), np.full(len(train), 1 / len(train)), 20)
    truth = stock.labels[test]
    ours = (refit(x, y, k, c, counts).predict(stock.vectors[test]) == truth).mean(1)
    theirs = np.array(
        [(Probe.fit(x[copies(w)], y[copies(w)], k, c).predict(stock.vectors[test]) == truth).mean() for w in counts]
    )
    return {
        "images": len(train), "dim": x.shape[1], "classes": k, "c": c, "accuracy": round(float(ours.mean()), 4),
        "sklearn": round(float(theirs.mean()), 4), "largest_difference": round(float(abs(ours - theirs).max()), 4),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--cats", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--refits", type=int, default=REFITS)
    args = parser.parse_args()
    rows = {}
    encoder = Session.open("embedded", cache=args.cache).encoder
    cats = folders(args.cats, args.kept, encoder)
    composed = photokit(args.kit, args.kept, "dev", "little", encoder)
    for name, stock in (("cats_dogs", cats), ("photokit", composed.take(composed.classes[:6]))):
        rows[name] = [accuracy(stock, c) for c in (0.01, 0.1, 1.0)]
        print(name, rows[name], flush=True)
    fast = speed(args.refits)
    print(fast, flush=True)
    dump({"schema": "curator.benchmark.probe_speed/1", "speed": fast, "accuracy": rows, "versions": versions()}, RESULT)


if __name__ == "__main__":
    main()
