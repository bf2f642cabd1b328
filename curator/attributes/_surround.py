"""Which pixels lie around the object."""

from __future__ import annotations

import numpy as np

from curator.types import Mask, Photo

BAND = 0.2
"""Width of the outer band as a fraction of each side, taken for surround where nothing has told object from surround."""
LEAST = 0.05
"""Fraction of the picture that a surround must have to be measured; an object that fills more leaves only the band."""


def band(height: int, width: int) -> Mask:
    """The mask (height, width) of the outer band, where the object seldom is.

    >>> band(5, 5).sum()
    np.int64(16)
    """
    mask = np.ones((height, width), np.bool_)
    y, x = round(height * BAND), round(width * BAND)
    mask[y : height - y, x : width - x] = y == 0 or x == 0
    return mask


def surround(photo: Photo) -> Mask:
    """The pixels (h, w) of the analysis picture that show no object: a white sheep does not make a bright photograph."""
    if photo.foreground is not None:
        mask = np.asarray(photo.foreground < 0.5, np.bool_)
        if mask.mean() >= LEAST:
            return mask
    return band(*photo.pixels.shape[:2])
