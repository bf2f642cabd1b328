"""Exports a manifest: one row per image, without copying files. CSV, JSONL or Parquet."""

from __future__ import annotations

import json
import math
import posixpath
from pathlib import Path
from typing import Any

import pandas as pd

from curator.exporters import Job
from curator.report.serialise import guarded
from curator.types import Dataset, Measures, SplitPlan


def _no_formula(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value


def manifest(dataset: Dataset, plan: SplitPlan, measures: Measures | None = None) -> pd.DataFrame:
    """One row per image of the plan, in the order of the data set: path, label, split, weight if any, the measured columns.

    `path` is absolute (or the URL of a remote image), so the manifest can be stored anywhere. `label` is "" for an image
    without a label.
    """
    remote = "://" in dataset.root
    root = dataset.root.rstrip("/") if remote else Path(dataset.root).resolve().as_posix().rstrip("/")
    in_plan = [i for i, id in enumerate(dataset.ids.tolist()) if id in plan.assignment]
    rows = dataset.take(in_plan)
    ids = rows.ids.tolist()
    table = pd.DataFrame(
        {
            "path": [f"{root}/{id}" if remote else posixpath.normpath(f"{root}/{id}") for id in ids],
            "label": rows.label_names(),
            "split": [plan.assignment[id] for id in ids],
        },
        index=ids,
    )
    if plan.weights:
        table["weight"] = [plan.weights.get(id, 1.0) for id in ids]
    if measures is not None:
        table = pd.concat([table, measures.frame.reindex(ids)], axis=1)
    return table.reset_index(drop=True)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain JSON values. Values that are missing or not finite become None."""
    columns = [[_plain(value) for value in table[name].tolist()] for name in table.columns]
    return [dict(zip(map(str, table.columns), values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, str | bool | int | float) else str(value)


class Table:
    """`manifest.csv`, `.jsonl` or `.parquet`. In the CSV, text that would run as a formula is preceded by '."""

    formats = ("csv", "jsonl", "parquet")

    def write(self, job: Job) -> int:
        """See `Exporter`. `link` is ignored, because no file is copied."""
        table = manifest(job.dataset, job.plan, job.measures)
        if job.format == "parquet":
            table.to_parquet(job.destination / "manifest.parquet", index=False)
        elif job.format == "jsonl":
            lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows_of(table))
            (job.destination / "manifest.jsonl").write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
        else:
            table.map(_no_formula).rename(columns=guarded).to_csv(
                job.destination / "manifest.csv", index=False, lineterminator="\n", errors="surrogateescape"
            )
        return len(table)


EXPORTER = Table()
