"""Makes splits without leaks: duplicates and groups stay in one split, and every class x value cell keeps its proportion."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from curator.errors import DataError
from curator.report.wording import count
from curator.report.wording import splits as words
from curator.types import DuplicateGroup, Ids, SplitPlan

Way = Literal["drop", "weight", "add"]
"""How the training split is balanced: by leaving images out, by weights, or by listing images to add."""


def split(
    ids: Ids,
    cells: pd.DataFrame,
    duplicates: Sequence[DuplicateGroup],
    fractions: Mapping[str, float],
    rng: np.random.Generator,
    groups: Sequence[Collection[str]] = (),
    *,
    named: bool = True,
) -> SplitPlan:
    """Distribute the images so that every cell of `cells` has the requested fraction in every split.

    `cells` (n rows, index = ids, columns class and value) defines what is balanced. Duplicates, and the ids of each of
    `groups`, form one piece and stay together. Pieces that share an image are merged.
    Pieces are assigned from the largest on. Each goes to the split where its cells are furthest below the requested number.
    Ties go to the split furthest below in total, then by name. The rest of the cells must still be able to give every other
    split its whole images. The order among equal pieces is random.

    Error: a cell of single images differs from the request by less than one image. Duplicate groups can add up to their own
    size. A cell smaller than the number of splits cannot be in all of them (compare `asked` and `got`).

    Raises:
        DataError: there are fewer images than splits, or fewer pieces if the user `named` the groups. If only copies make the
            pieces, a split may stay empty (compare `asked` and `got`).
    """
    if len(ids) < len(fractions):
        raise DataError(f"{len(ids)} images are too few for {len(fractions)} splits; ask for fewer splits.")
    names = sorted(fractions, key=lambda name: (-fractions[name], name))
    code, levels = pd.factorize(pd.MultiIndex.from_frame(cells), sort=True)
    sizes = np.bincount(code, minlength=len(levels))
    asked = np.outer(sizes, [fractions[name] for name in names])
    got = np.zeros_like(asked)
    assignment: dict[str, str] = {}
    left = sizes.copy()
    dealt_as = pieces(ids, [*(group.ids for group in duplicates), *groups], rng)
    if named and len(dealt_as) < len(fractions):
        raise DataError(
            f"the images form {len(dealt_as)} groups that stay together, too few for {len(fractions)} splits; "
            "ask for fewer splits or for smaller groups."
        )
    for piece in dealt_as:
        need = np.bincount(code[piece], minlength=len(levels))
        left -= need
        deficit = (asked - got)[need > 0]
        broken = _broken_promises(deficit, need[need > 0], left[need > 0])
        weight = need[need > 0, None]
        # Relative to the split's size, because otherwise the largest split would take every small cell.
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
    """How many images the cells must end short or over, (splits,), if a piece with `need` images goes to each split.

    `deficit` (cells, splits) is asked minus got. `left` (cells,) are the images distributed after this piece. Every split
    must get at least the requested number rounded down, and at most the number rounded up.
    """
    out = np.zeros(deficit.shape[1], np.int64)
    for s in range(len(out)):
        after = deficit.copy()
        after[:, s] -= need
        short = np.maximum(np.floor(after + 1e-9), 0).sum(1) - left
        over = -np.ceil(after[:, s] - 1e-9)
        out[s] = int(np.maximum(short, 0).sum() + np.maximum(over, 0).sum())
    return out


def pieces(ids: Ids, groups: Sequence[Collection[str]], rng: np.random.Generator) -> list[list[int]]:
    """Positions of the images that must stay together, the largest piece first, in random order among equals.

    Groups that share an image are merged. Unknown ids are ignored.
    """
    position = {str(id): i for i, id in enumerate(ids)}
    links = [
        (found[0], i) for group in groups for found in [[position[i] for i in group if i in position]] for i in found
    ]
    one, other = np.array(links, np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(ids), len(ids)))
    _, component = connected_components(graph, directed=False)
    members: dict[int, list[int]] = {}
    for i, c in enumerate(component.tolist()):
        members.setdefault(c, []).append(i)
    found = list(members.values())
    order = rng.permutation(len(found))
    return sorted((found[k] for k in order), key=len, reverse=True)


def training_split(fractions: Collection[str], asked: pd.DataFrame) -> str:
    """The split that is balanced: the one called train, or else the largest."""
    return "train" if "train" in fractions else str(asked.sum().idxmax())


def balance(
    plan: SplitPlan, cells: pd.DataFrame, over: Literal["class", "group"], way: Way, rng: np.random.Generator
) -> SplitPlan:
    """The plan with its training split balanced over the classes or the class x value groups. Other splits do not change.

    "drop" removes random images until every group has as many as the smallest. "weight" gives every group the same total
    weight, with mean 1. "add" lists what is missing up to the largest group. An empty group cannot be balanced by dropping or
    weighting; the others are then made equal and a note says so.
    """
    name = training_split(list(plan.got.columns), plan.asked)
    train = sorted(id for id, split in plan.assignment.items() if split == name)
    columns = ["class"] if over == "class" else ["class", "value"]
    keys = list(cells.loc[train, columns].itertuples(index=False, name=None))
    every = [(c, v) for c in sorted(set(cells["class"])) for v in sorted(set(cells["value"]))]
    members: dict[tuple[str, ...], list[str]] = {
        key: [] for key in (every if over == "group" else {(c,): 0 for c, _ in every})
    }
    for id, key in zip(train, keys, strict=True):
        members[key].append(id)
    sizes = {key: len(rows) for key, rows in members.items() if rows}
    empty = [", ".join(key) for key, rows in members.items() if not rows]
    notes = [words.none_to_balance(cell, name) for cell in empty if way != "add"]
    if not sizes:
        return replace(plan, notes=(*plan.notes, *notes))
    if way == "weight":
        even = len(train) / len(sizes)
        weights = {id: even / sizes[key] for id, key in zip(train, keys, strict=True)}
        weighted = words.weights(name, {", ".join(key): even / n for key, n in sizes.items()})
        return replace(plan, weights=weights, notes=(*plan.notes, *notes, weighted))
    if way == "add":
        most = max(sizes.values())
        missing = {key: most - len(rows) for key, rows in members.items() if len(rows) < most}
        wanted = tuple(f"{count(n, 'image')} of {', '.join(key)}" for key, n in missing.items())
        return replace(plan, shopping_list=wanted)
    least = min(sizes.values())
    out: list[str] = []
    for rows in members.values():
        keep = set(rng.choice(len(rows), min(least, len(rows)), replace=False).tolist()) if rows else set()
        out += [id for k, id in enumerate(rows) if k not in keep]
    gone = [f"{n - least} of {', '.join(key)}" for key, n in sizes.items() if n > least]
    if gone:
        notes.append(words.left_out_of_split(name, least, gone))
    got = plan.got.copy()
    for row in cells.loc[out].itertuples(index=False, name=None):
        got.loc[row, name] -= 1
    kept = {id: split for id, split in plan.assignment.items() if id not in set(out)}
    return replace(plan, assignment=kept, got=got, left_out=tuple(sorted(out)), notes=(*plan.notes, *notes))
