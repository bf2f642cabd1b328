"""Fits the linear probe many times at once, with different weights of the same images."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import cpu_count
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from curator.errors import DataError
from curator.probe.groups import TrainingSet
from curator.probe.solver import Problem, State, centre, minimise
from curator.types import Floats, Ints

TOLERANCE = 1e-4
"""A fit may lie above its optimum by this share of its loss. Accuracies are then within 0.4 points of those at 1e-8, and within
0.1 on average (30 to 10,000 images, C 0.01 to 10). scikit-learn's own default is not more accurate."""
_FOLDS, _REPEATS = 3, 5
_CHUNK = 40
"""Number of refits whose gradients are computed in one matrix product."""


@dataclass(frozen=True, slots=True)
class Refits:
    """Probes of b weightings. `coefficients` (b, k, d) and `intercepts` (b, k) score the vectors without scaling.

    A class of weight 0 has intercept -inf. `gap` (b,) is how far a fit may be above its optimum, in nats per image.
    """

    coefficients: Floats
    intercepts: Floats
    gap: NDArray[np.float64]

    def probabilities(self, vectors: Floats) -> Floats:
        """(b, n, k), rows sum to 1."""
        scores = np.matmul(vectors.astype(np.float32)[None], self.coefficients.transpose(0, 2, 1))
        scores += self.intercepts[:, None]
        scores -= scores.max(2, keepdims=True)
        np.exp(scores, out=scores)
        return np.asarray(scores / scores.sum(2, keepdims=True))

    def predict(self, vectors: Floats) -> Ints:
        """The most probable class of each row under each refit, (b, n)."""
        out = np.empty((len(self.coefficients), len(vectors)), np.int32)
        for k, (coefficients, intercepts) in enumerate(zip(self.coefficients, self.intercepts, strict=True)):
            out[k] = (vectors @ coefficients.T + intercepts).argmax(1)
        return out

    def averaged(self, sets: Sequence[NDArray[np.intp]]) -> Refits:
        """One probe for each set of refits: the mean of the set."""
        return Refits(
            np.stack([self.coefficients[s].mean(0) for s in sets]),
            np.stack([self.intercepts[s].mean(0) for s in sets]),
            np.array([self.gap[s].max() for s in sets]),
        )


def refit(
    vectors: Floats, labels: Ints, n_classes: int, c: ArrayLike, weights: ArrayLike, *, tolerance: float = TOLERANCE,
    jobs: int | None = None,
) -> Refits:  # fmt: skip
    """Fit the probe to `vectors` (n, d) once for each row of `weights` (b, n), which is how often each image counts.

    A fit equals `Probe.fit` on that many copies of each image, including standardisation and penalty. Bootstrap draws are
    counts, subsets are 0 and 1, and enlarged cells have weights above 1. `c` is scikit-learn's inverse regularisation, one
    for all refits or one for each. `jobs` threads share the refits (default: the number of cores). The results do not depend
    on `jobs`.

    Newton's step at the mean weights, with a separate curvature for each class, is corrected for each refit by limited-memory
    BFGS. At 100,000 images the curvature of every bootstrap sample is nearly that of the whole set.

    Raises:
        DataError: the weights are not (b, n), finite and 0 or more, or a refit has fewer than two classes.
    Source: Liu and Nocedal (1989); Bohning (1992) for the multinomial Hessian; Giordano et al. (2019) for one step from the
    full fit in place of a refit, which here is only the first of several steps.
    Error: single precision. On real vectors accuracies differ from scikit-learn's by 0.05 points on average and 0.4 at most
    (benchmarks/results/probe_speed.json).

    >>> vectors = np.array([[-2], [-1], [1], [2], [3]], np.float32)
    >>> fits = refit(vectors, np.array([0, 0, 1, 1, 0]), 2, 1.0, [[1, 1, 1, 1, 0], [1, 1, 0, 1, 2]])
    >>> fits.predict(np.array([[-3], [3]], np.float32)).tolist()
    [[0, 1], [0, 0]]
    """
    counts = np.asarray(weights, np.float32)
    cs = np.broadcast_to(np.asarray(c, float), counts.shape[:1])
    _check(counts, labels, n_classes)
    if not len(counts):
        return Refits(
            np.zeros((0, n_classes, vectors.shape[1]), np.float32), np.zeros((0, n_classes), np.float32), np.zeros(0)
        )
    mean = vectors.mean(0)
    centred = vectors - mean
    scale = float(np.sqrt(np.mean(centred**2))) or 1.0
    rotation = None
    if len(centred) < centred.shape[1]:
        rotation = np.linalg.qr(centred.T)[0]
        centred = centred @ rotation
    x = np.column_stack([centred / scale, np.ones(len(centred), np.float32)]).astype(np.float32)
    size = counts.sum(1, dtype=float)
    # `Probe.fit` scales by the images it is given. A different scale acts as a different penalty.
    penalty = _spread(x[:, :-1], counts, size) / (cs * size)
    sums = np.stack([counts[:, labels == k].sum(1) for k in range(n_classes)], axis=1)
    # With two classes scikit-learn fits one vector, the difference of our two. Our penalty would be half of its penalty.
    penalty[(sums > 0).sum(1) == 2] *= 2
    middle = counts.mean(0) * (len(labels) / counts.mean(0).sum())
    with threadpool_limits(1):
        start, curvature = centre(x, labels, n_classes, middle, float(np.median(penalty)))
        chunks = [slice(i, i + _CHUNK) for i in range(0, len(counts), _CHUNK)]

        def fit(part: slice) -> tuple[State, NDArray[np.float64]]:
            rows = np.flatnonzero(counts[part].any(0))
            problem = Problem(
                x[rows],
                labels[rows],
                np.ascontiguousarray((counts[part][:, rows] / size[part, None]).T, np.float32),
                penalty[part].astype(np.float32),
                sums[part].T == 0,
            )
            return minimise(problem, start, curvature, tolerance)

        with ThreadPoolExecutor(jobs or cpu_count()) as threads:
            done = list(threads.map(fit, chunks))
    state = np.concatenate([s for s, _ in done], axis=2)
    coefficients = state[:-1].transpose(2, 1, 0) / scale
    if rotation is not None:
        coefficients = coefficients @ rotation.T
    intercepts = np.where(sums == 0, -np.inf, state[-1].T - coefficients @ mean)
    return Refits(
        np.ascontiguousarray(coefficients, np.float32),
        intercepts.astype(np.float32),
        np.concatenate([g for _, g in done]),
    )


def _check(counts: NDArray[np.float32], labels: Ints, n_classes: int) -> None:
    if counts.ndim != 2 or counts.shape[1] != len(labels):
        raise DataError(
            f"weights of refits have shape {counts.shape}; (refits, {len(labels)} images) is needed; reshape them."
        )
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise DataError("weights of refits are negative or not finite; give finite weights of 0 or more.")
    n_present = np.zeros(len(counts), int)
    for k in range(n_classes):
        n_present += counts[:, labels == k].any(1)
    if (n_present < 2).any():
        raise DataError(
            "the images of a refit have fewer than two classes; a probe needs two; add images of another class."
        )


def _spread(x: Floats, counts: NDArray[np.float32], size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of the weighted images around their own mean (b,), relative to the variance with equal weights."""
    means = (counts @ x) / size[:, None]
    squares = (x.astype(float) ** 2).sum(1)
    spread = np.asarray(counts @ squares / size - (means.astype(float) ** 2).sum(1))
    # Identical images have no variance; `Probe.fit` then uses 1.
    usual = squares.mean() or 1.0
    return np.where(spread > 1e-9 * usual, spread / usual, 1.0)


def choose_c(data: TrainingSet, n_classes: int, grid: Sequence[float], seed: int) -> float:
    """Choose the regularisation with the best cross-validated accuracy on the training set, averaged over class x value cells.

    Plain accuracy is dominated by the aligned images, which any penalty gets right. The few conflicting images decide how
    strong the penalty must be to stop reliance on the shortcut. Folds are stratified by cell, drawn several times and
    averaged. Cells of one image are not tested, because the image cannot be both trained on and tested. Of equal
    regularisations the strongest is chosen.

    Error: the accuracy of a cell of three images moves in steps of a third. Without conflicting images this is balanced
    accuracy.
    """
    order = sorted(grid)
    cells = data.cells
    names, sizes = np.unique(cells, return_counts=True)
    names = names[sizes >= 2]
    if len(order) == 1 or len(np.unique(data.labels[np.isin(cells, names)])) < 2:
        return order[0]
    # Cells of a single image are in the training part of every fold.
    shared = np.flatnonzero(np.isin(cells, names))
    outside = []
    for repeat in range(_REPEATS):
        fold = dealt(cells[shared], _FOLDS, np.random.default_rng([seed, repeat]))
        outside += [shared[fold == f] for f in range(_FOLDS)]
    inside = np.ones((len(outside), len(cells)))
    for row, out in zip(inside, outside, strict=True):
        row[out] = 0
    trainable = [i for i, row in enumerate(inside) if len(np.unique(data.labels[row > 0])) >= 2]
    inside = inside[trainable]
    fits = refit(data.vectors, data.labels, n_classes, np.repeat(order, len(inside)), np.tile(inside, (len(order), 1)))
    right = (fits.predict(data.vectors) == data.labels).reshape(len(order), len(inside), -1)
    asked = inside == 0
    scores = [
        np.mean([(r & asked)[:, cells == cell].sum() / max(1, asked[:, cells == cell].sum()) for cell in names])
        for r in right
    ]
    return float(order[int(np.argmax(np.round(scores, 9)))])


def dealt(cells: NDArray[Any], n_folds: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Fold (n,) of each image. Every cell is distributed evenly, so that no cell of several images is in one fold only.

    >>> fold = dealt(np.array([0, 0, 0, 7, 7]), 3, np.random.default_rng(0))
    >>> sorted(fold[:3].tolist()), len(set(fold[3:].tolist()))
    ([0, 1, 2], 2)
    """
    fold = np.empty(len(cells), np.intp)
    for cell in np.unique(cells):
        mine = rng.permutation(np.flatnonzero(cells == cell))
        fold[mine] = (np.arange(len(mine)) + rng.integers(n_folds)) % n_folds
    return fold
