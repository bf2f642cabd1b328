"""Forecasts how many images are needed, from learning curves extrapolated with a power law."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.errors import DataError
from curator.types import Floats, Ints
from curator.types.document import Estimate
from curator.types.forecast import FARTHEST, Needed, Point

Scores = NDArray[np.float64]
Rows = NDArray[np.intp]
Learner = Callable[[Floats, Ints, float], Callable[[Floats], Scores]]
"""Trains on vectors (n, d) and labels (n,) at a regularisation. Returns a function that scores classes: (n, d) -> (n, k)."""

N_SIZES = 6
"""Maximum number of points of a curve. This is enough to show a bend; each point costs fits."""
FEWEST_SIZES = 4
"""Minimum number of points. With fewer, a power law with a plateau cannot be told from a straight line."""
SPAN = 8
"""Ratio of the largest to the smallest size of a curve. With fewer images the error is near chance and follows no power law."""
N_DRAWS = 400
"""Number of bootstrap draws for the covariance of a curve's points."""
N_SAMPLES = 4000
"""Number of curves drawn from those that fit the points. Intervals are their quantiles."""
EXPONENT = (0.5, 0.2)
"""Prior mean and standard deviation of the exponent."""
PLATEAU = (0.1, 40.0)
"""Prior of the plateau, as a share of the error so far. The first number is the weight of a uniform density. Otherwise the
density is proportional to (1 - share) ** (the second number - 1), so near 0. Curves of composed photographs showed no plateau
up to 280 images a class."""
MISFIT = 0.03
"""Standard deviation of a point from the power law, as a fraction of its error."""
SAMPLE = 0.05
"""Standard deviation of the whole curve between image samples of the same size, as a fraction of the error."""
_EXPONENTS = np.linspace(0.1, 1.5, 71)
_SHARES = np.linspace(0, 0.99, 67)


def sizes(largest: int) -> Ints:
    """Training images per class at which the curve is measured: at most `N_SIZES`, evenly spaced on a log scale.

    >>> sizes(40).tolist()
    [5, 8, 11, 17, 26, 40]
    """
    smallest = max(2, largest / SPAN)
    return np.unique(np.round(np.geomspace(smallest, largest, N_SIZES))).astype(np.int32)


def folds(labels: Ints, contents: Ints, n_folds: int, rng: np.random.Generator) -> list[tuple[Rows, Rows]]:
    """Rows to train on and to test on, for each fold. Images with the same number in `contents` (n,) stay in one fold.

    Every class is distributed over the folds as evenly as this allows.
    """
    _, group, n_of = np.unique(contents, return_inverse=True, return_counts=True)
    counts = np.zeros((len(n_of), int(labels.max()) + 1), int)
    np.add.at(counts, (group, labels), 1)
    full = np.zeros((n_folds, counts.shape[1]), int)
    fold_of = np.zeros(len(n_of), int)
    order = rng.permutation(len(n_of))
    for g in order[np.argsort(-n_of[order], kind="stable")]:
        # Take the fold with the fewest images of these classes, and of equal folds the one with the fewest images in total.
        load = (full * (counts[g] > 0)).sum(1) + full.sum(1) / (full.sum() + 1)
        fold_of[g] = int(load.argmin())
        full[fold_of[g]] += counts[g]
    mine = fold_of[group]
    return [(np.flatnonzero(mine != f), np.flatnonzero(mine == f)) for f in range(n_folds)]


@dataclass(frozen=True, slots=True)
class Trials:
    """Results of the probes on the test images.

    `beats` (r, m, t, k): repeat r's probe of size m scored the class of test image t above class k (True for its own class).
    `labels` (t,) belong to the test images. `sizes` (m,) are images per class.
    """

    sizes: Ints
    labels: Ints
    beats: NDArray[np.bool_]

    def right(self) -> Scores:
        """(r, m, t): 1 where the image's own class has the highest score."""
        return self.beats.all(-1).astype(float)


def measure(
    vectors: Floats, labels: Ints, repeats: Sequence[Sequence[tuple[Rows, Rows]]], at: Ints, learn: Learner,
    c_grid: Sequence[float], rng: np.random.Generator, progress: Callable[[int, int], None] = lambda done, n: None,
) -> Trials:  # fmt: skip
    """Measure learning curves: each repeat trains on nested subsets with `at` (m,) images of every class and tests on the rest.

    A repeat is a list of (train, test) rows. All repeats test the same images. The regularisation is chosen from `c_grid`
    for each size, on training images outside the subset. If the subset has more than half of the training images, the choice
    for the largest size up to a half is used.

    Raises:
        DataError: a class has fewer training images in some fold than the largest size.
    """
    n_classes = int(labels.max()) + 1
    tested = np.sort(np.concatenate([test for _, test in repeats[0]]))
    place = np.full(len(labels), -1)
    place[tested] = np.arange(len(tested))
    beats = np.ones((len(repeats), len(at), len(tested), n_classes), np.bool_)
    n_all = sum(len(parts) for parts in repeats)
    done = 0
    for r, parts in enumerate(repeats):
        for train, test in parts:
            own = labels[test]
            for m, probe in enumerate(_nested(vectors, labels, train, at, learn, c_grid, rng)):
                scores = probe(vectors[test])
                higher = scores[np.arange(len(test)), own][:, None] > scores
                higher[np.arange(len(test)), own] = True
                beats[r, m, place[test]] = higher
            done += 1
            progress(done, n_all)
    return Trials(at, labels[tested], beats)


def _nested(
    vectors: Floats, labels: Ints, train: Rows, at: Ints, learn: Learner, c_grid: Sequence[float],
    rng: np.random.Generator,
) -> list[Callable[[Floats], Scores]]:  # fmt: skip
    """A probe for each size. Each is trained on the images of the size before and more."""
    order = [rng.permutation(train[labels[train] == k]) for k in range(int(labels.max()) + 1)]
    smallest = min(len(rows) for rows in order)
    if smallest < at[-1]:
        raise DataError(
            f"a class has {smallest} training images; the curve needs {at[-1]} of every class; add images of that class."
        )
    chosen = min(c_grid)
    probes = []
    for n in at:
        mine = np.concatenate([rows[:n] for rows in order])
        if 2 * n <= smallest:
            rest = np.concatenate([rows[n : 2 * n] for rows in order])
            tried = {c: learn(vectors[mine], labels[mine], c) for c in sorted(c_grid)}
            accuracy = {c: float((probe(vectors[rest]).argmax(1) == labels[rest]).mean()) for c, probe in tried.items()}
            chosen = max(tried, key=lambda c: (accuracy[c], -c))
            probes.append(tried[chosen])
        else:
            probes.append(learn(vectors[mine], labels[mine], chosen))
    return probes


@dataclass(frozen=True, slots=True)
class Errors:
    """The error at each size, (m,), and bootstrap draws of it, (b, m), over `n_test` test images and the repeats; fractions.

    `chance` is the error of random guessing.
    """

    sizes: Ints
    value: Scores
    draws: Scores
    n_test: int
    chance: float

    def points(self) -> tuple[Point, ...]:
        """The measured accuracy at each size, with its interval."""
        ends = [stats.percentile_interval(1 - column) for column in self.draws.T]
        return tuple(
            Point(int(n), float(1 - e), (max(0.0, low), min(1.0, high)))
            for n, e, (low, high) in zip(self.sizes, self.value, ends, strict=True)
        )


class Bootstrap:
    """Bootstrap of test images within their class, and of repeats. All curves use the same draws."""

    def __init__(self, trials: Trials, rng: np.random.Generator) -> None:
        self.trials = trials
        n_repeats = len(trials.beats)
        self.repeats = rng.multinomial(n_repeats, np.full(n_repeats, 1 / n_repeats), size=N_DRAWS) / n_repeats
        self.rows = [np.flatnonzero(trials.labels == k) for k in range(trials.beats.shape[-1])]
        self.images = [rng.multinomial(len(r), np.full(len(r), 1 / len(r)), size=N_DRAWS) / len(r) for r in self.rows]

    def overall(self) -> Errors:
        """The mean error over the classes."""
        k = len(self.rows)
        return self._errors([(c, self._wrong(c)) for c in range(k)], 1 - 1 / k)

    def of_class(self, c: int) -> Errors:
        """The error on one class's images."""
        return self._errors([(c, self._wrong(c))], 1 - 1 / len(self.rows))

    def of_pair(self, a: int, b: int) -> Errors:
        """How often an image of one of two classes does not score higher for its own class than for the other."""
        beats = self.trials.beats
        return self._errors([(x, ~beats[:, :, self.rows[x], y]) for x, y in ((a, b), (b, a))], 0.5)

    def of_guesses(self, right: NDArray[np.bool_]) -> Errors:
        """The mean error over the classes of fixed predictions, which are `right` for these test images (t,)."""
        shape = (len(self.repeats[0]), 1)
        wrong = [(c, np.broadcast_to(~right[r], (*shape, len(r)))) for c, r in enumerate(self.rows)]
        return self._errors(wrong, 1 - 1 / len(self.rows))

    def _wrong(self, c: int) -> NDArray[np.bool_]:
        return np.asarray(~self.trials.beats[:, :, self.rows[c]].all(-1))

    def _errors(self, parts: Sequence[tuple[int, NDArray[np.bool_]]], chance: float) -> Errors:
        """The mean over `parts`. Each part is a class and which of its test images are wrong, (r, m, images)."""
        value = np.mean([wrong.mean((0, 2)) for _, wrong in parts], axis=0)
        draws = np.mean(
            [
                np.einsum("br,rmt,bt->bm", self.repeats, wrong.astype(float), self.images[c], optimize=True)
                for c, wrong in parts
            ],
            axis=0,
        )
        return Errors(self.trials.sizes[: len(value)], value, draws, sum(w.shape[2] for _, w in parts), chance)


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """Curves error(n) = plateau + scale * (n / reference) ** -exponent that fit the points, one per row, (s,)."""

    reference: int
    plateau: Scores
    scale: Scores
    exponent: Scores

    def accuracy(self, n: int) -> Estimate:
        """The accuracy at n images per class: the median of all curves, and their interval."""
        return _estimate(1 - self.plateau - self.scale * (n / self.reference) ** -self.exponent)

    def ceiling(self) -> Estimate:
        """The accuracy that cannot be exceeded with any number of images."""
        return _estimate(1 - self.plateau)

    def needed(self, target: float) -> Needed:
        """Images per class needed for an accuracy of `target`. None if more than half of the curves never reach it."""
        room = np.maximum(1 - target - self.plateau, 0)
        with np.errstate(divide="ignore", over="ignore"):
            n = np.where(
                room > 0, self.reference * (self.scale / np.maximum(room, 1e-300)) ** (1 / self.exponent), np.inf
            )
        n = np.where(n > FARTHEST * self.reference, np.inf, np.maximum(1, n))
        low, middle, high = np.quantile(n, [0.5 - stats.LEVEL / 2, 0.5, 0.5 + stats.LEVEL / 2], method="higher")
        return Needed(_whole(middle), (_whole(low), _whole(high)))


def _whole(n: float) -> int | None:
    return int(np.ceil(n - 1e-9)) if np.isfinite(n) else None


def _estimate(values: Scores) -> Estimate:
    clipped = np.clip(values, 0, 1)
    return Estimate(float(np.median(clipped)), stats.percentile_interval(clipped))


def fit(errors: Errors, rng: np.random.Generator, even: float = PLATEAU[0]) -> PowerLaw:
    """Draw power laws with a plateau in proportion to how well they fit the points.

    The logarithms of the points are assumed normal, with the bootstrap covariance (points share their test images), plus
    `MISFIT` for each point and `SAMPLE` in common. Exponent and plateau are weighted on a grid under weak priors; the level
    is solved for. `even`: see `PLATEAU`. Use 1 for a uniform prior, in order to ask where the plateau lies.
    Error: see docs/methods.md for the results on held-out data. Needs 4 sizes or more.
    Source: the form, Cortes et al. (1993), eq. 3; weighting curves by likelihood, Domhan et al. (2015).
    """
    n, t = errors.sizes.astype(float), errors.n_test
    reference = float(n[-1])
    # Zero errors on few images do not prove an error of 0: half an image is counted as wrong (Jeffreys).
    y = np.log((errors.value * t + 0.5) / (t + 1))
    unseen = rng.gamma(0.5, size=len(errors.draws))[:, None]
    covariance = np.cov(np.log((errors.draws * t + unseen) / (t + 1)).T) + MISFIT**2 * np.eye(len(n))
    precision = np.linalg.inv(covariance)
    b, share = (g.ravel() for g in np.meshgrid(_EXPONENTS, _SHARES, indexing="ij"))
    shape = np.log(share[:, None] + (1 - share[:, None]) * (n / reference) ** -b[:, None])
    rest = y - shape
    total = float(precision.sum())
    level = rest @ precision.sum(1) / total
    rest = rest - level[:, None]
    chi2 = np.einsum("gi,ij,gj->g", rest, precision, rest)
    log_weight = -0.5 * chi2 - 0.5 * ((b - EXPONENT[0]) / EXPONENT[1]) ** 2
    power = PLATEAU[1]
    weight = np.exp(log_weight - log_weight.max()) * (even + (1 - even) * power * (1 - share) ** (power - 1))
    drawn = rng.choice(len(weight), size=N_SAMPLES, p=weight / weight.sum())
    spread = np.sqrt(1 / total + SAMPLE**2)
    error = np.exp(level[drawn] + spread * rng.standard_normal(N_SAMPLES))
    return PowerLaw(int(reference), error * share[drawn], error * (1 - share[drawn]), b[drawn])
