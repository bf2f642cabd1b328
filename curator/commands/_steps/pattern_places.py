"""Find images that show a shared pattern well, and where in each of them it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from curator.attributes import words
from curator.attributes.colour import NAMES, name_map
from curator.shortcuts.indicators import Indicators
from curator.similarity import clusters
from curator.types import Box, Column, Crop, Embedded, Ints, Mask, Patches, Preprocessing, SharedPattern

N_EXAMPLES = 6
WINDOW = 2 / 7
"""Side of the window shown for a visual word, as a fraction of the encoder's input: four of fourteen places, large enough to
recognise it."""
_WELL = 0.5
"""Examples are chosen from this fraction of the images that have the pattern: those that show most of it."""


def illustrate(
    shared: Mapping[str, tuple[SharedPattern, ...]],
    embedded: Embedded,
    labels: Ints,
    table: Indicators,
    whole: Embedded | None = None,
) -> dict[str, tuple[SharedPattern, ...]]:
    """The patterns with up to `N_EXAMPLES` example images each, and the box of the pattern in each image.

    `labels` (n,) and `table` belong to `embedded`, which may be a part of the `whole` data set that the words were learnt
    from. The box of a visual word is the window with most places of that word. The box of a colour or a prompt about the
    surroundings (or the object) is the rectangle with most of these places and least else. A pattern of the image as a
    whole or of its file has the whole image as its box. Examples are typical images among those that show most of the
    pattern.

    Error: a place is a fourteenth of the input, and its features contain some of its neighbours. A box is sometimes off by
    one place.
    """
    spelt = words.spelling(embedded, whole or embedded)
    measured = set(zip(table.attribute, table.value_names, strict=True))
    out = {}
    for name, patterns in shared.items():
        inside = labels == embedded.dataset.classes.index(name)
        out[name] = tuple(
            _illustrated(p, table.index(p.attribute, p.value), inside, table, embedded, spelt)
            for p in patterns
            if (p.attribute, p.value) in measured
        )
    return out


def _illustrated(
    pattern: SharedPattern, v: int, inside: Mask, table: Indicators, embedded: Embedded,
    spelt: NDArray[np.uint8] | None,
) -> SharedPattern:  # fmt: skip
    column, rows = table.columns[v], np.flatnonzero(inside & table.values[:, v])
    is_word = column.place == "word"
    weights = shown(column, pattern.value, rows, embedded.patches, spelt)
    if weights is not None:
        amount = densest(weights)[0] if is_word else weights.sum((1, 2))
        most = np.lexsort((embedded.dataset.ids[rows], -amount))
        good = np.sort(most[: max(N_EXAMPLES, round(_WELL * len(rows)))])
        rows, weights = rows[good], weights[good]
    chosen = clusters.medoids(embedded.embeddings.vectors[rows], N_EXAMPLES)
    seen = embedded.embeddings.encoder.preprocessing
    boxes: list[Box | None] = []
    for k in chosen:
        size = _size(embedded, int(rows[k]))
        if size is None:
            boxes.append(None)
        elif weights is None:
            boxes.append((0, 0, *size))
        else:
            found = densest(weights[k : k + 1])[1][0] if is_word else rectangle(weights[k] > 0)
            boxes.append(in_pixels(found, weights.shape[1], *size, seen))
    ids = tuple(map(str, embedded.dataset.ids[rows[chosen]]))
    return replace(pattern, example_crops=tuple(Crop(id, box) for id, box in zip(ids, boxes, strict=True)))


def shown(
    column: Column, value: str, rows: NDArray[np.intp], patches: Patches | None, spelt: NDArray[np.uint8] | None
) -> NDArray[np.int64] | None:
    """How much each place (r, g, g) of these images shows the value; None if the value is about the whole image.

    `spelt` (n, g, g) are the visual words at the places of `patches`, see `attributes.words.spelling`.
    """
    if patches is None or column.kind not in ("object", "context", "unclear") or column.place == "lettering":
        return None
    likely = patches.on_object_of(rows)
    if column.place == "word":
        if spelt is None:
            return None
        here = spelt[rows] == column.word
        # A word of the surroundings is counted only outside the object. A word of the object may be at its edge, so the
        # neighbouring places of the object are shown too.
        out = (
            2 * here + (likely & here.any((1, 2), keepdims=True))
            if column.kind == "object"
            else here
            if column.kind == "unclear"
            else here & ~likely
        )
    elif column.kind == "object":
        out = likely
    elif column.place == "colour" and value in NAMES:
        colour = name_map(patches.colour[rows].reshape(*likely.shape, 3))
        out = ~likely & (colour == NAMES.index(value))
    else:
        out = ~likely
    return np.asarray(out, np.int64)


def _size(embedded: Embedded, row: int) -> tuple[int, int] | None:
    facts = embedded.facts
    if "width" not in facts or "height" not in facts:
        return None
    return int(facts["width"].iloc[row]), int(facts["height"].iloc[row])


def densest(weights: NDArray[np.integer]) -> tuple[NDArray[np.int64], list[Box]]:
    """For each image, the sum (n,) of the weights (n, g, g) in its best window, and that window in places.

    Among equally good windows, the one with most weight around it is chosen, so that a lawn is shown by its middle.
    """
    n, grid = weights.shape[:2]
    side = max(1, round(WINDOW * grid))
    inside = sliding_window_view(weights, (side, side), (1, 2)).sum((3, 4))
    padded = np.pad(weights, ((0, 0), (1, 1), (1, 1)))
    around = sliding_window_view(padded, (side + 2, side + 2), (1, 2)).sum((3, 4))
    best = (inside + around / (padded[0].size * max(weights.max(initial=0), 1))).reshape(n, -1).argmax(1)
    y, x = np.unravel_index(best, inside.shape[1:])
    boxes = [(int(a), int(b), int(a) + side, int(b) + side) for a, b in zip(x, y, strict=True)]
    return np.asarray(inside.reshape(n, -1)[np.arange(n), best], np.int64), boxes


def rectangle(places: Mask) -> Box:
    """The rectangle with the most marked places (g, g) and the fewest others; the whole grid if none is marked.

    >>> rectangle(np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], bool))
    (1, 1, 3, 2)
    """
    grid = len(places)
    if not places.any():
        return 0, 0, grid, grid
    total = np.pad(np.where(places, 1, -1).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    start, stop = (v.ravel() for v in np.triu_indices(grid + 1, 1))
    rows = total[stop] - total[start]
    sums = rows[:, stop] - rows[:, start]
    y, x = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(start[x]), int(start[y]), int(stop[x]), int(stop[y])


def in_pixels(box: Box, grid: int, width: int, height: int, preprocessing: Preprocessing) -> Box:
    """Convert a box from places of the encoder's input to pixels of the image; it is inside the image and never empty.

    >>> in_pixels((0, 0, 7, 14), 14, 512, 256, Preprocessing(size=224, resize_to=256))
    (144, 16, 256, 240)
    """
    left, top, right, bottom = preprocessing.view(width, height)
    x0, x1 = _along(width, left, right, box[0] / grid, box[2] / grid)
    y0, y1 = _along(height, top, bottom, box[1] / grid, box[3] / grid)
    return x0, y0, x1, y1


def _along(length: int, start: float, stop: float, low: float, high: float) -> tuple[int, int]:
    """The range `low` to `high`, as fractions of the part from `start` to `stop` of a side, in pixels."""
    first, last = (round(length * (start + (stop - start) * v)) for v in (low, high))
    first = min(max(first, 0), length - 1)
    return first, max(min(last, length), first + 1)
