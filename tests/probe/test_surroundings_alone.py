"""What a probe tells from one kind of input: chance where there is nothing, also among copies; and what was planted."""

from __future__ import annotations

import numpy as np
import pytest

from curator.errors import DataError
from curator.probe import surroundings_alone as alone

N_SEEDS, ENOUGH = 20, 18


def told(x: np.ndarray, labels: np.ndarray, groups: np.ndarray, seed: int = 0, c: float = 1.0) -> alone.Told:
    labels, groups = labels.astype(np.int32), groups.astype(np.int32)
    fold = alone.folds(labels, groups, np.random.default_rng(seed))
    return alone.told(x.astype(np.float32), labels, fold, groups, c)


def has_chance(found: alone.Told, chance: float = 0.5) -> bool:
    return found.ci[0] <= chance <= found.ci[1]


@pytest.mark.parametrize(("n", "d", "c"), [(60, 6, 1.0), (200, 64, 0.1)])
def test_independent_images_with_random_labels_are_named_at_chance(n, d, c):
    found = []
    for seed in range(N_SEEDS):
        rng = np.random.default_rng(seed)
        found.append(told(rng.normal(size=(n, d)), rng.permutation(np.arange(n) % 2), np.arange(n), seed, c))
    assert sum(map(has_chance, found)) >= ENOUGH
    assert abs(np.mean([f.accuracy for f in found]) - 0.5) < 0.03
    assert abs(np.mean([f.auc.mean() for f in found]) - 0.5) < 0.04


def test_classes_of_unequal_size_are_named_at_chance_too():
    """Always saying the larger class would be right for four of five images, and for half of the classes."""
    found = []
    for seed in range(N_SEEDS):
        rng = np.random.default_rng(seed)
        found.append(told(rng.normal(size=(150, 8)), rng.permutation(np.arange(150) % 5 == 0), np.arange(150), seed))
    assert sum(map(has_chance, found)) >= ENOUGH
    assert abs(np.mean([f.accuracy for f in found]) - 0.5) < 0.04


def four_copies(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """60 pictures, each four times with little noise; their labels are random, the same for all copies."""
    rng = np.random.default_rng(seed)
    pictures = np.repeat(np.arange(60), 4)
    x = rng.normal(size=(60, 40))[pictures] + 0.05 * rng.normal(size=(240, 40))
    return x, rng.permutation(np.arange(60) % 2)[pictures], pictures


def test_copies_with_random_labels_are_named_at_chance_if_they_share_a_fold():
    found = [told(*four_copies(seed), seed) for seed in range(N_SEEDS)]
    assert sum(map(has_chance, found)) >= ENOUGH
    assert abs(np.mean([f.accuracy for f in found]) - 0.5) < 0.04
    # Without groups the probe has seen a copy of nearly every image.
    x, labels, _ = four_copies(0)
    assert told(x, labels, np.arange(240)).ci[0] > 0.6


def test_copies_count_as_one_image_in_the_interval():
    right, labels = np.arange(120) % 3 > 0, np.repeat([0, 1], 60)
    one = alone.balanced(right, labels, np.arange(120))
    copied = alone.balanced(np.repeat(right, 4), np.repeat(labels, 4), np.repeat(np.arange(120), 4))
    np.testing.assert_allclose(np.hstack(copied), np.hstack(one))
    assert one[0] == pytest.approx(2 / 3)


def test_what_was_planted_is_found_at_its_size():
    """One number lies 2 apart between two classes of spread 1: the best rule is right for Phi(1) = 84 % of the images."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 500)
    x = rng.normal(size=(1000, 5))
    x[:, 0] += 2 * labels
    found = told(x, labels, np.arange(1000))
    assert found.ci[0] < 0.8413 < found.ci[1]
    assert found.accuracy == pytest.approx(0.8413, abs=0.025)
    # Two scores sqrt(2) standard deviations apart: Phi(sqrt 2) = 0.921.
    np.testing.assert_allclose(found.auc, 0.921, atol=0.02)


def test_a_small_class_is_named_as_well_as_a_large_one():
    """As above, but the second class has a tenth of the images. A probe that weights images alike names 44 % of it."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [2000, 200])
    x = rng.normal(size=(2200, 5))
    x[:, 0] += 2 * labels
    found = told(x, labels, np.arange(2200))
    assert found.accuracy == pytest.approx(0.8413, abs=0.03)


def test_the_auc_is_of_each_class_against_the_rest():
    """Class 2 of three lies apart; 0 and 1 are alike. In 0 against 1 and 2: right for all of 2 and half of 1."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], 300)
    x = rng.normal(size=(900, 3))
    x[labels == 2, 0] += 12
    found = told(x, labels, np.arange(900))
    np.testing.assert_allclose(found.auc, [0.75, 0.75, 1], atol=0.05)
    assert found.accuracy == pytest.approx((0.5 + 0.5 + 1) / 3, abs=0.05)


def test_input_without_variance_is_exactly_chance():
    found = told(np.ones((80, 3)), np.repeat([0, 1, 2, 3], 20), np.arange(80))
    assert found.accuracy == 0.25
    np.testing.assert_array_equal(found.auc, 0.5)


def test_an_image_that_probes_of_two_folds_score_differently_is_not_compared_over_folds():
    """By hand: in fold 0 the class has 1 of 2 pairs, in fold 1 its only pair; over folds there would be 3 of 6."""
    scores, mine = np.array([0.5, 0.3, 0.7, 0.2, 0.1]), np.array([True, False, False, True, False])
    assert alone._auc(scores, mine, np.array([0, 0, 0, 1, 1], np.int32)) == pytest.approx(2 / 3)
    assert np.isnan(alone._auc(scores, mine, np.array([0, 1, 1, 0, 1], np.int32)))


def test_a_class_of_copies_is_refused():
    with pytest.raises(DataError, match="too few of the images are different"):
        alone.folds(
            np.repeat([0, 1], 20).astype(np.int32), np.repeat([0, 1], 20).astype(np.int32), np.random.default_rng(0)
        )


def test_directions_keep_what_varies_most():
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(50, alone.DIRECTIONS + 40)).astype(np.float32) * np.r_[9, [1] * (alone.DIRECTIONS + 39)]
    kept = alone.directions(vectors.astype(np.float32))
    assert kept.shape == (50, alone.DIRECTIONS)
    # 50 images span fewer directions than are kept, so all distances stay.
    np.testing.assert_allclose(np.linalg.norm(kept[0] - kept[1]), np.linalg.norm(vectors[0] - vectors[1]), rtol=1e-4)
    assert alone.directions(vectors[:, :20]) is not None
    np.testing.assert_array_equal(alone.directions(vectors[:, :20]), vectors[:, :20])


def test_standardised_numbers_are_cut_off_and_unknown_ones_are_the_mean():
    x = np.column_stack([np.r_[np.zeros(99), 1e6], np.r_[np.nan, np.tile([0.0, 2.0], 49), 1.0]])
    z = alone.standardised(x, squares=False)
    assert z.max() == alone.FARTHEST
    assert z[0, 1] == 0
    assert z[2, 1] == pytest.approx(1, abs=0.02)
