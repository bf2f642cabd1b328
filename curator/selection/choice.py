"""Chooses images to add: plans the class x value cells, chooses images for each, and describes what the pool lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curator.report import wording
from curator.selection.plan import CellKey, Target, description, plan, shopping_list, still_wrong
from curator.types import Cell, Floats, Ids, Ints, Mask, Recommendation

__all__ = [
    "Candidates",
    "Pool",
    "Strategy",
    "Target",
    "description",
    "errors_by_cell",
    "plan",
    "recommend",
    "shopping_list",
]
SOURCES: Mapping[str, Literal["given", "predicted", "confirmed"]] = {"given": "given", "confirmed": "confirmed"}
"""Sources of labels that are not predicted."""
_PRIOR = 2.0
"""Each cell's error is mixed with the mean error of all conflicting cells, weighted as this many images, because some
cells have few images."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates, one per row: what they show, their label, how certain it is, and whether they may be chosen.

    `label_source` (p,) is "given", "predicted" or "confirmed" (by a person). `labels` is -1 where there is no label.
    `doubt` (p,) is the error (0..1) of the current data set's probe on the image's label.
    `caveats` (p,) gives the reason why an image is chosen only as a last resort, or "".
    """

    ids: Ids
    vectors: Floats
    labels: Ints
    label_source: NDArray[np.str_]
    confidence: NDArray[np.float64]
    doubt: NDArray[np.float64]
    usable: Mask
    caveats: NDArray[np.str_] | None = None

    def trusted(self, confidence: float) -> Mask:
        """The candidates (p,) that may be chosen: usable, with a class, and with a label that is given or certain enough."""
        sure = (self.label_source == "given") | (self.confidence >= confidence)
        return np.asarray(self.usable & (self.labels >= 0) & sure, np.bool_)

    def source(self, row: int) -> Literal["given", "predicted", "confirmed"]:
        """The source of the label of one row."""
        return SOURCES.get(str(self.label_source[row]), "predicted")

    def caveat(self, row: int) -> str:
        """The reason why one row is a last resort, or ""."""
        return "" if self.caveats is None else str(self.caveats[row])


@dataclass(frozen=True, slots=True)
class Candidates:
    """The input of a strategy: images of one cell, without duplicates."""

    vectors: Floats
    confidence: NDArray[np.float64]
    doubt: NDArray[np.float64]


Strategy = Callable[[Candidates, int, np.random.Generator], NDArray[np.intp]]
"""(candidates, k, rng) -> positions of up to k of them, best first."""


def errors_by_cell(
    targets: Sequence[Target], classes: Sequence[str], pool: Pool, confidence: float
) -> dict[CellKey, float]:
    """The error (0..1) of the current probe in each conflicting cell, measured on pool images that it has not learnt from.

    Error: in a cell with few candidates the result is mostly the mean over all conflicting cells. A wrong predicted label
    counts as an error of the probe.
    """
    eligible = eligible_rows(targets, classes, pool, confidence)
    rows = np.unique(np.concatenate([*eligible.values(), np.array([], np.intp)]))
    usual = float(pool.doubt[rows].mean()) if len(rows) else 1.0
    return {
        key: float((pool.doubt[mine].sum() + _PRIOR * usual) / (len(mine) + _PRIOR)) for key, mine in eligible.items()
    }


def recommend(
    labels: Ints, classes: Sequence[str], targets: Sequence[Target], pool: Pool, strategy: Strategy, budget: int,
    rng: np.random.Generator, *, confidence: float = 0.0, needs: Mapping[CellKey, float] | None = None,
) -> Recommendation:  # fmt: skip
    """Plan, then choose images.

    An image serves one cell. Images with a caveat come last in their cell. Images are ranked by the plan, or in turn over the
    cells if there are no `needs`, so that every first part of the list is a good choice too. Cells that the pool cannot fill
    stay `missing` and become the shopping list. The rest of the budget goes to cells that it can fill.

    Error: predicted labels are wrong as often as their probe is. Such rows are marked `predicted`; check them.
    """
    eligible = eligible_rows(targets, classes, pool, confidence)
    wanted = plan(labels, classes, targets, budget, None, needs)
    supply = {key: len(rows) for key, rows in eligible.items()}
    while True:
        possible = plan(labels, classes, targets, budget, supply, needs)
        chosen: list[list[int]] = []
        taken = np.zeros(len(pool.ids), np.bool_)
        for key, cell in zip(eligible, possible, strict=True):
            open_ = eligible[key][~taken[eligible[key]]]
            chosen.append(_choose(open_, cell.want, pool, strategy, rng))
            taken[chosen[-1]] = True
        short = [i for i, cell in enumerate(possible) if len(chosen[i]) < cell.want]
        if not short:
            break
        # An image that two cells could use went to the first cell. The second cell's unused budget goes to other cells.
        for i in short:
            supply[list(eligible)[i]] = len(chosen[i])
    cells = tuple(
        replace(want, want=max(want.want, len(rows)), got=len(rows), available=len(there))
        for want, rows, there in zip(wanted, chosen, eligible.values(), strict=True)
    )  # fmt: skip
    levels = [needs[key] for key in eligible] if needs is not None else None

    def turn(place: int, c: int) -> tuple[float, int]:
        return (float(place) if levels is None else -still_wrong(levels[c], cells[c].have, place)), c

    order = sorted((turn(place, c), place) for c, rows in enumerate(chosen) for place in range(len(rows)))
    ranked = [(chosen[c][place], c) for (_, c), place in order]
    return Recommendation(
        ids=tuple(str(pool.ids[row]) for row, _ in ranked),
        labels=tuple(classes[pool.labels[row]] for row, _ in ranked),
        label_sources=tuple(pool.source(row) for row, _ in ranked),
        cells=tuple(c for _, c in ranked),
        reasons=tuple(_reason(cells[c], pool, row) for row, c in ranked),
        last_resorts=tuple(pool.caveat(row) for row, _ in ranked),
        plan=cells,
        shopping_list=shopping_list(cells),
    )


def _choose(
    rows: NDArray[np.intp], k: int, pool: Pool, strategy: Strategy, rng: np.random.Generator
) -> list[int]:  # fmt: skip
    """Choose up to k of the rows by the strategy. Rows with a caveat are used only after all others."""
    late = np.array([bool(pool.caveat(int(row))) for row in rows], np.bool_)
    out: list[int] = []
    for part in (rows[~late], rows[late]):
        if len(out) < k and len(part):
            picks = strategy(Candidates(pool.vectors[part], pool.confidence[part], pool.doubt[part]), k - len(out), rng)
            out += [int(part[p]) for p in picks]
    return out


def eligible_rows(
    targets: Sequence[Target], classes: Sequence[str], pool: Pool, confidence: float
) -> dict[CellKey, NDArray[np.intp]]:
    """The pool rows that may fill each conflicting cell, in the order of `plan`."""
    sure = pool.trusted(confidence)
    out = {}
    for t, target in enumerate(targets):
        for k in range(len(classes)):
            breaks = k != target.class_idx
            known = True if target.pool_known is None else target.pool_known
            out[t, k, breaks] = np.flatnonzero(sure & known & (pool.labels == k) & (target.pool_has == breaks))
    return out


def _reason(cell: Cell, pool: Pool, row: int) -> str:
    sure = None if pool.source(row) == "given" else float(pool.confidence[row])
    return wording.reason(cell, sure, pool.caveat(row))
