"""Association: counts of class x value, an exact test on each, and the significant results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.config import AuditSettings
from curator.shortcuts.indicators import Indicators
from curator.types import Ints, Mask


@dataclass(frozen=True, slots=True)
class Table:
    """The counts behind every test: class c (rows) x value v (columns).

    `with_` (C, m): images of the class that have the value. `known` (C, m): images of the class where the value was
    measured. `sizes` (C,): images of the class.
    """

    with_: NDArray[np.int64]
    known: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @property
    def elsewhere(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same two counts for all other classes together."""
        return self.with_.sum(0) - self.with_, self.known.sum(0) - self.known


def total(tables: Iterable[Table]) -> Table:
    """Add up the counts of parts of a data set. The sum is exact. Raises: ValueError if there are no parts."""
    whole: Table | None = None
    for t in tables:
        whole = t if whole is None else Table(whole.with_ + t.with_, whole.known + t.known, whole.sizes + t.sizes)
    if whole is None:
        raise ValueError("no counts to add up")
    return whole


_BLOCK = 1 << 13
"""Images counted at a time: enough for a fast matrix product, few enough that their floats fit in memory."""


def count(indicators: Indicators, labels: Ints, n_classes: int) -> Table:
    """Count class x value. Images with label -1 are ignored."""
    return count_many(indicators, labels[None], n_classes)[0]


def count_many(indicators: Indicators, labelings: Ints, n_classes: int) -> list[Table]:
    """Count class x value under each of the labelings (r, n), such as shuffled labels or halves of the images.

    One pass over the images serves all labelings, because converting the values to numbers costs more than counting.
    float32 sums of ones are exact in blocks.
    """
    r, n = labelings.shape
    # Most attributes were measured on the same images, so each distinct column of `known` is counted only once.
    sets, of_set = _distinct(indicators.known)
    with_ = np.zeros((r * n_classes, len(indicators)), np.int64)
    known = np.zeros((r * n_classes, sets.shape[1]), np.int64)
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        one_hot = (labelings[:, None, rows] == np.arange(n_classes)[:, None]).reshape(r * n_classes, -1)
        ones = one_hot.astype(np.float32)
        with_ += (ones @ indicators.values[rows].astype(np.float32)).astype(np.int64)
        known += (ones @ sets[rows].astype(np.float32)).astype(np.int64)
    sizes = np.stack([np.bincount(row[row >= 0], minlength=n_classes) for row in labelings]).astype(np.int64)
    shape = (r, n_classes, len(indicators))
    return [Table(*parts) for parts in zip(with_.reshape(shape), known[:, of_set].reshape(shape), sizes, strict=True)]


def _distinct(masks: Mask) -> tuple[Mask, NDArray[np.intp]]:
    """The distinct columns of (n, m), and for each column the position of its distinct one."""
    seen: dict[bytes, int] = {}
    packed = np.packbits(masks, axis=0)
    which = np.array([seen.setdefault(column.tobytes(), len(seen)) for column in packed.T], np.intp)
    first = np.unique(which, return_index=True)[1]
    return masks[:, first], which


@dataclass(frozen=True, slots=True)
class Tests:
    """Per class x test: the best value of the attribute (index of an indicator), its adjusted p and its q.

    `chosen` (t,): the value was chosen among several cuts of one number. `testable` (C, t): the test could be significant
    with these margins (see `tellable`). Only such tests are run and counted in the correction; the others have p = q = 1.
    """

    indicator: NDArray[np.intp]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    testable: Mask
    chosen: Mask

    @property
    def n_tests(self) -> int:
        return int(self.testable.sum())


def tellable(table: Table, n_classes: int, settings: AuditSettings) -> Mask:
    """Whether class x value (C, m) could be a finding with these margins.

    The most extreme table puts as many images with the value as possible into the class. The pair is tested only if that
    table has p <= alpha and an effect whose interval lies above `min_effect`.

    The answer depends only on how many images have the value and how many are in the class. Leaving out the other pairs is
    therefore not a selection by result. Source: Tarone (1990); Gilbert (2005) for the false-discovery rate.
    """
    other_known = table.known.sum(0) - table.known
    k_all, n_all = table.with_.sum(0), table.known.sum(0)
    known, other_known = table.known[:n_classes], other_known[:n_classes]
    most = np.minimum(known, k_all)
    low, _ = stats.newcombe(most, known, k_all - most, other_known)
    usual = (k_all >= settings.min_support) & (k_all <= n_all - settings.min_support)
    possible = usual & (known > 0) & (other_known > 0) & (low > settings.min_effect)
    return np.asarray(possible & (stats.most_extreme(known, k_all, n_all) <= settings.alpha), np.bool_)


def least_support(labels: Ints, settings: AuditSettings) -> int:
    """The smallest number of images with a value at which it could be significant in some class, if all were in that class.

    Returns `min_support` if there is only one class, because nothing can then be tested.
    """
    sizes = np.unique(np.bincount(labels[labels >= 0], minlength=1))
    total = int((labels >= 0).sum())
    k = np.arange(1, min(total, 1 << 14) + 1)
    for size in sizes[(sizes > 0) & (sizes < total)]:
        inside = np.minimum(k, size)
        with_ = np.stack([inside, k - inside])
        known = np.broadcast_to(np.array([[size], [total - size]]), with_.shape)
        enough = tellable(Table(with_, known, known[:, 0]), 1, settings)[0]
        if enough.any():
            return int(k[np.argmax(enough)])
    return max(1, settings.min_support)


def exact_tests(
    table: Table, n_classes: int, indicators: Indicators, settings: AuditSettings, up_to: float = 1.0
) -> Tests:
    """Compute an exact one-sided p for every class x value. The cuts of one number are one test: weighted Bonferroni.

    Both directions are covered, because both sides of a cut, both answers of a flag and every value are tested.
    Rows from `n_classes` on (a pool) are compared with, but not tested. Pairs that `tellable` rules out are not tested.
    A p above `up_to` is only known to be above it (`stats.exact_greater`). The set of tests with q <= alpha is the same for
    every `up_to` >= alpha.
    """
    members, size = indicators.padded_tests()
    if not len(size):
        none = np.zeros((n_classes, 0))
        return Tests(none.astype(np.intp), none, none, none.astype(np.bool_), np.zeros(0, np.bool_))
    possible = tellable(table, n_classes, settings)
    k_all, n_all = table.with_.sum(0), table.known.sum(0)
    p = np.ones(possible.shape)
    c, v = np.nonzero(possible)
    p[c, v] = stats.exact_greater(table.with_[c, v], table.known[c, v], k_all[v], n_all[v], up_to)
    other_with, other_known = table.elsewhere
    low, _ = stats.newcombe(table.with_, table.known, other_with, other_known)
    # In large sets several cuts have p = 0. Of these, the one with the highest lower limit of the effect is taken.
    # Padding has p = inf.
    costs = np.array(indicators.costs)
    of_test = np.where(members >= 0, (p * costs)[:, members], np.inf)
    tied = of_test <= of_test.min(axis=2, keepdims=True)
    best = np.argmax(np.where(tied, low[:n_classes][:, members], -np.inf), axis=2)
    testable = np.asarray((possible[:, members] & (members >= 0)).any(axis=2), np.bool_)
    pick = members[np.arange(len(size)), best]
    adjusted = np.minimum(1.0, np.take_along_axis(p, pick, axis=1) * costs[pick])
    q = np.ones(adjusted.shape)
    q[testable] = stats.benjamini_hochberg(adjusted[testable])
    return Tests(pick, adjusted, q, testable, np.asarray(size > 1, np.bool_))


_CHOSEN = 0.975
"""Confidence level of the lower limit for a value chosen among several cuts: as for the better of two values. The cuts of one
number overlap, so five cuts bias the effect about as much as two separate ones (benchmarks/quality/coverage.py, seeds 0 to
149)."""


def effect_interval(counts: NDArray[np.int64], chosen: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Limits of the effect of counts k1, n1, k2, n2 (4, ...): Newcombe's interval. The lower limit is lower where the value
    was `chosen` (...) as the one with the smallest p.

    Error: the measured coverage of reported effects is 0.94 to 0.98 if most sets report the effect. If few sets do, the
    reports are the lucky ones, and the interval lies too high.
    """
    k1, n1, k2, n2 = counts
    low, high = stats.newcombe(k1, n1, k2, n2)
    further, _ = stats.newcombe(k1, n1, k2, n2, level=_CHOSEN)
    return np.where(chosen, further, low), high


@dataclass(frozen=True, slots=True)
class Hit:
    """One significant test, before folding."""

    class_idx: int
    indicator: int
    p: float
    q: float
    effect: float
    effect_ci: tuple[float, float]


def hits(table: Table, tests: Tests, settings: AuditSettings) -> list[Hit]:
    """The tests with q <= alpha and an effect interval above `min_effect`, strongest first."""
    other_with, other_known = table.elsewhere
    found = []
    for c, t in zip(*np.nonzero(tests.q <= settings.alpha), strict=True):
        v = int(tests.indicator[c, t])
        counts = int(table.with_[c, v]), int(table.known[c, v]), int(other_with[c, v]), int(other_known[c, v])
        low, high = effect_interval(np.array(counts), tests.chosen[t])
        if low > settings.min_effect:
            effect = counts[0] / counts[1] - counts[2] / counts[3]
            found.append(Hit(int(c), v, float(tests.p[c, t]), float(tests.q[c, t]), effect, (float(low), float(high))))
    # Without rounding, the last bit would decide the order of two mirrored hits ("yes" of one class, "no" of the other).
    return sorted(found, key=lambda h: (-round(h.effect_ci[0], 9), h.indicator, h.class_idx))
