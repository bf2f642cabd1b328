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
    """One way to use the present images: `n` of them, and the worst class x value group's accuracy (0..1, 95 % interval).

    `gain` is over using all alike. `class_idx` and `has_value` name the group, which has `n_group` images.
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
    """For the training images `ids` (m,) with their `labels`: which are of the group-balanced `subset` (m,), and the `weights`
    (m,), mean 1, under which every class x value group of the shortcut counts alike.

    `remedies` say what either gives over all images as they are; empty where the groups are too small to tell.
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
