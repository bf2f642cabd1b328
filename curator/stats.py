"""Statistics of the audit: intervals, exact tests, multiplicity, stratified differences. Arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import gammaln

Array = NDArray[np.float64]

LEVEL = 0.95
"""Coverage of every interval that curator prints."""


def z_value(level: float = LEVEL) -> float:
    """The two-sided normal quantile of `level`: 1.96 for 0.95."""
    return float(stats.norm.ppf(0.5 + level / 2))


def wilson(k: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
    """Score interval of the share k / n; (0, 1) if n is 0.

    Error: coverage near `level` on average from n = 5 on, never outside [0, 1]; single points fall to about 0.88.
    Source: Wilson (1927); Brown, Cai and DasGupta (2001), eq. 4.

    >>> low, high = wilson(9, 10)
    >>> round(float(low), 3), round(float(high), 3)
    (0.596, 0.982)
    """
    successes, trials = np.asarray(k, float), np.asarray(n, float)
    z2 = z_value(level) ** 2
    safe = np.maximum(trials, 1)
    share = successes / safe
    centre = (share + z2 / (2 * safe)) / (1 + z2 / safe)
    half = np.sqrt(z2) / (1 + z2 / safe) * np.sqrt(share * (1 - share) / safe + z2 / (4 * safe**2))
    # At 0 and n the bound is exactly 0 and 1, but rounding in the formula leaves it slightly inside.
    low = np.where(successes <= 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(successes >= trials, 1.0, np.clip(centre + half, 0, 1))
    return np.where(trials > 0, low, 0.0), np.where(trials > 0, high, 1.0)


def newcombe(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
    """Interval of the difference of two independent shares, k1 / n1 - k2 / n2.

    Error: mean coverage 0.95 to 0.96 from 5 images a side on; conservative for fewer.
    Source: Newcombe (1998), method 10 (square-and-add of two Wilson intervals).

    >>> low, high = newcombe(56, 70, 48, 80)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3339)
    """
    p1 = np.asarray(k1, float) / np.maximum(n1, 1)
    p2 = np.asarray(k2, float) / np.maximum(n2, 1)
    (l1, u1), (l2, u2) = wilson(k1, n1, level), wilson(k2, n2, level)
    difference = p1 - p2
    low = difference - np.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
    high = difference + np.sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    return np.clip(low, -1, 1), np.clip(high, -1, 1)


def exact_greater(k_in: ArrayLike, n_in: ArrayLike, k_all: ArrayLike, n_all: ArrayLike, up_to: float = 1.0) -> Array:
    """One-sided Fisher p: the chance of `k_in` or more of the `k_all` marked images among the `n_in` of a class.

    It conditions on both margins, so it is exact under any class imbalance and at any n. It is conservative (discrete). All
    tests are summed together, outwards from `k_in`, with each term from the one before it. A p above `up_to` is only known to
    be above it: its sum stops there, which saves most of the work if few tests are significant.
    Error: relative 1e-9 from the logarithms of factorials; 0 under 1e-300.
    Source: Fisher (1935); the upper tail of the hypergeometric distribution.

    >>> round(float(exact_greater(3, 4, 4, 8)), 4)
    0.2429
    """
    shape = np.broadcast_shapes(*(np.shape(x) for x in (k_in, n_in, k_all, n_all)))
    k, n, marked, total = (np.broadcast_to(np.asarray(x, float), shape).ravel() for x in (k_in, n_in, k_all, n_all))
    lowest, highest = np.maximum(0, n + marked - total), np.minimum(n, marked)
    out = np.where(k <= lowest, 1.0, 0.0)
    inside = (k > lowest) & (k <= highest)
    # Above the mode the tail itself is summed, below it the complement, so that the terms decrease either way.
    above = inside & (k > np.floor((n + 1) * (marked + 1) / (total + 2)))
    for rows, upwards in ((np.flatnonzero(above), True), (np.flatnonzero(inside & ~above), False)):
        if len(rows):
            start = k[rows] if upwards else k[rows] - 1
            side = (start, n[rows], marked[rows], total[rows])
            point = np.exp(_log_point(*side))
            with np.errstate(divide="ignore", over="ignore"):
                enough = (
                    np.where(point > 0, up_to / point, np.inf) if upwards and up_to < 1 else np.full(len(rows), np.inf)
                )
            tail = point * _terms(*side, enough, upwards=upwards)
            out[rows] = tail if upwards else 1 - tail
    return out.reshape(shape).clip(0, 1)


def most_extreme(n_in: ArrayLike, k_all: ArrayLike, n_all: ArrayLike) -> Array:
    """The smallest p that `exact_greater` can give with these margins: as many marked images as possible in the class.

    If this p is above the significance level, the test cannot be significant for any images and need not be done.
    Source: Tarone (1990).

    >>> round(float(most_extreme(4, 4, 8)), 4), round(float(most_extreme(10, 1, 40)), 4)
    (0.0143, 0.25)
    """
    n, marked, total = (np.asarray(x, float) for x in (n_in, k_all, n_all))
    return np.asarray(np.exp(_log_point(np.minimum(n, marked), n, marked, total)), float).clip(0, 1)


def _log_point(k: Array, n: Array, marked: Array, total: Array) -> Array:
    """Log of the hypergeometric probability of exactly k."""

    def choose(a: Array, b: Array) -> Array:
        return np.asarray(gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1), float)

    return choose(marked, k) + choose(total - marked, n - k) - choose(total, n)


_BURST = 8
"""Number of terms between two checks whether a sum is complete."""


def _terms(k: Array, n: Array, marked: Array, total: Array, enough: Array, *, upwards: bool) -> Array:
    """The sum of all points from k outwards, in units of the point at k. A sum above `enough` may stop there.

    Each term is the previous one times a ratio below 1.
    """
    out = np.ones(len(k))
    active = np.arange(len(k))
    # k(j) and the three other cells of the two-by-two table.
    cells = np.stack([k, n - k, marked - k, total - marked - n + k])
    term, sums, step = np.ones(len(k)), np.ones(len(k)), 1.0 if upwards else -1.0
    signs = np.array([[step], [-step], [-step], [step]])
    while len(active):
        for _ in range(_BURST):
            a, b, c, d = cells
            term = term * (b * c / ((a + 1) * (d + 1)) if upwards else a * d / ((b + 1) * (c + 1)))
            sums = sums + term
            cells = cells + signs
            # Past the last cell the product is 0 and stays 0.
            term = np.where((cells < 0).any(0), 0.0, term)
        going = (term > 1e-17 * sums) & (sums <= enough)
        out[active[~going]] = sums[~going]
        active, term, sums, enough = active[going], term[going], sums[going], enough[going]
        cells = cells[:, going]
    return out


def benjamini_hochberg(p: ArrayLike) -> Array:
    """False-discovery-rate adjusted p ("q") over all tests, in the given order.

    Assumes independent or positively dependent tests. Source: Benjamini and Hochberg (1995), step-up procedure.

    >>> benjamini_hochberg([0.01, 0.02, 0.03, 0.5]).round(3).tolist()
    [0.04, 0.04, 0.04, 0.5]
    """
    values = np.asarray(p, float)
    if not len(values):
        return values
    return np.asarray(stats.false_discovery_control(values, method="bh"), float)


def stratified_difference(
    k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, level: float = LEVEL
) -> tuple[float, float, float]:
    """Mantel-Haenszel pooled difference of shares over strata: estimate, low, high. (nan, -1, 1) if no stratum has both groups.

    Answers "does a difference remain with the other attribute held constant?".
    Error: the interval is asymptotic (Sato's variance); good from about 5 images a side in the largest stratum.
    Source: Greenland and Robins (1985), eq. 4; Sato (1989).

    >>> [round(x, 3) for x in stratified_difference([8, 2], [10, 20], [4, 1], [10, 20])]
    [0.167, -0.013, 0.346]
    """
    a, m1 = np.asarray(k1, float), np.asarray(n1, float)
    c, m2 = np.asarray(k2, float), np.asarray(n2, float)
    both = (m1 > 0) & (m2 > 0)
    if not both.any():
        return float("nan"), -1.0, 1.0
    a, m1, c, m2 = a[both], m1[both], c[both], m2[both]
    total = m1 + m2
    weight = m1 * m2 / total
    difference = float(((a * m2 - c * m1) / total).sum() / weight.sum())
    p_term = (m1**2 * c - m2**2 * a + m1 * m2 * (m2 - m1) / 2) / total**2
    q_term = (a * (m2 - c) + c * (m1 - a)) / (2 * total)
    variance = max(0.0, float((difference * p_term.sum() + q_term.sum()) / weight.sum() ** 2))
    half = z_value(level) * float(np.sqrt(variance))
    return difference, max(-1.0, difference - half), min(1.0, difference + half)


def cochran_mantel_haenszel(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike) -> float:
    """One-sided p of "more of the first than of the second", with the stratum held constant. 1 if no stratum has both groups.

    Under the null each stratum's k1 is hypergeometric given its margins. The statistic is their sum minus its mean, divided by
    its standard deviation, with a continuity correction of a half.
    Error: normal approximation; good from about 5 expected images a cell summed over the strata; conservative below.
    Source: Cochran (1954); Mantel and Haenszel (1959), eq. 1, whose chi-squared is this z squared.

    >>> round(cochran_mantel_haenszel([8, 5], [10, 20], [6, 2], [30, 20]), 5)
    0.00111
    """
    a, m1 = np.asarray(k1, float), np.asarray(n1, float)
    c, m2 = np.asarray(k2, float), np.asarray(n2, float)
    total, marked = m1 + m2, a + c
    used = (m1 > 0) & (m2 > 0) & (total > 1)
    a, m1, m2, total, marked = a[used], m1[used], m2[used], total[used], marked[used]
    variance = float((m1 * m2 * marked * (total - marked) / (total**2 * (total - 1))).sum())
    if variance <= 0:
        return 1.0
    excess = float((a - m1 * marked / total).sum())
    corrected = np.sign(excess) * max(0.0, abs(excess) - 0.5)
    return float(stats.norm.sf(corrected / np.sqrt(variance)))


def association_within(x: ArrayLike, y: ArrayLike, groups: NDArray[Any]) -> float:
    """Correlation of two yes/no columns after removing each group's own mean: -1..1, 0 if either is constant.

    Two attributes that both follow the class look alike. This measures whether they are alike inside each class.

    >>> g = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> round(association_within([1, 1, 0, 0, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0, 0, 1], g), 3)
    0.143
    """
    a, b = np.asarray(x, float).copy(), np.asarray(y, float).copy()
    for g in np.unique(groups):
        here = groups == g
        a[here] -= a[here].mean()
        b[here] -= b[here].mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 1e-12 else 0.0


def percentile_interval(draws: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """The central `level` interval of bootstrap draws. Source: Efron (1979), percentile method.

    >>> percentile_interval(range(101), level=0.5)
    (25.0, 75.0)
    """
    low, high = np.quantile(np.asarray(draws, float), [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
