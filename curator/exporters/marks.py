"""Names in the App: findings with their tags, and attributes with their fields, without access to a database."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from curator.shortcuts.indicators import has_value, phrase
from curator.types import AuditRun, Column, Finding, Floats, Mask

MAX_FINDINGS = 20
"""Maximum number of findings with tags and views, the worst first. More could not be read in a menu."""
MAX_POOL = 20_000
"""Of a larger pool, only the recommended images are shown."""

MANY_FLAGS = 8
"""A family with more yes/no columns than this (the prompts of CLIP) becomes one list of those that hold, not one field each."""

ALIGNED, CONFLICTING, DUPLICATE, LEAK, LABEL_ERROR, RECOMMENDED = (
    "aligned",
    "conflicting",
    "duplicate",
    "leak",
    "label error",
    "recommended",
)
Form = Literal["tags", "category", "number", "flag"]
_VERB = re.compile(r"^(have|has|are|were|is|was|carry|show|stand|contain)\s+(a\s+|an\s+|the\s+)?")
_FIELD_GROUPS = {
    "finding": "findings",
    "split": "audit",
    "source": "audit",
    "cluster": "audit",
    "duplicate_group": "audit",
    "image_id": "audit",
}
_POOL_GROUPS = {"rank": "recommendation", "reason": "recommendation"}
LABEL_FIELDS = ("ground_truth", "prediction_before", "prediction_after", "suggested", "patterns")
"""Label fields: the given label; the probe's without and with the recommended images; the suggestion for a doubtful label;
and boxes around what the findings name."""
EMBEDDING = "embedding"
RESERVED = {"id", "filepath", "tags", "metadata", "created_at", "last_modified_at", EMBEDDING, *LABEL_FIELDS}
Guess = tuple[str, float]
"""A class, and its probability (0..1) from a probe."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the App's samples and its sidebar group. `is_shared`: the field is a family's list of flags that hold."""

    name: str
    form: Form
    group: str
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class Spot:
    """Where something is seen: `box` is left, top, width, height as fractions of the image; `mask` (h, w) are its places."""

    label: str
    box: tuple[float, float, float, float]
    mask: Mask


@dataclass(frozen=True, slots=True)
class Extras:
    """Results beyond the audit, by image id. Missing ones are not shown.

    `before` and `after` are guesses of a probe that has not seen the image, without and with the recommended images. `spots`
    are places where patterns are seen. `pool_vectors` (p, d) adds the pool to the map. `text` says how to load the encoder for
    text search, `origin` how to run the audit again (DATA, model, cache, ...): plain values, stored with the data set.
    """

    before: Mapping[str, Guess] = field(default_factory=dict)
    after: Mapping[str, Guess] = field(default_factory=dict)
    pool_before: Mapping[str, Guess] = field(default_factory=dict)
    pool_after: Mapping[str, Guess] = field(default_factory=dict)
    spots: Mapping[str, tuple[Spot, ...]] = field(default_factory=dict)
    pool_vectors: Floats | None = None
    text: Mapping[str, str] | None = None
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FindingMark:
    """A finding's name in the App and the two tags of its images. The masks (n,) are over the data set."""

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
    """The threshold in a number's value ("below 0.4", "0.4 or above"); nan for other forms."""
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
    """Attribute -> its field: `background.colour` becomes `background_colour`.

    If a family has more than `MANY_FLAGS` flags, they share one field, the list of those that hold. No field gets a name in
    `taken` or one of FiftyOne's own names.
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
        out[column.name] = Field(unique, "tags" if is_listed else column.form, family, is_listed)
        if is_listed:
            lists[family] = out[column.name]
    return out


def own_fields(with_pool: bool) -> list[Field]:
    """The fields of every data set made by curator."""
    groups = {**_FIELD_GROUPS, **(_POOL_GROUPS if with_pool else {})}
    return [Field(name, "number" if name == "rank" else "category", group) for name, group in groups.items()]
