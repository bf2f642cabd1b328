"""Brightness and contrast of an image without its object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.attributes import PhotoFamily, Value
from curator.attributes._surround import surround
from curator.types import Column, Photo

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 weights of red, green and blue."""


def contrast(luma: NDArray[np.float32]) -> float:
    """Standard deviation of luma (any shape, 0..1) divided by its mean. Without the division every dark image would have little
    contrast.

    >>> contrast(np.array([0.25, 0.75], np.float32))
    0.5
    """
    return float(luma.std() / max(luma.mean(), 1 / 255))


def _measure(photo: Photo) -> dict[str, Value]:
    around = surround(photo)[1].astype(np.float32) / 255
    luma = np.asarray(around @ _LUMA, np.float32)
    brightest = np.maximum(np.maximum(around[:, 0], around[:, 1]), around[:, 2])
    return {
        "light.brightness": float(luma.mean()),
        "light.highlights": float(np.quantile(brightest, 0.98)),
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
            edit="brightness",
            defect="dark",
            around=True,
            sides=("are dark", "are bright"),
        ),
        # An asphalt road is dark, but only an underexposed image has no bright parts. The brightest channel is used, because a
        # camera exposes until one channel is full, and a lawn or a red wall fills only one. Cut in two, it agrees with planted
        # darkness with phi 0.98 (2000 development photographs); the same quantile of luma has 0.85.
        Column(
            "light.highlights",
            "number",
            "image",
            "have highlights {value}",
            "with highlights not {value}",
            "98 % quantile of the brightest channel, 0..1",
            ratio=True,
            marked="below",
            edit="brightness",
            around=True,
            sides=("have no bright parts", "have bright parts"),
        ),
        Column(
            "light.contrast",
            "number",
            "image",
            "have contrast {value}",
            "with contrast not {value}",
            "standard deviation of luma over its mean",
            edit="contrast",
            defect="flat",
            around=True,
            sides=("have little contrast", "have much contrast"),
        ),
    ),
    measure=_measure,
    version=5,
)
