"""Finds the pixels around the object."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from curator.types import Mask, Photo

BAND = 0.2
"""Width of the outer band as a fraction of each side. The band counts as surroundings if the object is not located."""
LEAST = 0.05
"""Minimum fraction of the image that the surroundings must cover. If an object leaves less, only the outer band is used."""
_last = threading.local()


def band(height: int, width: int) -> Mask:
    """The mask (height, width) of the outer band, which seldom contains the object.

    >>> band(5, 5).sum()
    np.int64(16)
    """
    mask = np.ones((height, width), np.bool_)
    y, x = round(height * BAND), round(width * BAND)
    mask[y : height - y, x : width - x] = y == 0 or x == 0
    return mask


def surround(photo: Photo) -> tuple[Mask, NDArray[np.uint8]]:
    """The pixels of the analysis image outside the object, so that a white sheep does not count as a bright image.

    Returns the mask (h, w) and the pixels (n, 3) under it. The last result is cached, because several families need it for the
    same image.
    """
    if getattr(_last, "photo", None) is not photo:
        mask = _mask(photo)
        _last.photo, _last.found = photo, (mask, photo.pixels.reshape(-1, 3).take(np.flatnonzero(mask), axis=0))
    found: tuple[Mask, NDArray[np.uint8]] = _last.found
    return found


def _mask(photo: Photo) -> Mask:
    if photo.foreground is not None:
        mask = np.asarray(photo.foreground < 0.5, np.bool_)
        if mask.mean() >= LEAST:
            return mask
    return band(*photo.pixels.shape[:2])


def grey(photo: Photo) -> NDArray[np.float32]:
    """The mean of the three channels (h, w), 0..255."""
    r, g, b = (photo.pixels[..., k].astype(np.float32) for k in range(3))
    return np.asarray((r + g + b) / 3, np.float32)
