"""Many refits at once against the probe fitted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from curator.errors import DataError
from curator.probe.groups import TrainingSet
from curator.probe.linear import Probe
from curator.probe.refits import choose_c, refit

EXACT = 1e-9


def cloud(rng, n, dim, n_classes=3, apart=0.6):
    """Gaussian classes, not centred at 0 and not of unit scale."""
    means = np.random.default_rng(99).normal(size=(n_classes, dim)) * apart
    labels = np.arange(n) % n_classes
    vectors = 3 + 2 * (rng.normal(size=(n, dim)) + means[labels])
    return vectors.astype(np.float32), labels.astype(np.int32)


def copies(weights):
    return np.repeat(np.arange(len(weights)), weights.astype(int))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("c", [0.01, 1.0])
@pytest.mark.parametrize(("n", "dim"), [(90, 8), (60, 150)], ids=["plain", "fewer images than dimensions"])
def test_a_refit_is_the_probe_fitted_to_those_images(n, dim, c, n_classes):
    """Bootstrap counts and subsets, against `Probe.fit` on the very rows: its scale, its penalty."""
    rng = np.random.default_rng(0)
    vectors, labels = cloud(rng, n, dim, n_classes)
    new, _ = cloud(rng, 50, dim, n_classes)
    counts = np.concatenate([rng.multinomial(n, np.full(n, 1 / n), 4), rng.random((4, n)) < 0.4, np.ones((1, n))])
    fits = refit(vectors, labels, n_classes, c, counts, tolerance=EXACT)
    # Tighter than scikit-learn's own default, which stops farther from the optimum than we do.
    for weights, found in zip(counts, fits.probabilities(new), strict=True):
        rows = copies(weights)
        chosen = vectors[rows].astype(float)
        mean, scale = chosen.mean(0), np.sqrt(((chosen - chosen.mean(0)) ** 2).mean())
        theirs = LogisticRegression(C=c, tol=1e-8, max_iter=5000).fit((chosen - mean) / scale, labels[rows])
        np.testing.assert_allclose(found, theirs.predict_proba((new - mean) / scale), atol=3e-3)
        probe = Probe.fit(vectors[rows], labels[rows], n_classes, c)
        np.testing.assert_allclose(found, probe.probabilities(new), atol=0.02)
    assert (fits.predict(new) == fits.probabilities(new).argmax(2)).all()
    assert fits.coefficients.shape == (9, n_classes, dim)
    assert fits.gap.max() < 1e-8


def test_at_the_default_tolerance_accuracy_is_scikit_learns():
    rng = np.random.default_rng(1)
    vectors, labels = cloud(rng, 600, 40, apart=0.25)
    new, truth = cloud(rng, 3000, 40, apart=0.25)
    counts = rng.multinomial(600, np.full(600, 1 / 600), 20)
    ours = (refit(vectors, labels, 3, 0.1, counts).predict(new) == truth).mean(1)
    theirs = [(Probe.fit(vectors[copies(w)], labels[copies(w)], 3, 0.1).predict(new) == truth).mean() for w in counts]
    assert 0.6 < np.mean(theirs) < 0.95
    assert abs(ours - theirs).max() < 0.005


def test_weights_need_not_be_whole_and_each_refit_may_have_its_own_c():
    """Half the weight at twice the C is the same fit; weights of 1.5 are three copies at half of that."""
    rng = np.random.default_rng(2)
    vectors, labels = cloud(rng, 80, 5, apart=0.3)
    weights = np.where(rng.random(80) < 0.3, 3.0, 1.0)
    new, _ = cloud(rng, 40, 5)
    found = refit(vectors, labels, 3, [0.2, 0.4, 0.02], [weights, weights / 2, weights], tolerance=EXACT)
    found = found.probabilities(new)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert abs(found[0] - found[2]).max() > 0.05


def test_refits_do_not_know_of_each_other_nor_of_threads():
    """More than one chunk; the others only move the start."""
    rng = np.random.default_rng(3)
    vectors, labels = cloud(rng, 70, 6, apart=0.3)
    counts = rng.multinomial(70, np.full(70, 1 / 70), 90)
    all_, one = (refit(vectors, labels, 3, 0.1, w, tolerance=EXACT, jobs=2) for w in (counts, counts[77:78]))
    np.testing.assert_allclose(all_.probabilities(vectors)[77], one.probabilities(vectors)[0], atol=1e-3)
    alone = refit(vectors, labels, 3, 0.1, counts, tolerance=EXACT, jobs=1)
    assert (alone.coefficients == all_.coefficients).all()


def test_a_class_without_weight_is_never_predicted():
    rng = np.random.default_rng(4)
    vectors, labels = cloud(rng, 60, 4)
    counts = np.stack([np.ones(60), (labels != 1).astype(float)])
    probabilities = refit(vectors, labels, 4, 1.0, counts, tolerance=EXACT).probabilities(vectors)
    assert not probabilities[:, :, 3].any()
    assert probabilities[0, :, 1].max() > 0.5
    assert not probabilities[1, :, 1].any()
    rest = labels != 1
    want = Probe.fit(vectors[rest], labels[rest], 4, 1.0).probabilities(vectors)
    np.testing.assert_allclose(probabilities[1], want, atol=0.02)


def test_identical_images_fit_to_the_class_shares():
    fits = refit(np.ones((8, 3), np.float32), np.array([0, 0, 0, 0, 0, 0, 1, 1]), 2, 1.0, np.ones((1, 8)))
    np.testing.assert_allclose(fits.probabilities(np.ones((1, 3), np.float32))[0], [[0.75, 0.25]], atol=0.01)


def test_noise_is_told_at_chance_and_a_subset_knows_only_itself():
    """The null: labels of noise. What a refit gets right above chance, it has seen."""
    rng = np.random.default_rng(5)
    vectors, labels = rng.normal(size=(200, 300)).astype(np.float32), rng.integers(0, 2, 200).astype(np.int32)
    inside = rng.random((30, 200)) < 0.5
    right = refit(vectors, labels, 2, 1.0, inside).predict(vectors) == labels
    assert right[inside].mean() > 0.99
    assert abs(right[~inside].mean() - 0.5) < 0.05


def test_no_refits_are_no_error_and_wrong_weights_are():
    vectors, labels = cloud(np.random.default_rng(6), 12, 3)
    none = refit(vectors, labels, 3, 1.0, np.zeros((0, 12)))
    assert none.predict(vectors).shape == (0, 12)
    for weights, says in [
        (np.ones((2, 11)), "shape"),
        (np.ones(12), "shape"),
        (np.full((1, 12), -1.0), "0 or more"),
        (np.full((1, 12), np.nan), "finite"),
        (np.stack([np.ones(12), labels == 2]), "two classes"),
        (np.zeros((1, 12)), "two classes"),
    ]:
        with pytest.raises(DataError, match=says):
            refit(vectors, labels, 3, 1.0, weights)


def test_the_penalty_is_chosen_by_groups_not_by_the_many_that_follow_the_shortcut():
    """A loud shortcut that 95 % follow, a quiet class signal, much noise: a weak penalty overfits, and plain accuracy chooses a
    strong one (5 of 100 wrong), with which all images that break the rule are lost."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        labels = np.repeat([0, 1], 100).astype(np.int32)
        value = (labels == 0) ^ (np.arange(200) % 20 == 0)
        vectors = rng.normal(size=(200, 60)).astype(np.float32)
        vectors[:, 0] += 2.5 * (2 * value - 1)
        vectors[:, 1] += 1.0 * (2 * labels - 1)
        assert choose_c(TrainingSet(vectors, labels, value), 2, (10.0, 1e-4), seed=0) == 10


def test_the_strongest_penalty_of_equals_is_taken():
    vectors, labels = cloud(np.random.default_rng(8), 60, 5, 2, apart=8)
    data = TrainingSet(vectors, labels, np.arange(60) % 4 < 2)
    assert choose_c(data, 2, (10.0, 1e-2, 1.0), seed=0) == 0.01
    # A cell of one image cannot be asked about; nothing but such cells leaves nothing to choose by.
    assert choose_c(data.take(np.array([0, 1, 2, 3])), 2, (1.0, 0.1), seed=0) == 0.1
