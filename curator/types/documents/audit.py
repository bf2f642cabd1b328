"""audit.json, what an audit found, and run.json, how the run went."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from curator.types.document import ABSENT, Digest, Document, EncoderSummary, Optional, Settings, SkippedFile
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
    classes: Annotated[dict[str, Count], Meta(description="Images of each class.")]
    splits: Annotated[dict[str, Count], Meta(description="Images of each named split.")]
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
    embeddings: Annotated[Any, Meta(description="What identifies a folder of embeddings.")] = None


class AuditDocument(Document, frozen=True, kw_only=True, tag="curator.audit/1"):
    """What `curator audit` found. It is identical for two runs over the same data, settings and seed."""

    dataset: DatasetSummary
    encoder: EncoderSummary
    settings: Settings
    seed: int
    versions: dict[str, str]
    expected_false_findings: Annotated[float, Meta(ge=0)] | None = None
    verdict: Verdict
    findings: Annotated[tuple[Finding, ...], Meta(description="Worst first.")]
    shared_patterns: Annotated[
        dict[str, tuple[SharedPattern, ...]], Meta(description="By class: what most of its images have in common.")
    ] = msgspec.field(default_factory=dict)
    clusters: tuple[ClusterSummary, ...] = ()
    duplicates: Duplicates
    label_errors: tuple[LabelError, ...]
    left_out: LeftOut | Optional = ABSENT
    n_tests: Count
    notes: Annotated[tuple[str, ...], Meta(description="What the user must know.")] = ()
    untested: Annotated[tuple[str, ...], Meta(description="`untested_attributes` in words.")] = ()
    untested_attributes: Annotated[
        tuple[Untested, ...], Meta(description="Attributes of which no value could have come out.")
    ] = ()
    drawn_from: DrawnFrom | Optional = ABSENT
    source: Source | Optional = ABSENT
    surroundings_alone: SurroundingsAlone | Optional = ABSENT

    @property
    def counts_objects(self) -> bool:
        """Whether findings about the objects themselves count as shortcuts, as the user asked."""
        audit = self.settings.get("audit", {})
        return bool(audit.get("objects", False)) if isinstance(audit, dict) else False


class RunDocument(Document, frozen=True, kw_only=True, tag="curator.run/1"):
    """How a run went, without its findings."""

    command: Name
    started: Annotated[str | None, Meta(description="ISO 8601.")]
    data: str
    out: str | None
    files: tuple[str, ...]
    n_images: Count
    n_new: Annotated[Count, Meta(description="Images embedded in this run; the rest came from the store.")]
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
        str | Optional, Meta(description="Digest of images, labels, settings, versions and code behind the results.")
    ] = ABSENT
    outputs: Annotated[dict[str, str] | Optional, Meta(description="File name to SHA-256 of what was written.")] = (
        ABSENT
    )
    printed: Annotated[str | Optional, Meta(description="What the terminal showed, with its colours.")] = ABSENT
    reused: Annotated[
        bool | Optional, Meta(description="Nothing had changed: the results of an earlier run stand.")
    ] = ABSENT
