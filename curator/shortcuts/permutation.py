"""The false-alarm rate on the user's own data: the audit of shuffled labels."""

from __future__ import annotations

import numpy as np

from curator.config import AuditSettings
from curator.shortcuts.association import count_many, exact_tests, hits
from curator.shortcuts.indicators import Indicators
from curator.shortcuts.redundancy import fold
from curator.types import Ints

_LABELS = 1 << 24
"""Shuffled labels that are counted in one pass over the images: 64 MiB of them."""
_ROWS = 1 << 12
"""Classes times shuffles in one pass, each a row of the product that counts."""


def expected_false_findings(
    indicators: Indicators,
    labels: Ints,
    n_rows: int,
    n_classes: int,
    settings: AuditSettings,
    rng: np.random.Generator,
) -> float | None:
    """Mean number of findings after shuffling the labels: what this very audit cries on this data when nothing is there.

    `n_rows` labels are shuffled, of which the first `n_classes` are classes and the rest a pool. None where no shuffle was
    asked for. Error: standard error about sqrt(mean / n_permutations).
    """
    if settings.n_permutations == 0:
        return None
    known = np.flatnonzero(labels >= 0)
    total, left = 0, settings.n_permutations
    at_once = max(1, min(_LABELS // max(1, len(labels)), _ROWS // max(1, n_rows)))
    while left:
        shuffled = np.tile(labels, (min(at_once, left), 1))
        for row in shuffled:
            row[known] = rng.permutation(labels[known])
        for row, table in zip(shuffled, count_many(indicators, shuffled, n_rows), strict=True):
            # Where q stays above alpha it does not matter by how much, and most of p's sum need not be done.
            tests = exact_tests(table, n_classes, indicators, settings, up_to=settings.alpha)
            found = hits(table, tests, settings)
            total += len(fold(found, indicators, row, settings)) if found else 0
        left -= len(shuffled)
    return total / settings.n_permutations
