"""Plans which class x value cells should grow and by how many images, and describes what to look for if a pool lacks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from curator.report import wording
from curator.shortcuts.indicators import instead, phrase
from curator.types import Cell, Column, Ints, Mask

CellKey = tuple[int, int, bool]
"""A cell: the target, the class, and whether its images have the target's value."""
AT_FIRST = 3.0
"""Number of images that a cell behaves as if it had besides its own: its errors fall as (have + 3) / (have + added + 3). On a
development set of benchmarks/fix, 15 images added to 3 left a third of the errors."""


@dataclass(frozen=True, slots=True)
class Target:
    """One shortcut to remove: the class, the value, and which images have it in the data set (n,) and in the pool (p,).

    `pool_known` (p,): where the attribute was measured in the pool; everywhere if None. An image where it is unknown is not a
    counter-example.
    """

    class_idx: int
    column: Column
    value: str
    has: Mask
    pool_has: Mask
    pool_known: Mask | None = None


def plan(
    labels: Ints,
    classes: Sequence[str],
    targets: Sequence[Target],
    budget: int,
    supply: Mapping[CellKey, int] | None = None,
    needs: Mapping[CellKey, float] | None = None,
) -> list[Cell]:
    """Plan how many images each conflicting cell should get: the class without the value, every other class with it.

    A target has four cells: (class or rest) x (with or without). The budget is spent image by image on the cell where a probe
    of the current set would still have the largest error; `needs` is its error (0..1) in each cell. Without `needs`, it goes
    to the emptier of the two conflicting sides (in the rest, to the class with the fewest images), and several targets take
    turns. A cell is full when its class has as many conflicting as aligned images. `supply` limits a cell to the available
    images.

    An empty plan means that every cell is already full.
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
    if needs is not None:
        for _ in range(budget):
            open_ = [key for key in have if got[key] < room[key]]
            if not open_:
                break
            got[max(open_, key=lambda key: still_wrong(needs[key], have[key], got[key]))] += 1
    else:
        _in_turn(targets, have, got, room, budget)
    cells = []
    for (t, k, has), n in got.items():
        target = targets[t]
        cell = Cell(classes[k], target.column.name, target.value, has, have[t, k, has], n, 0)
        cells.append(replace(cell, words=description(target, cell)))
    return cells


def still_wrong(need: float, have: int, added: int) -> float:
    """The expected error (0..1) of a cell of `have` images and error `need` after `added` images have joined it.

    >>> still_wrong(0.6, 3, 6)
    0.3
    """
    return need * (have + AT_FIRST) / (have + added + AT_FIRST)


def _in_turn(
    targets: Sequence[Target], have: Mapping[CellKey, int], got: dict[CellKey, int], room: Mapping[CellKey, int], left: int
) -> None:  # fmt: skip
    while left > 0:
        before = left
        for t, target in enumerate(targets):
            emptiest = _emptiest(t, target.class_idx, have, got, room)
            if emptiest is not None and left > 0:
                got[emptiest] += 1
                left -= 1
        if left == before:
            break


def _emptiest(
    t: int, class_idx: int, have: Mapping[CellKey, int], got: Mapping[CellKey, int], room: Mapping[CellKey, int]
) -> CellKey | None:
    own = [key for key in have if key[0] == t and key[1] == class_idx]
    rest = [key for key in have if key[0] == t and key[1] != class_idx]
    sides = []
    for side in (own, rest):
        open_ = [key for key in side if got[key] < room[key]]
        if open_:
            level = sum(have[key] + got[key] for key in side)
            sides.append((level, min(open_, key=lambda key: (have[key] + got[key], key[1]))))
    return min(sides, key=lambda s: s[0])[1] if sides else None


def description(target: Target, cell: Cell) -> str:
    """The cell in words, to follow the class: "on something other than green", "that have a green background"."""
    if cell.has_value:
        return f"that {phrase(target.column, target.value)}"
    return instead(target.column, target.value)


def shopping_list(cells: Sequence[Cell]) -> tuple[str, ...]:
    """One line for each cell that the pool could not fill: how many images, of what, on what instead. The emptiest first."""
    return tuple(wording.shopping(c) for c in sorted(cells, key=lambda c: -c.missing) if c.missing)
