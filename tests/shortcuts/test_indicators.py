"""Attributes as yes/no columns: every form, every kind of gap in it, and names that users give their columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import CUTS, flag, indicators, measures

from curator.errors import InputError
from curator.shortcuts.indicators import build, phrase, read
from curator.types import Column, Measures

TAGS = Column("colour", "tags", "context", "have a {value} background", "on something other than {value}")
NUMBER = Column("size", "number", "file", "have size {value}", "with size not {value}")
CATEGORY = Column("site", "category", "metadata", "have site {value}", "with site other than {value}")


def rows(table, attribute: str, value: str) -> list[bool]:
    return table.values[:, table.index(attribute, value)].tolist()


def test_tags_are_one_value_each_and_none_is_none():
    table = indicators({"colour": ["green|grey", "grey", "", None, "green|white"]}, [TAGS])
    assert rows(table, "colour", "green") == [True, False, False, False, True]
    assert rows(table, "colour", "grey") == [True, True, False, False, False]
    assert table.known[:, 0].tolist() == [True, True, True, False, True]
    assert set(table.value_names) == {"green", "grey", "white"}


def test_a_tag_is_a_whole_name_not_a_part_of_one():
    table = indicators({"colour": ["green", "greenish", "dark green"]}, [TAGS])
    assert rows(table, "colour", "green") == [True, False, False]


def test_a_flag_is_yes_and_no_and_unknown_is_neither():
    table = indicators({"grass": [True, False, None, True]})
    assert rows(table, "grass", "yes") == [True, False, False, True]
    assert rows(table, "grass", "no") == [False, True, False, False]
    assert table.known[:, 0].tolist() == [True, True, False, True]


def test_a_category_is_matched_whole_even_with_a_pipe_in_it():
    table = indicators({"site": ["a|b", "a", None, "b"]}, [CATEGORY])
    assert rows(table, "site", "a|b") == [True, False, False, False]
    assert rows(table, "site", "a") == [False, True, False, False]


def test_a_number_is_cut_at_the_quantiles_of_all_images():
    table = indicators({"size": [*range(1, 101), None, np.nan]}, [NUMBER])
    assert len(table) == 2 * len(CUTS)
    assert sorted(set(table.cuts)) == pytest.approx(np.quantile(np.arange(1, 101), CUTS), abs=0.51)
    for name, cut, has, known in zip(table.value_names, table.cuts, table.values.T, table.known.T, strict=True):
        want = np.arange(1, 101) < cut if name.startswith("below ") else np.arange(1, 101) >= cut
        assert has[:100].tolist() == want.tolist()
        assert not has[100:].any()
        assert not known[100:].any()
    assert [len(t) for t in table.tests()] == [2 * len(CUTS)]


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(10_000, 10_001, 200),
        np.linspace(52.5163, 52.5164, 200),
        1.7e9 + np.arange(200),
        np.arange(200) * 1e-7,
    ],
    ids=["offset", "latitude", "seconds", "tiny"],
)
def test_a_small_spread_on_a_large_number_is_cut_all_the_same(values):
    """Cuts rounded to three digits of the value would put every image on one side."""
    table = indicators({"size": values}, [NUMBER])
    assert len(table) == 2 * len(CUTS)
    assert table.values.mean(0) == pytest.approx([0.1, 0.9, 0.25, 0.75, 0.5, 0.5, 0.75, 0.25, 0.9, 0.1], abs=0.012)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), min_size=2, max_size=40))
def test_the_two_sides_of_every_cut_are_all_that_was_measured(values):
    table = indicators({"size": values}, [NUMBER])
    for name, has, cut in zip(table.value_names, table.values.T, table.cuts, strict=True):
        side = "below " if name.startswith("below ") else " or above"
        assert float(name.replace(side, "")) == pytest.approx(cut, rel=1e-9, abs=1e-300)
        other = f"{name.removeprefix('below ')} or above" if side == "below " else f"below {name.removesuffix(side)}"
        if (~has).any():
            assert rows(table, "size", other) == (~has).tolist()


def test_one_number_everywhere_or_infinities_are_no_values():
    assert len(indicators({"size": [3.0] * 9}, [NUMBER])) == 0
    assert len(indicators({"size": [None] * 9}, [NUMBER])) == 0
    table = indicators({"size": [1.0, 2.0, 3.0, np.inf, -np.inf]}, [NUMBER])
    assert np.isfinite(table.cuts).all()
    assert rows(table, "size", "2 or above") == [False, True, True, True, False]


def test_rare_values_are_left_out_and_common_ones_first():
    table = build(measures({"site": ["a"] * 5 + ["b"] * 7 + ["c"]}, [CATEGORY]), CUTS, min_support=3)
    assert table.value_names == ("b", "a")
    many = indicators({"site": [f"{i}" for i in range(300)]}, [CATEGORY])
    assert len(many) == 50


def test_nothing_measured_is_an_empty_table():
    table = build(Measures(pd.DataFrame(index=["a.jpg", "b.jpg"]), ()), CUTS)
    assert (table.values.shape, table.known.shape, table.tests()) == ((2, 0), (2, 0), [])


def test_an_unknown_value_is_an_error_that_says_what_there_is():
    table = indicators({"colour": ["green", "grey"]}, [TAGS])
    with pytest.raises(InputError, match="use one of its values: green, grey"):
        table.index("colour", "blue")
    with pytest.raises(InputError, match="use one of the attributes: colour"):
        table.index("scene", "blue")


def test_other_images_are_read_by_the_same_cut():
    table = indicators({"size": range(100)}, [NUMBER])
    cut = table.cuts[table.index("size", "25 or above")] if "25 or above" in table.value_names else table.cuts[2]
    name = next(n for n, c in zip(table.value_names, table.cuts, strict=True) if c == cut and n.endswith("above"))
    has, known = read(measures({"size": [1000, 1, None, cut]}, [NUMBER]), "size", name, cut)
    assert has.tolist() == [True, False, False, True]
    assert known.tolist() == [True, True, False, True]


def test_a_cut_is_read_as_a_number_where_the_other_set_has_names():
    """Few different numbers in the pool make its column a category; it must not look as if nobody had the value."""
    pool = measures({"size": ["3", "70", "unknown", None]}, [Column("size", "category", "file", "are {value}", "")])
    has, known = read(pool, "size", "25 or above", 25.0)
    assert has.tolist() == [False, True, False, False]
    assert known.tolist() == [True, True, False, False]


def test_other_forms_are_read_by_name():
    has, known = read(measures({"colour": ["green", "", None]}, [TAGS]), "colour", "green", float("nan"))
    assert (has.tolist(), known.tolist()) == ([True, False, False], [True, True, False])
    with pytest.raises(InputError, match="no attribute is called 'weight'"):
        read(measures({"colour": ["green"]}, [TAGS]), "weight", "heavy", float("nan"))


@pytest.mark.parametrize("value", ["{value}", "{0}", "50%", "a|b", "\\1"])
def test_a_value_is_said_as_it_is_written(value):
    assert phrase(CATEGORY, value) == f"have site {value}"


def test_the_two_answers_of_a_flag_are_said_differently():
    assert phrase(flag("grass"), "yes") == "show grass"
    assert phrase(flag("grass"), "no") == "do not show grass"


def test_light_is_cut_as_it_is_seen_in_stops():
    """Two heaps, one brighter and as much wider: the middle of the numbers lies inside the bright one."""
    rng = np.random.default_rng(5)
    dark, bright = 0.04 * 2 ** rng.uniform(-1, 1, 140), 0.45 * 2 ** rng.uniform(-2, 1, 60)
    column = Column("light.brightness", "number", "image", "are {value}", "")
    values = np.r_[dark, bright]
    assert dark.max() < bright.min()
    for ratio, right in ((True, True), (False, False)):
        table = indicators({column.name: values}, [replace(column, ratio=ratio)])
        parts = [(table.values[:140, j].all() and not table.values[140:, j].any()) for j in range(len(table))]
        assert any(parts) == right


def test_a_number_of_two_heaps_may_be_cut_between_them_alone():
    """Near and far: what parts animals inside the far heap, their build, is not asked; and the one cut costs less."""
    rng = np.random.default_rng(6)
    near, far = rng.uniform(0.5, 0.6, 80), rng.uniform(0.2, 0.3, 120)
    column = Column("framing.object_span", "number", "image", "span {value}", "", quantiles=False)
    table = indicators({column.name: np.r_[near, far]}, [column])
    assert len(table) == 2
    assert table.cuts[0] == table.cuts[1] == pytest.approx((near.min() + far.max()) / 2, abs=1e-3)
    assert table.costs == (2.0, 2.0)
    both = indicators({column.name: np.r_[near, far]}, [replace(column, quantiles=True)])
    assert len(both) > 2
    assert min(both.costs) > 2
