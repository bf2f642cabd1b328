"""`curator export`: balanced, leak-free splits."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from curator import exporters, readers
from curator.commands._steps.joined_data import joined, refuse_synthetic
from curator.commands._steps.targets import as_embedded, to_undo
from curator.commands.audit import audit_embedded
from curator.commands.session import Session, one_class
from curator.errors import DataError, InputError, did_you_mean
from curator.readers import Data
from curator.report.json import dumps, splits_document
from curator.report.wording import splits as words
from curator.selection import splits
from curator.shortcuts import indicators
from curator.similarity import altered_copies
from curator.types import AuditRun, Dataset, Measures, SplitPlan

Balance = Literal["none", "class", "group"]
"""What the training split balances: nothing, the classes, or the class x value groups."""
_MAX_DEVIATIONS = 10
"""Maximum number of notes on cells that differ from the wanted count. One site with half the data makes all differ."""


def plan_splits(
    run: AuditRun,
    session: Session,
    *,
    attribute: str | None = None,
    group_columns: Sequence[str] = (),
    balance: Balance = "none",
    balance_by: splits.Way = "drop",
) -> SplitPlan:
    """Split the labelled images, balanced over class x value of the worst findings (or of `attribute`).

    If the audit found nothing, only the classes are balanced. Duplicates stay in one split, and so do images with the same
    value in one of `group_columns`. `balance` and `balance_by`: see `splits.balance`.

    Raises:
        InputError: a column does not exist. DataError: no image has a label, or there are fewer groups than splits.
    """
    rows = np.flatnonzero(run.dataset.labels >= 0)
    if not len(rows):
        raise DataError(
            "no image has a label; labels are needed to balance splits; give DATA with class folders or a label column."
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
    together = kept_together(run, group_columns)
    plan = splits.split(
        ids, cells, run.duplicates, session.settings.split.fractions, session.rng("split"), groups=together,
        named=bool(group_columns),
    )  # fmt: skip
    plan = replace(plan, notes=tuple(_notes(run, plan, group_columns)))
    return plan if balance == "none" else splits.balance(plan, cells, balance, balance_by, session.rng("balance"))


def kept_together(run: AuditRun, group_columns: Sequence[str] = ()) -> list[Collection[str]]:
    """Groups of ids that must be in one split: duplicates, altered copies, and images with the same value in a column.

    An image without a value in a column is in none of its groups. Groups may overlap.

    Raises: InputError for a column that is not in the data.
    """
    out: list[Collection[str]] = [group.ids for group in run.duplicates]
    ids = run.dataset.ids.tolist()
    if run.patches is not None and run.facts is not None:
        one, other = altered_copies.alike(run.facts["phash"].to_numpy(np.uint64), run.embeddings.vectors, run.patches)
        out += [(ids[i], ids[j]) for i, j in zip(one.tolist(), other.tolist(), strict=True)]
    check_columns(run.dataset, group_columns)
    for column in group_columns:
        values = run.dataset.metadata[column]
        groups: dict[str, list[str]] = {}
        for id, value in zip(ids, values.tolist(), strict=True):
            if not pd.isna(value) and str(value).strip():
                groups.setdefault(str(value).strip(), []).append(id)
        out += groups.values()
    return out


def check_columns(dataset: Dataset, group_columns: Sequence[str]) -> None:
    """Raises InputError for a column that is not in the data."""
    known = [str(c) for c in dataset.metadata.columns]
    for column in group_columns:
        if column not in known:
            only = "only a table (.csv, .jsonl, .parquet) has further columns."
            hint = did_you_mean(column, known, f"there are: {', '.join(known)}.") if known else only
            raise InputError(f"the data has no column {column!r} to group by; {hint}")


def _notes(run: AuditRun, plan: SplitPlan, group_columns: Sequence[str]) -> list[str]:
    """Notes on the splits that the user might not expect: cells missing in a split, and splits that existed before."""
    notes = []
    own = [s for s in dict.fromkeys(run.dataset.splits.tolist()) if s]
    if own:
        notes.append(words.split_anew(sorted(own)))
    for cell, counts in zip(plan.got.index.tolist(), plan.got.to_dict("records"), strict=True):
        n, empty = int(sum(counts.values())), [str(split) for split, k in counts.items() if not k]
        if empty:
            notes.append(words.missing_in_split(", ".join(map(str, cell)), n, empty, len(counts)))
    off = [
        words.off_target(
            ", ".join(map(str, cell)),
            int(plan.got.loc[cell, split]),
            split,
            float(plan.asked.loc[cell, split]),
            group_columns,
        )
        for cell in plan.got.index
        for split in plan.got.columns
        if abs(plan.got.loc[cell, split] - plan.asked.loc[cell, split]) > 1 and plan.got.loc[cell, split]
    ]
    notes += off[:_MAX_DEVIATIONS]
    if len(off) > _MAX_DEVIATIONS:
        notes.append(words.more_off_target(len(off) - _MAX_DEVIATIONS))
    return notes


def with_synthetic(plan: SplitPlan, made_of: Mapping[str, Collection[str]]) -> SplitPlan:
    """The plan with those synthetic images in the training split whose sources are all there; the others would leak.

    The wanted and actual counts are of real images only. A synthetic image without known sources is left out.
    """
    train = splits.training_split(list(plan.got.columns), plan.asked)
    safe = [id for id, parts in made_of.items() if parts and all(plan.assignment.get(p) == train for p in parts)]
    notes = [words.synthetic_in(train, len(safe))]
    if len(safe) < len(made_of):
        notes.append(words.synthetic_not_in(train, len(made_of) - len(safe)))
    assignment = {**plan.assignment, **dict.fromkeys(safe, train)}
    weights = {**plan.weights, **dict.fromkeys(safe, 1.0)} if plan.weights else plan.weights
    return replace(plan, assignment=assignment, weights=weights, notes=(*plan.notes, *notes))


class Exported(NamedTuple):
    """What an export wrote: the audit `run`, the `plan` of the splits, and the number of images (0: a dry run)."""

    run: AuditRun
    plan: SplitPlan
    n_images: int


def export(
    data: Data, destination: str | Path, session: Session | None = None, *, format: str = "imagefolder",
    attribute: str | None = None, link: exporters.Link = "copy", force: bool = False, dry_run: bool = False,
    group_columns: Sequence[str] = (), balance: Balance = "none", balance_by: splits.Way = "drop",
    shard_size: int = exporters.SHARD_SIZE, plans: Sequence[Path] = (),
) -> Exported:  # fmt: skip
    """Audit the data, split it, and write the splits.

    The images of `plans` (a recommendation, a manifest of synthetic images) are first added to those of `data`. Synthetic
    images are not audited. They are only in the training split, and only together with their sources: see `with_synthetic`.
    """
    session = session or Session.open()
    dataset = one_class(session.scan(data))
    refuse_synthetic(dataset, "the data")
    both = joined(dataset, plans)
    table = readers.path_of(data)
    # The folder of a table or a DataFrame is often the working folder: only the folders of its images are protected.
    is_listed = isinstance(data, pd.DataFrame) or os.path.isfile(table)
    roots = tuple(map(str, exporters.image_folders(both.dataset))) if is_listed else both.roots
    sources = [*([table] if os.path.isfile(table) else []), *map(str, plans)]
    # Checked before any work is done.
    exporters.check(both.dataset, destination, format=format, link=link, force=force, roots=roots, sources=sources)
    check_columns(dataset, group_columns)
    embedded = session.embed(both.dataset)
    synthetic = np.isin(embedded.dataset.ids, np.array(sorted(both.made_of), np.str_))
    run = audit_embedded(embedded.take(np.flatnonzero(~synthetic)), session)
    plan = plan_splits(
        run, session, attribute=attribute, group_columns=group_columns, balance=balance, balance_by=balance_by
    )
    plan = replace(plan, notes=(*both.notes, *plan.notes))
    whole, measures = run.dataset, run.measures
    if synthetic.any():
        plan = with_synthetic(plan, both.made_of)
        new = session.measures(embedded.take(np.flatnonzero(synthetic)), as_embedded(run))
        frame = pd.concat([measures.frame, new.frame]).loc[embedded.dataset.ids.tolist()]
        whole, measures = embedded.dataset, Measures(frame[list(measures.frame.columns)], measures.columns)
    if dry_run:
        return Exported(run, plan, 0)
    kept = np.flatnonzero(whole.labels >= 0)
    labelled, measures = replace(whole.take(kept), skipped=()), measures.take(kept)
    session.progress("writing", 0, 1)
    n = exporters.export(
        labelled,
        plan,
        Path(destination),
        format=format,
        measures=measures,
        link=link,
        shard_size=shard_size,
        force=force,
        extra_files={"splits.json": dumps(splits_document(plan))},
        roots=roots,
        sources=sources,
    )
    session.progress("writing", 1, 1)
    return Exported(run, plan, n)
