"""Measures how added images change the groups that a probe gets wrong: arms, intervals and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.config import ValidateSettings
from curator.errors import DataError
from curator.probe.groups import Holdout, TrainingSet, balanced_subset, evenly
from curator.probe.refits import Refits, choose_c, refit
from curator.probe.resampling import Examined, Retest, exponential, interval
from curator.report.wording import notes as words
from curator.types import Arm, CurvePoint, GroupAccuracy, ProbeReport

Verdict = Literal["fixed", "improved", "no evidence of improvement"]
_SUBSETS = 20
"""Number of group-balanced subsets averaged in the reweighted arm. Kirichenko et al. (2023) average 10 to 20."""
_SUBSETS_A_SEED = 4
_ORACLE_DRAWS = 10
_CURVE_SEEDS = 40
"""Number of training seeds for an interval of the curve between its ends."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """The training images of all arms in one table, and the test images.

    The rows are those of `before`, then `recommended`, then the pool. `seeds` (s, n) are weights of the resampled training
    sets. Images of a random set keep weight 1, because the choice of the random set is resampled separately.
    """

    data: TrainingSet
    test: Holdout
    n_classes: int
    c: float
    retest: Retest
    seeds: NDArray[np.float64]
    tell: Callable[[int], None]
    """Called with the number of probes fitted."""

    def right(self, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which test images the probe of each weighting (r, n) gets right, (r, n_test)."""
        fits = refit(self.data.vectors, self.data.labels, self.n_classes, self.c, weights)
        self.tell(len(weights))
        return self._asked(fits)

    def _asked(self, fits: Refits) -> NDArray[np.bool_]:
        return np.asarray(fits.predict(self.test.vectors) == self.test.labels)

    def one(self, rows: NDArray[np.bool_], n_seeds: int | None = None) -> Examined:
        """Examine the arm that is trained on these rows (n,)."""
        right = self.right(np.concatenate([rows[None], self.seeds[:n_seeds] * rows]))
        return self.retest.examine(right[0], right[1:])

    def many(self, sets: NDArray[np.bool_], n_seeds: int | None = None) -> tuple[Examined, NDArray[np.bool_]]:
        """Examine the mean of the arms trained on `sets` (r, n) of rows. Also returns which test images each gets right,
        (r, n_test).

        A draw is the mean over resampled sets plus the change that a training seed makes in one of them. This avoids r x s
        fits.
        """
        n = len(self.seeds[:n_seeds])
        which = np.arange(n) % len(sets)
        right = self.right(np.concatenate([sets, self.seeds[:n_seeds] * sets[which]]))
        each, moved = right[: len(sets)], right[len(sets) :]
        rng = np.random.default_rng(len(sets))
        share = rng.multinomial(len(sets), np.full(len(sets), 1 / len(sets)), size=n) / len(sets)
        draws = share @ each + moved - each[which].astype(float)
        return self.retest.examine(each.mean(0), draws), each

    def balanced(self, n_before: int, rng: np.random.Generator) -> Examined:
        """Examine last-layer retraining on group-balanced subsets of `before`, averaged over several subsets (DFR)."""
        cells = self.data.cells[:n_before]
        n = len(self.seeds)
        weights = np.zeros((_SUBSETS + n * _SUBSETS_A_SEED, len(self.data.labels)))
        for i, row in enumerate(weights):
            row[:n_before] = balanced_subset(cells, rng, replace=i >= _SUBSETS)
        fits = refit(self.data.vectors, self.data.labels, self.n_classes, self.c, weights)
        seeds = np.arange(n * _SUBSETS_A_SEED).reshape(n, -1) + _SUBSETS
        self.tell(len(weights))
        right = self._asked(fits.averaged([np.arange(_SUBSETS), *seeds]))
        return self.retest.examine(right[0], right[1:])


def compare(
    before: TrainingSet, recommended: TrainingSet, pool: TrainingSet, test: Holdout, classes: Sequence[str],
    *, class_idx: int, attribute: str, value: str, settings: ValidateSettings, rng: np.random.Generator, seed: int,
    batches: Sequence[int] = (), notes: Sequence[str] = (), oracle: bool = False,
    others: Mapping[str, TrainingSet] | None = None, progress: Callable[[int, int], None] | None = None,
) -> ProbeReport:  # fmt: skip
    """Compare the arms and give the verdict.

    `recommended` are images to add to `before`. Random sets of the same size are drawn from `pool`.

    The regularisation is chosen within `before` (see `choose_c`) and kept for every arm, so that only the images differ. The
    gain is measured on the group that was worst before. This group is fixed before images are added, so that no arm can pick
    a better one. The gain is the accuracy of the recommended arm minus the mean of the random sets. Its interval resamples the
    test images, the training images and the random sets, paired between arms.

    `improved` needs that interval above 0, a rank among the best 5 % of the single random sets (so at least 19 sets), and a
    worst group not below the random arm's. `fixed` also needs the gap between aligned and conflicting images to be at most
    half of what it was, to have fallen with an interval above 0, and to have an interval that contains 0. The mean over
    groups must not have fallen. With `oracle`, an arm fills the emptiest cells from the pool. `others` are further sets of
    images to add to `before`. Each is an arm under its own name and does not affect the verdict.
    `progress(n_fitted, n_all)` counts probes.

    Error: the accuracy of a group of 20 images moves in steps of five points. The choice of the attribute is not covered.
    Source: Sagawa et al. (2020) for the worst group and the average by the training set's make-up; Efron (1979) and Rubin
    (1981) for resampled test and training images; Phipson and Smyth (2010) for the rank; Kirichenko et al. (2023) for the
    reweighted arm.

    Raises:
        DataError: a class has a single training image.
    """
    sizes = np.bincount(before.labels, minlength=len(classes))
    for name, size in zip(classes, sizes, strict=True):
        if size == 1:
            raise DataError(
                f"class {name!r} has a single training image; a probe needs at least two, or none; add one or drop it."
            )
    n_before, n_added = len(before.labels), len(recommended.labels)
    sets = [rng.permutation(len(pool.labels))[:n_added] for _ in range(settings.n_random if n_added else 0)]
    best = [evenly(before.cells, pool.cells, n_added, rng) for _ in range(_ORACLE_DRAWS if oracle and n_added else 0)]
    # Only the drawn images of a large pool are used.
    drawn = np.unique(np.concatenate([*sets, *best, np.zeros(0, np.intp)]).astype(np.intp))
    data = before.plus(recommended).plus(pool.take(drawn))
    places: dict[str, slice] = {}
    for name, more in (others or {}).items():
        places[name] = slice(len(data.labels), len(data.labels) + len(more.labels))
        data = data.plus(more)
    seeds = np.ones((settings.n_seeds, len(data.labels)))
    seeds[:, :n_before] = exponential(before.cells, settings.n_seeds, rng)
    # Not resampled by cell, because the number of images in each cell is part of the recommendation.
    seeds[:, n_before : n_before + n_added] = exponential(np.zeros(n_added, int), settings.n_seeds, rng)
    retest = Retest.of(test.groups, settings.n_bootstrap, settings.n_seeds, rng)
    c = choose_c(before, len(classes), settings.c_grid, seed)
    inner = [n for n in batches if 0 < n < n_added]
    a_curve = 1 + len(sets) + 2 * min(_CURVE_SEEDS, settings.n_seeds)
    n_arms = 1 + bool(n_added) + len(places)
    n_fits = n_arms * (1 + settings.n_seeds) + len(inner) * a_curve + _SUBSETS + _SUBSETS_A_SEED * settings.n_seeds
    n_fits += sum(len(many) + settings.n_seeds for many in (sets, best) if many)
    n_fitted = 0

    def tell(n: int) -> None:
        nonlocal n_fitted
        n_fitted += n
        if progress:
            progress(n_fitted, n_fits)

    session = _Bench(data, test, len(classes), c, retest, seeds, tell)

    def chosen(n: int) -> NDArray[np.bool_]:
        rows = np.zeros(len(data.labels), bool)
        rows[: n_before + n] = True
        return rows

    def from_pool(rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        mask = chosen(0)
        mask[n_before + n_added + np.searchsorted(drawn, rows)] = True
        return mask

    def random(n: int, n_seeds: int | None = None) -> tuple[Examined, NDArray[np.bool_]]:
        return session.many(np.stack([from_pool(rows[:n]) for rows in sets]), n_seeds)

    found = {"before": session.one(chosen(0))}
    each = np.zeros((0, len(test.labels)), bool)
    if n_added:
        found["recommended"] = session.one(chosen(n_added))
        found["random"], each = random(n_added)
    found["reweighted"] = session.balanced(n_before, rng)
    for name, place in places.items():
        rows = chosen(0)
        rows[place] = True
        found[name] = session.one(rows)
    if best:
        found["oracle"] = session.many(np.stack([from_pool(rows) for rows in best]))[0]
    proof = _Proof(test, retest, tuple(classes), class_idx, value, test.groups.counts(before.labels, before.value))
    n_random = round(float(np.mean([len(rows) for rows in sets]))) if sets else 0
    added = {"recommended": n_added, "random": n_random, "oracle": n_random}
    added |= {name: place.stop - place.start for name, place in places.items()}
    arms = {name: proof.arm(name, n_before + added.get(name, 0), e) for name, e in found.items()}
    curve = []
    for n in batches:
        whole, none = n == n_added and n > 0, n == 0
        mine = found["recommended"] if whole else found["before"] if none else session.one(chosen(n), _CURVE_SEEDS)
        theirs = found["random"] if whole else found["before"] if none else random(n, _CURVE_SEEDS)[0]
        curve.append(proof.point(n, mine, proof.point(n, theirs)))
    singles = np.stack([each[:, rows].mean(1) for rows in retest.rows[:-1]], axis=1)
    gain, verdict = proof.judge(found, singles)
    change, warnings = proof.average_change(found)
    return ProbeReport(arms, gain, verdict, attribute, value, tuple(curve), (*notes, *warnings), change, c)


@dataclass(frozen=True, slots=True)
class _Proof:
    """Computes the results from the examined arms: figures of an arm, points of the curve, the verdict."""

    test: Holdout
    retest: Retest
    classes: tuple[str, ...]
    class_idx: int
    value: str
    usual: NDArray[np.integer[Any]]
    """Training images of each group in `before`: the make-up that averages are weighted by."""

    def groups(self, examined: Examined) -> tuple[GroupAccuracy, ...]:
        """Accuracy of each group."""
        rows = []
        for g, (c, has) in enumerate(self.test.groups.names):
            n, at = len(self.retest.rows[g]), float(examined.value[g])
            low, high = interval(np.clip(examined.draws[:, g], 0, 1), at)
            # A group that is all right or all wrong has no bootstrap spread, so the score interval is used as well.
            score_low, score_high = stats.wilson(at * n, n)
            ci = min(low, float(score_low)), max(high, float(score_high))
            rows.append(GroupAccuracy(self.classes[c], self.value if has else f"not {self.value}", n, at, ci))
        return tuple(rows)

    def arm(self, name: str, n_train: int, examined: Examined) -> Arm:
        """The results of an arm."""
        groups = self.groups(examined)
        shares = self.retest.shares
        accuracy = float(examined.value @ shares)
        labels = self.test.labels
        by_class = []
        for k in np.unique(labels):
            of_class = np.array([(labels[rows] == k).sum() for rows in self.retest.rows])
            if not of_class[-1]:
                by_class.append(examined.value @ of_class / of_class.sum())
        balanced = float(np.mean(by_class)) if by_class else accuracy
        ci = interval(np.clip(examined.draws @ shares, 0, 1), accuracy)
        worst = min(groups, key=lambda g: g.accuracy)
        return Arm(name, n_train, accuracy, ci, balanced, worst, groups, float(self._average(examined.value)))

    def _average(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Accuracy on images made up like the training set, (..., parts) -> (...)."""
        usual = self.usual if self.usual.any() else np.ones(len(self.usual))
        return np.asarray(parts[..., :-1] @ (usual / usual.sum()))

    def gap(self, parts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Reliance; see `Groups.gap`."""
        return self.test.groups.gap(parts[..., :-1], self.class_idx)

    def point(self, n: int, examined: Examined, control: CurvePoint | None = None) -> CurvePoint:
        """A point of the curve."""
        worst = min(self.groups(examined), key=lambda g: g.accuracy)
        gap = float(self.gap(examined.value))
        ci = interval(np.clip(self.gap(examined.draws), -1, 1), gap) if np.isfinite(gap) else None
        average = float(self._average(examined.value))
        return CurvePoint(n, worst.accuracy, worst.ci, gap, ci, average, control)

    def average_change(
        self, found: dict[str, Examined]
    ) -> tuple[tuple[float, tuple[float, float]] | None, tuple[str, ...]]:
        """The change of the average accuracy due to the recommended images, and a warning if it falls."""
        if "recommended" not in found:
            return None, ()
        after, before = found["recommended"], found["before"]
        change = float(self._average(after.value) - self._average(before.value))
        ci = interval(self._average(after.draws) - self._average(before.draws), change)
        if ci[1] >= 0:
            return (change, ci), ()
        # If the shortcut mostly holds, unlearning it costs a little. A loss over all groups together is worse.
        return (change, ci), (words.average_falls(self._ruined(found)),)

    @staticmethod
    def _ruined(found: dict[str, Examined]) -> bool:
        """Whether the mean over groups has fallen by more than chance."""
        after, before = found["recommended"], found["before"]
        change = float((after.value - before.value)[:-1].mean())
        return interval((after.draws - before.draws)[:, :-1].mean(1), change)[1] < 0

    def judge(
        self, found: dict[str, Examined], singles: NDArray[np.float64]
    ) -> tuple[tuple[float, tuple[float, float]] | None, Verdict]:
        """The gain over random and the verdict. `singles` (r, groups) are the accuracies of the single random sets."""
        if "recommended" not in found:
            return None, "no evidence of improvement"
        before, mine, random = found["before"], found["recommended"], found["random"]
        worst = int(before.value[:-1].argmin())
        gain = float(mine.value[worst] - random.value[worst])
        ci = interval(mine.draws[:, worst] - random.draws[:, worst], gain)
        # One lucky set can beat the mean of many, so the rank among the single sets is tested as well.
        rank_p = (1 + (singles[:, worst] >= mine.value[worst] - 1e-9).sum()) / (1 + len(singles))
        no_worse = mine.value[:-1].min() >= random.value[:-1].min()
        if ci[0] <= 0 or rank_p > 1 - stats.LEVEL or not no_worse:
            return (gain, ci), "no evidence of improvement"
        # If the test set lacks one of the class's groups, no gap can be measured or closed.
        was, left = float(self.gap(before.value)), float(self.gap(mine.value))
        if not np.isfinite(left):
            return (gain, ci), "improved"
        # In a small test set every interval contains 0, so the gap itself must have fallen measurably.
        holds_0 = interval(self.gap(mine.draws), left)[0] <= 0
        fell = interval(self.gap(before.draws) - self.gap(mine.draws), was - left)[0] > 0
        closed = holds_0 and fell and left <= was / 2 and not self._ruined(found)
        return (gain, ci), "fixed" if closed else "improved"
