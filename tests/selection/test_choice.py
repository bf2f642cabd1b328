"""What to add, worked out by hand, and the promises any plan and any choice must keep."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import exactly, flag, labels

from curator.recommenders import STRATEGIES
from curator.report import wording
from curator.selection.choice import Pool, Target, description, errors_by_cell, plan, recommend
from curator.selection.plan import still_wrong
from curator.similarity.vectors import unit
from curator.types import Cell, Column

COLOUR = Column("background.colour", "tags", "context", "have a {value} background", "on something other than {value}")
CLASSES = ("bunny", "hen", "sheep")


def target(has, pool_has=(), column=COLOUR, value="green", class_idx=0) -> Target:
    return Target(class_idx, column, value, np.asarray(has, bool), np.asarray(pool_has, bool))


def pool_of(classes, rng, source="given", confidence=None, usable=None) -> Pool:
    n = len(classes)
    return Pool(
        np.array([f"p{i:03d}.jpg" for i in range(n)]),
        unit(rng.normal(size=(n, 8))),
        classes,
        np.full(n, source) if isinstance(source, str) else np.asarray(source),
        np.ones(n) if confidence is None else np.asarray(confidence, float),
        rng.random(n),
        np.ones(n, bool) if usable is None else np.asarray(usable, bool),
    )


def wants(cells) -> dict[tuple[str, bool], int]:
    return {(c.class_name, c.has_value): c.want for c in cells}


def test_a_plan_by_hand():
    """57 of 60 bunnies on green, 6 of 120 others. Off-green bunnies: 3, on-green others: 6, so bunnies catch up first.

    With 13 to give: 3 go to bunnies (3 -> 6), then they take turns, bunny first: 5 each.
    """
    classes = labels(60, 60, 60)
    cells = plan(classes, CLASSES, [target(exactly(classes, {0: 57, 1: 3, 2: 3}))], 13)
    assert wants(cells) == {("bunny", False): 8, ("hen", True): 3, ("sheep", True): 2}
    assert [c.have for c in cells] == [3, 3, 3]
    assert {(c.attribute, c.value, c.got) for c in cells} == {("background.colour", "green", 0)}


def test_a_plan_stops_when_no_value_tells_the_class_any_more():
    classes = labels(10, 10)
    cells = plan(classes, CLASSES[:2], [target(exactly(classes, {0: 8, 1: 3}))], 1000)
    assert wants(cells) == {("bunny", False): 6, ("hen", True): 4}


def test_a_balanced_set_wants_nothing():
    classes = labels(10, 10)
    assert set(wants(plan(classes, CLASSES[:2], [target(exactly(classes, {0: 5, 1: 5}))], 50)).values()) == {0}
    assert plan(classes, CLASSES[:2], [], 50) == []


def test_a_plan_is_capped_by_what_there_is():
    classes = labels(10, 10)
    supply = {(0, 0, False): 2, (0, 1, True): 0}
    cells = plan(classes, CLASSES[:2], [target(exactly(classes, {0: 10, 1: 0}))], 50, supply)
    assert wants(cells) == {("bunny", False): 2, ("hen", True): 0}


def test_several_targets_take_turns():
    classes = labels(20, 20)
    one, two = exactly(classes, {0: 20}), ~exactly(classes, {0: 20})
    both = [target(one), target(two, class_idx=1, value="grey")]
    cells = plan(classes, CLASSES[:2], both, 10)
    assert sum(c.want for c in cells if c.value == "green") == 5
    assert sum(c.want for c in cells if c.value == "grey") == 5


def test_a_plan_goes_where_the_probe_errs_most():
    """Errors 0.6 and 0.2 in cells of 3: the first keeps more than 0.2 until it has 12 more (0.6 x 6 / 18), and with 40 to
    give both keep 0.092 (0.6 x 6 / 39 = 0.2 x 6 / 13)."""
    classes = labels(60, 60, 60)
    has = exactly(classes, {0: 57, 1: 3, 2: 3})
    errors = {(0, 0, False): 0.6, (0, 1, True): 0.2, (0, 2, True): 0.0}
    cells = plan(classes, CLASSES, [target(has)], 12, None, errors)
    assert wants(cells) == {("bunny", False): 12, ("hen", True): 0, ("sheep", True): 0}
    cells = plan(classes, CLASSES, [target(has)], 40, None, errors)
    assert wants(cells) == {("bunny", False): 33, ("hen", True): 7, ("sheep", True): 0}
    left = [still_wrong(errors[0, k, k != 0], 3, c.want) for k, c in enumerate(cells)]
    assert left[0] == pytest.approx(left[1]) == pytest.approx(0.6 * 6 / 39)
    capped = plan(classes, CLASSES, [target(has)], 40, {(0, 0, False): 5, (0, 1, True): 50, (0, 2, True): 50}, errors)
    assert wants(capped) == {("bunny", False): 5, ("hen", True): 35, ("sheep", True): 0}


def test_the_list_begins_where_the_probe_errs_most():
    rng = np.random.default_rng(11)
    classes, pool_classes = labels(30, 30), labels(20, 20)
    has, pool_has = exactly(classes, {0: 28, 1: 2}), exactly(pool_classes, {1: 20})
    pool = pool_of(pool_classes, rng)
    pool.doubt[:] = np.where(pool_classes == 0, 0.7, 0.35)
    errors = errors_by_cell([target(has, pool_has)], CLASSES[:2], pool, 0.0)
    assert errors[0, 0, False] == pytest.approx((20 * 0.7 + 2 * 0.525) / 22)
    out = recommend(
        classes, CLASSES[:2], [target(has, pool_has)], pool, STRATEGIES.get("uniform"), 12, rng, needs=errors
    )
    assert [c.got for c in out.plan] == [9, 3]
    assert out.cells[:4] == (0, 0, 0, 0)
    assert [c.available for c in out.plan] == [20, 20]


def test_an_image_with_a_caveat_waits_until_no_other_is_left():
    rng = np.random.default_rng(12)
    classes, pool_classes = labels(20, 20), labels(6, 0)
    pool = pool_of(pool_classes, rng)
    pool = replace(pool, caveats=np.array(["blurred", "", "a doubtful label", "", "", ""]))
    aim = [target(exactly(classes, {0: 20}), np.zeros(6, bool))]
    few = recommend(classes, CLASSES[:2], aim, pool, STRATEGIES.get("uniform"), 4, rng)
    assert set(few.ids) == {"p001.jpg", "p003.jpg", "p004.jpg", "p005.jpg"}
    all_ = recommend(classes, CLASSES[:2], aim, pool, STRATEGIES.get("uniform"), 9, rng)
    assert set(all_.ids[4:]) == {"p000.jpg", "p002.jpg"}
    said = dict(zip(all_.ids, all_.reasons, strict=True))
    assert said["p000.jpg"].endswith("; last resort: blurred")
    assert "last resort" not in said["p001.jpg"]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_plan_exceeds_its_budget_or_overshoots_a_balance(data):
    sizes = data.draw(st.lists(st.integers(0, 15), min_size=2, max_size=4))
    classes = labels(*sizes)
    has = np.array(data.draw(st.lists(st.booleans(), min_size=len(classes), max_size=len(classes))), bool)
    budget = data.draw(st.integers(0, 60))
    names = tuple(f"c{k}" for k in range(len(sizes)))
    cells = plan(classes, names, [target(has)], budget)
    assert sum(c.want for c in cells) <= budget
    for k, cell in enumerate(cells):
        obeying = int(((classes == k) & (has != cell.has_value)).sum())
        assert cell.have == int(((classes == k) & (has == cell.has_value)).sum())
        assert cell.want <= max(0, obeying - cell.have)
    room = sum(max(0, int(((classes == k) & (has != c.has_value)).sum()) - c.have) for k, c in enumerate(cells))
    assert sum(c.want for c in cells) == min(budget, room)


@pytest.mark.parametrize("strategy", STRATEGIES.names())
def test_every_recommended_image_is_usable_new_and_in_its_cell(strategy):
    rng = np.random.default_rng(0)
    classes, pool_classes = labels(30, 30, 30), labels(40, 40, 40)
    has, pool_has = exactly(classes, {0: 28, 1: 2, 2: 2}), exactly(pool_classes, {0: 15, 1: 20, 2: 20})
    usable = rng.random(120) < 0.7
    pool = pool_of(pool_classes, rng, usable=usable)
    out = recommend(classes, CLASSES, [target(has, pool_has)], pool, STRATEGIES.get(strategy), 15, rng)
    rows = [list(pool.ids).index(i) for i in out.ids]
    assert len(set(rows)) == len(rows) == 15
    assert usable[rows].all()
    for row, label, cell in zip(rows, out.labels, out.cells, strict=True):
        assert label == CLASSES[pool_classes[row]] == out.plan[cell].class_name
        assert pool_has[row] == out.plan[cell].has_value
        assert pool_has[row] == (label != "bunny")
    assert [c.got for c in out.plan] == np.bincount(out.cells, minlength=3).tolist()
    assert all(c.missing == 0 for c in out.plan)
    assert out.shopping_list == ()
    assert all("has 2" in reason for reason in out.reasons)


def test_any_first_part_of_the_list_is_balanced():
    rng = np.random.default_rng(1)
    classes, pool_classes = labels(30, 30, 30), labels(40, 40, 40)
    pool = pool_of(pool_classes, rng)
    has, pool_has = exactly(classes, {0: 30}), np.arange(120) % 2 == 0
    out = recommend(classes, CLASSES, [target(has, pool_has)], pool, STRATEGIES.get("coverage"), 16, rng)
    assert np.bincount(out.cells).tolist() == [8, 4, 4]
    assert sorted(out.cells[:3]) == [0, 1, 2]
    assert sorted(out.cells[:6]) == [0, 0, 1, 1, 2, 2]


def test_what_the_pool_lacks_is_missing_and_the_rest_of_the_budget_is_spent():
    """Only 2 bunnies off green: they are taken, the hens get what is left, and the list says what to photograph."""
    rng = np.random.default_rng(2)
    classes, pool_classes = labels(30, 30), labels(40, 40)
    has, pool_has = exactly(classes, {0: 30}), exactly(pool_classes, {0: 38, 1: 20})
    out = recommend(
        classes, CLASSES[:2], [target(has, pool_has)], pool_of(pool_classes, rng), STRATEGIES.get("uniform"), 20, rng
    )
    bunny, hen = out.plan
    assert (bunny.want, bunny.got, bunny.missing) == (10, 2, 8)
    assert (hen.got, hen.missing) == (18, 0)
    assert out.shopping_list == ("8 bunny images on something other than green",)


def test_one_missing_photograph_is_singular_and_longest_lists_come_first():
    rng = np.random.default_rng(3)
    classes = labels(10, 10)
    nothing = pool_of(labels(0, 0), rng)
    out = recommend(
        classes, CLASSES[:2], [target(exactly(classes, {0: 9, 1: 1}))], nothing, STRATEGIES.get("coverage"), 3, rng
    )
    assert out.ids == ()
    assert out.shopping_list == (
        "2 bunny images on something other than green",
        "1 hen image that have a green background",
    )


def test_an_unsure_prediction_gets_no_place_and_a_given_label_does():
    rng = np.random.default_rng(4)
    classes, pool_classes = labels(10, 10), labels(6, 6)
    sure = [0.9, 0.2, 0.9, 0.2, 0.61, 0.59] * 2
    has = exactly(classes, {0: 10})
    aim = [target(has, exactly(pool_classes, {1: 6}))]
    pick = STRATEGIES.get("uniform")
    out = recommend(
        classes, CLASSES[:2], aim, pool_of(pool_classes, rng, "predicted", sure), pick, 20, rng, confidence=0.6
    )
    assert {int(i[1:4]) % 6 for i in out.ids} == {0, 2, 4}
    assert set(out.label_sources) == {"predicted"}
    assert all("% sure" in r for r in out.reasons)
    out = recommend(classes, CLASSES[:2], aim, pool_of(pool_classes, rng, "given", sure), pick, 20, rng, confidence=0.6)
    assert len(out.ids) == 12
    assert not any("sure" in r for r in out.reasons)


def test_given_and_predicted_labels_may_lie_in_one_pool():
    """Row by row: the given one needs no confidence, an unsure predicted one gets no place, a sure one says so."""
    rng = np.random.default_rng(7)
    classes, pool_classes = labels(10, 10), labels(3, 0)
    pool = pool_of(pool_classes, rng, ["given", "predicted", "predicted"], [0.1, 0.1, 0.9])
    aim = [target(exactly(classes, {0: 10}), np.zeros(3, bool))]
    out = recommend(classes, CLASSES[:2], aim, pool, STRATEGIES.get("uniform"), 10, rng, confidence=0.6)
    said = {i: (s, "sure" in r) for i, s, r in zip(out.ids, out.label_sources, out.reasons, strict=True)}
    assert said == {"p000.jpg": ("given", False), "p002.jpg": ("predicted", True)}


def test_an_image_that_two_targets_want_is_chosen_once():
    rng = np.random.default_rng(5)
    classes, pool_classes = labels(20, 20), labels(4, 0)
    off = np.zeros(4, bool)
    aims = [target(exactly(classes, {0: 20}), off), target(exactly(classes, {0: 20}), off, value="white")]
    out = recommend(classes, CLASSES[:2], aims, pool_of(pool_classes, rng), STRATEGIES.get("uniform"), 30, rng)
    assert sorted(out.ids) == ["p000.jpg", "p001.jpg", "p002.jpg", "p003.jpg"]


def test_what_two_targets_share_leaves_its_budget_to_others():
    """Both shortcuts of bunnies are broken by the same 4; the other 6 of the budget go to hens, not nowhere."""
    rng = np.random.default_rng(13)
    classes, pool_classes = labels(20, 20), labels(4, 10)
    has = exactly(pool_classes, {1: 10})
    aims = [target(exactly(classes, {0: 20}), has), target(exactly(classes, {0: 20}), has, value="white")]
    out = recommend(classes, CLASSES[:2], aims, pool_of(pool_classes, rng), STRATEGIES.get("uniform"), 10, rng)
    assert len(set(out.ids)) == len(out.ids) == 10
    assert sorted(out.labels) == ["bunny"] * 4 + ["hen"] * 6


def test_images_of_no_class_are_never_chosen():
    rng = np.random.default_rng(6)
    classes = labels(10, 10)
    pool = pool_of(np.full(12, -1, np.int32), rng)
    aims = [target(exactly(classes, {0: 10}), np.zeros(12, bool))]
    assert recommend(classes, CLASSES[:2], aims, pool, STRATEGIES.get("uniform"), 10, rng).ids == ()


@pytest.mark.parametrize(
    ("value", "has_value", "words"),
    [
        ("yes", False, "that do not show grass"),
        ("yes", True, "that show grass"),
        ("no", False, "that show grass"),
        ("no", True, "that do not show grass"),
    ],
)
def test_a_flag_asks_for_its_other_side(value, has_value, words):
    """Bunnies that never show grass need bunnies that do, not "that do not show grass"."""
    aim = target([], column=flag("grass"), value=value)
    assert description(aim, Cell("bunny", "grass", value, has_value, 0, 1, 0)) == words


def test_odd_values_are_said_as_they_are():
    cell = Cell("bunny", COLOUR.name, "{value}|{0}", False, 0, 1, 0)
    assert description(target([], value="{value}|{0}"), cell) == "on something other than {value}|{0}"


def test_a_yes_or_no_cell_is_said_in_words():
    """A reader is told what to look for: never "bunny, not yes"."""
    rng = np.random.default_rng(14)
    classes, pool_classes = labels(10, 10), labels(3, 3)
    aim = target(exactly(classes, {0: 10}), exactly(pool_classes, {1: 3}), column=flag("grass"), value="yes")
    out = recommend(classes, CLASSES[:2], [aim], pool_of(pool_classes, rng), STRATEGIES.get("uniform"), 4, rng)
    assert {wording.cell(c) for c in out.plan} == {
        "bunny images that do not show grass",
        "hen images that show grass",
    }
    assert not any("yes" in text for text in (*out.reasons, *out.shopping_list))
