"""The audit's false-alarm rate on the user's own data, measured on shuffled labels."""

from __future__ import annotations

import numpy as np

from curator.config import AuditSettings
from curator.shortcuts.association import count_many, exact_tests, hits
from curator.shortcuts.indicators import Indicators
from curator.shortcuts.redundancy import fold
from curator.types import Ints

_LABELS = 1 << 24
"""Shuffled labels counted in one pass over the images: they take 64 MiB."""
_ROWS = 1 << 12
"""Classes times shuffles counted in one pass. Each is a row of the matrix product."""


def expected_false_findings(
    indicators: Indicators,
    labels: Ints,
    n_rows: int,
    n_classes: int,
    settings: AuditSettings,
    rng: np.random.Generator,
) -> float | None:
    """Mean number of findings after shuffling the labels: the audit's false-alarm rate on this data.

    `n_rows` labels are shuffled. The first `n_classes` of them are classes and the rest a pool. Returns None if no shuffles
    were requested. Error: the standard error is about sqrt(mean / n_permutations).
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
            # `up_to` saves most of the work: a q above alpha need not be known exactly.
            tests = exact_tests(table, n_classes, indicators, settings, up_to=settings.alpha)
            found = hits(table, tests, settings)
            total += len(fold(found, indicators, row, settings)) if found else 0
        left -= len(shuffled)
    return total / settings.n_permutations
