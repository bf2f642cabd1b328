"""Brightness and contrast of the picture, its object aside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.attributes import PhotoFamily, Value
from curator.attributes._surround import surround
from curator.types import Column, Photo

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 weights of red, green and blue."""


def contrast(luma: NDArray[np.float32]) -> float:
    """Standard deviation of luma (any shape, 0..1) over its mean: over the mean, or every dark picture would have little.

    >>> contrast(np.array([0.25, 0.75], np.float32))
    0.5
    """
    return float(luma.std() / max(luma.mean(), 1 / 255))


def _measure(photo: Photo) -> dict[str, Value]:
    luma = np.asarray(photo.pixels.astype(np.float32) @ _LUMA / 255, np.float32)[surround(photo)]
    return {
        "light.brightness": float(luma.mean()),
        "light.highlights": float(np.quantile(luma, 0.98)),
        "light.contrast": contrast(luma),
    }


FAMILY = PhotoFamily(
    columns=(
        Column(
            "light.brightness",
            "number",
            "image",
            "have brightness {value}",
            "with brightness not {value}",
            "0..1",
            ratio=True,
            marked="below",
        ),
        # An asphalt road is dark; only an underexposed photograph has nothing bright in it.
        Column(
            "light.highlights",
            "number",
            "image",
            "have highlights {value}",
            "with highlights not {value}",
            "98 % quantile of luma, 0..1",
            ratio=True,
            marked="below",
        ),
        Column(
            "light.contrast",
            "number",
            "image",
            "have contrast {value}",
            "with contrast not {value}",
            "standard deviation of luma over its mean",
        ),
    ),
    measure=_measure,
    version=4,
)
