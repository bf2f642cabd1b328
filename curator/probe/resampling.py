"""The test set and the training sets drawn anew, the same for every arm, so that what differs between arms is the arm."""

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
    """An arm's accuracy on each part of the test set, `value` (parts,), and b draws of it around that, `draws` (b, parts)."""

    value: NDArray[np.float64]
    draws: Draws


@dataclass(frozen=True, slots=True)
class Retest:
    """Bootstrap of a test set: `counts` has (b, n_part) for each part, how often each of its images `rows` is drawn.

    Parts are the groups, in their order, and last what is in none. `seeds` (b,) is the training seed of each draw.
    """

    rows: tuple[NDArray[np.intp], ...]
    counts: tuple[NDArray[np.float32], ...]
    seeds: NDArray[np.intp]

    @classmethod
    def of(cls, groups: Groups, n_draws: int, n_seeds: int, rng: np.random.Generator) -> Self:
        """Resampled inside each group, since the test's make-up is given."""
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
        """Of all test images, the share in each part."""
        sizes = np.array([len(r) for r in self.rows])
        return np.asarray(sizes / sizes.sum())

    def examine(self, right: NDArray[Any], seeds: NDArray[Any]) -> Examined:
        """An arm whose fit gets `right` (n,) test images, and whose fit to training seed s gets `seeds` (s, n).

        Both may be means over fits. A draw is test images drawn anew, examined by the fit to a training set drawn anew.
        Draws are moved to lie around the fit to all images: a training set that is drawn anew has fewer different ones.
        """
        value = np.array([right[r].mean() if len(r) else 0.0 for r in self.rows])
        draws = np.empty((len(self.seeds), len(self.rows)))
        for p, (rows, counts) in enumerate(zip(self.rows, self.counts, strict=True)):
            of_seed = np.asarray(seeds, np.float32)[:, rows]
            which = self.seeds % len(of_seed)
            draws[:, p] = np.einsum("bn,bn->b", counts, of_seed[which]) / max(1, len(rows))
        return Examined(value, draws + (value - draws.mean(0)))


def interval(draws: Draws, value: float) -> tuple[float, float]:
    """The 95 % interval of draws, made to hold the value."""
    low, high = stats.percentile_interval(draws)
    return min(low, value), max(high, value)


def exponential(cells: NDArray[np.integer[Any]], n_draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Training images drawn anew: weights (n_draws, n), mean 1 in every cell (n,), so that its share stays what it is.

    Source: Rubin (1981), the Bayesian bootstrap: no image of a cell of three is lost, as counts would lose it in 30 % of draws.
    """
    weights = rng.exponential(size=(n_draws, len(cells)))
    for cell in np.unique(cells):
        mine = cells == cell
        weights[:, mine] *= mine.sum() / weights[:, mine].sum(1, keepdims=True)
    return weights
