"""What is left of a finding once what it travels with is held still."""

from __future__ import annotations

import numpy as np
import pytest
from planted import drawn, exactly, indicators, labels

from curator.config import AuditSettings
from curator.shortcuts.adjustment import adjust
from curator.shortcuts.association import Hit
from curator.shortcuts.detection import audit


def hit(table, attribute: str, value: str = "yes", class_idx: int = 0) -> Hit:
    return Hit(class_idx, table.index(attribute, value), 0, 0, 0, (0, 0))


def test_what_comes_with_the_other_alone_is_nothing_without_it():
    """Dew lies on grass and nowhere else, whatever the class: its own effect is 0.48, with the grass held still 0."""
    classes, rng, left, p = labels(150, 150), np.random.default_rng(1), [], []
    for _ in range(40):
        grass = drawn(rng, classes, {0: 0.8}, 0.2)
        dew = grass & (rng.random(300) < 0.8)
        table = indicators({"grass": grass, "dew": dew})
        _, adjusted = adjust([hit(table, "grass"), hit(table, "dew")], table, classes)
        assert adjusted.held == ("grass=yes",)
        left.append(adjusted.effect_ci[0] <= 0 <= adjusted.effect_ci[1])
        p.append(adjusted.p)
    assert np.mean(left) >= 0.85
    assert np.mean(np.array(p) <= 0.05) <= 0.15


def test_what_adds_to_the_other_keeps_its_own_effect():
    """Grass 0.8 against 0.2; dew 0.3 likelier on grass, and 0.4 likelier in the class whatever the ground."""
    classes, rng, left = labels(150, 150), np.random.default_rng(2), []
    for _ in range(40):
        grass = drawn(rng, classes, {0: 0.8}, 0.2)
        dew = rng.random(300) < 0.1 + 0.3 * grass + 0.4 * (classes == 0)
        table = indicators({"grass": grass, "dew": dew})
        _, adjusted = adjust([hit(table, "grass"), hit(table, "dew")], table, classes)
        assert adjusted.p < 0.01
        left.append(adjusted.effect)
    assert np.mean(left) == pytest.approx(0.4, abs=0.03)


def test_findings_that_do_not_travel_together_are_not_adjusted():
    classes, rng = labels(300, 300), np.random.default_rng(3)
    table = indicators({"grass": drawn(rng, classes, {0: 0.8}, 0.2), "dark": drawn(rng, classes, {0: 0.8}, 0.2)})
    assert adjust([hit(table, "grass"), hit(table, "dark")], table, classes) == [None, None]
    assert adjust([hit(table, "grass")], table, classes) == [None]
    assert adjust([], table, classes) == []


def test_another_classes_finding_is_not_held_still():
    classes, rng = labels(100, 100, 100), np.random.default_rng(4)
    grass = drawn(rng, classes, {0: 0.8}, 0.2)
    table = indicators({"grass": grass, "green": grass ^ (rng.random(300) < 0.1)})
    assert adjust([hit(table, "grass"), hit(table, "green", class_idx=1)], table, classes) == [None, None]


def test_two_that_cannot_be_told_apart_say_so():
    """In the class both are always there; elsewhere never both. No stratum holds images of either side."""
    classes = labels(40, 40)
    a, b = exactly(classes, {0: 40, 1: 20}), np.r_[np.ones(40, bool), np.zeros(20, bool), np.ones(20, bool)]
    table = indicators({"a": a, "b": b})
    first, second = adjust([hit(table, "a"), hit(table, "b")], table, classes)
    assert first is not None
    assert (first.held, second.held) == (("b=yes",), ("a=yes",))
    table = indicators({"a": classes == 0, "b": (classes == 0) ^ exactly(classes, {1: 1})})
    other = adjust([hit(table, "a"), hit(table, "b")], table, classes)[1]
    assert other is None or (other.effect, other.effect_ci, other.p) == (None, None, None)


def test_at_most_the_two_most_tied_are_held_still():
    classes, rng = labels(200, 200), np.random.default_rng(5)
    grass = drawn(rng, classes, {0: 0.8}, 0.2)
    copies = {f"copy{k}": grass ^ (rng.random(400) < 0.1 * (k + 1)) for k in range(3)}
    table = indicators({"grass": grass, **copies})
    first = adjust([hit(table, name) for name in ("grass", *copies)], table, classes)[0]
    assert first.held == ("copy0=yes", "copy1=yes")


def test_the_audit_says_what_is_left_of_each_of_two_tied_findings():
    """Two shortcuts of one class that go together half of the time are two findings, each with the other held still."""
    classes, rng = labels(120, 120, 120), np.random.default_rng(6)
    both = drawn(rng, classes, {0: 0.5}, 0.05)
    table = indicators({k: both | drawn(rng, classes, {0: 0.5}, 0.1) for k in ("grass", "dark")})
    found = audit(table, classes, ("a", "b", "c"), AuditSettings(n_permutations=0), np.random.default_rng(0)).findings
    mine = {f.attribute: f.adjusted for f in found if f.class_name == "a"}
    assert mine["grass"].held == ("dark=yes",)
    assert 0.1 < mine["grass"].effect < next(f.effect for f in found if f.attribute == "grass")
    assert mine["grass"].p < 0.001
