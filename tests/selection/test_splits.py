"""Dealing images out: nobody lost, nobody twice, duplicates together, every cell in proportion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curator.errors import DataError
from curator.selection.splits import balance, pieces, split
from curator.types import DuplicateGroup, SplitPlan

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
    with pytest.raises(DataError, match="2 images are too few for 3 splits"):
        split(ids, cells, [], USUAL, np.random.default_rng(0))


@given(st.lists(st.integers(0, 3), min_size=12, max_size=60), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_groups_that_share_an_image_are_one_piece(codes, seed):
    """Duplicates a-b, patient b-c, site c-d: none of the four may be in another split than the others."""
    ids, cells = cells_of(codes)
    name = [str(i) for i in ids]
    chains = [name[1:3], name[2:4], name[6:9]]
    plan = split(ids, cells, [group(ids, [0, 1])], USUAL, np.random.default_rng(seed), groups=chains)
    assert len({plan.assignment[i] for i in name[:4]}) == 1
    assert len({plan.assignment[i] for i in name[6:9]}) == 1
    assert set(plan.assignment) == set(name)


def test_pieces_are_what_chains_of_groups_connect():
    ids = np.array(list("abcdef"))
    found = pieces(ids, [("a", "c"), ("c", "f"), ("d", "elsewhere"), ("x", "y"), ()], np.random.default_rng(0))
    assert found[0] == [0, 2, 5]
    assert sorted(found[1:]) == [[1], [3], [4]]


def test_fewer_groups_than_splits_is_refused():
    ids, cells = cells_of([0, 1, 2, 3] * 5)
    halves = [[str(i) for i in ids[:10]], [str(i) for i in ids[10:]]]
    with pytest.raises(DataError, match="2 groups that stay together, too few for 3 splits"):
        split(ids, cells, [], USUAL, np.random.default_rng(0), groups=halves)


def dealt(sizes: dict[tuple[str, str], int]) -> tuple[SplitPlan, pd.DataFrame]:
    """Everything of these cells in train, but for one more image of each that is in test."""
    rows = [(*cell, split) for cell, n in sizes.items() for split in [*(["train"] * n), "test"]]
    ids = [f"{k:03d}.jpg" for k in range(len(rows))]
    cells = pd.DataFrame([row[:2] for row in rows], columns=["class", "value"], index=ids)
    got = pd.DataFrame(
        [[n, 1] for n in sizes.values()], columns=["train", "test"], index=pd.MultiIndex.from_tuples(sizes)
    )
    return SplitPlan({i: row[2] for i, row in zip(ids, rows, strict=True)}, got.astype(float), got), cells


SIZES = {("cow", "grass"): 12, ("cow", "not grass"): 3, ("hen", "grass"): 4, ("hen", "not grass"): 6}


def test_balancing_by_dropping_leaves_every_group_with_as_many_as_the_smallest():
    plan, cells = dealt(SIZES)
    for over, each in (("group", dict.fromkeys(SIZES, 3)), ("class", None)):
        out = balance(plan, cells, over, "drop", np.random.default_rng(0))
        train = [i for i, s in out.assignment.items() if s == "train"]
        counted = cells.loc[train].value_counts().to_dict()
        if each:
            assert counted == each
        assert cells.loc[train, "class"].value_counts().to_dict() == (
            {"cow": 6, "hen": 6} if each else {"cow": 10, "hen": 10}
        )
        assert out.got["train"].to_dict() == counted
        assert sum(s == "test" for s in out.assignment.values()) == 4  # what is examined stays as it is
        assert set(out.left_out) | set(out.assignment) == set(plan.assignment)
        assert not set(out.left_out) & set(out.assignment)
        assert "Left out of train" in out.notes[-1]
    assert balance(plan, cells, "class", "drop", np.random.default_rng(0)).left_out == (
        balance(plan, cells, "class", "drop", np.random.default_rng(0)).left_out
    )


def test_balancing_by_weight_gives_each_group_the_same_total_and_leaves_the_mean_at_one():
    plan, cells = dealt(SIZES)
    out = balance(plan, cells, "group", "weight", np.random.default_rng(0))
    assert out.assignment == plan.assignment
    train = [i for i, s in plan.assignment.items() if s == "train"]
    assert set(out.weights) == set(train)
    total = cells.loc[train].assign(w=[out.weights[i] for i in train]).groupby(["class", "value"])["w"].sum()
    assert total.to_numpy() == pytest.approx([25 / 4] * 4)
    classes = balance(plan, cells, "class", "weight", np.random.default_rng(0)).weights
    assert sorted({round(w, 6) for w in classes.values()}) == [round(12.5 / 15, 6), 1.25]


def test_balancing_by_adding_counts_what_is_missing_also_where_there_is_nothing_yet():
    plan, cells = dealt({("cow", "grass"): 12, ("cow", "not grass"): 3, ("hen", "grass"): 11})
    out = balance(plan, cells, "group", "add", np.random.default_rng(0))
    assert out.assignment == plan.assignment
    assert out.shopping_list == ("9 images of cow, not grass", "1 image of hen, grass", "12 images of hen, not grass")
    assert balance(plan, cells, "class", "add", np.random.default_rng(0)).shopping_list == ("4 images of hen",)
    dropped = balance(plan, cells, "group", "drop", np.random.default_rng(0))
    assert dropped.notes[0] == "No image of hen, not grass is in train; only adding images can balance it."
    assert dropped.got["train"].tolist() == [3, 3, 3]


def test_what_is_balanced_already_stays_whole():
    """The null: nothing is left out, nothing weighs more, nothing is missing."""
    plan, cells = dealt({(c, v): 5 for c in ("cow", "hen") for v in ("grass", "not grass")})
    for over in ("class", "group"):
        assert balance(plan, cells, over, "drop", np.random.default_rng(0)).assignment == plan.assignment
        assert set(balance(plan, cells, over, "weight", np.random.default_rng(0)).weights.values()) == {1.0}
        assert balance(plan, cells, over, "add", np.random.default_rng(0)).shopping_list == ()
