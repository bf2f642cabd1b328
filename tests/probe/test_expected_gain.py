"""What adding is expected to do: nothing where nothing can help, and the right amount where a shortcut is planted."""

from __future__ import annotations

import numpy as np
from known_images import BIASED, images

from curator.probe.expected_gain import Known, enough, expect
from curator.types import ExpectedPoint

STEPS = (0, 10, 20)
NONE = np.array([], np.intp)


POOL = {(0, True): 60, (0, False): 40, (1, True): 40, (1, False): 60}


def breaking(pool: Known) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.flatnonzero((pool.labels == 0) != pool.value))


def test_counterexamples_are_expected_to_help_and_do():
    """The gain on fresh images of the same kind lies in the interval in 9 of 10 draws at least."""
    from curator.probe.refits import refit

    inside, values = 0, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        train, pool, fresh = images(rng, BIASED), images(rng, POOL), images(rng, dict.fromkeys(BIASED, 50))
        rows = breaking(pool)[:20]
        points = expect(train, pool, rows, NONE, STEPS, 2, 0.1, rng)
        values.append(points[-1].gain)
        worst = []
        for added in (NONE, rows):
            x = np.concatenate([train.vectors, pool.vectors[added]])
            y = np.concatenate([train.labels, pool.labels[added]])
            right = refit(x, y, 2, 0.1, np.ones((1, len(y)))).predict(fresh.vectors)[0] == fresh.labels
            worst.append(
                min(right[(fresh.labels == k) & (fresh.value == v)].mean() for k in (0, 1) for v in (True, False))
            )
        low, high = points[-1].ci
        inside += low <= worst[1] - worst[0] <= high
    assert inside >= 18
    assert np.mean(values) > 0.1


def test_images_like_those_there_are_expected_to_do_nothing():
    """Twenty images that follow the rule: the interval holds 0, and the mean over draws is near it."""
    values = []
    for seed in range(10):
        rng = np.random.default_rng(100 + seed)
        train, pool = images(rng, BIASED), images(rng, POOL)
        obeying = np.flatnonzero((pool.labels == 0) == pool.value)
        points = expect(train, pool, rng.permutation(obeying)[:20], NONE, STEPS, 2, 0.1, rng)
        assert points[-1].ci[0] <= 0.02
        values.append(points[-1].gain)
    assert abs(np.mean(values)) < 0.06


def test_dropping_all_that_follows_the_rule_is_expected_to_help_too():
    rng = np.random.default_rng(5)
    train, pool = images(rng, {(0, True): 90, (0, False): 10, (1, True): 10, (1, False): 90}), images(rng, POOL)
    obeying = np.flatnonzero((train.labels == 0) == train.value)
    points = expect(train, pool, NONE, rng.permutation(obeying)[:150], (0, 150), 2, 0.1, rng)
    assert points[1].gain > 0.1


def test_nothing_is_expected_of_groups_too_small_to_examine():
    rng = np.random.default_rng(6)
    train, pool = images(rng, BIASED), images(rng, {(0, False): 1})
    assert expect(train, pool, np.array([0]), NONE, (0, 1), 2, 0.1, rng, min_group=60) == ()


def test_an_image_is_examined_only_by_probes_that_have_not_seen_it():
    """Labels are noise, so a probe that had seen the images would look better than chance."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(400, 60)).astype(np.float32)
    y, has = rng.integers(0, 2, 400).astype(np.int32), rng.random(400) < 0.5
    train, pool = Known(x[:200], y[:200], has[:200]), Known(x[200:], y[200:], has[200:])
    points = expect(train, pool, np.arange(100), NONE, (0, 50, 100), 2, 1.0, rng)
    assert all(p.worst_group < 0.55 for p in points)


def test_a_curve_that_may_still_climb_is_never_enough():
    climbing = [ExpectedPoint(n, 0.5 + n / 100, n / 100, (0.0, 1.0), 0.3 - n / 100) for n in (0, 10, 20, 30)]
    assert enough(climbing) is None
    assert enough(climbing[:1]) is None


def test_what_adds_nothing_is_said_to_be_dispensable():
    """The same images once more: after the first ten, twins follow, which no probe learns anything from."""
    rng = np.random.default_rng(8)
    train = images(rng, dict.fromkeys(BIASED, 60), signal=6.0, shortcut=0.0)
    pool = images(rng, dict.fromkeys(BIASED, 30), signal=6.0, shortcut=0.0)
    points = expect(train, pool, np.arange(30), NONE, (0, 15, 30), 2, 0.1, rng)
    assert enough(points) == 0


def test_where_no_examined_image_changes_the_interval_has_a_floor():
    """Groups that all probes get right: nothing changes, yet of ten images no one can say that none ever would."""
    widths = []
    for n in (10, 100):
        rng = np.random.default_rng(11)
        train = images(rng, dict.fromkeys(BIASED, 40), signal=9.0, shortcut=0.0)
        pool = images(rng, dict.fromkeys(BIASED, n), signal=9.0, shortcut=0.0)
        few = Known(train.vectors[::8], train.labels[::8], train.value[::8])
        point = expect(few, pool, np.arange(8), NONE, (0, 8), 2, 0.1, rng)[-1]
        assert point.gain == 0
        assert point.ci[0] < 0 < point.ci[1]
        widths.append(point.ci[1] - point.ci[0])
    assert 0.1 < widths[0] < 0.7
    assert widths[1] < widths[0] / 2
