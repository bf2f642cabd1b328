"""What is seen at each place of a picture, packed small enough to be kept for every image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.foreground import VERSION as FOREGROUND
from curator.foreground import foreground
from curator.types import Floats, Ids, Patches

VERSION = f"1.{FOREGROUND}"  # raise it when the packed bytes change
_EXTRA = 5  # bytes beside the features of a place: foreground, three of colour, texture


def pack(inputs: NDArray[np.uint8], features: Floats) -> NDArray[np.uint8]:
    """One row of bytes per picture: `inputs` (b, size, size, 3), `features` (b, g, g, d) -> (b, g * g * (d + 5)).

    Features lose their length, and are rounded to 1/127 (a cosine moves by less than 0.01).
    """
    b, g, _, d = features.shape
    unit = features / np.maximum(np.linalg.norm(features, axis=3, keepdims=True), 1e-12)
    whole = np.clip(np.rint(127 * unit), -127, 127).astype(np.int8).view(np.uint8)
    likely = np.rint(255 * foreground(features)).astype(np.uint8)[..., None]
    colour, texture = _pixels(inputs, g)
    return np.concatenate([whole, likely, colour, texture[..., None]], axis=3).reshape(b, g * g * (d + _EXTRA))


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


def _pixels(inputs: NDArray[np.uint8], grid: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Mean colour (b, g, g, 3) and mean step between neighbouring pixels (b, g, g) of each place."""
    b, size = inputs.shape[:2]
    side = size // grid
    blocks = inputs[:, : side * grid, : side * grid].reshape(b, grid, side, grid, side, 3).astype(np.float32)
    grey = blocks.mean(5)
    steps = (np.abs(np.diff(grey, axis=2)).mean((2, 4)) + np.abs(np.diff(grey, axis=4)).mean((2, 4))) / 2
    return np.rint(blocks.mean((2, 4))).astype(np.uint8), np.rint(np.minimum(steps, 255)).astype(np.uint8)
