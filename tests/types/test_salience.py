"""Which images were looked at, what was found in them, and where they are after some rows were taken."""

from __future__ import annotations

import numpy as np
import pytest

from curator.types import Salience
from curator.types.data import SURELY_SALIENT

GRID = 5
ROWS = np.array([1, 4, 6, 9])


def numbered() -> Salience:
    """Each map holds the number of its row."""
    return Salience(ROWS, np.broadcast_to(ROWS[:, None, None], (4, GRID, GRID)).astype(np.uint8))


def numbers(seen: Salience) -> list[int]:
    return seen.maps[:, 0, 0].tolist()


@pytest.mark.parametrize(
    ("places", "much", "found"),
    [
        (1, SURELY_SALIENT, True),
        (GRID * GRID, SURELY_SALIENT - 1, False),
        (0, 0, False),
    ],
)
def test_an_object_is_found_if_it_surely_covers_a_place(places, much, found):
    one = np.zeros((1, GRID, GRID), np.uint8)
    one.reshape(-1)[:places] = much
    assert Salience(np.array([3]), one).found.tolist() == [found]


def test_each_image_is_judged_alone():
    maps = np.zeros((3, GRID, GRID), np.uint8)
    maps[1] = 255
    assert Salience(np.arange(3), maps).found.tolist() == [False, True, False]


def test_only_keeps_rows_and_maps_together_and_renumbers_nothing():
    some = numbered().only(np.array([False, True, False, True]))
    assert (some.rows.tolist(), numbers(some)) == ([4, 9], [4, 9])
    assert numbered().only(np.zeros(4, np.bool_)).maps.shape == (0, GRID, GRID)


def test_take_says_where_the_images_are_now():
    """Rows 9, 2, 4, 0 and 1 become 0 to 4: those that were looked at are now at 0 (9), 2 (4) and 4 (1), ascending."""
    some = numbered().take(np.array([9, 2, 4, 0, 1]))
    assert (some.rows.tolist(), numbers(some)) == ([0, 2, 4], [9, 4, 1])


def test_take_of_images_that_nobody_looked_at_is_empty():
    none = numbered().take(np.array([0, 2, 3]))
    assert (none.rows.tolist(), none.maps.shape) == ([], (0, GRID, GRID))
    assert none.found.tolist() == []
    assert none.take(np.array([0])).rows.tolist() == []


def test_take_of_all_changes_nothing_and_take_twice_is_take_once():
    everything = numbered().take(np.arange(12))
    assert (everything.rows.tolist(), numbers(everything)) == (ROWS.tolist(), ROWS.tolist())
    first, second = np.array([6, 9, 0, 1, 4]), np.array([4, 3, 1])
    twice, once = numbered().take(first).take(second), numbered().take(first[second])
    assert (twice.rows.tolist(), numbers(twice)) == (once.rows.tolist(), numbers(once)) == ([0, 1, 2], [4, 1, 9])
