"""Types for a forecast of how many images are needed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from curator.types.arrays import Interval
from curator.types.document import Document, Estimate
from curator.types.findings import Count, Share

FARTHEST = 20
"""A need of more than this many times the largest measured size counts as not reachable."""


class Needed(Struct, frozen=True):
    """Training images of every class for a target; None means not reachable. An upper end of None in `ci` means unknown."""

    n_per_class: Annotated[
        Count | None, Meta(description="Number of images of every class; null if the target is not reachable.")
    ]
    ci: tuple[int | None, int | None]


class Point(Struct, frozen=True):
    """The accuracy (a fraction, mean over classes) with `n_per_class` training images of every class."""

    n_per_class: Count
    accuracy: Share
    ci: Interval


class ClassForecast(Struct, frozen=True, rename={"name": "class"}):
    """The accuracy on one class, and how many images of every class it needs; it has `n_images` images now."""

    name: str
    n_images: Count
    accuracy: Share
    ci: Interval
    needed: Needed


class PairForecast(Struct, frozen=True):
    """How well two classes are distinguished: whether an image of one scores higher for its own class than for the other."""

    a: str
    b: str
    accuracy: Share
    ci: Interval
    needed: Needed


class ZeroShot(Struct, frozen=True):
    """The accuracy without any training image, from the class names alone; `means` names the text encoder."""

    accuracy: Share
    ci: Interval
    means: str


class Forecast(Document, frozen=True, kw_only=True, tag="curator.forecast/1"):
    """The result of `curator forecast`: accuracy `now`, images `needed` for `target`, and the two curves.

    `curve` was measured, `expected` is extrapolated. Accuracies are fractions, the mean over classes. `plateau` is the
    accuracy that more images of the same kind do not exceed. `confusable_pairs` starts with the most confused pair;
    `easiest_pair` is for comparison. There are `n_test` test images, and `tested` says which. `fingerprint` is that of the
    data, as in audit.json.
    """

    target: Share
    now: Point
    needed: Needed
    reachable: bool = False
    plateau: Estimate
    curve: tuple[Point, ...]
    per_class: tuple[ClassForecast, ...]
    confusable_pairs: tuple[PairForecast, ...]
    easiest_pair: PairForecast | None
    expected: tuple[Point, ...]
    zero_shot: ZeroShot | None
    n_test: Count
    tested: str
    encoder: str
    seed: int
    notes: tuple[str, ...] = ()
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        # Whether more such images can reach the target follows from what is needed.
        force_setattr(self, "reachable", self.needed.n_per_class is not None)
