"""Types that several JSON files share."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from curator.types.arrays import Interval
from curator.types.findings import Difference, Name

Digest = Annotated[str, Meta(pattern="^sha256:[0-9a-f]+$")]
Settings = dict[str, Any]
Optional = UnsetType
"""The default of an optional key, which is then not in the file."""
ABSENT = UNSET


class Document(Struct, frozen=True, kw_only=True, tag_field="schema"):
    """One JSON file. The tag of a subclass is its `schema`."""


class Estimate(Struct, frozen=True):
    """A value with its 95 % interval."""

    value: Difference
    ci: Interval


class EncoderSummary(Struct, frozen=True, kw_only=True):
    """The encoder that made the vectors. `text`: it can compare an image with text."""

    name: Name
    kind: Annotated[str, Meta(description="Kind of encoder: open_clip, embedded, pixels or given.")]
    dim: Annotated[int, Meta(ge=1)] = 1
    text: bool = False
    fingerprint: Digest
    note: Annotated[str, Meta(description="Note for the user about this encoder; empty if there is none.")] = ""


class SkippedFile(Struct, frozen=True):
    """An image that could not be used, and why."""

    id: Name
    reason: Name
