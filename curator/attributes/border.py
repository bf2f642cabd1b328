"""Frames: rows or columns of one colour along all edges."""

from __future__ import annotations

import numpy as np

from curator.attributes import PhotoFamily, Value
from curator.attributes.colour import NAMES, name_map
from curator.types import Column, Photo

_FLAT = 6.0
"""Maximum standard deviation of an edge of one colour, in levels of 255 (JPEG leaves 2 to 4)."""


def _measure(photo: Photo) -> dict[str, Value]:
    pixels = photo.pixels.astype(np.float32)
    if min(pixels.shape[:2]) < 16:
        return {"border.frame": "none"}
    edge = max(1, round(0.015 * min(pixels.shape[:2])))
    edges = pixels[:edge], pixels[-edge:], pixels[:, :edge], pixels[:, -edge:]
    ring = np.concatenate([side.reshape(-1, 3) for side in edges])
    # Per channel, because the channels of one strong colour differ from each other by more than this limit.
    if ring.std(0).max() > _FLAT or pixels.std((0, 1)).max() <= _FLAT:
        return {"border.frame": "none"}
    colour = np.median(ring, axis=0).astype(np.uint8)
    return {"border.frame": NAMES[int(name_map(colour[None, None])[0, 0])]}


FAMILY = PhotoFamily(
    columns=(
        Column(
            "border.frame",
            "category",
            "file",
            "have a frame around them: {value}",
            "with another frame than: {value}",
            edit="frame",
            planted_by=("border", "patch"),
        ),
    ),
    measure=_measure,
    version=2,
)
