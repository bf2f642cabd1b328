"""Deepchecks' PropertyLabelCorrelation, on sets that peers.py made. Runs in a virtual environment of its own.

python peer_deepchecks.py JOBS.json TABLES.npz OUT.json
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("DISABLE_DEEPCHECKS_ANALYTICS", "true")
os.environ.setdefault("DEEPCHECKS_DISABLE_LATEST", "true")

import numpy as np
from deepchecks import ppscore
from deepchecks.vision import VisionData
from deepchecks.vision.checks import PropertyLabelCorrelation
from PIL import Image


def batches(rows: list[list[str]], classes: list[str], size: int = 64) -> Iterator[dict[str, list[Any]]]:
    for i in range(0, len(rows), size):
        part = rows[i : i + size]
        yield {
            "images": [np.asarray(Image.open(p).convert("RGB")) for p, _ in part],
            "labels": [classes.index(label) for _, label in part],
        }


def one(rows: list[list[str]]) -> dict[str, float]:
    """Predictive power score by property, 0..1; the higher, the better it tells the label."""
    classes = sorted({label for _, label in rows})
    # Not shuffled here: the check looks at all images.
    data = VisionData(
        batches(rows, classes), task_type="classification", label_map=dict(enumerate(classes)), reshuffle_data=False
    )
    result = PropertyLabelCorrelation(random_state=0).run(data)
    return {str(k): float(v) for k, v in result.value.items()}


def table(values: np.ndarray, labels: np.ndarray) -> float:
    import pandas as pd

    frame = pd.DataFrame({"attribute": values, "target": labels.astype(object)})
    return float(ppscore.predictors(df=frame, y="target", random_seed=0)["ppscore"].iloc[0])


def main(jobs: Path, tables: Path, out: Path) -> None:
    sets = {}
    for job in json.loads(jobs.read_text()):
        start = time.perf_counter()
        try:
            sets[job["set"]] = {"scores": one(job["rows"])}
        except Exception as error:  # a peer's fault on one set is a result, not the end of the run
            sets[job["set"]] = {"error": f"{type(error).__name__}: {error}"}
        sets[job["set"]]["seconds"] = time.perf_counter() - start
        print(job["set"], sets[job["set"]], file=sys.stderr)
    drawn = np.load(tables)
    scores = [table(drawn[f"values{i}"], drawn[f"labels{i}"]) for i in range(len(drawn.files) // 2)]
    out.write_text(json.dumps({"version": version("deepchecks"), "sets": sets, "tables": scores}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
