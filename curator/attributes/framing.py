"""How the object is framed: how far it spans the picture."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import find_objects, label

from curator.attributes import PhotoFamily, Value
from curator.types import Column, Photo

BIAS = 0.2
"""Animals differ in how much of a frame they span, however they are framed: insects are smaller by their true masks, too. On
ten-class development sets without a shortcut the lower limit of some class's effect reached 0.17 in 5 % and 0.27 in 1 %."""


def _measure(photo: Photo) -> dict[str, Value]:
    if photo.foreground is None:
        return {"framing.object_span": None}
    # The largest piece: a twig in the corner is not the bird. Its longer extent, not its area: a snake fills little.
    pieces, n = label(photo.foreground >= 0.5)
    if not n:
        return {"framing.object_span": 0.0}
    largest = int(np.bincount(pieces.ravel())[1:].argmax())
    rows, columns = find_objects(pieces)[largest]
    extents = (rows.stop - rows.start) / pieces.shape[0], (columns.stop - columns.start) / pieces.shape[1]
    return {"framing.object_span": float(max(extents))}


FAMILY = PhotoFamily(
    columns=(
        Column(
            "framing.object_span",
            "number",
            "image",
            "show an object that spans {value} of the frame",
            "with an object that does not span {value} of the frame",
            "fraction of the longer or the shorter side, 0..1, with the rim that only touches the object",
            bias=BIAS,
            marked="above",
            # Close up against far off is two sizes. Quantiles inside one of them part animals by small differences of build.
            quantiles=False,
        ),
    ),
    measure=_measure,
    version=2,
)
