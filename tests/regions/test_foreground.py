"""Where the object is, and what its places are covered by: answers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from curator.regions.foreground import DIM, N_CUES, WEIGHTS, cover, cues, foreground, spread, strangeness
from curator.types import Preprocessing

SIDE = 4


def lawn(grid: int = 14, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Features (1, g, g, 8) that are all alike, but for noise."""
    rng = np.random.default_rng(seed)
    return (np.eye(8)[0] + rng.normal(size=(1, grid, grid, 8)) * noise).astype(np.float32)


def test_a_picture_of_surround_only_has_no_object():
    """The null: on noise around one kind of surround no place is taken for object."""
    assert strangeness(lawn()) == pytest.approx(0, abs=1e-6)
    assert (foreground(lawn(noise=0.1)) > 0.5).mean() < 0.01


def test_what_is_unlike_the_ring_is_the_object():
    """Planted: places at 90 degrees to the surround are 1 strange, at 60 degrees a half; length plays no part."""
    features = lawn()
    features[0, 6:9, 5:8] = 7 * np.eye(8)[3]
    features[0, 9, 5] = 0.5 * np.eye(8)[0] + 0.75**0.5 * np.eye(8)[3]
    out = strangeness(features)[0]
    assert out[7, 6] == pytest.approx(1)
    assert out[9, 5] == pytest.approx(0.5)
    assert np.argwhere(foreground(features)[0] > 0.5).tolist() == [[y, x] for y in (6, 7, 8) for x in (5, 6, 7)]


def test_two_kinds_of_surround_are_both_surround():
    """Sky above, grass below: each place is compared with those of the ring it is most like, not with all."""
    features = lawn()
    features[0, :6] = np.eye(8)[1]
    assert foreground(features).max() < 0.01


def test_one_odd_place_in_the_ring_does_not_vouch_for_itself():
    features = lawn()
    features[0, 0, 5] = np.eye(8)[3]
    assert strangeness(features)[0, 0, 5] == pytest.approx(1)
    assert np.argwhere(foreground(features)[0] > 0.5).tolist() == [[0, 5]]


def test_a_map_is_spread_over_the_part_of_the_picture_that_was_seen():
    """A picture of 4 x 8 of which the middle 4 x 4 was cut out: columns 2 to 5 show the map, the rest its nearest edge."""
    grid = np.array([[1, 2], [3, 4]], np.float32)
    assert spread(grid, 4, 8, Preprocessing(4, 4)).tolist() == [[1] * 4 + [2] * 4] * 2 + [[3] * 4 + [4] * 4] * 2
    assert spread(grid, 2, 8, Preprocessing(4, 4, mode="squash")).tolist() == [[1] * 4 + [2] * 4, [3] * 4 + [4] * 4]
    fine = np.arange(4, dtype=np.float32)[None].repeat(4, 0)
    assert spread(fine, 4, 8, Preprocessing(4, 4))[0].tolist() == [0, 0, 0, 1, 2, 3, 3, 3]


def test_a_padded_picture_takes_only_the_places_that_show_it():
    """Longest side fitted: a wide picture fills the middle rows of the input."""
    rows = np.arange(4, dtype=np.float32)[:, None].repeat(4, 1)
    assert spread(rows, 2, 4, Preprocessing(4, 4, mode="longest"))[:, 0].tolist() == [1, 2]


def pictures(n: int = 2, grid: int = 6) -> np.ndarray:
    """Every place has a colour of its own: the row in red, the column in green."""
    y, x = np.mgrid[: grid * SIDE, : grid * SIDE] // SIDE
    return np.stack([np.stack([10 * y, 10 * x, 0 * x], -1)] * n).astype(np.uint8)


def test_the_object_is_covered_by_pieces_of_its_own_or_the_next_row():
    inputs = pictures()
    likely = np.zeros((2, 6, 6), np.float32)
    likely[0, 2:4, 1:3] = 0.9
    out = cover(inputs, likely)
    np.testing.assert_array_equal(out[1], inputs[1])
    hidden = np.kron(likely[0] >= 0.5, np.ones((SIDE, SIDE))).astype(bool)
    np.testing.assert_array_equal(out[0][~hidden], inputs[0][~hidden])
    for y in (2, 3):
        for x in (1, 2):
            piece = out[0, y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE].reshape(-1, 3)
            row, column = int(piece[0, 0]) // 10, int(piece[0, 1]) // 10
            assert (piece == piece[0]).all()
            assert abs(row - y) <= 1
            assert likely[0, row, column] < 0.5
    np.testing.assert_array_equal(cover(inputs, likely), out)
    np.testing.assert_array_equal(inputs, pictures())


def test_rows_that_are_object_all_over_are_covered_from_elsewhere():
    likely = np.zeros((1, 6, 6), np.float32)
    likely[0, :4] = 1
    out = cover(pictures(1), likely)
    assert set((out[0, : 4 * SIDE, :, 0] // 10).ravel().tolist()) <= {4, 5}


def test_a_picture_that_is_all_object_is_left_as_it_is():
    np.testing.assert_array_equal(cover(pictures(1), np.ones((1, 6, 6), np.float32)), pictures(1))


def test_the_last_bit_does_not_depend_on_the_threads():
    features = np.random.default_rng(0).normal(size=(32, 14, 14, 112)).astype(np.float32)
    with threadpool_limits(2, user_api="blas"):
        two = foreground(features)
    with threadpool_limits(1, user_api="blas"):
        assert np.array_equal(two, foreground(features))


def places(n: int = 6, dim: int = DIM, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 14, 14, dim)).astype(np.float32)


def test_there_is_a_weight_for_every_cue_and_one_for_the_level():
    weights = np.loadtxt(WEIGHTS)
    assert weights.shape == (N_CUES + 1,)
    assert np.isfinite(weights).all()
    assert cues(places(1)).shape == (1, 14, 14, N_CUES)
    assert cues(places(1, 8)).shape == (1, 14, 14, 3 * 8 + 7)


def test_with_learnt_weights_an_image_does_not_depend_on_the_others_to_the_bit():
    features = places()
    together = foreground(features)
    np.testing.assert_array_equal(np.concatenate([foreground(one[None]) for one in features]), together)
    np.testing.assert_array_equal(foreground(features[::-1]), together[::-1])
    np.testing.assert_array_equal(foreground(features[2:5]), together[2:5])


@pytest.mark.parametrize("kind", ["noise", "all alike", "nothing", "huge"])
def test_with_learnt_weights_every_place_has_a_probability(kind):
    made = {
        "noise": places(2),
        "all alike": np.ones((1, 14, 14, DIM), np.float32),
        "nothing": np.zeros((1, 14, 14, DIM), np.float32),
        "huge": places(1) * np.float32(1e6),
    }
    out = foreground(made[kind])
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert 0 <= out.min() <= out.max() <= 1


def test_with_learnt_weights_the_length_of_a_feature_plays_no_part():
    features = places(1)
    np.testing.assert_allclose(foreground(features * np.float32(40)), foreground(features), atol=1e-5)


def test_what_is_unlike_the_border_is_likelier_the_object_with_learnt_weights_too():
    """Features that the weights know nothing of in particular: the same picture with and without a patch of its own."""
    rng = np.random.default_rng(3)
    ground, thing = rng.normal(size=(2, DIM)).astype(np.float32)
    plain = np.broadcast_to(ground, (1, 14, 14, DIM)).copy()
    planted = plain.copy()
    planted[0, 5:9, 5:9] = thing
    odd = cues(planted)[0, ..., 3 * DIM + 4]
    assert odd[5:9, 5:9].min() > odd[:4].max()
    assert np.ptp(cues(plain)[0, ..., 3 * DIM + 4]) == pytest.approx(0, abs=1e-5)


def test_features_of_another_network_are_judged_by_the_border_alone():
    """111 numbers have no weights: two places with equal strangeness have equal probability wherever they lie."""
    features = np.zeros((1, 14, 14, DIM - 1), np.float32)
    features[..., 0] = 1
    features[0, 4, 4] = features[0, 9, 7] = np.eye(DIM - 1)[5]
    out = foreground(features)[0]
    assert out[4, 4] == out[9, 7] > 0.5
    assert (out > 0.5).sum() == 2
