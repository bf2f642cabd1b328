"""Does the gap see a probe that leans, and only that?"""

from __future__ import annotations

import numpy as np
import pytest
from planted import drawn, labels

from curator.probe import linear
from curator.probe.reliance import accuracy_gap, intervention


def said(classes: np.ndarray, right: np.ndarray, n_classes: int = 2) -> np.ndarray:
    """Probabilities of a probe that is right where `right` says so and otherwise names the next class."""
    guess = np.where(right, classes, (classes + 1) % n_classes)
    return np.eye(n_classes)[guess]


def test_the_gap_by_hand():
    """Bunnies: 9 of 10 right on grass, 1 of 4 off it. Hens: 6 of 8 right off grass, 1 of 2 on it."""
    classes = labels(14, 10)
    value = np.r_[np.ones(10, bool), np.zeros(4, bool), np.zeros(8, bool), np.ones(2, bool)]
    right = np.r_[[1] * 9, 0, 1, 0, 0, 0, [1] * 6, 0, 0, 1, 0].astype(bool)
    out = accuracy_gap(said(classes, right), classes, 0, value, np.random.default_rng(0))
    assert out.gap == pytest.approx(((9 / 10 - 1 / 4) + (6 / 8 - 1 / 2)) / 2)
    assert out.n_conflicting == 4 + 2
    assert out.gap_ci[0] < out.gap < out.gap_ci[1]


def test_a_probe_that_leans_is_seen_to_and_one_that_does_not_is_not():
    """The same association; only in the first world do the vectors show the value."""
    rng = np.random.default_rng(1)
    classes = labels(100, 100)
    for visible in (3.0, 0.0):
        low, high, gaps = [], [], []
        for _ in range(6):
            value = drawn(rng, classes, {0: 0.9}, 0.1)
            vectors = rng.normal(size=(200, 8)).astype(np.float32)
            vectors[:, 0] += 0.8 * (2 * classes - 1)
            vectors[:, 1] += visible * (2 * value - 1)
            out = accuracy_gap(linear.out_of_fold(vectors, classes, 2, 0.1, seed=0), classes, 0, value, rng)
            gaps.append(out.gap)
            low.append(out.gap_ci[0])
            high.append(out.gap_ci[1])
        if visible:
            assert min(low) > 0.2
        else:
            assert abs(np.mean(gaps)) < 0.1
            assert sum(a <= 0 <= b for a, b in zip(low, high, strict=True)) >= 5


def test_the_interval_covers_the_true_gap():
    """0.95 right on obeying images, 0.55 on breaking ones: a gap of 0.4."""
    rng, held = np.random.default_rng(2), 0
    classes = labels(60, 180)
    for _ in range(300):
        value = drawn(rng, classes, {0: 0.8}, 0.2)
        obeys = (classes == 0) == value
        right = rng.random(240) < np.where(obeys, 0.95, 0.55)
        low, high = accuracy_gap(said(classes, right), classes, 0, value, rng).gap_ci
        held += low <= 0.4 <= high
    assert 0.91 <= held / 300 <= 0.985


def test_three_breaking_images_that_agree_are_not_certain():
    classes = labels(40, 40)
    value = (classes == 0) & (np.arange(80) != 0) & (np.arange(80) != 1) & (np.arange(80) != 2)
    out = accuracy_gap(said(classes, np.ones(80, bool)), classes, 0, value, np.random.default_rng(3))
    assert (out.gap, out.n_conflicting) == (0, 3)
    assert out.gap_ci[1] - out.gap_ci[0] > 0.3


def test_a_rule_that_no_image_breaks_has_no_gap():
    classes = labels(10, 10)
    right = np.ones(20, bool)
    assert accuracy_gap(said(classes, right), classes, 0, classes == 0, np.random.default_rng(4)) is None


def test_other_classes_mixed_up_among_themselves_do_not_count():
    """The question is "is it this class?": hens called sheep are still right."""
    classes = labels(10, 10, 10)
    value = (np.arange(30) % 2).astype(bool)
    guess = np.where(classes == 1, 2, np.where(classes == 2, 1, 0))
    out = accuracy_gap(np.eye(3)[guess], classes, 0, value, np.random.default_rng(5))
    assert out.gap == 0


def test_the_costs_of_edits_by_hand():
    """Four pictures lose 0.4, 0.6, 0.5 and 0.5 to the edit, 0.1, 0.0, 0.1 and 0.2 to the control."""
    out = intervention(
        np.array([0.4, 0.6, 0.5, 0.5]), np.array([0.1, 0.0, 0.1, 0.2]), np.random.default_rng(0), paired=True
    )
    assert (out.n, out.drop, out.control, out.excess) == (4, pytest.approx(0.5), pytest.approx(0.1), pytest.approx(0.4))
    assert out.drop_ci[0] < 0.5 < out.drop_ci[1]
    assert out.excess_ci[0] > 0


def test_what_both_edits_cost_a_picture_alike_does_not_blur_their_difference():
    """Some pictures are fragile: paired, the excess of 0.1 is certain; unpaired, it drowns."""
    fragile = np.random.default_rng(1).random(30)
    paired, unpaired = (intervention(fragile + 0.1, fragile, np.random.default_rng(2), paired=p) for p in (True, False))
    assert paired.excess_ci == (pytest.approx(0.1), pytest.approx(0.1))
    assert unpaired.excess_ci[0] < 0 < unpaired.excess_ci[1]


@pytest.mark.parametrize(("paired", "n", "m"), [(True, 12, 12), (False, 30, 14)])
def test_the_interval_of_the_excess_covers_it(paired: bool, n: int, m: int):
    """Nothing there: the false alarms of "above 0" and "below 0" together are 5 % of 400; and a true 0.2 is held as often."""
    rng, held = np.random.default_rng(3), {0.0: 0, 0.2: 0}
    for true in held:
        for _ in range(400):
            shared = rng.normal(0.1, 0.1, n)
            costs = shared + rng.normal(true, 0.15, n)
            control = shared + rng.normal(0, 0.15, n) if paired else rng.normal(0.1, 0.2, m)
            low, high = intervention(costs, control, rng, paired=paired).excess_ci
            held[true] += low <= true <= high
    assert all(0.925 <= k / 400 <= 0.975 for k in held.values()), held


def test_one_picture_is_no_evidence():
    out = intervention(np.array([0.9]), np.array([0.0]), np.random.default_rng(4), paired=True)
    assert (out.excess, out.excess_ci) == (0.9, (-1.0, 1.0))
