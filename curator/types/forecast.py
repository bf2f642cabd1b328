"""How many images are needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from curator.types.arrays import Interval

FARTHEST = 20
"""A need of more than this many times the largest size that was measured is out of sight: it counts as not reachable."""


class Estimate(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    ci: Interval


@dataclass(frozen=True, slots=True)
class Needed:
    """Training images of every class for a target; None is not reachable. `ci` may end in None: then the data leave it open."""

    n_per_class: int | None
    ci: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Point:
    """The accuracy (a fraction, every class counts alike) with `n_per_class` training images of every class."""

    n_per_class: int
    accuracy: float
    ci: Interval


@dataclass(frozen=True, slots=True)
class ClassForecast:
    """The accuracy on one class's images, and the images of every class that it needs; `n_images` there are of it."""

    name: str
    n_images: int
    accuracy: float
    ci: Interval
    needed: Needed


@dataclass(frozen=True, slots=True)
class PairForecast:
    """How well two classes are told from each other: whether an image of one scores higher for its own than for the other."""

    a: str
    b: str
    accuracy: float
    ci: Interval
    needed: Needed


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """The accuracy without any training image, from the class names alone; `means` says what read them."""

    accuracy: float
    ci: Interval
    means: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """What `curator forecast` says: `now` with all images there are, `needed` for `target`, the measured `curve` and the
    `expected` one.

    Accuracies are fractions, the mean over classes. `plateau` is the accuracy that more images of the kind do not exceed.
    `confusable_pairs` come most confusable first, `easiest_pair` for contrast. `n_test` test images, `tested` says which.
    `fingerprint` is that of the data, as in audit.json.
    """

    target: float
    now: Point
    needed: Needed
    plateau: Estimate
    curve: tuple[Point, ...]
    expected: tuple[Point, ...]
    per_class: tuple[ClassForecast, ...]
    confusable_pairs: tuple[PairForecast, ...]
    easiest_pair: PairForecast | None
    zero_shot: ZeroShot | None
    n_test: int
    tested: str
    encoder: str
    seed: int
    notes: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def reachable(self) -> bool:
        """Whether more images of the kind would reach the target, as far as can be told."""
        return self.needed.n_per_class is not None
