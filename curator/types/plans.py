"""Recommendations, splits and the results of a validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

import pandas as pd

from curator.errors import DataError
from curator.types.arrays import Interval


@dataclass(frozen=True, slots=True)
class Cell:
    """One class x value cell of a recommendation, with counts of images.

    `available` is the number of suitable images in the pool, None if unknown. `words` follows the class name and says what
    the images show: "on something other than green".
    """

    class_name: str
    attribute: str
    value: str
    has_value: bool
    have: int
    want: int
    got: int
    available: int | None = None
    words: str = ""

    @property
    def missing(self) -> int:
        return max(0, self.want - self.got)

    @property
    def value_name(self) -> str:
        return self.value if self.has_value else f"not {self.value}"


@dataclass(frozen=True, slots=True)
class ExpectedPoint:
    """The expected worst-group accuracy after `n_added` images, its `gain` over adding none, and the interval of the gain.

    `rest` is the upper end of the 95 % interval of what the images after these may still add.
    """

    n_added: int
    worst_group: float
    gain: float
    ci: Interval
    rest: float = 1.0


@dataclass(frozen=True, slots=True)
class Removal:
    """An image of the data set to leave out, of the cell `class_name` x `value`, and why this image."""

    id: str
    class_name: str
    attribute: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Which pool images to add, in order, and the plan that they fill. All per-row tuples have the same length.

    `expected_gain` is the gain of the whole list, `expected_curve` that of its first parts. After `enough` images the rest
    add less than three points; None if even the last images add more. `removals` are images of the data set to leave out,
    in order.
    """

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    label_sources: tuple[Literal["given", "predicted", "confirmed"], ...]
    cells: tuple[int, ...]
    reasons: tuple[str, ...]
    plan: tuple[Cell, ...]
    shopping_list: tuple[str, ...]
    expected_gain: tuple[float, Interval] | None = None
    expected_curve: tuple[ExpectedPoint, ...] = ()
    enough: int | None = None
    removals: tuple[Removal, ...] = ()
    last_resorts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len({len(getattr(self, f.name)) for f in fields(self)[:5]} | {len(self.last_resorts or self.ids)}) != 1:
            raise DataError("the columns of a recommendation differ in length.")


@dataclass(frozen=True, slots=True)
class GroupAccuracy:
    """Accuracy (0..1, 95 % interval) of a probe on one class x value group of `n` test images."""

    class_name: str
    value: str
    n: int
    accuracy: float
    ci: Interval


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of training the probe and its result. `average_accuracy` weights groups as in the training set before."""

    name: str
    n_train: int
    accuracy: float
    accuracy_ci: Interval
    balanced_accuracy: float
    worst_group: GroupAccuracy
    groups: tuple[GroupAccuracy, ...]
    average_accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Worst-group accuracy and reliance after `n_added` images; `random` is the same with as many random images.

    `reliance` is the accuracy on images that follow the shortcut minus the accuracy on those that break it; NaN if the test
    set cannot show it.
    """

    n_added: int
    worst_group: float
    ci: Interval
    reliance: float
    reliance_ci: Interval | None = None
    average_accuracy: float | None = None
    random: CurvePoint | None = None


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The linear probe before and after adding images, with controls.

    `average_change` is the change in average accuracy from the recommended images, for test images with the same mix of
    groups as the training set. `c` is the inverse regularisation of every arm.
    """

    arms: Mapping[str, Arm]
    gain_over_random: tuple[float, Interval] | None
    verdict: Literal["fixed", "improved", "no evidence of improvement"]
    attribute: str
    value: str
    curve: tuple[CurvePoint, ...] = ()
    notes: tuple[str, ...] = ()
    average_change: tuple[float, Interval] | None = None
    c: float | None = None


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The split of each image, and the target and actual counts: cells (class, value) x splits.

    The training split can be balanced in three ways: images are left out, images get weights (none: all weights are 1), or
    `shopping_list` names the images that are missing.
    """

    assignment: Mapping[str, str]
    asked: pd.DataFrame
    got: pd.DataFrame
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    shopping_list: tuple[str, ...] = ()
