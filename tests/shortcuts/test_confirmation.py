"""Discovered on one half, confirmed on the other: chance is not confirmed, a shortcut is, and its size is not flattered."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from planted import drawn, flag, indicators, labels
from yardstick import times_the_fixed

from curator.config import AuditSettings
from curator.shortcuts.association import Hit, count, exact_tests, hits
from curator.shortcuts.confirmation import confirm, halves
from curator.shortcuts.detection import audit
from curator.types import Column

SETTINGS = AuditSettings(n_permutations=0)
NUMBER = Column("sharpness", "number", "image", "have sharpness {value}", "with sharpness not {value}")


def found_in(table, classes, n_classes, settings=SETTINGS) -> list[Hit]:
    counts = count(table, classes, n_classes)
    return hits(counts, exact_tests(counts, n_classes, table, settings), settings)


def test_halves_are_halves_of_every_class_and_differ():
    classes = labels(41, 20, 7)
    classes[::10] = -1
    sides = halves(classes, 6, np.random.default_rng(1))
    for c in range(3):
        n = int((classes == c).sum())
        assert set(sides[:, classes == c].sum(1)) <= {n // 2, n - n // 2}
    assert not sides[:, classes == -1].any()
    assert len(np.unique(sides, axis=0)) == 6


def test_images_of_one_picture_stay_together():
    classes, contents = labels(40, 40), np.arange(80) // 4
    sides = halves(classes, 5, np.random.default_rng(2), contents)
    assert all(len(set(sides[s, contents == p])) == 1 for s in range(5) for p in range(20))
    assert (abs(sides.sum(1) - 40) <= 4).all()


def test_a_shortcut_is_discovered_and_confirmed_and_its_size_is_held_out():
    """0.8 of the class against 0.2: half of the images suffices, and the other half's interval holds 0.6 as it says."""
    classes, rng, held, estimates = labels(100, 100, 100), np.random.default_rng(3), [], []
    for k in range(60):
        table = indicators({"grass": drawn(rng, classes, {0: 0.8}, 0.2), "noise": rng.random(300) < 0.4})
        yes = Hit(0, table.index("grass", "yes"), 0, 0, 0, (0, 0))
        (one,) = confirm([yes], table, classes, 3, SETTINGS, np.random.default_rng(k))
        assert (one.n_splits, one.discovered, one.confirmed) == (10, 10, 10)
        assert one.effect_ci[0] < one.effect < one.effect_ci[1]
        held.append(one.effect_ci[0] <= 0.6 <= one.effect_ci[1])
        estimates.append(one.effect)
    assert np.mean(held) >= 0.93
    assert np.mean(estimates) == pytest.approx(0.6, abs=3 * np.std(estimates) / np.sqrt(60))


def test_chance_is_seldom_discovered_and_what_is_discovered_seldom_confirmed():
    """Nothing is planted. What a lenient search comes up with on a half, the other half bears out as often as chance does."""
    lenient = AuditSettings(n_permutations=0, alpha=0.5, min_effect=0.0)
    classes, rng, discovered, confirmed = labels(60, 60), np.random.default_rng(4), 0, 0
    for k in range(60):
        table = indicators({f"noise{i}": rng.random(120) < 0.4 for i in range(30)})
        every = [Hit(c, v, 0, 0, 0, (0, 0)) for c in range(2) for v in range(len(table))]
        out = confirm(every, table, classes, 2, lenient, np.random.default_rng(k))
        discovered += sum(one.discovered for one in out)
        confirmed += sum(one.confirmed for one in out)
        effects = [one.effect for one in out if one.effect is not None]
        assert all(one.effect is None for one in out if not one.discovered)
        assert all(abs(e) < 0.5 for e in effects)
    assert discovered > 500
    assert confirmed / discovered < 0.05


def test_what_was_found_by_luck_is_flattered_by_the_audit_and_hardly_by_the_other_half():
    """An effect of 0.2 is found in one set of three, where it looks like more; the held-out effect is near the truth."""
    classes, rng, flattered, fair = labels(80, 80), np.random.default_rng(5), [], []
    for k in range(150):
        columns = {"weak": drawn(rng, classes, {0: 0.4}, 0.2), **{f"n{i}": rng.random(160) < 0.4 for i in range(15)}}
        table = indicators(columns)
        mine = [h for h in found_in(table, classes, 2) if (h.class_idx, table.attribute[h.indicator]) == (0, "weak")]
        for one in confirm(mine, table, classes, 2, SETTINGS, np.random.default_rng(k)):
            flattered.append(mine[0].effect)
            fair += [] if one.effect is None else [one.effect]
    assert 20 < len(flattered) < 100
    assert np.mean(flattered) > 0.2 + 0.05
    assert np.mean(fair) == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize(("bias", "most"), [(0.0, 10), (0.3, 5), (0.6, 0)])
def test_an_effect_that_the_measure_may_have_made_is_not_confirmed(bias, most):
    """0.45 of the class against 0.15: half of what an effect of 0.3 shows is above 0.3, and nothing of it above 0.6."""
    classes, rng = labels(300, 300), np.random.default_rng(11)
    described = (replace(flag("span"), bias=bias),)
    table = indicators({"span": drawn(rng, classes, {0: 0.45}, 0.15)}, described)
    (one,) = confirm([Hit(0, table.index("span", "yes"), 0, 0, 0, (0, 0))], table, classes, 2, SETTINGS, rng)
    assert one.discovered == 10
    assert one.confirmed <= most
    assert (one.confirmed == 10) == (most == 10)


def test_a_number_may_be_cut_elsewhere_on_each_half_but_not_on_the_other_side():
    classes, rng = labels(80, 80), np.random.default_rng(6)
    table = indicators({"sharpness": rng.normal(size=160) + 1.5 * (classes == 0)}, [NUMBER])
    out = confirm(found_in(table, classes, 2), table, classes, 2, SETTINGS, rng)
    assert [one.discovered for one in out] == [10, 10]
    below = next(v for v, name in enumerate(table.value_names) if name.startswith("below"))
    (wrong,) = confirm([Hit(0, below, 0, 0, 0, (0, 0))], table, classes, 2, SETTINGS, rng)
    assert (wrong.discovered, wrong.confirmed, wrong.effect, wrong.effect_ci) == (0, 0, None, None)


def test_a_burst_does_not_confirm_itself():
    """Twenty images of eight copies each, and no shortcut: the copies on either side confirm what they discover."""
    rng, classes, contents = np.random.default_rng(7), labels(80, 80), np.arange(160) // 8
    rates = {True: [0, 0], False: [0, 0]}
    for k in range(30):
        table = indicators({"grass": (rng.random(20) < 0.5)[contents]})
        hit = [Hit(0, table.index("grass", "yes"), 0, 0, 0, (0, 0))]
        for together, rate in rates.items():
            shown = contents if together else None
            (one,) = confirm(hit, table, classes, 2, SETTINGS, np.random.default_rng(k), shown)
            rate[0] += one.discovered
            rate[1] += one.confirmed
    assert rates[False][1] > 0.5 * rates[False][0] > 10
    assert rates[True][1] < 0.3 * rates[True][0]


def test_the_pool_is_compared_with_and_not_tested():
    classes = labels(40, 200)
    table = indicators({"grass": (np.arange(240) < 38) | (np.arange(240) >= 220)})
    (found,) = audit(table, classes, ("bunny",), SETTINGS, np.random.default_rng(0)).findings
    assert (found.confirmation.discovered, found.confirmation.confirmed) == (10, 10)


def test_no_splits_or_no_findings_are_no_confirmation():
    classes = labels(30, 30)
    table = indicators({"grass": classes == 0})
    none = AuditSettings(n_permutations=0, n_splits=0)
    assert audit(table, classes, ("a", "b"), none, np.random.default_rng(0)).findings[0].confirmation is None
    assert confirm([], table, classes, 2, SETTINGS, np.random.default_rng(0)) == []


def test_confirming_the_findings_of_a_thousand_images_takes_a_blink():
    rng, classes = np.random.default_rng(8), labels(*[100] * 10)
    columns = {f"flag{i}": rng.random(1000) < rng.uniform(0.05, 0.6) for i in range(350)}
    for c in range(10):
        columns[f"flag{c}"] = drawn(rng, classes, {c: 0.8}, 0.1)
    table = indicators(columns, [flag(name) for name in columns])
    found = found_in(table, classes, 10)
    assert times_the_fixed(lambda: confirm(found, table, classes, 10, SETTINGS, rng)) < 25  # some 5 s
