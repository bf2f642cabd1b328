"""comparison.json: what changed since an earlier audit."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from curator.types.arrays import Interval, Severity
from curator.types.document import Document
from curator.types.findings import Count, Difference


class Verdicts(Struct, frozen=True, kw_only=True):
    was: str
    now: str


class Severities(Struct, frozen=True, kw_only=True):
    was: Severity
    now: Severity


class Effects(Struct, frozen=True, kw_only=True):
    was: Difference | None
    now: Difference | None


class Acceptances(Struct, frozen=True, kw_only=True):
    """Why the finding was accepted; empty if it was not."""

    was: str
    now: str


class Counts(Struct, frozen=True, kw_only=True):
    was: Count
    now: Count


class Turnover(Struct, frozen=True, kw_only=True):
    new: Count
    gone: Count


class NewFinding(Struct, frozen=True, kw_only=True):
    id: str
    severity: Severity
    sentence: str


class GoneFinding(Struct, frozen=True, kw_only=True):
    """A finding of the earlier audit only, and why it may be missing now."""

    id: str
    severity: Severity
    sentence: str
    why: str


class MovedFinding(Struct, frozen=True, kw_only=True):
    """A finding that is in both audits and changed."""

    id: str
    id_before: Annotated[
        str,
        Meta(
            description="Id in the earlier audit; it differs if the finding was merged or its visual word was learnt again."
        ),
    ]
    sentence: str
    severity: Severities
    effect: Effects
    difference: Annotated[float | None, Meta(description="Effect now minus effect before.")]
    difference_ci: Interval | None
    beyond_chance: Annotated[bool, Meta(description="Whether the interval of the difference excludes 0.")]
    intended: Acceptances


class FindingChanges(Struct, frozen=True, kw_only=True):
    new: tuple[NewFinding, ...]
    gone: tuple[GoneFinding, ...]
    changed: Annotated[
        tuple[MovedFinding, ...],
        Meta(description="Findings whose effect changed beyond chance, or whose severity or acceptance changed."),
    ]
    unchanged: tuple[str, ...]


class ImageChanges(Struct, frozen=True, kw_only=True):
    """How the images changed. `added` and `removed` are null if the earlier audit has no measures.parquet in its folder."""

    was: Count
    now: Count
    classes: dict[str, Counts]
    added: tuple[str, ...] | None
    removed: tuple[str, ...] | None
    same_data: Annotated[
        bool, Meta(description="Whether the fingerprints are equal: the same bytes, labels and columns.")
    ]


class ComparisonDocument(Document, frozen=True, kw_only=True, tag="curator.comparison/1"):
    """What changed since an earlier audit."""

    verdict: Verdicts
    findings: FindingChanges
    images: ImageChanges
    leaks: Turnover
    label_errors: Turnover
    circumstances: Annotated[
        tuple[str, ...],
        Meta(description="Other differences between the two audits: encoder, settings, seed, versions."),
    ]
