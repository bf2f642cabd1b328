"""Plans synthetic counter-examples: which object goes on which background, and where the object ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from curator.types import Floats, Ids, Ints, Mask, Preprocessing

PREFIX = "synthetic-"
"""Start of the name of every synthetic image, so that it can be recognised wherever it is copied."""
FOLDER = "synthetic"
"""The folder for synthetic images inside a result folder."""
SYNTHETIC = "synthetic"
"""The tag of synthetic images in the FiftyOne App."""
COLUMN = "synthetic"
"""The table column that marks synthetic images: true, yes or 1."""
_OBJECT = 0.5
_LEAST, _MOST = 0.01, 0.5
"""Share of the places that an object covers. Below the minimum it may be a speck; above the maximum its edge is unclear."""
_TOUCHED = 0.3
"""From this probability of the object on, a place is filled when the object is removed, as in `editing.without_object`."""
_KEPT = 0.5, 0.9
"""Probabilities of the object from which a pixel is partly kept, and from which it is fully kept."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One image to make: the object of row `object_row` on the background of row `background_row`, to fill `cell`."""

    object_row: int
    background_row: int
    cell: int


def is_synthetic(ids: Ids, metadata: pd.DataFrame | None = None) -> Mask:
    """The synthetic images (n,): those with the prefix in their name, or marked in the column `synthetic` of their table.

    >>> is_synthetic(np.array(["hen/synthetic-0001.jpg", "hen/1.jpg", "synthetic-things/1.jpg"])).tolist()
    [True, False, False]
    """
    named = np.array([str(i).rpartition("/")[2].startswith(PREFIX) for i in ids], np.bool_)
    if metadata is None or COLUMN not in metadata.columns:
        return named
    marked = metadata[COLUMN].astype(str).str.strip().str.lower().isin({"true", "yes", "1", "1.0"})
    return named | marked.to_numpy(np.bool_)


def clear_objects(foreground: Floats) -> Mask:
    """The images (n,) whose object has a usable size, neither tiny nor most of the image. `foreground` (n, g, g), 0..1.

    >>> maps = np.zeros((2, 10, 10), np.float32)
    >>> maps[0, 4:6, 4:6] = 1
    >>> clear_objects(maps).tolist()
    [True, False]
    """
    share = (foreground >= _OBJECT).mean((1, 2))
    return np.asarray((share >= _LEAST) & (share <= _MOST), np.bool_)


def open_grounds(foreground: Floats) -> Mask:
    """The images (n,) whose object can be filled from the mirror image: no place of the object is mirrored onto the object.

    If the mirror image shows the object too, the image is turned upside down instead, and a lawn would get a piece of sky.

    >>> maps = np.zeros((2, 10, 10), np.float32)
    >>> maps[0, 5, 2:4], maps[1, 5, 4:7] = 1, 1
    >>> open_grounds(maps).tolist()
    [True, False]
    """
    there = foreground >= _TOUCHED
    return np.asarray(~(there & there[:, :, ::-1]).any((1, 2)), np.bool_)


def pairs(
    wanted: Sequence[int], objects: Sequence[NDArray[np.intp]], backgrounds: Sequence[NDArray[np.intp]],
    rng: np.random.Generator,
) -> list[Pair]:  # fmt: skip
    """Pair objects with backgrounds: `wanted[c]` images for every cell c, from its `objects` and `backgrounds` (rows).

    Every object and every background is used once before any is used twice, in random order. An image is never the background
    of its own object. A cell without objects or without backgrounds gets no images.
    """
    out = []
    for c, n in enumerate(wanted):
        have, scenes = _turns(objects[c], n, rng), _turns(backgrounds[c], 2 * n, rng)
        used = iter(scenes)
        for row in have:
            scene = next((s for s in used if s != row), None)
            if scene is not None:
                out.append(Pair(row, scene, c))
    return out


def _turns(rows: NDArray[np.intp], n: int, rng: np.random.Generator) -> list[int]:
    out: list[int] = []
    while len(rows) and len(out) < n:
        out += rng.permutation(rows).tolist()
    return out[:n]


def over_image(grid: Floats, height: int, width: int, preprocessing: Preprocessing) -> Floats:
    """Resample a map (g, g) over the encoder's input to (height, width) over the image, bilinear between the centres of places.

    Pixels outside the encoder's input get the value of the nearest place inside.
    """
    left, top, right, bottom = preprocessing.view(width, height)
    g = len(grid)
    rows = ((np.arange(height) + 0.5) / height - top) / (bottom - top) * g - 0.5
    columns = ((np.arange(width) + 0.5) / width - left) / (right - left) * g - 0.5
    at = np.meshgrid(np.clip(rows, 0, g - 1), np.clip(columns, 0, g - 1), indexing="ij")
    return np.asarray(map_coordinates(np.asarray(grid, np.float32), at, order=1, mode="nearest"), np.float32)


def kept(likely: Floats) -> Floats:
    """How much of each pixel, 0..1, is kept as part of the object: nothing up to probability 0.5, all from 0.9 on.

    Error: measured against the true masks of 20 planted photographs (objects of a fifth of the frame). A mask of this kind
    from 0.6 to 0.9 contains two thirds of the object, and surroundings of half its size. Fitting it to the edges in the image
    (a guided filter) did not improve it.

    >>> kept(np.array([0.4, 0.7, 0.95], np.float32)).round(2).tolist()
    [0.0, 0.5, 1.0]
    """
    low, high = _KEPT
    return np.asarray(np.clip((likely - low) / (high - low), 0, 1), np.float32)


def per_cell(
    classes: Ints, has: Sequence[Mask], known: Sequence[Mask], cells: Sequence[tuple[int, int, bool]], foreground: Floats
) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]:  # fmt: skip
    """For each cell (target t, class k, with or without the value): rows with an object of the class, and backgrounds.

    Objects come from the class's aligned images, because conflicting images exist already. If there are none, all images of
    the class are used. Backgrounds come from images of any class with the cell's value, and from those that can be emptied
    without a seam if there are any. `classes` (n,), `has[t]` and `known[t]` (n,), `foreground` (n, g, g).
    """
    clear = clear_objects(foreground)
    open_ = open_grounds(foreground)
    objects, backgrounds = [], []
    for t, k, wanted in cells:
        mine = (classes == k) & clear
        obeying = mine & known[t] & (has[t] != wanted)
        fitting = known[t] & (has[t] == wanted)
        objects.append(np.flatnonzero(obeying if obeying.any() else mine))
        backgrounds.append(np.flatnonzero(fitting & open_ if (fitting & open_).any() else fitting & clear))
    return objects, backgrounds
