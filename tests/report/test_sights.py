"""Where a finding is: the outline holds exactly the marked places, and lies where the picture shows them."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from report_example import jpeg

from curator.report.html.album import Album
from curator.report.html.places import LEVELS, Sight, heats, lit, outline
from curator.types import Preprocessing


def filled(path: str, grid: int) -> np.ndarray:
    """The places inside a path under the even-odd rule, counted by crossings of a line to the left."""
    out = np.zeros((grid, grid), bool)
    for loop in re.findall(r"M[^MZ]*Z", path):
        x, y = map(int, re.match(r"M(\d+) (\d+)", loop).groups())  # type: ignore[union-attr]
        corners = [(x, y)]
        for way, to in re.findall(r"([HV])(\d+)", loop):
            x, y = (int(to), y) if way == "H" else (x, int(to))
            corners.append((x, y))
        for (x0, y0), (x1, y1) in pairwise([*corners, corners[0]]):
            if x0 == x1:
                out[min(y0, y1) : max(y0, y1), x0:] ^= True
    return out


@given(arrays(np.bool_, st.tuples(st.integers(1, 7), st.just(7))).map(lambda a: np.pad(a, ((0, 7 - len(a)), (0, 0)))))
def test_the_outline_holds_the_marked_places_and_no_other(mask: np.ndarray) -> None:
    assert (filled(outline(mask), 7) == mask).all()


def test_places_that_touch_at_a_corner_keep_their_own_rims() -> None:
    assert outline(np.eye(2, dtype=bool)) == "M0 0H1V1H0ZM1 1H2V2H1Z"
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert outline(ring).count("M") == 2


def sight(mask: np.ndarray, size: tuple[int, int], view: tuple[float, float, float, float]) -> Sight:
    share = mask.astype(np.float32)
    return Sight(True, share, 10, share / 4, 30, {"a": mask}, {"a": view}, {"a": size})


@pytest.mark.parametrize(
    ("shown", "size", "place"),
    [
        # As large as the file says, halved: the middle 200 x 200 of 400 x 200 is what the encoder sees.
        ((200, 100), (400, 200), "translate(50.00 0.00) scale(50.0000 50.0000)"),
        # A banner is drawn 2.2 times as wide as high, its middle kept.
        ((440, 100), (880, 200), "translate(60.00 0.00) scale(50.0000 50.0000)"),
    ],
)
def test_the_places_lie_where_the_encoder_saw_them(shown: tuple[int, int], size: tuple[int, int], place: str) -> None:
    mask = np.array([[True, False], [False, False]])
    shot = Album(100_000).shot("a", lambda key: jpeg(key, shown))
    one = lit(sight(mask, size, Preprocessing(224, 224).view(*size)), shot)
    assert one is not None
    assert (one.place, one.outline) == (place, "M0 0H1V1H0Z")
    assert one.shade.endswith(one.outline)
    assert one.shade.startswith("M-40 -40H40V40")


def test_what_is_not_there_is_not_drawn() -> None:
    mask = np.ones((2, 2), bool)
    known = sight(mask, (100, 100), (0, 0, 1, 1))
    assert lit(known, Album(100_000).shot("b", jpeg)) is None
    assert lit(known, Album(0).shot("a", jpeg)) is None
    assert lit(sight(~mask, (100, 100), (0, 0, 1, 1)), Album(100_000).shot("a", jpeg)) is None


def test_the_heat_has_each_place_in_the_step_of_its_share() -> None:
    share = np.array([[0.0, 0.01, 0.1], [0.3, 0.5, 0.7], [0.9, 1.0, 1.0]], np.float32)
    own, other = heats(Sight(True, share, 10, share * 0, 30, {}, {}, {}), "bunny")
    levels = sum(k * filled(path, 3).astype(int) for k, path in enumerate(own.steps, start=1))
    assert levels.tolist() == [[0, 0, 1], [2, 3, 4], [5, 5, 5]]
    assert len(own.steps) == len(LEVELS)
    assert own.words == "bunny: at one place in up to 100% of the images (10 images)"
    assert other.words == "the others: nowhere in particular (30 images)"
    low = np.array([[0, 0], [0.1, 0.6]])
    (alone,) = heats(Sight(True, low, 10, low, 0, {}, {}, {}), "x")  # no others to be shown beside
    assert [bool(path) for path in alone.steps] == [True, False, False, True, False]  # a step begins at its share
    assert "in up to 10% of" in heats(Sight(True, low.clip(0, 0.1), 10, low, 0, {}, {}, {}), "x")[0].words
    assert "mostly in the lower half" in heats(Sight(True, low, 10, low, 0, {}, {}, {}), "x")[0].words


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ([[0.4, 0], [0.4, 0]], ", mostly in the left half"),
        ([[0, 0.4], [0, 0.4]], ", mostly in the right half"),
        ([[0.4, 0.4], [0, 0]], ", mostly in the upper half"),
        ([[0.4, 0], [0, 0.4]], ""),
    ],
)
def test_the_words_say_which_half(row: list[list[float]], where: str) -> None:
    share = np.array(row)
    (heat,) = heats(Sight(True, share, 10, share, 0, {}, {}, {}), "x")
    assert heat.words == f"x: at one place in up to 40% of the images{where} (10 images)"
