"""Packs what is seen at each place of an image into few bytes, so that it can be stored for every image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.regions.foreground import VERSION as FOREGROUND
from curator.regions.foreground import foreground
from curator.types import Floats, Ids, Mask, PackedRows, Patches

VERSION = f"1.{FOREGROUND}"  # increase it when the packed bytes change
IN_MEMORY = 2**28
"""Maximum number of feature bytes kept in memory: about 12,000 images. Larger sets are read from the disk on request."""
_EXTRA = 5  # bytes of a place besides the features: foreground, three of colour, texture


def pack(inputs: NDArray[np.uint8], features: Floats, likely: Floats | None = None) -> NDArray[np.uint8]:
    """Pack each image into one row of bytes: `inputs` (b, size, size, 3), `features` (b, g, g, d) -> (b, g * g * (d + 5)).

    `likely` (b, g, g) is `foreground(features)`, if the caller has computed it.

    Features are normalised and rounded to 1/127, which changes a cosine by less than 0.01.
    """
    b, g, _, d = features.shape
    unit = features / np.maximum(np.linalg.norm(features, axis=3, keepdims=True), 1e-12)
    whole = np.clip(np.rint(127 * unit), -127, 127).astype(np.int8).view(np.uint8)
    hidden = foreground(features) if likely is None else likely
    colour, texture = _pixels(inputs, g)
    object_ = np.rint(255 * hidden).astype(np.uint8)[..., None]
    return np.concatenate([whole, object_, colour, texture[..., None]], axis=3).reshape(b, g * g * (d + _EXTRA))


def unpack(ids: Ids, rows: NDArray[np.uint8], grid: int, eye: str) -> Patches:
    """Unpack rows into patches. `eye` is the fingerprint of the encoder that computed them."""
    whole = rows.reshape(len(rows), grid, grid, -1)
    d = whole.shape[3] - _EXTRA
    return Patches(
        ids=ids,
        features=np.ascontiguousarray(whole[..., :d]).view(np.int8),
        foreground=whole[..., d],
        colour=whole[..., d + 1 : d + 4],
        texture=whole[..., d + 4],
        eye=eye,
    )


def read(ids: Ids, rows: PackedRows, grid: int, eye: str) -> tuple[Mask, Patches | None]:
    """Read packed rows, which may be too many for memory. Returns which rows (n,) are present and valid, and the patches.

    The patches are None unless all rows are valid. Everything but the features is read at once, which checks every row. The
    features stay on the disk if they exceed `IN_MEMORY` bytes.
    """
    n = len(rows)
    found = np.zeros(n, np.bool_)
    parts: tuple[NDArray[np.uint8], ...] = ()
    whole: NDArray[np.int8] | None = None
    d = 0
    for at, block in rows.blocks():
        places = block.reshape(len(block), grid, grid, -1)
        d = places.shape[3] - _EXTRA
        if not parts:
            parts = tuple(np.zeros((n, grid, grid, *more), np.uint8) for more in ((), (3,), ()))
            if n * grid * grid * d <= IN_MEMORY:
                whole = np.zeros((n, grid, grid, d), np.int8)
        likely, colour, texture = parts
        likely[at], colour[at], texture[at] = places[..., d], places[..., d + 1 : d + 4], places[..., d + 4]
        if whole is not None:
            whole[at] = places[..., :d].view(np.int8)
        found[at] = True
    if not found.all() or not parts:
        return found, None
    features = _Features(rows, (n, grid, grid, d)) if whole is None else whole
    return found, Patches(ids, features, likely, colour, texture, eye)


class _Features:
    """The features of packed rows, (n, g, g, d) int8, read on request."""

    def __init__(self, rows: PackedRows, shape: tuple[int, ...]) -> None:
        self._rows, self.shape = rows, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[np.int8]:
        packed = self._rows[rows]
        places = packed.reshape(len(packed), *self.shape[1:3], -1)
        return np.ascontiguousarray(places[..., :-_EXTRA]).view(np.int8)

    def take(self, indices: Any, axis: int = 0) -> _Features:
        rows = self._rows.take(indices)
        return _Features(rows, (len(rows), *self.shape[1:]))


def _pixels(inputs: NDArray[np.uint8], grid: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Mean colour (b, g, g, 3) and mean step between neighbouring pixels (b, g, g) of each place."""
    b, size = inputs.shape[:2]
    side = size // grid
    shown = inputs[:, : side * grid, : side * grid]
    # Rows are summed first, as integers. This is exact in any order and takes an eighth of the time of a mean over blocks.
    rows = shown.reshape(b, grid, side, -1).sum(2, dtype=np.uint32)
    colour = rows.reshape(b, grid, grid, side, 3).sum(3, dtype=np.uint32).astype(np.float32) / np.float32(side * side)
    grey = (shown[..., 0].astype(np.float32) + shown[..., 1] + shown[..., 2]) / np.float32(3)
    grey = grey.reshape(b, grid, side, grid, side)
    steps = (np.abs(np.diff(grey, axis=2)).mean((2, 4)) + np.abs(np.diff(grey, axis=4)).mean((2, 4))) / 2
    return np.rint(colour).astype(np.uint8), np.rint(np.minimum(steps, 255)).astype(np.uint8)
