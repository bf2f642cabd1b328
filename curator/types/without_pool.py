"""What can be done with the present images if there are no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curator.types.arrays import Ids, Interval, Mask

RemedyName = Literal["as it is", "subset", "weights"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """One way to use the existing images: `n` of them, and the worst-group accuracy (0..1, 95 % interval).

    `gain` is over using all images with equal weight. `class_idx` and `has_value` name the worst class x value group, which
    has `n_group` images.
    """

    name: RemedyName
    n: int
    worst_group: float
    ci: Interval
    gain: float
    gain_ci: Interval
    class_idx: int
    has_value: bool
    n_group: int


@dataclass(frozen=True, slots=True)
class Unaided:
    """A group-balanced subset and sample weights for the training images `ids` (m,) with their `labels`.

    `subset` (m,) marks the images of the subset. `weights` (m,), mean 1, give every class x value group of the shortcut the
    same total weight. `remedies` are the expected gains of both; empty if the groups are too small to estimate them.
    """

    class_name: str
    attribute: str
    value: str
    classes: tuple[str, ...]
    ids: Ids
    labels: tuple[str, ...]
    subset: Mask
    weights: NDArray[np.float64]
    remedies: tuple[Remedy, ...]
