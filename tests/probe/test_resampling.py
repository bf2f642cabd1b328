"""Sets drawn anew: shares stay, spread is right, and arms are paired."""

from __future__ import annotations

import numpy as np
import pytest

from curator.probe.groups import Groups
from curator.probe.resampling import Retest, exponential, interval


def test_every_cell_keeps_its_share_and_weights_spread_like_a_bootstrap():
    cells = np.array([0] * 3 + [1] * 200)
    weights = exponential(cells, 500, np.random.default_rng(0))
    np.testing.assert_allclose(weights[:, :3].sum(1), 3)
    np.testing.assert_allclose(weights[:, 3:].sum(1), 200)
    assert weights.min() > 0
    # Counts of a bootstrap have variance 1 - 1/n.
    assert weights[:, 3:].var() == pytest.approx(1, abs=0.1)


def test_draws_lie_around_the_value_and_spread_as_binomials_do():
    labels, value = np.repeat([0, 1], 100).astype(np.int32), np.tile([True, False], 100)
    groups = Groups.of(labels, value, 2, 5)
    retest = Retest.of(groups, 2000, 10, np.random.default_rng(1))
    right = np.arange(200) % 10 < 7
    examined = retest.examine(right, np.tile(right, (10, 1)))
    for g, mask in enumerate(groups.masks):
        p = right[mask].mean()
        assert examined.value[g] == p
        assert examined.draws[:, g].mean() == pytest.approx(p)
        assert examined.draws[:, g].std() == pytest.approx(np.sqrt(p * (1 - p) / 50), rel=0.1)
    assert (retest.shares == [0.25, 0.25, 0.25, 0.25, 0]).all()
    # The same arm again differs from itself by nothing, draw for draw.
    assert (retest.examine(right, np.tile(right, (10, 1))).draws == examined.draws).all()


def test_training_seeds_that_differ_widen_the_draws_and_do_not_move_them():
    groups = Groups.of(np.zeros(400, np.int32), np.ones(400, bool), 1, 5)
    retest = Retest.of(groups, 1000, 20, np.random.default_rng(2))
    rng = np.random.default_rng(3)
    same = np.tile(np.arange(400) < 320, (20, 1))
    other = np.arange(400) < rng.permutation(np.linspace(200, 360, 20))[:, None]
    narrow, wide = (retest.examine(same[0], seeds).draws[:, 0] for seeds in (same, other))
    assert wide.mean() == pytest.approx(0.8)
    assert wide.std() > 3 * narrow.std()


def test_an_interval_holds_its_value():
    assert interval(np.linspace(0, 1, 101), 0.5) == pytest.approx((0.025, 0.975))
    assert interval(np.zeros(10), 0.3) == (0, 0.3)
