"""`curator export`: balanced, leak-free splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from curator import exporters, indicators, splitting
from curator.errors import DataError
from curator.pipeline.audit import audit_embedded
from curator.pipeline.recommend import to_undo
from curator.report.json import dumps, splits_json
from curator.types import AuditRun, SplitPlan
from curator.workbench import Workbench, one_class


def plan_splits(run: AuditRun, bench: Workbench, *, attribute: str | None = None) -> SplitPlan:
    """Deal the labelled images out, balanced over class x value of the worst findings (or of `attribute`).

    Where the audit found nothing, over the classes alone.
    """
    rows = np.flatnonzero(run.dataset.labels >= 0)
    if not len(rows):
        raise DataError(
            "no image has a label, so there is nothing to balance; give DATA with class folders or a label column."
        )
    ids = run.dataset.ids[rows]
    value = np.full(len(rows), "all", dtype=object)
    if attribute is not None or any(
        f.severity != "low" and f.effect is not None and not f.intended for f in run.audit.findings
    ):
        finding = to_undo(run, attribute)[0]
        has = indicators.read(run.measures, finding.attribute, finding.value)[0][rows]
        name = f"{finding.attribute}={finding.value}"
        value = np.where(has, name, f"not {name}").astype(object)
    cells = pd.DataFrame(
        {"class": [run.dataset.classes[k] for k in run.dataset.labels[rows]], "value": value}, index=ids
    )
    plan = splitting.split(ids, cells, run.duplicates, bench.settings.split.fractions, bench.rng("split"))
    return replace(plan, notes=tuple(_notes(run, plan)))


def _notes(run: AuditRun, plan: SplitPlan) -> list[str]:
    """What the user might not expect of the splits: cells that are in none of them, and splits that were there before."""
    notes = []
    own = [s for s in dict.fromkeys(run.dataset.splits.tolist()) if s]
    if own:
        notes.append(f"The data has splits of its own ({', '.join(sorted(own))}); the images are dealt out anew.")
    for cell, counts in zip(plan.got.index.tolist(), plan.got.to_dict("records"), strict=True):
        n, empty = int(sum(counts.values())), [str(split) for split, k in counts.items() if not k]
        if empty:
            images = "1 image" if n == 1 else f"{n} images"
            why = "" if n < len(counts) else " (duplicates stay together, or the split is small)"
            notes.append(f"{', '.join(str(part) for part in cell)}: {images}, none in {' or '.join(empty)}{why}.")
    return notes


def export(
    data: str | Path, destination: str | Path, bench: Workbench | None = None, *, format: str = "imagefolder",
    attribute: str | None = None, link: exporters.Link = "copy", force: bool = False, dry_run: bool = False,
) -> tuple[AuditRun, SplitPlan, int]:  # fmt: skip
    """Audit, deal out, write. Returns the run, the plan and how many images were written (0 for a dry run)."""
    bench = bench or Workbench.open()
    dataset = bench.scan(data)
    exporters.check(dataset, destination, format=format, force=force)  # before the work, not after it
    run = audit_embedded(bench.embed(one_class(dataset)), bench)
    plan = plan_splits(run, bench, attribute=attribute)
    if dry_run:
        return run, plan, 0
    labelled = replace(run.dataset.take(np.flatnonzero(run.dataset.labels >= 0)), skipped=())
    n = exporters.export(
        labelled,
        plan,
        Path(destination),
        format=format,
        measures=run.measures,
        link=link,
        force=force,
        extra_files={"splits.json": dumps(splits_json(plan))},
    )
    return run, plan, n
