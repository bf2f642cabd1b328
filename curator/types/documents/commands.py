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
    n_new: Annotated[Count, Meta(description="Distinct images embedded in this run; the others were in the cache.")]
    images_per_second: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="New images per second, with decoding and measuring; null if there are no new images."),
    ]
    encoder: EncoderSummary
    notes: tuple[str, ...]
    skipped: tuple[SkippedFile, ...]
    cache: Name


class BrowseDocument(Document, frozen=True, kw_only=True, tag="curator.browse/1"):
    """The data set that `curator browse` opened."""

    name: Annotated[Name, Meta(description="Name of the FiftyOne data set.")]
    n_images: Count
    views: Annotated[tuple[str, ...], Meta(description="Names of the saved views.")]
    url: Annotated[str | None, Meta(description="Address of the App; null with --no-wait.")]
    notes: tuple[str, ...]


class StoreSummary(Struct, frozen=True, kw_only=True):
    """The content of one store, or the part that is removed."""

    kind: Annotated[
        Literal["vectors", "patches"],
        Meta(
            description="`vectors`: vectors and measurements of whole images. `patches`: features of the places in each image."
        ),
    ]
    encoder: Annotated[str, Meta(description="Name of the encoder that made the vectors; empty if unknown.")]
    images: Annotated[
        Count | None, Meta(description="Number of distinct images; null for a store that an earlier version wrote.")
    ]
    bytes: Count
    last_used: Annotated[str, Meta(description="ISO 8601, UTC.")]
    is_read: Annotated[
        bool, Meta(description="Whether this version reads the store; false for a store that an earlier version wrote.")
    ]
    folder: Name


class CacheDocument(Document, frozen=True, kw_only=True, tag="curator.cache/1"):
    """The stores that `curator cache` lists or removes."""

    action: Literal["list", "prune"]
    dry_run: Annotated[
        bool, Meta(description="True if nothing was removed; `stores` then lists what would be removed.")
    ]
    cache: Name
    stores: Annotated[tuple[StoreSummary, ...], Meta(description="The stores, the most recently used first.")]


class CheckResult(Struct, frozen=True, kw_only=True, rename={"fix": "mend"}):
    """The check of one part of the installation."""

    name: Name
    status: Annotated[
        Literal["ok", "warn", "fail"],
        Meta(description="`ok`: works. `warn`: works with limits. `fail`: does not work; the exit code is 1."),
    ]
    found: Name
    fix: Annotated[str, Meta(description="What to do about it; empty if nothing needs to be done.")]


class DoctorDocument(Document, frozen=True, kw_only=True, tag="curator.doctor/1"):
    """What works on this machine."""

    checks: Annotated[tuple[CheckResult, ...], Meta(min_length=1)]


class Signature(Struct, frozen=True, kw_only=True):
    """Who signed the file, checked with --public-key."""

    key: Annotated[str, Meta(pattern="^[0-9A-F]{16}$", description="Id of the public key, as minisign prints it.")]
    trusted_comment: Annotated[str, Meta(description="Comment by the signer; it is signed too.")]
    files: Annotated[
        tuple[Name, ...], Meta(min_length=1, description="Names of the files whose signature was checked.")
    ]


class VerifyDocument(Document, frozen=True, kw_only=True, tag="curator.verify/1"):
    """Whether a repeated audit agrees with an old one."""

    audit: Annotated[Name, Meta(description="Path of audit.json, as given on the command line.")]
    same: Annotated[bool, Meta(description="Whether there are no differences.")]
    differences: Annotated[tuple[Name, ...], Meta(description="The differences, one sentence each.")]
    notes: Annotated[tuple[Name, ...], Meta(description="Changes that may not matter, such as other versions.")]
    signature: Signature | None = None


class PlantedResult(Struct, frozen=True, kw_only=True):
    """How often a planted shortcut was found."""

    kind: Plant
    effect: Annotated[
        Share, Meta(description="Share of the class that has the shortcut minus the share of the other classes.")
    ]
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
    classes: Annotated[dict[str, Count], Meta(description="Number of images used, by class.")]
    encoder: Name
    seed: Count
    share_elsewhere: Annotated[
        Share, Meta(description="Share of the other classes' images that have the planted shortcut.")
    ]
    planted: Annotated[tuple[PlantedResult, ...], Meta(min_length=1)]
    false_alarms: FalseAlarms
    meaning: Name
    seconds: Annotated[float, Meta(ge=0)]
    notes: tuple[str, ...]
