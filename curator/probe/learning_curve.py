"""How many images are needed: learning curves, and the power law that carries them further."""

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
"""Trains on vectors (n, d) and labels (n,) at a regularisation; gives what scores (t, k) classes for vectors (t, d)."""

N_SIZES = 6
"""Points of a curve: enough to see it bend, and each costs fits."""
FEWEST_SIZES = 4
"""Points without which a power law with a plateau cannot be told from a line."""
SPAN = 8
"""The largest size of a curve over its smallest: at fewer images the error is near chance and follows no power law."""
N_DRAWS = 400
"""Bootstrap draws behind the covariance of a curve's points."""
N_SAMPLES = 4000
"""Curves drawn from what the points leave open; intervals are their quantiles."""
EXPONENT = (0.5, 0.2)
"""Mean and standard deviation of the exponent before anything is seen."""
PLATEAU = (0.1, 40.0)
"""Before anything is seen: the chance that any share of the error so far may be a plateau; else the share's density is
(1 - share) ** (this - 1), so near 0. Curves of composed photographs showed none up to 280 images a class."""
MISFIT = 0.03
"""What a point may lie off the power law, as a fraction of its error."""
SAMPLE = 0.05
"""What another sample of images of the same size would change in the whole curve, as a fraction of the error."""
_EXPONENTS = np.linspace(0.1, 1.5, 71)
_SHARES = np.linspace(0, 0.99, 67)


def sizes(largest: int) -> Ints:
    """Training images per class at which the curve is measured: `N_SIZES` at most, evenly spaced in ratio.

    >>> sizes(40).tolist()
    [5, 8, 11, 17, 26, 40]
    """
    smallest = max(2, largest / SPAN)
    return np.unique(np.round(np.geomspace(smallest, largest, N_SIZES))).astype(np.int32)


def folds(labels: Ints, pictures: Ints, n_folds: int, rng: np.random.Generator) -> list[tuple[Rows, Rows]]:
    """Rows to train on and to test on, fold by fold; images with the same number in `pictures` (n,) stay together.

    Every class is dealt out as evenly as its pictures allow.
    """
    _, group, n_of = np.unique(pictures, return_inverse=True, return_counts=True)
    counts = np.zeros((len(n_of), int(labels.max()) + 1), int)
    np.add.at(counts, (group, labels), 1)
    full = np.zeros((n_folds, counts.shape[1]), int)
    fold_of = np.zeros(len(n_of), int)
    order = rng.permutation(len(n_of))
    for g in order[np.argsort(-n_of[order], kind="stable")]:
        # The fold that has fewest images of what this picture is; of equals the one that has fewest at all.
        load = (full * (counts[g] > 0)).sum(1) + full.sum(1) / (full.sum() + 1)
        fold_of[g] = int(load.argmin())
        full[fold_of[g]] += counts[g]
    mine = fold_of[group]
    return [(np.flatnonzero(mine != f), np.flatnonzero(mine == f)) for f in range(n_folds)]


@dataclass(frozen=True, slots=True)
class Trials:
    """What probes made of the test images: `beats` (r, m, t, k) is whether repeat r's probe of size m scored the class of test
    image t above class k (True for its own class). `labels` (t,) are the test images', `sizes` (m,) images per class."""

    sizes: Ints
    labels: Ints
    beats: NDArray[np.bool_]

    def right(self) -> Scores:
        """(r, m, t): 1 where the image's own class came first."""
        return self.beats.all(-1).astype(float)


def measure(
    vectors: Floats, labels: Ints, repeats: Sequence[Sequence[tuple[Rows, Rows]]], at: Ints, learn: Learner,
    c_grid: Sequence[float], rng: np.random.Generator, progress: Callable[[int, int], None] = lambda done, n: None,
) -> Trials:  # fmt: skip
    """Learning curves: each repeat trains on nested subsets with `at` (m,) images of every class and tests on the rest.

    A repeat is a list of (train, test) rows; its tests are those of all repeats. The regularisation is chosen for each
    size among `c_grid` on training images that are not in the subset; where more than half are in it, the choice of the
    largest size up to a half stays.

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
    """A probe for each size, each trained on the images of the one before and more."""
    order = [rng.permutation(train[labels[train] == k]) for k in range(int(labels.max()) + 1)]
    smallest = min(len(rows) for rows in order)
    if smallest < at[-1]:
        raise DataError(f"a class has {smallest} training images; the curve needs {at[-1]} of every class.")
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

    `chance` is the error of a guess.
    """

    sizes: Ints
    value: Scores
    draws: Scores
    n_test: int
    chance: float

    def points(self) -> tuple[Point, ...]:
        """The accuracy that was measured at each size."""
        ends = [stats.percentile_interval(1 - column) for column in self.draws.T]
        return tuple(
            Point(int(n), float(1 - e), (max(0.0, low), min(1.0, high)))
            for n, e, (low, high) in zip(self.sizes, self.value, ends, strict=True)
        )


class Bootstrap:
    """Test images drawn with replacement inside their class, and repeats drawn with replacement: the same for all curves."""

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
        """How often an image of one of two classes scores no higher for its own than for the other."""
        beats = self.trials.beats
        return self._errors([(x, ~beats[:, :, self.rows[x], y]) for x, y in ((a, b), (b, a))], 0.5)

    def of_guesses(self, right: NDArray[np.bool_]) -> Errors:
        """The mean error over the classes of guesses that no training changes: which test images (t,) are right."""
        shape = (len(self.repeats[0]), 1)
        wrong = [(c, np.broadcast_to(~right[r], (*shape, len(r)))) for c, r in enumerate(self.rows)]
        return self._errors(wrong, 1 - 1 / len(self.rows))

    def _wrong(self, c: int) -> NDArray[np.bool_]:
        return np.asarray(~self.trials.beats[:, :, self.rows[c]].all(-1))

    def _errors(self, parts: Sequence[tuple[int, NDArray[np.bool_]]], chance: float) -> Errors:
        """The mean over `parts`, each a class and which of its test images are wrong, (r, m, images)."""
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
    """Curves error(n) = plateau + scale * (n / reference) ** -exponent that the points leave open: one a row, (s,)."""

    reference: int
    plateau: Scores
    scale: Scores
    exponent: Scores

    def accuracy(self, n: int) -> Estimate:
        """The accuracy at n images per class: the middle of all curves, and their interval."""
        return _estimate(1 - self.plateau - self.scale * (n / self.reference) ** -self.exponent)

    def ceiling(self) -> Estimate:
        """The accuracy that no number of images exceeds."""
        return _estimate(1 - self.plateau)

    def needed(self, target: float) -> Needed:
        """Images per class for an accuracy of `target`. None where they are out of reach for more than half of the curves."""
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
    """The power laws with a plateau that are near the points, drawn in proportion to how near they are.

    The logarithms of the points are taken as normal, with the covariance of the bootstrap (points share their test images),
    plus `MISFIT` a point and `SAMPLE` in common. Exponent and plateau are weighed on a grid under weak priors; the
    level is solved for. `even`: see `PLATEAU`; with 1 nothing is held against a plateau, for asking where it lies.
    Error: see docs/methods.md for what held-back data say of it. Needs 4 sizes or more.
    Source: the form, Cortes et al. (1993), eq. 3; weighing curves by likelihood, Domhan et al. (2015).
    """
    n, t = errors.sizes.astype(float), errors.n_test
    reference = float(n[-1])
    # No error among few images does not mean that there is none: half an image is wrong, give or take (Jeffreys).
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
