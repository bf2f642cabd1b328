"""The statistics an audit rests on: intervals, exact tests, multiplicity, stratified differences. Arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]

LEVEL = 0.95
"""Coverage of every interval curator prints."""


def z_value(level: float = LEVEL) -> float:
    """The two-sided normal quantile of `level`: 1.96 for 0.95."""
    return float(stats.norm.ppf(0.5 + level / 2))


def wilson(k: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
    """Score interval of the share k / n; (0, 1) where n is 0.

    Error: coverage near `level` on average from n = 5 on, never outside [0, 1]; single points dip to about 0.88.
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
    # At 0 and n the bound is exactly 0 and 1; rounding in the formula leaves it a hair inside.
    low = np.where(successes <= 0, 0.0, np.clip(centre - half, 0, 1))
    high = np.where(successes >= trials, 1.0, np.clip(centre + half, 0, 1))
    return np.where(trials > 0, low, 0.0), np.where(trials > 0, high, 1.0)


def newcombe(k1: ArrayLike, n1: ArrayLike, k2: ArrayLike, n2: ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
    """Interval of the difference of two independent shares, k1 / n1 - k2 / n2.

    Error: mean coverage 0.95 to 0.96 from 5 images a side on; conservative for smaller.
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


def exact_greater(k_in: ArrayLike, n_in: ArrayLike, k_all: ArrayLike, n_all: ArrayLike) -> Array:
    """One-sided Fisher p: the chance of `k_in` or more of the `k_all` marked images among the `n_in` of a class.

    Right under any class imbalance, and at any n, because it conditions on both margins. Conservative (discrete).
    Source: Fisher (1935); the upper tail of the hypergeometric distribution.

    >>> round(float(exact_greater(3, 4, 4, 8)), 4)
    0.2429
    """
    return np.asarray(stats.hypergeom.sf(np.asarray(k_in) - 1, n_all, k_all, n_in), float).clip(0, 1)


def benjamini_hochberg(p: ArrayLike) -> Array:
    """False-discovery-rate adjusted p ("q") over everything tested, in the order given.

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
    """Mantel-Haenszel pooled difference of shares over strata: estimate, low, high. (nan, -1, 1) if no stratum has both.

    Answers "is there a difference left once the other attribute is held still?".
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


def association_within(x: ArrayLike, y: ArrayLike, groups: NDArray[Any]) -> float:
    """Correlation of two yes/no columns after removing each group's own mean: -1..1, 0 where either is constant.

    Two attributes that both follow the class look alike; this asks whether they are alike inside each class.

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
    """The middle `level` of bootstrap draws. Source: Efron (1979), percentile method.

    >>> percentile_interval(range(101), level=0.5)
    (25.0, 75.0)
    """
    low, high = np.quantile(np.asarray(draws, float), [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
