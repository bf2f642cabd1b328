"""What is seen at each place of a picture, packed small enough to be kept for every image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.regions.foreground import VERSION as FOREGROUND
from curator.regions.foreground import foreground
from curator.types import Floats, Ids, Mask, PackedRows, Patches

VERSION = f"1.{FOREGROUND}"  # raise it when the packed bytes change
IN_MEMORY = 2**28
"""Bytes of features that are held in memory: those of some 12,000 pictures. More stay on the disk until they are asked for."""
_EXTRA = 5  # bytes beside the features of a place: foreground, three of colour, texture


def pack(inputs: NDArray[np.uint8], features: Floats, likely: Floats | None = None) -> NDArray[np.uint8]:
    """One row of bytes per picture: `inputs` (b, size, size, 3), `features` (b, g, g, d) -> (b, g * g * (d + 5)).

    `likely` (b, g, g) is `foreground(features)`, where it is at hand.

    Features lose their length, and are rounded to 1/127 (a cosine moves by less than 0.01).
    """
    b, g, _, d = features.shape
    unit = features / np.maximum(np.linalg.norm(features, axis=3, keepdims=True), 1e-12)
    whole = np.clip(np.rint(127 * unit), -127, 127).astype(np.int8).view(np.uint8)
    hidden = foreground(features) if likely is None else likely
    colour, texture = _pixels(inputs, g)
    object_ = np.rint(255 * hidden).astype(np.uint8)[..., None]
    return np.concatenate([whole, object_, colour, texture[..., None]], axis=3).reshape(b, g * g * (d + _EXTRA))


def unpack(ids: Ids, rows: NDArray[np.uint8], grid: int, eye: str) -> Patches:
    """The patches whose packed rows these are; `eye` is the fingerprint of what saw them."""
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
    """The patches of packed rows that may be too many for memory, and which (n,) of the rows there are, sound.

    None unless all are. What is small is read at once, and with it every row is looked at; the features stay where they are
    if they are more than `IN_MEMORY`.
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
    """The features of packed rows, (n, g, g, d) int8, read when they are asked for."""

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
    # Whole rows are added first, as whole numbers: exact in any order, and in an eighth of the time of a mean over blocks.
    rows = shown.reshape(b, grid, side, -1).sum(2, dtype=np.uint32)
    colour = rows.reshape(b, grid, grid, side, 3).sum(3, dtype=np.uint32).astype(np.float32) / np.float32(side * side)
    grey = (shown[..., 0].astype(np.float32) + shown[..., 1] + shown[..., 2]) / np.float32(3)
    grey = grey.reshape(b, grid, side, grid, side)
    steps = (np.abs(np.diff(grey, axis=2)).mean((2, 4)) + np.abs(np.diff(grey, axis=4)).mean((2, 4))) / 2
    return np.rint(colour).astype(np.uint8), np.rint(np.minimum(steps, 255)).astype(np.uint8)
