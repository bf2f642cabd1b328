"""The attributes of an image, one module per family. A module joins by defining `FAMILY`.

A `PhotoFamily` measures one decoded image and runs beside the encoder, on the same decoded image. A `SetFamily` needs the
whole data set (its metadata, its embeddings) and runs afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from curator.config import Settings
from curator.registry import Registry
from curator.types import Column, Embedded, Encoder, Measures, Photo

Value = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class PhotoFamily:
    """Columns measured on one image. Increase `version` when the numbers change, so that stored ones are not reused."""

    columns: tuple[Column, ...]
    measure: Callable[[Photo], Mapping[str, Value]]
    version: int = 1


@dataclass(frozen=True, slots=True)
class SetFamily:
    """Columns derived from the whole data set. There are no columns if the data set lacks what they are derived from.

    `derive(embedded, encoder, settings, reference)`: thresholds come from `reference`, so that a pool or a test set is read
    with the thresholds of the data set it is compared with.
    """

    derive: Callable[[Embedded, Encoder, Settings, Embedded], Measures]


FAMILIES: Registry[PhotoFamily | SetFamily] = Registry("curator.attributes", "FAMILY", "attribute family")


def photo_families() -> list[tuple[str, PhotoFamily]]:
    """The families measured at decode time, by name."""
    return [(name, family) for name, family in FAMILIES if isinstance(family, PhotoFamily)]


def measure(photo: Photo) -> dict[str, Value]:
    """Measure every per-image attribute of one image."""
    row: dict[str, Value] = {}
    for _, family in photo_families():
        row.update(family.measure(photo))
    return row


def fingerprint() -> str:
    """A hash that changes when a per-image family is added, removed or gets a new version."""
    names = [f"{name}:{family.version}:{[c.name for c in family.columns]}" for name, family in photo_families()]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def measures(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded | None = None) -> Measures:
    """All attributes of a data set: per-image ones from its rows, then derived ones (see `SetFamily`)."""
    # Embeddings that were given without images have no per-image measurements.
    columns = tuple(c for _, family in photo_families() for c in family.columns if len(embedded.rows.columns))
    frame = embedded.rows.reindex(columns=[c.name for c in columns])
    out = Measures(frame if len(columns) else pd.DataFrame(index=embedded.rows.index), columns)
    for _, family in FAMILIES:
        if isinstance(family, SetFamily):
            out = out.join(family.derive(embedded, encoder, settings, reference or embedded))
    return out
