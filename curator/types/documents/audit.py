"""audit.json, what an audit found, and run.json, how the run went."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from curator.types.document import ABSENT, Digest, Document, EncoderSummary, Optional, Settings, SkippedFile
from curator.types.documents.comparison import ComparisonDocument
from curator.types.findings import (
    Count,
    DuplicateGroup,
    Finding,
    LabelError,
    Leak,
    Name,
    Share,
    SharedPattern,
    Untested,
    Verdict,
)
from curator.types.surroundings_alone import SurroundingsAlone


class DatasetSummary(Struct, frozen=True, kw_only=True):
    """The audited data set. `fingerprint` changes if an image, a label, a split or a metadata value changes."""

    name: str = ""
    root: str
    n_images: Count
    classes: Annotated[dict[str, Count], Meta(description="Number of images by class.")]
    splits: Annotated[dict[str, Count], Meta(description="Number of images by split.")]
    skipped: tuple[SkippedFile, ...] = ()
    fingerprint: Digest


class ClusterSummary(Struct, frozen=True, kw_only=True):
    """A cluster of similar images, and the images nearest to its centre."""

    id: Count
    n: Count
    name: str
    classes: dict[str, Count]
    example_ids: tuple[Name, ...]


class Search(Struct, frozen=True, kw_only=True):
    """How duplicates were searched, if not every pair of images was compared."""

    method: Literal["index"]
    n_sampled: Count
    n_pairs: Count
    n_found: Count
    recall: Share | None


class Duplicates(Struct, frozen=True, kw_only=True):
    """Groups of duplicates, and the groups with images in more than one split."""

    groups: tuple[DuplicateGroup, ...]
    leaks: tuple[Leak, ...]
    search: Search | Optional = ABSENT


class LeftOut(Struct, frozen=True, kw_only=True):
    """How many entries of each list are not in the file. A list that is complete has no key."""

    duplicate_groups: Count | Optional = ABSENT
    duplicate_ids: Count | Optional = ABSENT
    label_errors: Count | Optional = ABSENT


class DrawnFrom(Struct, frozen=True, kw_only=True):
    """The images that a sample was drawn from."""

    n_images: Count
    fingerprint: Digest


class Source(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How DATA was read, so that `curator verify` can read it again."""

    data: str
    pool: str | None
    model: str
    path_column: str
    label_column: str
    allow_outside: bool
    max_skipped: Share
    precision: Literal["fp32", "bf16", "fp16", "int8"] | None = None
    embeddings: Annotated[Any, Meta(description="Identifies a folder of embeddings; null if images were read.")] = None


class AuditDocument(Document, frozen=True, kw_only=True, tag="curator.audit/1"):
    """What `curator audit` found. It is identical for two runs over the same data, settings and seed."""

    dataset: DatasetSummary
    encoder: EncoderSummary
    settings: Settings
    seed: int
    versions: dict[str, str]
    expected_false_findings: Annotated[float, Meta(ge=0)] | None = None
    verdict: Verdict
    findings: Annotated[tuple[Finding, ...], Meta(description="The findings, worst first.")]
    shared_patterns: Annotated[
        dict[str, tuple[SharedPattern, ...]], Meta(description="Patterns that most images of a class share, by class.")
    ] = msgspec.field(default_factory=dict)
    clusters: tuple[ClusterSummary, ...] = ()
    duplicates: Duplicates
    label_errors: tuple[LabelError, ...]
    left_out: LeftOut | Optional = ABSENT
    n_tests: Count
    notes: Annotated[
        tuple[str, ...], Meta(description="Notes for the user: what was left out, limited or replaced.")
    ] = ()
    untested: Annotated[tuple[str, ...], Meta(description="The entries of `untested_attributes` as sentences.")] = ()
    untested_attributes: Annotated[
        tuple[Untested, ...], Meta(description="Attributes that were not tested, because no value is in enough images.")
    ] = ()
    drawn_from: DrawnFrom | Optional = ABSENT
    source: Source | Optional = ABSENT
    comparison: Annotated[
        ComparisonDocument | Optional, Meta(description="Printed by --compare with --json; not in the file.")
    ] = ABSENT
    surroundings_alone: SurroundingsAlone | Optional = ABSENT

    @property
    def counts_objects(self) -> bool:
        """Whether findings about the objects themselves count as shortcuts, as the user asked."""
        audit = self.settings.get("audit", {})
        return bool(audit.get("objects", False)) if isinstance(audit, dict) else False


class RunDocument(Document, frozen=True, kw_only=True, tag="curator.run/1"):
    """How a run went, without its findings."""

    command: Name
    started: Annotated[str | None, Meta(description="Start time, ISO 8601.")]
    data: str
    out: str | None
    files: tuple[str, ...]
    n_images: Count
    n_new: Annotated[Count, Meta(description="Number of images embedded in this run; the others were in the store.")]
    n_skipped: Count
    n_tests: Count
    n_findings: Count
    seconds: Annotated[float, Meta(ge=0)] | None
    images_per_second: Annotated[float, Meta(ge=0)] | None
    fingerprint: Digest
    encoder: EncoderSummary
    settings: Settings
    seed: int
    versions: dict[str, str]
    notes: tuple[str, ...]
    inputs: Annotated[
        str | Optional,
        Meta(description="Digest of the images, labels, settings, versions and code that the results depend on."),
    ] = ABSENT
    outputs: Annotated[dict[str, str] | Optional, Meta(description="SHA-256 of each written file, by file name.")] = (
        ABSENT
    )
    printed: Annotated[str | Optional, Meta(description="The terminal output, with its colours.")] = ABSENT
    reused: Annotated[
        bool | Optional, Meta(description="True if nothing had changed and the results of an earlier run were kept.")
    ] = ABSENT
