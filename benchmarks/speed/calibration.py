"""What choosing threads and batch by timing a machine would gain over the fixed choice. Writes results/speed_calibration.json.

    python benchmarks/speed/calibration.py [--rounds 5]

The fixed choice is one thread for each processor and `CPU_BATCH` images at once. Every other choice takes turns with it, so
that a machine that gets busier slows both, and is judged by the median of the ratios of its turns. `bits` says whether
the vectors are the same to the last bit. Both encoders of the speed benchmark are measured. A choice that is picked
because it was the fastest in half of the rounds is judged by the other half: the fastest of many is partly luck.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import stages

from curator import encoders
from curator.encoders import _onnx
from curator.io import processors
from curator.io.decoding import images

RESULT = stages.HOME / "benchmarks" / "results" / "speed_calibration.json"
BATCHES = (1, 2, 4, 8, 16, 32)
N = 64


def rates(model: str, folder: Path, contents: list[bytes], rounds: int) -> dict[str, Any]:
    encoder, _ = encoders.resolve(model, cache=folder / "models", device="cpu")
    pictures = np.stack([images.decode_bytes(c, encoder.info.preprocessing).input for c in contents])
    encoder.encode(pictures[:1])  # exports it
    path, output = encoder._folder / "image.onnx", "pooled" if encoder.info.kind == "embedded" else "vector"  # type: ignore[attr-defined]
    cores = processors.available()
    graphs = {t: _onnx.OnnxGraph(path, t) for t in sorted({1, max(1, cores // 2), cores, 2 * cores})}

    def run(threads: int, batch: int) -> np.ndarray:
        graph = graphs[threads]
        return np.concatenate(
            [graph.run(pictures[k : k + batch], (output,))[0] for k in range(0, len(pictures), batch)]
        )

    fixed = (cores, _onnx.CPU_BATCH)
    exact = run(*fixed).tobytes()
    choices = [(t, b) for t in graphs for b in BATCHES if (t, b) != fixed]
    same = {choice: run(*choice).tobytes() == exact for choice in choices}
    gains: dict[tuple[int, int], list[float]] = {choice: [] for choice in choices}
    for _ in range(rounds):
        for choice in choices:
            beside = stages.seconds(lambda: run(*fixed))
            gains[choice].append(beside / stages.seconds(lambda choice=choice: run(*choice)))
    first = {choice: statistics.median(g[::2]) for choice, g in gains.items()}
    picked = max(first, key=lambda choice: first[choice])
    return {
        "fixed": {"threads": fixed[0], "batch": fixed[1]},
        "choices": [
            {"threads": t, "batch": b, "bits": same[t, b], "times_as_fast": round(statistics.median(gains[t, b]), 3)}
            for t, b in choices
        ],
        "picked": {
            "threads": picked[0], "batch": picked[1], "by_half_of_the_rounds": round(first[picked], 3),
            "in_the_other_half": round(statistics.median(gains[picked][1::2]), 3),
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = stages.photographs(folder / "photographs", N)
        contents = [path.read_bytes() for path in sorted(data.rglob("*.jpg"))]
        found = {}
        for label, model in {"embedded": "embedded", "ViT-B/32": stages.clip_of(folder)}.items():
            # A picture costs ViT-B/32 five times as much.
            few = contents if model == "embedded" else contents[: N // 2]
            found[label] = {"images": len(few), **rates(model, folder, few, given.rounds)}
            print(label, json.dumps(found[label]), flush=True)
    result = {
        "schema": "curator.benchmark.speed_calibration/1", "processors": processors.available(), "load_before": round(load, 1),
        "rounds": given.rounds, "encoders": found,
    }  # fmt: skip
    given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
