"""Association: the counts of class x value, an exact test on each, and the tests that come out."""

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
    """Counts behind every test: class c (rows) x value v (columns).

    `with_` (C, m): images of the class that have the value; `known` (C, m): images of the class where it was measured;
    `sizes` (C,): images of the class.
    """

    with_: NDArray[np.int64]
    known: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @property
    def elsewhere(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same two counts for all other classes together."""
        return self.with_.sum(0) - self.with_, self.known.sum(0) - self.known


def total(tables: Iterable[Table]) -> Table:
    """The counts of parts of a data set, together. Exact: they are whole numbers. Raises: ValueError without a part."""
    whole: Table | None = None
    for t in tables:
        whole = t if whole is None else Table(whole.with_ + t.with_, whole.known + t.known, whole.sizes + t.sizes)
    if whole is None:
        raise ValueError("nothing was counted")
    return whole


_BLOCK = 1 << 13
"""Images that are counted at a time: enough for the product to be fast, few enough to stay in memory as floats."""


def count(indicators: Indicators, labels: Ints, n_classes: int) -> Table:
    """The table of counts; images with label -1 are left out."""
    return count_many(indicators, labels[None], n_classes)[0]


def count_many(indicators: Indicators, labelings: Ints, n_classes: int) -> list[Table]:
    """The table of counts under each of the labelings (r, n): shuffled labels, halves of the images.

    One pass over the images for all of them: turning the values into numbers costs more than counting. float32 sums of
    ones are exact in blocks.
    """
    r, n = labelings.shape
    # Most attributes were measured for the same images, all of them: each such set of images is counted once.
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
    """The different columns of (n, m), and which of them each column is."""
    seen: dict[bytes, int] = {}
    packed = np.packbits(masks, axis=0)
    which = np.array([seen.setdefault(column.tobytes(), len(seen)) for column in packed.T], np.intp)
    first = np.unique(which, return_index=True)[1]
    return masks[:, first], which


@dataclass(frozen=True, slots=True)
class Tests:
    """Per class x test: the best value of the attribute (index of an indicator) and its adjusted p and q.

    `chosen` (t,): the value was chosen among several, the cuts of one number. `told` (C, t): the test could have come out,
    had the images been as lopsided as its counts allow. Only these were tested and paid for; the others have p = q = 1.
    """

    indicator: NDArray[np.intp]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    told: Mask
    chosen: Mask

    @property
    def n_tests(self) -> int:
        return int(self.told.sum())


def tellable(table: Table, n_classes: int, settings: AuditSettings) -> Mask:
    """Whether class x value (C, m) could be a finding at all with these margins: as many of the class's images have the
    value as have it anywhere. Then p is at most alpha, and the effect's interval lies above `min_effect`.

    It depends on how many have the value and how many are of the class, never on who has it, so leaving out the others
    chooses nothing. Source: Tarone (1990); Gilbert (2005) for the false-discovery rate.
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
    """The fewest images that must have a value for it to come out in some class, were all of them in that class.

    With one class only there is nothing to come out: `min_support`.
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
    """Exact one-sided p for every class x value. The cuts of one number are one test, weighted Bonferroni over the cuts.

    A one-sided test in each direction is there already: both sides of a cut, both answers of a flag, and every value.
    Rows from `n_classes` on (a pool) are compared with, not tested. What `tellable` rules out is not tested. A p above
    `up_to` is only known to be above it (`stats.exact_greater`); what has q <= alpha is the same for any `up_to` >= alpha.
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
    # In large sets several cuts have p = 0 to the last bit; of these the strongest is meant. Padding comes last of all.
    costs = np.array(indicators.costs)
    of_test = np.where(members >= 0, (p * costs)[:, members], np.inf)
    tied = of_test <= of_test.min(axis=2, keepdims=True)
    best = np.argmax(np.where(tied, low[:n_classes][:, members], -np.inf), axis=2)
    told = np.asarray((possible[:, members] & (members >= 0)).any(axis=2), np.bool_)
    pick = members[np.arange(len(size)), best]
    adjusted = np.minimum(1.0, np.take_along_axis(p, pick, axis=1) * costs[pick])
    q = np.ones(adjusted.shape)
    q[told] = stats.benjamini_hochberg(adjusted[told])
    return Tests(pick, adjusted, q, told, np.asarray(size > 1, np.bool_))


_CHOSEN = 0.975
"""Level of the lower limit for a value chosen among several cuts: as if the best of two had been taken. The cuts of one
number overlap, so five of them flatter about as much as two separate ones (benchmarks/quality/coverage.py, seeds 0 to 149)."""


def effect_interval(counts: NDArray[np.int64], chosen: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Limits of the effect of counts k1, n1, k2, n2 (4, ...): Newcombe's, the lower one further down where the value was
    `chosen` (...) for having the smallest p.

    Error: measured cover of what is reported 0.94 to 0.98 where most sets report it. Where few do, those that do are the lucky
    ones, and the interval lies too high.
    """
    k1, n1, k2, n2 = counts
    low, high = stats.newcombe(k1, n1, k2, n2)
    further, _ = stats.newcombe(k1, n1, k2, n2, level=_CHOSEN)
    return np.where(chosen, further, low), high


@dataclass(frozen=True, slots=True)
class Hit:
    """One test that came out, before folding."""

    class_idx: int
    indicator: int
    p: float
    q: float
    effect: float
    effect_ci: tuple[float, float]


def hits(table: Table, tests: Tests, settings: AuditSettings) -> list[Hit]:
    """What passes the policy: q <= alpha and an effect whose interval lies above `min_effect`; strongest first."""
    other_with, other_known = table.elsewhere
    found = []
    for c, t in zip(*np.nonzero(tests.q <= settings.alpha), strict=True):
        v = int(tests.indicator[c, t])
        counts = int(table.with_[c, v]), int(table.known[c, v]), int(other_with[c, v]), int(other_known[c, v])
        low, high = effect_interval(np.array(counts), tests.chosen[t])
        if low > settings.min_effect:
            effect = counts[0] / counts[1] - counts[2] / counts[3]
            found.append(Hit(int(c), v, float(tests.p[c, t]), float(tests.q[c, t]), effect, (float(low), float(high))))
    # Rounded, or the last bit decides which of two mirrored hits ("yes" of one class, "no" of the other) leads.
    return sorted(found, key=lambda h: (-round(h.effect_ci[0], 9), h.indicator, h.class_idx))
