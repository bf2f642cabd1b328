"""What a second machine brings: a Ray cluster of two nodes of one processor each against one of one, with the same images.

    python benchmarks/speed/ray_scale.py [--n 1000] [--repeats 3]

Each node is a real one (`ray start`) on loopback, and bound to one processor of its own, so that a worker cannot borrow what
a second one would need; the process that asks, hands out and stores may run on any. Both clusters are new for every repeat,
take turns, and embed 500 x 375 JPEGs that no store knows with `embedded`. The steady rate begins when a fifth of the images
are back: before that workers are started and files hashed. Writes results/speed_ray.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HOME = Path(__file__).parent.parent.parent
sys.path[:0] = [str(HOME / "tests"), str(HOME / "benchmarks" / "speed")]

from ray_kit import cluster  # noqa: E402
from stages import photographs  # noqa: E402

from curator import attributes  # noqa: E402
from curator.commands.session import Crew  # noqa: E402
from curator.engines import local  # noqa: E402
from curator.engines import ray as engine  # noqa: E402
from curator.io.store.store import Store  # noqa: E402
from curator.readers import scan  # noqa: E402

RESULT = HOME / "benchmarks" / "results" / "speed_ray.json"
WARM = 0.2
"""Fraction of the images that is back when the steady rate begins."""


def rates(address: str, data: Path, crew: Crew, folder: Path) -> dict[str, float]:
    """Images a second, steady and with the start; the seconds until the first are back; and what this process has to do for
    an image, in milliseconds of processor time."""
    encoder, eye = crew()
    assert eye is not None
    told: list[tuple[float, float, int]] = []
    dataset = scan(str(data))
    start = time.perf_counter()

    def tell(done: int, total: int) -> None:
        told.append((time.perf_counter() - start, time.process_time(), done))

    out = engine.fill(
        dataset, encoder.info, crew, attributes.measure, Store(folder / "vectors"),
        sight=local.Sight(eye, Store(folder / "seen", np.uint8)), cluster=engine.Cluster(address),
        batch_size=encoder.batch_size, on_progress=tell,
    )  # fmt: skip
    whole = time.perf_counter() - start
    n = len(dataset)
    assert out.n_new == n
    at, cost, done = next(row for row in told if row[2] >= WARM * n)
    end, cost_end, _ = next(row for row in told if row[2] == n)
    return {
        "steady": round((n - done) / (end - at), 2),
        "with_start": round(n / whole, 2),
        "home_ms": round(1000 * (cost_end - cost) / (n - done), 2),
        "first_back_seconds": round(told[0][0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("Error: two processors are needed to see what the second brings.")
    runs: list[dict[str, Any]] = []
    loads = [round(os.getloadavg()[0], 1)]
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        data = photographs(folder / "data", given.n)
        crew = Crew("embedded", folder / "models", "cpu", "auto")
        for repeat in range(given.repeats):
            for n_nodes in (1, 2) if repeat % 2 == 0 else (2, 1):
                place = folder / f"{n_nodes}.{repeat}"
                place.mkdir()
                with cluster(n_nodes, place / "r", bound=True) as (address, _):
                    runs.append({"nodes": n_nodes, "repeat": repeat, **rates(address, data, crew, place)})
                print(json.dumps(runs[-1]), flush=True)
    result: dict[str, Any] = {
        "schema": "curator.benchmark.speed_ray/1",
        "images": given.n,
        "repeats": given.repeats,
        "encoder": "embedded",
        "cores": len(os.sched_getaffinity(0)),
        "load": [*loads, round(os.getloadavg()[0], 1)],
        "runs": runs,
    }
    for kind in ("steady", "with_start"):
        of = {(run["nodes"], run["repeat"]): run[kind] for run in runs}
        ratios = [round(of[2, k] / of[1, k], 3) for k in range(given.repeats)]
        result[kind] = {"ratios": ratios, "ratio": round(statistics.median(ratios), 3)}
    result["home_ms"] = statistics.median(run["home_ms"] for run in runs)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps({kind: result[kind] for kind in ("steady", "with_start")}))


if __name__ == "__main__":
    main()
