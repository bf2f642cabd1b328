"""Groups, cells, and who is drawn from them, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import DataError
from curator.probe.groups import Groups, TrainingSet, balanced_subset, evenly


def test_small_groups_are_left_out_and_none_left_is_an_error():
    labels = np.array([0] * 9 + [1] * 6, np.int32)
    value = np.array([True] * 5 + [False] * 4 + [True] * 6)
    groups = Groups.of(labels, value, 2, smallest=5)
    assert groups.names == ((0, True), (1, True))
    assert groups.masks.sum(1).tolist() == [5, 6]
    with pytest.raises(DataError, match="has 7 images; give a larger --test"):
        Groups.of(labels, value, 2, smallest=7)


def test_the_gap_by_hand_and_unknown_where_the_class_lacks_a_group():
    """Class 0 loses 0.6 without the value; with it, class 1 loses 0.4 and class 2 loses nothing: (0.6 + 0.2) / 2."""
    labels, value = np.repeat([0, 1, 2], 4).astype(np.int32), np.tile([True, True, False, False], 3)
    groups = Groups.of(labels, value, 3, 1)
    assert groups.names == ((0, True), (0, False), (1, True), (1, False), (2, True), (2, False))
    accuracies = np.array([[0.9, 0.3, 0.5, 0.9, 0.7, 0.7], [1, 1, 0, 0, 0, 0]])
    np.testing.assert_allclose(groups.gap(accuracies, 0), [0.4, 0])
    alone = Groups.of(labels[:4], value[:4], 1, 1)
    assert alone.gap(np.array([0.9, 0.3]), 0) == pytest.approx(0.6)
    lacking = Groups.of(labels[2:], value[2:], 3, 1)
    assert np.isnan(lacking.gap(np.ones(5), 0))
    assert groups.counts(np.array([0, 0, 2], np.int32), np.array([True, True, False])).tolist() == [2, 0, 0, 0, 0, 1]


def test_a_balanced_subset_has_as_many_of_every_cell():
    cells = np.array([0] * 50 + [1] * 4 + [3] * 20)
    rng = np.random.default_rng(0)
    for replace in (False, True):
        taken = [balanced_subset(cells, rng, replace=replace) for _ in range(50)]
        for row in taken:
            assert [row[cells == c].sum() for c in (0, 1, 3)] == [4, 4, 4]
        assert (np.max(taken) > 1) == replace
        # Every image of the large cell has its turn.
        assert (np.sum(taken, axis=0) > 0).mean() > 0.9


def test_the_emptiest_cells_are_filled_first_as_far_as_they_can_be():
    have, offered = np.array([0] * 5 + [1] * 2 + [2] * 9), np.array([0] * 9 + [1] * 3 + [2] * 5)
    rng = np.random.default_rng(0)
    filled = [np.bincount(offered[evenly(have, offered, n, rng)], minlength=3).tolist() for n in (2, 5, 8, 99)]
    assert filled == [[0, 2, 0], [2, 3, 0], [5, 3, 0], [9, 3, 5]]
    assert len(np.unique(evenly(have, offered, 99, rng))) == 17


def test_sets_are_joined_and_taken_row_by_row():
    data = TrainingSet(
        np.arange(6.0, dtype=np.float32).reshape(3, 2), np.array([0, 1, 1], np.int32), np.array([True, False, True])
    )
    both = data.plus(data.take(np.array([2, 0])))
    assert both.cells.tolist() == [1, 2, 3, 3, 1]
    assert both.vectors[:, 0].tolist() == [0, 2, 4, 4, 0]
