"""Do vectors in eight bits or half precision do the same work? Cosine to full precision, and the accuracy of a probe.

    python benchmarks/speed/precision.py --photographs DIR [--model embedded --model ARCH:/path/checkpoint ...]

DIR has a folder of photographs for each class (it is not part of the project). Every model, and a ViT-B/32 with random
weights, embeds them with each `--precision` of a CPU. The probe is the same logistic regression for all, judged on the
same folds; the difference in points comes with a 95 % interval over the images (bootstrap, pairs kept together). The bar
for eight bits: cosine >= 0.99 and the probe within 0.5 points. What `--precision int8` refuses is measured all the same:
"int8, forced" has the convolutions in eight bits, too. Writes results/speed_precision.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import stages
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold

from curator import encoders
from curator.encoders import _onnx
from curator.engines.local import BATCH_SIZE
from curator.errors import InputError
from curator.io.decoding import images
from curator.types import Encoder

RESULT = stages.HOME / "benchmarks" / "results" / "speed_precision.json"
BAR_COSINE, BAR_POINTS = 0.99, 0.5
FOLDS, ROUNDS, DRAWS = 5, 5, 2000


def vectors(encoder: Encoder, inputs: np.ndarray) -> tuple[np.ndarray, float]:
    """Unit vectors, and milliseconds of processor time an image."""
    size = getattr(encoder, "batch_size", BATCH_SIZE)
    encoder.encode(inputs[:size])
    start = time.process_time()
    found = np.concatenate([encoder.encode(inputs[k : k + size]) for k in range(0, len(inputs), size)])
    return found, 1000 * (time.process_time() - start) / len(inputs)


def forced(encoder: Any, inputs: np.ndarray, folder: Path) -> tuple[np.ndarray, float]:
    """The same of the tower with every product in eight bits, whatever that does to the vectors."""
    from onnxruntime import quantization

    path = folder / "forced.onnx"
    kind = quantization.QuantType
    quantization.quantize_dynamic(
        str(encoder._folder / "image.onnx"), str(path), per_channel=True, weight_type=kind.QInt8,
        op_types_to_quantize=["MatMul", "Gemm", "Conv"],
    )  # fmt: skip
    graph, name = _onnx.OnnxGraph(path, 0), "pooled" if encoder.info.kind == "embedded" else "vector"
    start = time.process_time()
    found = np.concatenate([graph.run(inputs[k : k + 1], (name,))[0] for k in range(len(inputs))])
    return _onnx.unit(found), 1000 * (time.process_time() - start) / len(inputs)


def right(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,): how often the probe is right about an image when it was not trained on it."""
    hits = np.zeros(len(y))
    scaled = x - x.mean(axis=0)
    scaled = scaled / scaled.std()
    for train, test in RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=ROUNDS, random_state=0).split(x, y):
        probe = LogisticRegression(C=0.1 / scaled.shape[1] ** 0.5, max_iter=1000).fit(scaled[train], y[train])
        hits[test] += probe.predict(scaled[test]) == y[test]
    return hits / ROUNDS


def compare(exact: np.ndarray, less: np.ndarray, y: np.ndarray, was: np.ndarray) -> dict[str, Any]:
    cosine = (exact * less).sum(axis=1)
    change = 100 * (right(less, y) - was)
    draws = np.random.default_rng(0).integers(0, len(y), (DRAWS, len(y)))
    low, high = np.quantile(change[draws].mean(axis=1), [0.025, 0.975])
    points = float(change.mean())
    return {
        "cosine_least": round(float(cosine.min()), 5), "cosine_median": round(float(np.median(cosine)), 5),
        "probe_points": round(points, 2), "probe_points_interval": [round(float(low), 2), round(float(high), 2)],
        "within_bar": bool(cosine.min() >= BAR_COSINE and abs(points) <= BAR_POINTS),
        "interval_within_bar": bool(max(abs(low), abs(high)) <= BAR_POINTS),
    }  # fmt: skip


def measure(model: str, paths: list[Path], y: np.ndarray, folder: Path) -> dict[str, Any]:
    def made(precision: str) -> Encoder:
        return encoders.resolve(model, cache=folder / "models", device="cpu", precision=precision)[0]

    encoder = made("fp32")
    inputs = np.stack([images.decode(path, encoder.info.preprocessing).input for path in paths])
    exact, ms = vectors(encoder, inputs)
    was = right(exact, y)
    out: dict[str, Any] = {"fp32": {"ms": round(ms, 1), "probe_accuracy": round(100 * float(was.mean()), 2)}}
    for precision in ("int8", "bf16"):
        try:
            less, ms = vectors(made(precision), inputs)
        except InputError as error:
            out[precision] = {"refused": str(error)}
            less, ms = forced(encoder, inputs, folder)
            out[f"{precision}, forced"] = {"ms": round(ms, 1), **compare(exact, less, y, was)}
            continue
        out[precision] = {"ms": round(ms, 1), **compare(exact, less, y, was)}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--photographs", type=Path, required=True, help="a folder with one of photographs for each class"
    )
    parser.add_argument("--model", action="append", default=[], help="beside the random ViT-B/32  [default: embedded]")
    parser.add_argument("--out", type=Path, default=RESULT)
    given = parser.parse_args()
    paths = sorted(p for p in given.photographs.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    names = sorted({p.parent.name for p in paths})
    y = np.array([names.index(p.parent.name) for p in paths])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = {m.partition(":")[0]: m for m in given.model or ["embedded"]}
        models["ViT-B-32, random weights"] = stages.clip_of(folder)
        found = {}
        for label, model in models.items():
            found[label] = measure(model, paths, y, folder)
            print(label, json.dumps(found[label], indent=1), flush=True)
    result = {
        "schema": "curator.benchmark.speed_precision/1",
        "images": len(paths), "classes": len(names), "folds": FOLDS, "rounds": ROUNDS,
        "bar": {"cosine": BAR_COSINE, "points": BAR_POINTS}, "load": round(os.getloadavg()[0], 1), "models": found,
    }  # fmt: skip
    given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
