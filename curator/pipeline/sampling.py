"""The images among which examples are looked for and pictures edited: all of a small set, a seeded part of a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curator import auditing
from curator.indicators import Indicators
from curator.probing import CrossFit
from curator.types import Embedded, Finding, Ints, Mask, Measures

LARGE = 30_000
"""Images above which only a part is looked at closely, and about how many that part has."""
_LEAST = 50
"""Images of every class, and on each side of every finding, that are in the part at least, where there are as many."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the images with all that is known of them; row i is the same image in each. `whole` is the set they are of."""

    embedded: Embedded
    labels: Ints
    table: Indicators
    measures: Measures
    cross: CrossFit
    whole: Embedded


def part(
    findings: Sequence[Finding],
    embedded: Embedded,
    labels: Ints,
    table: Indicators,
    measures: Measures,
    cross: CrossFit,
    rng: np.random.Generator,
) -> Part:
    """Everything up to `LARGE` images; of more, some of every class, and of every finding some of the class with the value and
    without it, and of the others with and without: what is rare is all in it."""
    n = len(embedded.dataset)
    if n <= LARGE:
        return Part(embedded, labels, table, measures, cross, embedded)
    taken = np.zeros(n, np.bool_)
    of_class = max(_LEAST, LARGE // (2 * max(1, len(embedded.dataset.classes))))
    for c in range(len(embedded.dataset.classes)):
        _take(taken, labels == c, of_class, rng)
    of_cell = max(_LEAST, LARGE // (8 * max(1, len(findings))))
    measured = set(zip(table.attribute, table.value_names, strict=True))
    for finding in findings:
        if (finding.attribute, finding.value) not in measured:
            continue
        v = table.index(finding.attribute, finding.value)
        with_, without = auditing.members(finding, table, labels, embedded.dataset.classes)
        others = (labels >= 0) & table.known[:, v] & ~with_ & ~without
        for cell in (with_, without, others & table.values[:, v], others & ~table.values[:, v]):
            _take(taken, cell, of_cell, rng)
    rows = np.flatnonzero(taken)
    return Part(
        embedded.take(rows),
        labels[rows],
        table.take(rows),
        measures.take(rows),
        replace(cross, fold=cross.fold[rows], probabilities=cross.probabilities[rows]),
        embedded,
    )


def _take(taken: Mask, cell: Mask, most: int, rng: np.random.Generator) -> None:
    """Mark up to `most` images of a cell, drawn at random."""
    rows: NDArray[np.intp] = np.flatnonzero(cell)
    taken[rows if len(rows) <= most else rng.choice(rows, most, replace=False, shuffle=False)] = True
