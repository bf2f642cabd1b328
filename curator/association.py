"""Association: the counts of class x value, an exact test on each, and the tests that come out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.config import AuditSettings
from curator.indicators import Indicators
from curator.types import Ints


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


def count(indicators: Indicators, labels: Ints, n_classes: int) -> Table:
    """The table of counts; images with label -1 are left out."""
    one_hot = np.zeros((n_classes, len(labels)), np.float32)
    rows = np.flatnonzero(labels >= 0)
    one_hot[labels[rows], rows] = 1
    # float32 sums of ones are exact up to 2^24 images a class; above, counts come in blocks.
    parts = range(0, len(labels), 1 << 22)
    with_ = sum(
        (one_hot[:, s : s + (1 << 22)] @ indicators.values[s : s + (1 << 22)].astype(np.float32)).astype(np.int64)
        for s in parts
    )
    known = sum(
        (one_hot[:, s : s + (1 << 22)] @ indicators.known[s : s + (1 << 22)].astype(np.float32)).astype(np.int64)
        for s in parts
    )
    empty = np.zeros((n_classes, len(indicators)), np.int64)
    return Table(empty + with_, empty + known, np.bincount(labels[rows], minlength=n_classes).astype(np.int64))


@dataclass(frozen=True, slots=True)
class Tests:
    """Per class x test: the best value of the attribute (index of an indicator) and its adjusted p and q."""

    indicator: NDArray[np.intp]
    p: NDArray[np.float64]
    q: NDArray[np.float64]


def exact_tests(table: Table, n_classes: int, indicators: Indicators, settings: AuditSettings) -> Tests:
    """Exact one-sided p for every class x value. The cuts of one number are one test, Bonferroni over the cuts.

    A one-sided test in each direction is there already: both sides of a cut, both answers of a flag, and every value.
    Rows from `n_classes` on (a pool) are compared with, not tested.
    """
    other_with, other_known = table.elsewhere
    k_all, n_all = table.with_ + other_with, table.known + other_known
    p = stats.exact_greater(table.with_, table.known, k_all, n_all)
    rare = (
        (k_all < settings.min_support)
        | (k_all > n_all - settings.min_support)
        | (table.known == 0)
        | (other_known == 0)
    )
    p = np.where(rare, 1.0, p)[:n_classes]
    best, adjusted = [], []
    low, _ = stats.newcombe(table.with_, table.known, other_with, other_known)
    for members in indicators.tests():
        # In large sets several cuts have p = 0 to the last bit; of these the strongest is meant.
        tied = p[:, members] <= p[:, members].min(axis=1, keepdims=True)
        pick = members[np.argmax(np.where(tied, low[:n_classes, members], -np.inf), axis=1)]
        best.append(pick)
        adjusted.append(np.minimum(1.0, p[np.arange(len(p)), pick] * len(members)))
    if not best:
        none = np.zeros((len(p), 0))
        return Tests(none.astype(np.intp), none, none)
    p_adjusted = np.stack(adjusted, axis=1)
    q = stats.benjamini_hochberg(p_adjusted.ravel()).reshape(p_adjusted.shape)
    return Tests(np.stack(best, axis=1), p_adjusted, q)


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
        low, high = stats.newcombe(*counts)
        if low > settings.min_effect:
            effect = counts[0] / counts[1] - counts[2] / counts[3]
            found.append(Hit(int(c), v, float(tests.p[c, t]), float(tests.q[c, t]), effect, (float(low), float(high))))
    # Rounded, or the last bit decides which of two mirrored hits ("yes" of one class, "no" of the other) leads.
    return sorted(found, key=lambda h: (-round(h.effect_ci[0], 9), h.indicator, h.class_idx))
