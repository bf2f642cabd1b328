"""Estimates how the planned images change the worst-group accuracy, by refitting the probe on frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.probe.refits import refit
from curator.types import ExpectedPoint, Floats, Ints, Mask

_FOLDS = 10
_MOST = 4000
"""Maximum number of images that the probes are tested on. More would narrow the interval by less than a point."""
_PRIOR = 0.5
"""Weight, in images, of each of the four outcomes (right or wrong, before and after) that no tested image showed."""
_FLAT = 0.03
"""If the upper end of a gain's interval is below this (three points), further images are not worth adding."""


@dataclass(frozen=True, slots=True)
class Known:
    """Images of the data set or the pool, with their known (or confidently predicted) class and whether they have the value."""

    vectors: Floats
    labels: Ints
    value: Mask

    def __len__(self) -> int:
        return len(self.labels)


def expect(
    train: Known, pool: Known, added: NDArray[np.intp], dropped: NDArray[np.intp], steps: Sequence[int], n_classes: int,
    c: float, rng: np.random.Generator, *, min_group: int = 5, n_draws: int = 1000,
) -> tuple[ExpectedPoint, ...]:  # fmt: skip
    """The worst-group accuracy after each of `steps`, and its gain over step 0, with 95 % intervals.

    Step s adds the first s of `added` (rows of `pool`) and drops the first s of `dropped` (rows of `train`). The images of the
    data set and of the pool are dealt into `_FOLDS` parts. Each image is tested by a probe that was trained without its part,
    before and after alike. The groups are class x value, with `min_group` images or more.

    The interval resamples the tested images, and then as many images of a future test set. It is a forecast for a test set
    that resembles the pool. An outcome that no tested image showed may still occur. Each group therefore gets half an image
    for each of four outcomes: one changes to right, one changes to wrong, and two stay. Returns no points if fewer than two
    groups are large enough.

    Error: the pool stands in for the test set; if the two differ, the forecast is wrong. A tenth of the added images is
    missing from every fit, so gains are a little low. Wrong predicted labels count as errors.
    Source: cross-validation (Stone 1974), the Bayesian bootstrap (Rubin 1981), and half an image for each outcome of matched
    pairs (Agresti and Min 2005).
    """
    n = len(train)
    vectors = np.concatenate([train.vectors, pool.vectors])
    labels = np.concatenate([train.labels, pool.labels]).astype(np.int32)
    value = np.concatenate([train.value, pool.value])
    keep = np.unique(np.concatenate([_sample(len(labels), rng), n + np.asarray(added, np.intp)]))
    group, sizes = _groups(labels[keep], value[keep], n_classes)
    if (sizes >= min_group).sum() < 2:
        return ()
    fold = rng.permutation(len(labels)) % _FOLDS
    weights = np.zeros((len(steps) * _FOLDS, len(labels)), np.float32)
    for s, step in enumerate(steps):
        base = np.zeros(len(labels), np.float32)
        base[:n] = 1
        base[n + np.asarray(added[:step], np.intp)] = 1
        base[np.asarray(dropped[:step], np.intp)] = 0
        for f in range(_FOLDS):
            weights[s * _FOLDS + f] = base * (fold != f)
    used = np.flatnonzero(weights.any(0))
    if any((np.bincount(labels[used][w[used] > 0], minlength=n_classes) > 0).sum() < 2 for w in weights):
        return ()
    fits = refit(vectors[used], labels[used], n_classes, c, weights[:, used])
    right = np.empty((len(steps), len(keep)), np.bool_)
    for f in range(_FOLDS):
        mine = fold[keep] == f
        for s in range(len(steps)):
            k = s * _FOLDS + f
            scores = vectors[keep[mine]] @ fits.coefficients[k].T + fits.intercepts[k]
            right[s, mine] = scores.argmax(1) == labels[keep[mine]]
    return _points(right, group, np.flatnonzero(sizes >= min_group), steps, rng, n_draws)


def _points(
    right: NDArray[np.bool_], group: Ints, groups: NDArray[np.intp], steps: Sequence[int], rng: np.random.Generator,
    n_draws: int,
) -> tuple[ExpectedPoint, ...]:  # fmt: skip
    means, draws, seen = [], [], []
    for g in groups:
        mine = right[:, group == g].astype(float)
        m = mine.shape[1]
        means.append(mine.mean(1))
        unseen = np.concatenate([mine, _unseen(len(steps))], axis=1)
        weight = np.concatenate([np.ones(m), np.full(4, _PRIOR)])
        # Two draws: one for the uncertainty from these images, and one for a future test set of the same size.
        share = rng.multinomial(m, rng.dirichlet(weight, size=n_draws)) / m
        draws.append(share @ unseen.T)
        # The stopping rule uses no prior. With it, the interval would never be narrow enough to stop.
        share = rng.multinomial(m, rng.multinomial(m, np.full(m, 1 / m), size=n_draws) / m) / m
        seen.append(share @ mine.T)
    worst, drawn, shown = (np.min(v, axis=0) for v in (means, draws, seen))
    out = []
    for s, step in enumerate(steps):
        gain = float(worst[s] - worst[0])
        low, high = stats.percentile_interval(drawn[:, s] - drawn[:, 0])
        rest = stats.percentile_interval(shown[:, s:].max(1) - shown[:, s])[1]
        out.append(ExpectedPoint(int(step), float(worst[s]), gain, (min(low, gain), max(high, gain)), float(rest)))
    return tuple(out)


def _unseen(n_steps: int) -> NDArray[np.float64]:
    """Correctness (n_steps, 4) of four pseudo-images: every combination of right or wrong before step 1 and from step 1 on."""
    out = np.tile([0.0, 0.0, 1.0, 1.0], (n_steps, 1))
    out[0] = 0.0, 1.0, 0.0, 1.0
    return out


def enough(points: Sequence[ExpectedPoint]) -> int | None:
    """The first step after which all later images add less than three points, by the upper end of the interval.

    None if later images may add more.

    >>> enough([ExpectedPoint(0, 0.5, 0.0, (0.0, 0.0), 0.4), ExpectedPoint(9, 0.8, 0.3, (0.1, 0.5), 0.02)])
    >>> enough([ExpectedPoint(9, 0.8, 0.3, (0.1, 0.5), 0.02), ExpectedPoint(18, 0.8, 0.3, (0.1, 0.5), 0.0)])
    9
    """
    return next((p.n_added for p in points[:-1] if p.rest < _FLAT), None)


def _groups(labels: Ints, value: Mask, n_classes: int) -> tuple[Ints, Ints]:
    group = (labels * 2 + value).astype(np.int32)
    return group, np.bincount(group, minlength=2 * n_classes).astype(np.int32)


def _sample(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.sort(rng.permutation(n)[:_MOST])
