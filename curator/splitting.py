"""Splits that leak nothing and look alike: duplicates on one side, every class x value cell in proportion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.errors import DataError
from curator.types import DuplicateGroup, Ids, SplitPlan


def split(
    ids: Ids,
    cells: pd.DataFrame,
    duplicates: Sequence[DuplicateGroup],
    fractions: Mapping[str, float],
    rng: np.random.Generator,
) -> SplitPlan:
    """Deal the images out so that every cell of `cells` has the asked fraction in every split.

    `cells` (n rows, index = ids, columns class and value) says what is balanced. A duplicate group is dealt as one piece.
    Pieces go, largest first, to the split where their cells are furthest below what was asked (ties: the split furthest
    below in total, then its name), so long as what is left of the cells can still give every other split the whole
    images it was promised; order among equals is random.

    Error: a cell of single images differs from what was asked by less than one; duplicate groups can add up to their own
    size. A cell smaller than the number of splits cannot be in all of them (compare `asked` and `got`).

    Raises:
        DataError: fewer images than splits.
    """
    if len(ids) < len(fractions):
        raise DataError(f"{len(ids)} images cannot be dealt out over {len(fractions)} splits; ask for fewer splits.")
    names = sorted(fractions, key=lambda name: (-fractions[name], name))
    code, levels = pd.factorize(pd.MultiIndex.from_frame(cells), sort=True)
    sizes = np.bincount(code, minlength=len(levels))
    asked = np.outer(sizes, [fractions[name] for name in names])
    got = np.zeros_like(asked)
    assignment: dict[str, str] = {}
    left = sizes.copy()
    for piece in _pieces(ids, duplicates, rng):
        need = np.bincount(code[piece], minlength=len(levels))
        left -= need
        deficit = (asked - got)[need > 0]
        broken = _broken_promises(deficit, need[need > 0], left[need > 0])
        weight = need[need > 0, None]
        # Relative to the split's size, or the largest split would swallow every small cell.
        score = (deficit * weight / np.maximum(asked[need > 0], 1e-9)).sum(0) / weight.sum()
        total = (asked.sum(0) - got.sum(0)) / asked.sum(0)
        best = max(
            range(len(names)), key=lambda s: (-int(broken[s]), round(float(score[s]), 9), round(float(total[s]), 9), -s)
        )
        got[:, best] += need
        for i in piece:
            assignment[str(ids[i])] = names[best]
    index = pd.MultiIndex.from_tuples(list(levels), names=list(cells.columns))
    columns = list(fractions)
    wanted, dealt = (pd.DataFrame(t, index=index, columns=names)[columns] for t in (asked, got.astype(int)))
    return SplitPlan({str(i): assignment[str(i)] for i in ids}, wanted, dealt)


def _broken_promises(
    deficit: NDArray[np.float64], need: NDArray[np.int64], left: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many images short or over the cells must end, (splits,), if a piece with `need` images goes to each split.

    `deficit` (cells, splits) is asked less got, `left` (cells,) the images dealt after this piece. Every split was
    promised the whole part of what was asked, and no more than that rounded up.
    """
    out = np.zeros(deficit.shape[1], np.int64)
    for s in range(len(out)):
        after = deficit.copy()
        after[:, s] -= need
        short = np.maximum(np.floor(after + 1e-9), 0).sum(1) - left
        over = -np.ceil(after[:, s] - 1e-9)
        out[s] = int(np.maximum(short, 0).sum() + np.maximum(over, 0).sum())
    return out


def _pieces(ids: Ids, duplicates: Sequence[DuplicateGroup], rng: np.random.Generator) -> list[list[int]]:
    position = {str(id): i for i, id in enumerate(ids)}
    grouped = [[position[i] for i in group.ids if i in position] for group in duplicates]
    used = {i for piece in grouped for i in piece}
    pieces = [p for p in grouped if p] + [[i] for i in range(len(ids)) if i not in used]
    order = rng.permutation(len(pieces))
    return sorted((pieces[k] for k in order), key=len, reverse=True)
