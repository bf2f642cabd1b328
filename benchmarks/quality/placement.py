"""Does a finding lie on the animal or around it? The true masks say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import maximum_filter

from curator.attributes import words
from curator.types import Embedded, Finding, Preprocessing

_LIKELY = 128
"""Foreground, of 255, from which the audit takes a place for the object's."""

RIM = 2
"""How many places around the animal count as its rim, where strictly it is not."""


def where(embedded: Embedded, finding: Finding, rows: NDArray[np.intp]) -> NDArray[np.float32] | None:
    """Which places of the encoder's input the finding is about, in the images `rows` (n,): (n, g, g), 0 or 1.

    A visual word is wherever it is, whatever part of it the audit counts: it has one nature. A background is what the
    audit takes for surround. None for a finding without a place: a file format, the light, the size of the object.
    """
    if embedded.patches is None:
        return None
    if finding.attribute.startswith("words."):
        learnt = words._learn(words._Key(embedded.patches))  # the very words of the audit, kept by it
        return (learnt.words[rows] == int(finding.attribute.removeprefix("words."))).astype(np.float32)
    if finding.attribute.startswith("background."):
        return (embedded.patches.foreground[rows] < _LIKELY).astype(np.float32)
    return None


def truth(masks: Sequence[Path], grid: int, preprocessing: Preprocessing) -> NDArray[np.float32]:
    """The share (n, g, g), 0..1, of each place of the encoder's input that the animal covers. The pictures are square."""
    left, top, right, bottom = preprocessing.view(1000, 1000)
    out = []
    for path in masks:
        with Image.open(path) as mask:
            w, h = mask.size
            box = (left * w, top * h, right * w, bottom * h)
            inside = tuple(min(max(v, 0.0), float(m)) for v, m in zip(box, (w, h, w, h), strict=True))
            small = mask.convert("L").resize((grid, grid), Image.Resampling.BOX, box=inside)
        out.append(np.asarray(small, np.float32) / 255)
    return np.stack(out)


def on_object(where: NDArray[np.float32], animal: NDArray[np.float32], enough: float = 0.25) -> float | None:
    """The share of the finding's area that lies on the animal: both (n, g, g). None where the finding is nowhere.

    A place is the animal's when at least `enough` of it is: places are coarse and animals thin.

    >>> animal = np.zeros((1, 2, 2), np.float32); animal[0, 0, 0] = 0.9
    >>> on_object(np.array([[[1, 1], [0, 0]]], np.float32), animal)
    0.5
    """
    total = float(where.sum())
    return float(where[animal >= enough].sum() / total) if total > 0 else None


def widened(animal: NDArray[np.float32], by: int, enough: float = 0.25) -> NDArray[np.float32]:
    """The animal's places and all within `by` of them, (n, g, g): its rim and shadow, which patches see as part of it.

    >>> animal = np.zeros((1, 1, 5), np.float32); animal[0, 0, 0] = 1
    >>> widened(animal, 2)[0, 0].tolist()
    [1.0, 1.0, 1.0, 0.0, 0.0]
    """
    near = maximum_filter(animal >= enough, size=(1, 2 * by + 1, 2 * by + 1), mode="constant")
    return np.asarray(near, np.float32)


def placed_right(kind: str, share_on_object: float | None) -> bool | None:
    """Whether `kind` (object or context) is where most of the finding lies; None for what has no place or another kind."""
    if share_on_object is None or kind not in ("object", "context"):
        return None
    return (kind == "object") == (share_on_object >= 0.5)
