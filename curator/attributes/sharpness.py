"""How sharp the picture is, its object aside: a hedgehog is no sharper photograph than an egg."""

from __future__ import annotations

import numpy as np

from curator.attributes import PhotoFamily, Value
from curator.attributes._surround import surround
from curator.types import Column, Photo


def _measure(photo: Photo) -> dict[str, Value]:
    grey = photo.pixels.astype(np.float32).mean(-1)
    if min(grey.shape) < 3:
        return {"sharpness.laplacian": None}
    inner = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    around = surround(photo)[1:-1, 1:-1]
    where = around if around.any() else np.ones_like(around)
    contrast = inner[where].var()
    if contrast < 1:  # of one colour: neither sharp nor blurred
        return {"sharpness.laplacian": None}
    # Over the variance of the picture itself: half the light is half the contrast of every edge, but no less sharp.
    return {"sharpness.laplacian": float(np.log2((1 + laplacian[where].var()) / (1 + contrast)))}


FAMILY = PhotoFamily(
    columns=(
        # Variance of the Laplacian: Pech-Pacheco et al. (2000). On the analysis picture, so that size does not decide.
        Column(
            "sharpness.laplacian",
            "number",
            "image",
            "have sharpness {value}",
            "with sharpness not {value}",
            "log2 of the variance of the Laplacian over that of the picture",
        ),
    ),
    measure=_measure,
    version=3,
)
