"""Computes what the App shows for each image, its tags, fields and labels, without access to a database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from curator.errors import InputError
from curator.exporters.marks import (
    ALIGNED,
    CONFLICTING,
    DUPLICATE,
    LABEL_ERROR,
    LEAK,
    MAX_POOL,
    RECOMMENDED,
    Extras,
    Field,
    FindingMark,
    Form,
    Guess,
    Spot,
    short_name,
)
from curator.selection.synthesis import SYNTHETIC, is_synthetic
from curator.types import AuditRun, Dataset, Floats, Measures, Recommendation


@dataclass(slots=True)
class Marked:
    """One image as the App shows it. `suggested` is a label and curator's confidence in it (0..1, None = unknown)."""

    path: str
    label: str
    source: Literal["data", "pool"]
    tags: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    suggested: tuple[str, float | None] | None = None
    before: Guess | None = None
    after: Guess | None = None
    spots: tuple[Spot, ...] = ()
    vector: Floats | None = None


def _plain(value: Any, form: Form) -> Any:
    """A measured value in MongoDB's form; None if it was not measured."""
    if value is None or value is pd.NA or (isinstance(value, float | np.floating) and not math.isfinite(value)):
        return None
    if form == "tags":
        return [tag for tag in str(value).split("|") if tag]
    if form == "number":
        return float(value)
    return bool(value) if form == "flag" else str(value)


def _measured(measures: Measures, ids: list[str], fields: Mapping[str, Field]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{} for _ in ids]
    frame = measures.frame.reindex(ids)
    for column in measures.columns:
        target = fields[column.name]
        if column.form == "flag" and target.form == "tags":
            for row, holds in zip(rows, frame[column.name].tolist(), strict=True):
                listed = row.setdefault(target.name, [])
                if _plain(holds, "flag"):
                    name = column.name.partition(".")[2]
                    # The name of a visual word is a number, so its looks are shown instead.
                    listed.append(short_name(column, "yes") if name.isdigit() else name)
            continue
        for row, value in zip(rows, frame[column.name].tolist(), strict=True):
            if (plain := _plain(value, target.form)) is not None:
                row[target.name] = plain
    return rows


def _images(dataset: Dataset, source: Literal["data", "pool"]) -> list[Marked]:
    if "://" in dataset.root:
        raise InputError(f"{dataset.root} is remote, but the App shows local files; copy the images here first.")
    root = Path(dataset.root).resolve()
    made = is_synthetic(dataset.ids, dataset.metadata).tolist()
    return [
        Marked(
            str(root / id),
            label,
            source,
            tags=[SYNTHETIC] if synthetic else [],
            fields={"image_id": id, "source": source} | ({"split": split} if split else {}),
        )
        for id, label, split, synthetic in zip(
            dataset.ids.tolist(), dataset.label_names(), dataset.splits.tolist(), made, strict=True
        )
    ]


def audited_images(
    run: AuditRun, findings: list[FindingMark], fields: Mapping[str, Field], extras: Extras
) -> list[Marked]:
    """The images of the audit, row by row, with all results about them."""
    images = _images(run.dataset, "data")
    by_id = dict(zip(run.dataset.ids.tolist(), images, strict=True))
    names = run.clusters.names
    for image, vector in zip(images, run.embeddings.vectors, strict=True):
        image.vector = vector
    for image, row, cluster in zip(
        images, _measured(run.measures, list(by_id), fields), run.clusters.assignment.tolist(), strict=True
    ):
        image.fields |= row
        if cluster >= 0:
            image.fields["cluster"] = names[cluster] if cluster < len(names) else f"cluster {cluster}"
    for mark in findings:
        for i in np.flatnonzero(mark.aligned):
            images[i].tags.append(mark.aligned_tag)
        for i in np.flatnonzero(mark.conflicting):
            images[i].tags += [mark.conflicting_tag] + ([] if CONFLICTING in images[i].tags else [CONFLICTING])
    has_finding = [False] * len(images)
    for mark in findings:  # worst first: an image has the colour of the worst finding of its class
        for mask, side in ((mark.aligned, ALIGNED), (mark.conflicting, CONFLICTING)):
            for i in np.flatnonzero(mask):
                if not has_finding[i]:
                    # The App reads a value with ", " as a list of values, and these would not have the value's colour.
                    images[i].fields["finding"] = f"{side}: {mark.name}".replace(", ", "; ")
                    has_finding[i] = True
    for image in images:
        image.fields.setdefault("finding", "no finding")
    _guess(images, extras.before, extras.after)
    for image in images:
        image.spots = extras.spots.get(image.fields["image_id"], ())
    for tag, groups in ((DUPLICATE, run.duplicates), (LEAK, run.leaks)):
        for k, group in enumerate(groups, start=1):
            for id in group.ids:
                if id in by_id and tag not in by_id[id].tags:
                    by_id[id].tags.append(tag)
                    by_id[id].fields.setdefault("duplicate_group", f"{group.kind} {k}")
    for error in run.label_errors:
        if error.id in by_id:
            by_id[error.id].tags.append(LABEL_ERROR)
            by_id[error.id].suggested = (error.suggested, error.score)
    return images


def _guess(images: list[Marked], before: Mapping[str, Guess], after: Mapping[str, Guess]) -> None:
    for image in images:
        image.before = before.get(image.fields["image_id"])
        image.after = after.get(image.fields["image_id"])


def pool_images(
    recommendation: Recommendation,
    pool: Dataset,
    measures: Measures | None,
    fields: Mapping[str, Field],
    extras: Extras,
) -> list[Marked]:
    """The pool's images. Recommended images have their rank (1 = first to add), reason and label."""
    rank = {id: k for k, id in enumerate(recommendation.ids)}
    vectors = extras.pool_vectors
    if len(pool) > MAX_POOL:
        rows = np.flatnonzero(np.isin(pool.ids, np.asarray(recommendation.ids, dtype=np.str_)))
        pool, vectors = pool.take(rows), None if vectors is None else vectors[rows]
    images = _images(pool, "pool")
    for i, image in enumerate(images):
        image.vector = None if vectors is None else vectors[i]
        image.fields["finding"] = "recommended" if image.fields["image_id"] in rank else "pool"
    _guess(images, extras.pool_before, extras.pool_after)
    if measures is not None:
        for image, row in zip(images, _measured(measures, pool.ids.tolist(), fields), strict=True):
            image.fields |= row
    for image in images:
        k = rank.get(image.fields["image_id"])
        if k is None:
            continue
        image.tags.append(RECOMMENDED)
        image.fields |= {"rank": float(k + 1), "reason": recommendation.reasons[k]}
        if recommendation.label_sources[k] != "given":
            image.suggested = (recommendation.labels[k], None)
    return images
