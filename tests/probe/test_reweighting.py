"""A subset or weights of what is there: nothing where nothing can help, and a gain where a shortcut is planted."""

from __future__ import annotations

import numpy as np
from known_images import BIASED, images

from curator.probe import linear
from curator.probe.groups import balanced_subset
from curator.probe.reweighting import examine

MORE = {(0, True): 180, (0, False): 20, (1, True): 20, (1, False): 180}


def ways(data, rng):
    return {
        "as it is": np.ones(len(data)),
        "subset": (balanced_subset(data.labels * 2 + data.value, rng) > 0).astype(float),
        "weights": linear.group_weights(data.labels, data.value),
    }


def test_a_planted_shortcut_is_lessened_by_either_and_as_it_is_gains_nothing():
    gains = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        data = images(rng, MORE, signal=1.2, shortcut=1.5)
        before, subset, weights = examine(data.vectors, data.labels, data.value, ways(data, rng), 2, 0.1, rng)
        assert (before.gain, before.gain_ci) == (0.0, (0.0, 0.0))
        assert (before.n, subset.n, weights.n) == (400, 80, 400)
        assert before.class_idx == before.has_value  # the worst group breaks the rule: class 0 without, class 1 with
        assert before.n_group == 20
        gains.append((subset.gain, weights.gain))
        for remedy in (before, subset, weights):
            assert remedy.ci[0] <= remedy.worst_group <= remedy.ci[1]
            assert remedy.gain_ci[0] <= remedy.gain <= remedy.gain_ci[1]
    assert (np.mean(gains, axis=0) > 0.15).all()


def test_without_a_shortcut_weights_gain_nothing():
    """Four groups of the same size, and a value that says nothing: the interval of the gain holds 0 in 18 of 20 sets."""
    held = 0
    for seed in range(20):
        rng = np.random.default_rng(50 + seed)
        data = images(rng, {(0, True): 60, (0, False): 30, (1, True): 60, (1, False): 30}, shortcut=0.0)
        found = examine(data.vectors, data.labels, data.value, ways(data, rng), 2, 0.1, rng)
        held += found[2].gain_ci[0] <= 0 <= found[2].gain_ci[1]
    assert held >= 18


def test_an_image_is_asked_of_probes_that_have_not_seen_it():
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(400, 60)).astype(np.float32), rng.integers(0, 2, 400).astype(np.int32)
    has = rng.random(400) < 0.5
    found = examine(x, y, has, {"as it is": np.ones(400)}, 2, 1.0, rng)
    assert found[0].worst_group < 0.55


def test_groups_too_small_to_examine_are_not():
    rng = np.random.default_rng(8)
    data = images(rng, BIASED)
    assert examine(data.vectors, data.labels, data.value, ways(data, rng), 2, 0.1, rng, min_group=58) == ()
