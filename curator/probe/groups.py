"""Divides images by class x value: into groups that a probe is tested on, and cells that it is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curator.errors import DataError
from curator.types import Floats, Ints, Mask


@dataclass(frozen=True, slots=True)
class Groups:
    """The test images by class x value: which images (n,) belong to each sufficiently large group."""

    names: tuple[tuple[int, bool], ...]
    masks: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: Ints, value: Mask, n_classes: int, smallest: int) -> Self:
        """The groups with at least `smallest` test images.

        Raises:
            DataError: no group is large enough.
        """
        names, masks = [], []
        for c in range(n_classes):
            for has in (True, False):
                mask = (labels == c) & (value == has)
                if mask.sum() >= smallest:
                    names.append((c, has))
                    masks.append(mask)
        if not names:
            raise DataError(f"no class x value group of the test set has {smallest} images; give a larger --test.")
        return cls(tuple(names), np.stack(masks))

    def gap(self, accuracies: NDArray[np.float64], class_idx: int) -> NDArray[np.float64]:
        """The accuracy on images that follow the rule minus the accuracy on images that break it, (..., groups) -> (...).

        Weighted half by the class itself and half by the mean of the other classes. NaN if the class lacks one of its groups.
        """
        of = {name: accuracies[..., g] for g, name in enumerate(self.names)}
        if (class_idx, True) not in of or (class_idx, False) not in of:
            return np.full(accuracies.shape[:-1], np.nan)
        own = of[class_idx, True] - of[class_idx, False]
        both = sorted({c for c, _ in of if c != class_idx and (c, True) in of and (c, False) in of})
        return np.asarray((own + np.mean([of[c, False] - of[c, True] for c in both], axis=0)) / 2 if both else own)

    def counts(self, labels: Ints, value: Mask) -> Ints:
        """The number of other images (m,) in each group, (groups,)."""
        return np.array([((labels == c) & (value == has)).sum() for c, has in self.names], np.int32)


@dataclass(frozen=True, slots=True)
class Holdout:
    """The test images of a probe."""

    vectors: Floats
    labels: Ints
    groups: Groups


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Vectors, labels and whether each image has the attribute's value, row by row."""

    vectors: Floats
    labels: Ints
    value: Mask

    def plus(self, other: TrainingSet) -> TrainingSet:
        """These images followed by the other set's images."""
        return TrainingSet(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.value, other.value]),
        )

    def take(self, rows: NDArray[np.intp]) -> TrainingSet:
        """Only the images in `rows`."""
        return TrainingSet(self.vectors[rows], self.labels[rows], self.value[rows])

    @property
    def cells(self) -> Ints:
        """The class x value cell of each image, (n,): 2 x label, plus 1 if the image has the value."""
        return np.asarray(2 * self.labels + self.value, np.int32)


def balanced_subset(cells: Ints, rng: np.random.Generator, *, replace: bool = False) -> NDArray[np.float64]:
    """How often each image (n,) is drawn if every non-empty cell gives as many images as the smallest one has.

    >>> taken = balanced_subset(np.array([0, 0, 0, 1, 3, 3]), np.random.default_rng(0))
    >>> int(taken[:3].sum()), int(taken[3:].sum())
    (1, 2)
    """
    names, sizes = np.unique(cells, return_counts=True)
    taken = np.zeros(len(cells))
    for cell in names:
        np.add.at(taken, rng.choice(np.flatnonzero(cells == cell), sizes.min(), replace=replace), 1)
    return taken


def evenly(have: Ints, offered: Ints, n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of `offered` cells (m,) that fill the emptiest cell first: n rows, or as many as exist.

    `have` are the cells of the existing images. Only cells that occur in `offered` can be filled.

    >>> offered = np.array([0, 1, 1, 1, 0])
    >>> offered[evenly(np.array([0, 0, 0, 1]), offered, 2, np.random.default_rng(0))].tolist()
    [1, 1]
    """
    waiting = {int(c): list(rng.permutation(np.flatnonzero(offered == c))) for c in np.unique(offered)}
    sizes = {c: int((have == c).sum()) for c in waiting}
    rows: list[int] = []
    while len(rows) < n and any(waiting.values()):
        cell = min((c for c in waiting if waiting[c]), key=lambda c: (sizes[c], c))
        sizes[cell] += 1
        rows.append(int(waiting[cell].pop()))
    return np.array(rows, np.intp)
