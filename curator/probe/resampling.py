"""Resamples the test set and the training sets, with the same draws for every arm, so that only the arm differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.probe.groups import Groups

Draws = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Examined:
    """The accuracy of an arm on each part of the test set, `value` (parts,), and b draws around it, `draws` (b, parts)."""

    value: NDArray[np.float64]
    draws: Draws


@dataclass(frozen=True, slots=True)
class Retest:
    """Bootstrap of a test set: `counts` (b, n_part) for each part is how often each of its images `rows` is drawn.

    The parts are the groups, in their order, and then the images in no group. `seeds` (b,) is the training seed of each draw.
    """

    rows: tuple[NDArray[np.intp], ...]
    counts: tuple[NDArray[np.float32], ...]
    seeds: NDArray[np.intp]

    @classmethod
    def of(cls, groups: Groups, n_draws: int, n_seeds: int, rng: np.random.Generator) -> Self:
        """Resample within each group, because the composition of the test set is fixed."""
        rows = tuple(np.flatnonzero(m) for m in [*groups.masks, ~groups.masks.any(0)])
        counts = tuple(
            rng.multinomial(len(r), np.full(len(r), 1 / len(r)), size=n_draws).astype(np.float32)
            if len(r)
            else np.zeros((n_draws, 0), np.float32)
            for r in rows
        )
        return cls(rows, counts, np.arange(n_draws) % n_seeds)

    @property
    def shares(self) -> NDArray[np.float64]:
        """The share of all test images in each part."""
        sizes = np.array([len(r) for r in self.rows])
        return np.asarray(sizes / sizes.sum())

    def examine(self, right: NDArray[Any], seeds: NDArray[Any]) -> Examined:
        """Examine an arm. Its fit gets `right` (n,) test images, and its fit to training seed s gets `seeds` (s, n).

        Both may be means over fits. Each draw tests the fit to a resampled training set on resampled test images. The draws
        are shifted to the fit to all images, because a resampled training set has fewer distinct images.
        """
        value = np.array([right[r].mean() if len(r) else 0.0 for r in self.rows])
        draws = np.empty((len(self.seeds), len(self.rows)))
        for p, (rows, counts) in enumerate(zip(self.rows, self.counts, strict=True)):
            of_seed = np.asarray(seeds, np.float32)[:, rows]
            which = self.seeds % len(of_seed)
            draws[:, p] = np.einsum("bn,bn->b", counts, of_seed[which]) / max(1, len(rows))
        return Examined(value, draws + (value - draws.mean(0)))


def interval(draws: Draws, value: float) -> tuple[float, float]:
    """The 95 % interval of draws, extended to contain the value."""
    low, high = stats.percentile_interval(draws)
    return min(low, value), max(high, value)


def exponential(cells: NDArray[np.integer[Any]], n_draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Resampled training images: weights (n_draws, n) with mean 1 in every cell (n,), so that each cell keeps its share.

    Source: Rubin (1981), the Bayesian bootstrap. No image of a cell of three is lost; with counts it would be in 30 % of draws.
    """
    weights = rng.exponential(size=(n_draws, len(cells)))
    for cell in np.unique(cells):
        mine = cells == cell
        weights[:, mine] *= mine.sum() / weights[:, mine].sum(1, keepdims=True)
    return weights
