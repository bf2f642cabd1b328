"""What to add: plan the class x value cells, choose images for each, and say in words what the pool lacks."""

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
"""Where a label comes from, if not from a guess."""
_PRIOR = 2.0
"""Images' worth of the errors in all breaking cells that each cell's own are mixed with: some have a handful."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates, row by row: what they show, their label and how sure it is, and who may be chosen at all.

    `label_source` (p,) is "given", "predicted" or "confirmed" (by a person); `labels` is -1 where there is none.
    `doubt` (p,) is how wrong the probe of the data set as it stands is about the image's label (0..1).
    `caveats` (p,) says why an image is taken only when nothing else fills its cell, "" where nothing is wrong with it.
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
        """Who may be chosen (p,): usable, of a class, and with a label that is given or predicted at least so surely."""
        sure = (self.label_source == "given") | (self.confidence >= confidence)
        return np.asarray(self.usable & (self.labels >= 0) & sure, np.bool_)

    def source(self, row: int) -> Literal["given", "predicted", "confirmed"]:
        """Where the label of one row comes from."""
        return SOURCES.get(str(self.label_source[row]), "predicted")

    def caveat(self, row: int) -> str:
        """Why one row is a last resort, "" where it is not."""
        return "" if self.caveats is None else str(self.caveats[row])


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a strategy chooses from: images of one cell, none of them a repeat."""

    vectors: Floats
    confidence: NDArray[np.float64]
    doubt: NDArray[np.float64]


Strategy = Callable[[Candidates, int, np.random.Generator], NDArray[np.intp]]
"""(candidates, k, rng) -> positions of up to k of them, best first."""


def errors_by_cell(
    targets: Sequence[Target], classes: Sequence[str], pool: Pool, confidence: float
) -> dict[CellKey, float]:
    """The error (0..1) of the probe as it stands in each breaking cell, seen on the pool: images it has not learned from.

    Error: of a cell with few candidates it is mostly the mean over all breaking cells; a predicted label that is wrong
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
    """Plan, then choose. An image serves one cell; what has a caveat comes after all else in its cell. Images are ranked
    by the plan (by turns over the cells where there are no `needs`), so that any first part of the list is one too. Cells
    the pool cannot fill stay `missing` and become the shopping list; what is left of the budget goes to cells that it can.

    Error: a predicted label is wrong as often as its probe is; such rows say `predicted` and should be looked at.
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
        # An image that two cells could use went to the first: what the second cannot get goes to others.
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
    """Up to k of the rows by the strategy, those with a caveat only once the others are used up."""
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
    """The pool rows that may fill each breaking cell, in the order of `plan`."""
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
