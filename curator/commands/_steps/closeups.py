"""Make close-ups: cut the object of each image out of its surroundings and embed it alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from curator.commands.session import Session
from curator.io import editing
from curator.io.decoding import images
from curator.io.editing import Pixels
from curator.regions.foreground import spread
from curator.types import Embedded, Floats, Preprocessing

_GREY = 127
"""The colour that replaces the surroundings. Middle grey hardly affects an encoder. A crop that shows the surroundings was
tried; it labelled counter-examples less well."""
_MARGIN = 1
"""Margin around the object, in places of the grid: the edge of the object is known to one place."""
_BATCH = 32


def closeup(pixels: Pixels, likely: Floats, preprocessing: Preprocessing) -> Pixels:
    """The largest object of the image on grey, as an encoder input (size, size, 3); grey only if there is no object.

    `pixels` (h, w, 3) is the image as stored, upright. `likely` (g, g) is the probability (0..1) that a place of the
    encoder's input holds the object.
    Error: the mask is as coarse as the grid, so a rim of surroundings up to one place wide is left.
    """
    height, width = pixels.shape[:2]
    grid = len(likely)
    x0, y0, x1, y1 = _box(likely)
    left, top, right, bottom = preprocessing.view(width, height)
    # Add the margin that the encoder's preprocessing will crop on all sides.
    more = preprocessing.resize_to / preprocessing.size if preprocessing.mode == "shortest" else 1.0
    across, down = (x1 - x0) * more / 2, (y1 - y0) * more / 2
    xs = [round((left + v / grid * (right - left)) * width) for v in ((x0 + x1) / 2 - across, (x0 + x1) / 2 + across)]
    ys = [round((top + v / grid * (bottom - top)) * height) for v in ((y0 + y1) / 2 - down, (y0 + y1) / 2 + down)]
    out = np.full((max(1, ys[1] - ys[0]), max(1, xs[1] - xs[0]), 3), _GREY, np.uint8)
    rows, columns = slice(max(0, ys[0]), min(height, ys[1])), slice(max(0, xs[0]), min(width, xs[1]))
    shown = spread(likely, height, width, preprocessing)[rows, columns] >= 0.5
    there = out[rows.start - ys[0] : rows.stop - ys[0], columns.start - xs[0] : columns.stop - xs[0]]
    there[shown] = pixels[rows, columns][shown]
    return editing.as_input(out, preprocessing)


def _box(likely: Floats) -> tuple[float, float, float, float]:
    """The square around the largest object, in places: left, top, right, bottom. The whole grid if there is no object."""
    grid = len(likely)
    parts, n = label(likely >= 0.5, np.ones((3, 3)))
    if not n:
        return 0.0, 0.0, float(grid), float(grid)
    y, x = np.nonzero(parts == 1 + np.bincount(parts.ravel())[1:].argmax())
    middle = (x.min() + x.max() + 1) / 2, (y.min() + y.max() + 1) / 2
    half = max(np.ptp(x), np.ptp(y)) / 2 + 0.5 + _MARGIN
    return middle[0] - half, middle[1] - half, middle[0] + half, middle[1] + half


def closeups(embedded: Embedded, session: Session) -> Floats | None:
    """Unit vectors (n, d) of the close-ups of all images; None if objects cannot be told from surroundings.

    Raises:
        DataError: a file was changed or removed since it was embedded.
    """
    if embedded.patches is None:
        return None
    preprocessing, data, n = session.encoder.info.preprocessing, embedded.dataset, len(embedded.dataset)
    likely = embedded.patches.foreground
    out = np.empty((n, session.encoder.info.dim), np.float32)

    def make(i: int) -> NDArray[np.uint8]:
        return closeup(images.whole(data.path(i)), likely[i] / np.float32(255), preprocessing)

    with ThreadPoolExecutor(session.jobs or None) as threads:
        for start in range(0, n, _BATCH):
            session.progress(f"embedding close-ups of {data.name}", start, n)
            rows = range(start, min(start + _BATCH, n))
            out[start : rows.stop] = session.encoder.encode(np.stack(list(threads.map(make, rows))))
    session.progress(f"embedding close-ups of {data.name}", n, n)
    return out
