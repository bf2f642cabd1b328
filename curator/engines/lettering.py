"""Look for lettering in a sample of a data set's images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curator.encoders import _lettering
from curator.engines import looking
from curator.io.decoding import images
from curator.io.store.store import Store
from curator.types import LETTERING, Embedded, Photo

N_IMAGES = 1000
"""Images that are read again, as many of every class as of every other. In the others lettering is unknown."""

LONGEST = 5
"""In an image that is more times as long as wide, lettering is unknown: scaled to the network's input it is too small."""


def look(embedded: Embedded, cache: Path, jobs: int, progress: Callable[[int, int], None]) -> Embedded:
    """The data set with `facts[LETTERING]`: lines by their left, top, right and bottom as fractions of the image times 255.

    "" means no lettering, None not known. Stored in `cache` under the images' contents. Returns the same object if it was
    looked at before or has no images.
    """
    if LETTERING in embedded.facts or "width" not in embedded.facts:
        return embedded
    key = f"lettering {_lettering.VERSION} decoded {images.DECODING}"
    store = Store.of_patches(cache, key, "lettering (PP-OCRv4 detector)")
    network = _lettering.Lettering(jobs)

    def see(photos: Sequence[Photo]) -> NDArray[np.uint8]:
        return network.lines(photos).reshape(len(photos), -1)

    rows = looking.sample(embedded, N_IMAGES)
    sides = embedded.facts[["width", "height"]].to_numpy(float)[rows]
    rows = rows[sides.max(1) <= LONGEST * sides.min(1)]
    seen = looking.look(embedded, rows, see, store, _lettering.PREPROCESSING, jobs, progress)
    column = np.full(len(embedded.facts), None, object)
    for row, boxes in seen.items():
        column[row] = ";".join(" ".join(map(str, box)) for box in boxes.reshape(-1, 4).tolist() if any(box))
    return replace(embedded, facts=embedded.facts.assign(**{LETTERING: column}))
