"""Dealing images out: nobody lost, nobody twice, duplicates together, every cell in proportion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import DataError
from curator.splitting import split
from curator.types import DuplicateGroup

USUAL = {"train": 0.7, "val": 0.15, "test": 0.15}


def cells_of(codes) -> tuple[np.ndarray, pd.DataFrame]:
    ids = np.array([f"{i:03d}.jpg" for i in range(len(codes))])
    return ids, pd.DataFrame({"class": [c // 2 for c in codes], "value": [bool(c % 2) for c in codes]}, index=ids)


def group(ids, rows) -> DuplicateGroup:
    return DuplicateGroup("exact", tuple(str(ids[i]) for i in rows))


fractions = st.sampled_from(
    [
        USUAL,
        {"train": 0.5, "test": 0.5},
        {"a": 0.9, "b": 0.05, "c": 0.05},
        {"only": 1.0},
        dict.fromkeys("abcdefgh", 0.125),
    ]
)


@given(st.lists(st.integers(0, 5), min_size=8, max_size=90), fractions, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_image_is_dealt_once_and_every_cell_is_within_one_of_what_was_asked(codes, asked, seed):
    ids, cells = cells_of(codes)
    plan = split(ids, cells, [], asked, np.random.default_rng(seed))
    assert list(plan.assignment) == ids.tolist()
    assert set(plan.assignment.values()) <= set(asked)
    counted = pd.crosstab([cells["class"], cells["value"]], pd.Series(plan.assignment))
    for name in asked:
        want = counted[name] if name in counted else 0 * counted.iloc[:, 0]
        assert (plan.got[name].sort_index().to_numpy() == want.sort_index().to_numpy()).all()
    assert (plan.asked.sum(axis=1) - plan.got.sum(axis=1)).abs().max() < 1e-9
    assert (plan.asked - plan.got).abs().to_numpy().max() < 1


@given(st.lists(st.integers(0, 3), min_size=10, max_size=60), st.data())
@settings(max_examples=40, deadline=None)
def test_duplicates_stay_together_and_cost_no_more_than_the_pieces(codes, data):
    ids, cells = cells_of(codes)
    order = data.draw(st.permutations(range(len(codes))))
    groups, at = [], 0
    for size in data.draw(st.lists(st.integers(2, 4), max_size=4)):
        if at + size <= len(order):
            groups.append(group(ids, order[at : at + size]))
            at += size
    plan = split(ids, cells, groups, USUAL, np.random.default_rng(0))
    assert set(plan.assignment) == set(ids.tolist())
    for g in groups:
        assert len({plan.assignment[i] for i in g.ids}) == 1
    largest = max((len(g.ids) for g in groups), default=1)
    assert (plan.asked - plan.got).abs().to_numpy().max() < 1 + 2 * largest


def test_fractions_are_met_where_they_can_be():
    ids, cells = cells_of([0] * 40 + [1] * 20 + [2] * 60 + [3] * 100)
    plan = split(ids, cells, [], USUAL, np.random.default_rng(1))
    assert plan.got.to_numpy().tolist() == [[28, 6, 6], [14, 3, 3], [42, 9, 9], [70, 15, 15]]
    assert list(plan.got.columns) == ["train", "val", "test"]


def test_many_cells_of_one_image_still_add_up_to_the_fractions():
    """Each alone would go to the largest split."""
    ids, cells = cells_of([2 * k for k in range(100)])
    plan = split(ids, cells, [], USUAL, np.random.default_rng(2))
    assert plan.got.sum().tolist() == pytest.approx([70, 15, 15], abs=1)


def test_groups_that_name_images_from_elsewhere_are_no_error():
    ids, cells = cells_of([0] * 10)
    plan = split(ids, cells, [DuplicateGroup("exact", ("000.jpg", "pool.jpg")), DuplicateGroup("exact", ("x", "y"))], USUAL,
                 np.random.default_rng(3))  # fmt: skip
    assert len(plan.assignment) == 10


def test_the_deal_is_reproducible_and_the_seed_matters():
    ids, cells = cells_of([0, 1, 2, 3] * 20)
    one, again, other = (split(ids, cells, [], USUAL, np.random.default_rng(s)).assignment for s in (4, 4, 5))
    assert one == again
    assert one != other


def test_more_splits_than_images_is_refused():
    ids, cells = cells_of([0, 1])
    with pytest.raises(DataError, match="2 images cannot be dealt out over 3 splits"):
        split(ids, cells, [], USUAL, np.random.default_rng(0))
