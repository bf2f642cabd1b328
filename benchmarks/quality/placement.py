"""Does a finding lie on the animal or around it? The true masks say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curator.types import AuditRun, Finding, Preprocessing

Where = Callable[[AuditRun, Finding, Sequence[str]], NDArray[np.float32] | None]
"""(run, finding, image ids (n,)) -> how much of the finding is at each place of the encoder's input (n, g, g), 0..1; None
for a finding without a place, such as a file format."""


def nowhere(run: AuditRun, finding: Finding, ids: Sequence[str]) -> NDArray[np.float32] | None:
    """Until the audit says where a finding lies: nothing is placed."""
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


def placed_right(kind: str, share_on_object: float | None) -> bool | None:
    """Whether `kind` (object or context) is where most of the finding lies; None for what has no place or another kind."""
    if share_on_object is None or kind not in ("object", "context"):
        return None
    return (kind == "object") == (share_on_object >= 0.5)
