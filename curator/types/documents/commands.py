"""The JSON that smaller commands print with --json."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from curator.types.arrays import Interval
from curator.types.document import Document, EncoderSummary, SkippedFile
from curator.types.findings import Count, Name, Share
from curator.types.selftest import Plant


class EmbedDocument(Document, frozen=True, kw_only=True, tag="curator.embed/1"):
    """The result of `curator embed`."""

    n_images: Count
    n_new: Annotated[Count, Meta(description="Different images embedded in this run; the rest came from the cache.")]
    images_per_second: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Of the new images, decoding and measuring included; null when there is none."),
    ]
    encoder: EncoderSummary
    notes: tuple[str, ...]
    skipped: tuple[SkippedFile, ...]
    cache: Name


class BrowseDocument(Document, frozen=True, kw_only=True, tag="curator.browse/1"):
    """The data set that `curator browse` opened."""

    name: Annotated[Name, Meta(description="The data set's name in FiftyOne.")]
    n_images: Count
    views: Annotated[tuple[str, ...], Meta(description="Names of the saved views.")]
    url: Annotated[str | None, Meta(description="Where the App is; null with --no-wait.")]
    notes: tuple[str, ...]


class StoreSummary(Struct, frozen=True, kw_only=True):
    """The content of one store, or the part that is removed."""

    kind: Annotated[
        Literal["vectors", "patches"],
        Meta(description="Vectors of whole images, with what was measured; or what is seen at the places of each."),
    ]
    encoder: Annotated[str, Meta(description="Whose; empty where that is not known.")]
    images: Annotated[Count | None, Meta(description="Different images; null for what an earlier version wrote.")]
    bytes: Count
    last_used: Annotated[str, Meta(description="ISO 8601, UTC.")]
    is_read: Annotated[bool, Meta(description="False for what an earlier version wrote: nothing reads it.")]
    folder: Name


class CacheDocument(Document, frozen=True, kw_only=True, tag="curator.cache/1"):
    """The stores that `curator cache` lists or removes."""

    action: Literal["list", "prune"]
    dry_run: Annotated[bool, Meta(description="Nothing was removed: `stores` says what would be.")]
    cache: Name
    stores: Annotated[tuple[StoreSummary, ...], Meta(description="The last used first.")]


class CheckResult(Struct, frozen=True, kw_only=True):
    """The check of one part of the installation."""

    name: Name
    status: Annotated[
        Literal["ok", "warn", "fail"],
        Meta(description="`warn`: works, with less; `fail`: does not work, and the exit code is 1."),
    ]
    found: Name
    mend: Annotated[str, Meta(description="What to do about it; empty when there is nothing.")]


class DoctorDocument(Document, frozen=True, kw_only=True, tag="curator.doctor/1"):
    """What works on this machine."""

    checks: Annotated[tuple[CheckResult, ...], Meta(min_length=1)]


class Signature(Struct, frozen=True, kw_only=True):
    """Who signed the file, checked with --public-key."""

    key: Annotated[str, Meta(pattern="^[0-9A-F]{16}$", description="As minisign prints it.")]
    trusted_comment: Annotated[str, Meta(description="What the signer says of it; signed, too.")]
    files: Annotated[tuple[Name, ...], Meta(min_length=1, description="Every file that was checked, by name.")]


class VerifyDocument(Document, frozen=True, kw_only=True, tag="curator.verify/1"):
    """Whether a repeated audit agrees with an old one."""

    audit: Annotated[Name, Meta(description="The file, as it was named.")]
    same: Annotated[bool, Meta(description="True where there are no differences.")]
    differences: Annotated[tuple[Name, ...], Meta(description="One sentence for each thing that no longer holds.")]
    notes: Annotated[tuple[Name, ...], Meta(description="What is different and need not matter, such as versions.")]
    signature: Signature | None = None


class PlantedResult(Struct, frozen=True, kw_only=True):
    """How often a planted shortcut was found."""

    kind: Plant
    effect: Annotated[Share, Meta(description="Share of the class that has it minus that of the others.")]
    found: Count
    draws: Annotated[int, Meta(ge=1)]
    power: Annotated[Share, Meta(description="found / draws.")]
    ci: Annotated[Interval, Meta(description="95 % interval of power (Wilson).")]


class FalseAlarms(Struct, frozen=True, kw_only=True):
    """Audits without a planted shortcut that had a finding of severity medium or high that is not about the object."""

    found: Count
    draws: Annotated[int, Meta(ge=1)]
    rate: Share
    ci: Interval


class SelfTestDocument(Document, frozen=True, kw_only=True, tag="curator.selftest/1"):
    """Whether an audit would find a shortcut in these images."""

    n_images: Count
    classes: Annotated[dict[str, Count], Meta(description="Images of each class that took part.")]
    encoder: Name
    seed: Count
    share_elsewhere: Annotated[
        Share, Meta(description="Share of the other classes' images that carry the planted thing.")
    ]
    planted: Annotated[tuple[PlantedResult, ...], Meta(min_length=1)]
    false_alarms: FalseAlarms
    meaning: Name
    seconds: Annotated[float, Meta(ge=0)]
    notes: tuple[str, ...]
