"""cleanlab Datalab with CleanVision, on sets that peers.py made. Runs in a virtual environment of its own, without curator.

python peer_cleanlab.py JOBS.json TABLES.npz OUT.json
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from cleanlab import Datalab
from cleanlab.datalab.internal.adapter.constants import DEFAULT_CLEANVISION_ISSUES
from cleanlab.datalab.internal.spurious_correlation import SpuriousCorrelations
from datasets import Dataset, Image, disable_progress_bars


def one(rows: list[list[str]]) -> dict[str, float]:
    """Score by property, 0..1; the lower, the better it tells the label."""
    pictures = Dataset.from_dict({"image": [p for p, _ in rows], "label": [label for _, label in rows]})
    data = pictures.cast_column("image", Image())
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab(data=data, label_name="label", image_key="image", verbosity=0)
        every = {name: {} for name in DEFAULT_CLEANVISION_ISSUES}
        lab.find_issues(issue_types={"image_issue_types": every, "spurious_correlations": {}})
    found = lab.get_info("spurious_correlations")["correlations_df"]
    return {str(p).removesuffix("_score"): float(s) for p, s in zip(found["property"], found["score"], strict=True)}


def table(values: np.ndarray, labels: np.ndarray) -> float:
    scores = SpuriousCorrelations(pd.DataFrame({"attribute_score": values}), labels).calculate_correlations()
    return float(scores["score"].iloc[0])


def main(jobs: Path, tables: Path, out: Path) -> None:
    disable_progress_bars()
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
    said = f"{version('cleanlab')} with CleanVision {version('cleanvision')}"
    out.write_text(json.dumps({"version": said, "sets": sets, "tables": scores}))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
