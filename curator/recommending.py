"""What to add: plan the class x value cells, choose images for each, and say in words what the pool lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curator.indicators import instead, phrase
from curator.types import Cell, Column, Floats, Ids, Ints, Mask, Recommendation


@dataclass(frozen=True, slots=True)
class Target:
    """One shortcut to undo: the class, the value, and who has it in the data set (n,) and in the pool (p,).

    `pool_known` (p,): where the attribute was measured in the pool; everywhere if None. Unknown is no counter-example.
    """

    class_idx: int
    column: Column
    value: str
    has: Mask
    pool_has: Mask
    pool_known: Mask | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates, row by row: what they show, their label and how sure it is, and who may be chosen at all.

    `label_source` (p,) is "given" or "predicted"; `labels` is -1 where there is neither.
    `doubt` (p,) is how wrong the probe of the data set as it stands is about the image's label (0..1).
    """

    ids: Ids
    vectors: Floats
    labels: Ints
    label_source: NDArray[np.str_]
    confidence: NDArray[np.float64]
    doubt: NDArray[np.float64]
    usable: Mask

    def trusted(self, confidence: float) -> Mask:
        """Who may be chosen (p,): usable, of a class, and with a label that is given or predicted at least so surely."""
        sure = (self.label_source == "given") | (self.confidence >= confidence)
        return np.asarray(self.usable & (self.labels >= 0) & sure, np.bool_)

    def source(self, row: int) -> Literal["given", "predicted"]:
        """Where the label of one row comes from."""
        return "given" if self.label_source[row] == "given" else "predicted"


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a strategy chooses from: images of one cell, none of them a repeat."""

    vectors: Floats
    confidence: NDArray[np.float64]
    doubt: NDArray[np.float64]


Strategy = Callable[[Candidates, int, np.random.Generator], NDArray[np.intp]]
"""(candidates, k, rng) -> positions of up to k of them, best first."""


def plan(
    labels: Ints,
    classes: Sequence[str],
    targets: Sequence[Target],
    budget: int,
    supply: Mapping[tuple[int, int, bool], int] | None = None,
) -> list[Cell]:
    """How many images each breaking cell should get: the class without the value, every other class with it.

    For one target the four cells (class or rest) x (with or without) say whether the value still tells the class. The
    budget goes, image by image, to the emptier of the two breaking cells (in the rest, to the class that has fewest),
    up to where a class has as many images without the value as with it. Several targets take turns. `supply` caps a cell
    (target, class, has value) at what there is.

    Raises nothing; an empty plan means that every cell is full already.
    """
    have, room = {}, {}
    for t, target in enumerate(targets):
        for k in range(len(classes)):
            breaks = k != target.class_idx
            mine = labels == k
            n_break, n_obey = int((mine & (target.has == breaks)).sum()), int((mine & (target.has != breaks)).sum())
            key = (t, k, breaks)
            have[key] = n_break
            room[key] = max(0, n_obey - n_break)
            if supply is not None:
                room[key] = min(room[key], supply.get(key, 0))
    got = dict.fromkeys(have, 0)
    left = budget
    while left > 0:
        before = left
        for t, target in enumerate(targets):
            emptiest = _emptiest(t, target.class_idx, have, got, room)
            if emptiest is not None and left > 0:
                got[emptiest] += 1
                left -= 1
        if left == before:
            break
    cells = []
    for (t, k, has), n in got.items():
        target = targets[t]
        cells.append(Cell(classes[k], target.column.name, target.value, has, have[t, k, has], n, 0))
    return cells


def _emptiest(
    t: int, class_idx: int, have: Mapping[tuple[int, int, bool], int], got: Mapping[tuple[int, int, bool], int],
    room: Mapping[tuple[int, int, bool], int],
) -> tuple[int, int, bool] | None:  # fmt: skip
    own = [key for key in have if key[0] == t and key[1] == class_idx]
    rest = [key for key in have if key[0] == t and key[1] != class_idx]
    sides = []
    for side in (own, rest):
        open_ = [key for key in side if got[key] < room[key]]
        if open_:
            level = sum(have[key] + got[key] for key in side)
            sides.append((level, min(open_, key=lambda key: (have[key] + got[key], key[1]))))
    return min(sides, key=lambda s: s[0])[1] if sides else None


def recommend(
    labels: Ints, classes: Sequence[str], targets: Sequence[Target], pool: Pool, strategy: Strategy, budget: int,
    rng: np.random.Generator, *, confidence: float = 0.0,
) -> Recommendation:  # fmt: skip
    """Plan, then choose. An image serves one cell; images are ranked by turns over the cells, so that any first part of
    the list is balanced too. Cells the pool cannot fill stay `missing` and become the shopping list; what is left of the
    budget goes to cells that it can.

    Error: a predicted label is wrong as often as its probe is; such rows say `predicted` and should be looked at.
    """
    eligible = _eligible(targets, classes, pool, confidence)
    wanted = plan(labels, classes, targets, budget)
    possible = plan(labels, classes, targets, budget, {key: len(rows) for key, rows in eligible.items()})
    chosen: list[list[int]] = []
    taken = np.zeros(len(pool.ids), np.bool_)
    for key, cell in zip(eligible, possible, strict=True):
        rows = eligible[key][~taken[eligible[key]]]
        picks = strategy(Candidates(pool.vectors[rows], pool.confidence[rows], pool.doubt[rows]), cell.want, rng)
        chosen.append([int(rows[p]) for p in picks])
        taken[chosen[-1]] = True
    cells = tuple(
        replace(want, want=max(want.want, len(rows)), got=len(rows))
        for want, rows in zip(wanted, chosen, strict=True)
    )  # fmt: skip
    order = sorted((place, c) for c, rows in enumerate(chosen) for place in range(len(rows)))
    ranked = [(chosen[c][place], c) for place, c in order]
    return Recommendation(
        ids=tuple(str(pool.ids[row]) for row, _ in ranked),
        labels=tuple(classes[pool.labels[row]] for row, _ in ranked),
        label_sources=tuple(pool.source(row) for row, _ in ranked),
        cells=tuple(c for _, c in ranked),
        reasons=tuple(_reason(cells[c], pool, row) for row, c in ranked),
        plan=cells,
        shopping_list=shopping_list(cells, targets, labels, classes),
    )


def _eligible(
    targets: Sequence[Target], classes: Sequence[str], pool: Pool, confidence: float
) -> dict[tuple[int, int, bool], NDArray[np.intp]]:
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
    sure = "" if pool.source(row) == "given" else f"; looks like {cell.class_name}, {pool.confidence[row]:.0%} sure"
    return f"fills {cell.class_name} x {cell.value_name}, of which the set has {cell.have}{sure}"


def description(target: Target, cell: Cell) -> str:
    """The cell in words, after the class: "on something other than green", "that have a green background"."""
    if cell.has_value:
        return f"that {phrase(target.column, target.value)}"
    return instead(target.column, target.value)


def shopping_list(
    cells: Sequence[Cell], targets: Sequence[Target], labels: Ints, classes: Sequence[str]
) -> tuple[str, ...]:
    """One line for each cell the pool could not fill: how many, of what, on what instead.

    >>> column = Column("background.colour", "tags", "context", "have a {value} background", "on something other than {value}")
    >>> target = Target(0, column, "green", np.zeros(0, bool), np.zeros(0, bool))
    >>> shopping_list([Cell("bunny", column.name, "green", False, 3, 18, 6)], [target], np.zeros(0, int), ["bunny"])
    ('12 bunny photographs on something other than green',)
    """
    by_name = {(t.column.name, t.value): t for t in targets}
    lines = []
    for cell in sorted(cells, key=lambda c: -c.missing):
        if cell.missing:
            noun = "photograph" if cell.missing == 1 else "photographs"
            words = description(by_name[cell.attribute, cell.value], cell)
            lines.append(f"{cell.missing} {cell.class_name} {noun} {words}")
    return tuple(lines)
