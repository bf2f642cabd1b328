"""What the App shows of each image: its tags and fields, worked out before any database is asked."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.linalg import eigh

from curator.errors import InputError
from curator.indicators import has_value, phrase
from curator.types import AuditRun, Column, Dataset, Finding, Floats, Mask, Measures, Recommendation

MAX_FINDINGS = 20
"""Findings that get tags and views, worst first: more than that cannot be read in a menu."""
MAX_POOL = 20_000
"""A pool of more images than this is shown without those that were not recommended."""

MANY_FLAGS = 8
"""A family of more yes/no columns than this (the prompts of CLIP) is one list of what holds, not a field for each."""

CONFLICTING, DUPLICATE, LEAK, LABEL_ERROR, RECOMMENDED = (
    "conflicting",
    "duplicate",
    "leak",
    "label error",
    "recommended",
)
Form = Literal["tags", "category", "number", "flag"]
_VERB = re.compile(r"^(have|has|are|were|is|was|carry|show|stand|contain)\s+(a\s+|an\s+|the\s+)?")
_FIELD_GROUPS = {
    "split": "audit",
    "source": "audit",
    "cluster": "audit",
    "duplicate_group": "audit",
    "image_id": "audit",
}
_POOL_GROUPS = {"rank": "recommendation", "reason": "recommendation"}
RESERVED = {"id", "filepath", "tags", "metadata", "ground_truth", "suggested", "created_at", "last_modified_at"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the App's samples, and the sidebar group it stands in."""

    name: str
    form: Form
    group: str


@dataclass(slots=True)
class Marked:
    """One image as the App shows it. `suggested` is a label and how sure curator is of it (0..1, None = not said)."""

    path: str
    label: str
    source: Literal["data", "pool"]
    tags: list[str] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    suggested: tuple[str, float | None] | None = None


@dataclass(frozen=True, slots=True)
class FindingMark:
    """A finding's name in the App and the two tags its images carry; (n,) masks over the data set."""

    finding: Finding
    name: str
    aligned_tag: str
    conflicting_tag: str
    aligned: Mask
    conflicting: Mask


def short_name(column: Column, value: str) -> str:
    """A value in a few words, for menus and tags.

    >>> short_name(Column("background.colour", "tags", "context", "have a {value} background", ""), "green")
    'green background'
    """
    return _VERB.sub("", phrase(column, value)).strip() or value


def _cut(column: Column, value: str) -> float:
    """The threshold in a number's value ("below 0.4", "0.4 or above"); nan for a name."""
    found = re.search(r"-?\d+(\.\d+)?(e[+-]?\d+)?|-?inf", value) if column.form == "number" else None
    return float(found.group()) if found else math.nan


def finding_marks(run: AuditRun) -> list[FindingMark]:
    """The worst `MAX_FINDINGS` findings. Aligned: of the class, with the value; conflicting: of the class, without it."""
    marks: list[FindingMark] = []
    names: set[str] = set()
    for k, finding in enumerate(run.audit.findings[:MAX_FINDINGS], start=1):
        column = run.measures.column(finding.attribute)
        series = run.measures.frame[finding.attribute]
        has = has_value(series, column, finding.value, _cut(column, finding.value))
        of_class = run.dataset.labels == run.dataset.classes.index(finding.class_name)
        name = f"{finding.class_name} · {short_name(column, finding.value)}"
        if name in names:
            name = f"{name} ({finding.attribute})"
        names.add(name)
        marks.append(
            FindingMark(
                finding,
                name,
                f"finding {k}: {name}",
                f"conflicting {k}: {name}",
                of_class & has,
                of_class & series.notna().to_numpy(bool) & ~has,
            )
        )
    return marks


def family_of(attribute: str) -> str:
    """The part of an attribute's name before the first dot."""
    return attribute.partition(".")[0]


def attribute_fields(columns: Collection[Column], taken: Collection[str]) -> dict[str, Field]:
    """Attribute -> the field that holds it: `background.colour` becomes `background_colour`.

    Only the flags of a family with more than `MANY_FLAGS` of them share a field, the list of those that hold. No field
    takes a name in `taken` or one of FiftyOne's own.
    """
    out: dict[str, Field] = {}
    used = {*taken, *RESERVED, *_FIELD_GROUPS, *_POOL_GROUPS}
    flags = Counter(family_of(name) for name in {c.name for c in columns if c.form == "flag"})
    lists: dict[str, Field] = {}
    for column in columns:
        if column.name in out:
            continue
        family = family_of(column.name)
        is_listed = column.form == "flag" and flags[family] > MANY_FLAGS
        if is_listed and family in lists:
            out[column.name] = lists[family]
            continue
        name = (
            re.sub(r"\W+", "_", family if is_listed else column.name, flags=re.ASCII).strip("_").lower() or "attribute"
        )
        name = f"a_{name}" if name[0].isdigit() else name
        unique, k = name, 2
        while unique in used:
            unique, k = f"{name}_{k}", k + 1
        used.add(unique)
        out[column.name] = Field(unique, "tags" if is_listed else column.form, family)
        if is_listed:
            lists[family] = out[column.name]
    return out


def own_fields(with_pool: bool) -> list[Field]:
    """The fields that every data set made here has."""
    groups = {**_FIELD_GROUPS, **(_POOL_GROUPS if with_pool else {})}
    return [Field(name, "number" if name == "rank" else "category", group) for name, group in groups.items()]


def _plain(value: Any, form: Form) -> Any:
    """A measured value as MongoDB keeps it; None where it was not measured."""
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
                    listed.append(column.name.partition(".")[2])
            continue
        for row, value in zip(rows, frame[column.name].tolist(), strict=True):
            if (plain := _plain(value, target.form)) is not None:
                row[target.name] = plain
    return rows


def _images(dataset: Dataset, source: Literal["data", "pool"]) -> list[Marked]:
    if "://" in dataset.root:
        raise InputError(f"the App shows local files, and {dataset.root} is remote; copy the images here first.")
    root = Path(dataset.root).resolve()
    return [
        Marked(
            str(root / id),
            label,
            source,
            fields={"image_id": id, "source": source} | ({"split": split} if split else {}),
        )
        for id, label, split in zip(dataset.ids.tolist(), dataset.label_names(), dataset.splits.tolist(), strict=True)
    ]


def audited_images(run: AuditRun, findings: list[FindingMark], fields: Mapping[str, Field]) -> list[Marked]:
    """The images of the audit, row by row, with everything that was found about them."""
    images = _images(run.dataset, "data")
    by_id = dict(zip(run.dataset.ids.tolist(), images, strict=True))
    names = run.clusters.names
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


def pool_images(
    recommendation: Recommendation, pool: Dataset, measures: Measures | None, fields: Mapping[str, Field]
) -> list[Marked]:
    """The pool's images, the recommended ones with their rank (1 = first to add), reason and label."""
    rank = {id: k for k, id in enumerate(recommendation.ids)}
    if len(pool) > MAX_POOL:
        pool = pool.take(np.flatnonzero(np.isin(pool.ids, np.asarray(recommendation.ids, dtype=np.str_))))
    images = _images(pool, "pool")
    if measures is not None:
        for image, row in zip(images, _measured(measures, pool.ids.tolist(), fields), strict=True):
            image.fields |= row
    for image in images:
        k = rank.get(image.fields["image_id"])
        if k is None:
            continue
        image.tags.append(RECOMMENDED)
        image.fields |= {"rank": float(k + 1), "reason": recommendation.reasons[k]}
        if recommendation.label_sources[k] == "predicted":
            image.suggested = (recommendation.labels[k], None)
    return images


def principal_plane(vectors: Floats) -> Floats:
    """(n, d), both at least 2 -> (n, 2): coordinates along the two principal axes.

    The largest weight of each axis is positive, so that the same vectors give the same map everywhere.
    """
    centred = (vectors - vectors.mean(axis=0, keepdims=True)).astype(np.float64)
    is_wide = centred.shape[0] < centred.shape[1]  # then the axes come from the smaller matrix, of images x images
    square = centred @ centred.T if is_wide else centred.T @ centred
    _, found = eigh(square, subset_by_index=[len(square) - 2, len(square) - 1])
    axes = centred.T @ found if is_wide else found
    axes = axes[:, ::-1] / np.maximum(np.linalg.norm(axes[:, ::-1], axis=0), np.finfo(np.float64).tiny)
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)
    return np.asarray(centred @ axes, dtype=np.float32)
