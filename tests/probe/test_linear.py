"""The probe against scikit-learn, and what it says of labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from curator.errors import DataError
from curator.probe import linear
from curator.probe.linear import Probe, group_weights, label_errors


def clusters(rng, sizes, dim=16, apart=1.5):
    """One Gaussian per class along its own axis."""
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    vectors = rng.normal(size=(len(labels), dim)).astype(np.float32)
    vectors[np.arange(len(labels)), labels] += apart * 2
    return vectors, labels


@pytest.mark.parametrize("n_dim", [(90, 12), (40, 200)], ids=["plain", "rotated"])
def test_the_probe_is_scikit_learns_on_centred_and_scaled_vectors(n_dim):
    """In the rows' span (fewer images than dimensions) the answer is the same as in all directions."""
    n, dim = n_dim
    vectors, labels = clusters(np.random.default_rng(0), (n // 2, n // 4, n - n // 2 - n // 4), dim, apart=0.5)
    probe = Probe.fit(vectors, labels, 3, 0.1)
    assert (probe.rotation is not None) == (n < dim)
    centred = vectors - vectors.mean(0)
    scale = np.sqrt((centred.astype(float) ** 2).mean())
    theirs = LogisticRegression(C=0.1, max_iter=5000, tol=1e-8).fit(centred / scale, labels)
    new, _ = clusters(np.random.default_rng(1), (10, 10, 10), dim, apart=0.5)
    want = theirs.predict_proba((new - vectors.mean(0)) / scale)
    np.testing.assert_allclose(probe.probabilities(new), want, atol=1e-3)
    assert (probe.predict(new) == want.argmax(1)).mean() > 0.95


def test_weights_count_as_copies_of_a_row():
    """Fitted with weight 3 on some rows, or with those rows three times, at the same mean and scale."""
    rng = np.random.default_rng(2)
    vectors, labels = clusters(rng, (30, 30), 4, apart=0.3)
    weights = np.where(np.arange(60) % 2, 3.0, 1.0)
    probe = Probe.fit(vectors, labels, 2, 1.0, weights)
    centred = (vectors - vectors.mean(0)) / probe.scale
    copies = np.repeat(np.arange(60), weights.astype(int))
    theirs = LogisticRegression(C=1.0, max_iter=5000, tol=1e-8).fit(centred[copies], labels[copies])
    np.testing.assert_allclose(probe.probabilities(vectors), theirs.predict_proba(centred), atol=1e-3)


def test_a_class_that_was_not_trained_has_probability_0_and_one_class_is_refused():
    vectors, labels = clusters(np.random.default_rng(3), (20, 20))
    out = Probe.fit(vectors, labels * 2, 4, 1.0).probabilities(vectors)
    assert out.shape == (40, 4)
    assert not out[:, [1, 3]].any()
    np.testing.assert_allclose(out.sum(1), 1)
    assert Probe.fit(vectors, labels, 2, 1.0).probabilities(vectors[:0]).shape == (0, 2)
    with pytest.raises(DataError, match="only one class"):
        Probe.fit(vectors, labels * 0, 2, 1.0)


def test_identical_images_fit_to_the_class_shares():
    probe = Probe.fit(np.ones((8, 3), np.float32), np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int32), 2, 1.0)
    np.testing.assert_allclose(probe.probabilities(np.ones((1, 3), np.float32)), [[0.75, 0.25]], atol=1e-3)


def test_group_weights_give_every_group_the_same_say():
    labels = np.array([0] * 90 + [1] * 30, np.int32)
    value = np.r_[np.ones(80, bool), np.zeros(10, bool), np.ones(5, bool), np.zeros(25, bool)]
    weights = group_weights(labels, value)
    sums = [weights[(labels == c) & (value == v)].sum() for c in (0, 1) for v in (True, False)]
    np.testing.assert_allclose(sums, 30)


def test_out_of_fold_has_not_seen_the_image():
    """Labels of pure noise cannot be told by a probe that has not seen them, and can be by one that has."""
    rng = np.random.default_rng(4)
    vectors, labels = rng.normal(size=(100, 200)).astype(np.float32), rng.integers(0, 2, 100).astype(np.int32)
    guess = linear.out_of_fold(vectors, labels, 2, 1.0, seed=0).argmax(1)
    assert (guess == labels).mean() < 0.65
    assert (Probe.fit(vectors, labels, 2, 1.0).predict(vectors) == labels).mean() == 1
    with pytest.raises(DataError, match="two images of every class"):
        linear.out_of_fold(vectors[:5], np.array([0, 0, 0, 0, 1], np.int32), 2, 1.0, seed=0)


def test_flipped_labels_of_clear_clusters_are_found_and_clean_ones_are_not_doubted():
    rng = np.random.default_rng(6)
    vectors, labels = clusters(rng, (60, 60, 60), apart=4)
    ids = [f"{i}.jpg" for i in range(180)]
    classes = ("a", "b", "c")
    clean = label_errors(ids, labels, classes, linear.out_of_fold(vectors, labels, 3, 1.0, seed=0))
    assert clean == ()
    given = labels.copy()
    flipped = rng.choice(180, 5, replace=False)
    given[flipped] = (labels[flipped] + 1) % 3
    found = label_errors(ids, given, classes, linear.out_of_fold(vectors, given, 3, 1.0, seed=0))
    assert {e.id for e in found} == {ids[i] for i in flipped}
    for error in found:
        i = ids.index(error.id)
        assert (error.given, error.suggested) == (classes[given[i]], classes[labels[i]])
    assert [e.score for e in found] == sorted((e.score for e in found), reverse=True)


def test_a_label_is_doubted_by_the_other_class_own_standard():
    """Class b's own images get 0.96 on average and 0.8 of that is 0.768, so 0.75 is no claim to it; 0.78 is."""
    probabilities = np.array([[0.9, 0.1], [0.25, 0.75], [0.22, 0.78], [0.04, 0.96], [0.04, 0.96]])
    found = label_errors(["p", "q", "r", "s", "t"], np.array([0, 0, 0, 1, 1]), ("a", "b"), probabilities)
    assert [(e.id, e.suggested, round(e.score, 2)) for e in found] == [("r", "b", 0.78)]


def test_nothing_is_claimed_below_seven_in_ten_however_unsure_the_class_is():
    probabilities = np.array([[0.9, 0.1], [0.31, 0.69], [0.29, 0.71], [0.6, 0.4], [0.6, 0.4]])
    found = label_errors(["p", "q", "r", "s", "t"], np.array([0, 0, 0, 1, 1]), ("a", "b"), probabilities)
    assert [e.id for e in found] == ["r"]


def test_each_image_is_asked_of_the_probe_that_has_not_seen_it():
    """Asked again about the pictures as they are, the probes say what they said; other rows took no part."""
    rng = np.random.default_rng(8)
    classes = np.repeat([0, 1], 30).astype(np.int32)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    rows = np.arange(60) % 6 != 0
    fit = linear.cross_fit(vectors, classes, 2, 0.1, seed=0, rows=rows)
    asked = np.flatnonzero(rows)[::-1]
    assert np.allclose(fit.predict_rows(vectors[asked], asked), fit.probabilities[asked])
    assert len(fit.probes) == 5
    assert (fit.fold[~rows] == -1).all()
    assert (fit.probabilities[~rows] == 0).all()
    with pytest.raises(DataError, match="left out of the cross-validation"):
        fit.predict_rows(vectors[:1], np.array([0]))


def test_a_large_cross_fit_agrees_with_scikit_learns(monkeypatch):
    """Same images, both ways: accuracies within half a point, probabilities alike, folds of the same kind."""
    vectors, labels = clusters(np.random.default_rng(4), (1500, 900, 600, 30), 24, apart=0.7)
    theirs = linear.cross_fit(vectors, labels, 4, 0.1, seed=1)
    monkeypatch.setattr(linear, "LARGE", 1000)
    ours = linear.cross_fit(vectors, labels, 4, 0.1, seed=1)
    assert (theirs.fold == ours.fold).all()
    right = [(fit.probabilities.argmax(1) == labels).mean() for fit in (theirs, ours)]
    assert abs(right[0] - right[1]) < 0.005
    assert abs(ours.probabilities - theirs.probabilities).mean() < 0.005
    np.testing.assert_allclose(ours.predict_rows(vectors[:50], np.arange(50)), ours.probabilities[:50], atol=1e-6)


def test_a_probe_of_a_sample_asks_every_image_and_learns_from_none_twice(monkeypatch):
    vectors, labels = clusters(np.random.default_rng(5), (3000, 2000, 60), 24, apart=0.7)
    whole = linear.cross_fit(vectors, labels, 3, 0.1, seed=0)
    monkeypatch.setattr(linear, "LARGE", 1000)
    monkeypatch.setattr(linear, "SAMPLED", 1500)
    rows = np.ones(len(labels), bool)
    rows[::7] = False
    some = linear.cross_fit(vectors, labels, 3, 0.1, seed=0, rows=rows)
    assert ((some.fold >= 0) == rows).all()
    np.testing.assert_allclose(some.probabilities[rows].sum(1), 1, atol=1e-6)
    assert not some.probabilities[~rows].any()
    right = [(fit.probabilities.argmax(1) == labels)[rows].mean() for fit in (whole, some)]
    assert abs(right[0] - right[1]) < 0.02


def test_what_a_large_probe_says_of_random_labels_is_chance(monkeypatch):
    """Leakage between folds would show: labels that mean nothing must not be known."""
    rng = np.random.default_rng(6)
    vectors, labels = rng.normal(size=(2000, 40)).astype(np.float32), rng.integers(0, 4, 2000).astype(np.int32)
    monkeypatch.setattr(linear, "LARGE", 500)
    monkeypatch.setattr(linear, "SAMPLED", 700)
    right = (linear.cross_fit(vectors, labels, 4, 1.0, seed=0).probabilities.argmax(1) == labels).mean()
    assert 0.21 < right < 0.29  # 0.25 +- 4 standard errors


def test_a_sample_keeps_small_classes_and_shares():
    labels = np.repeat(np.arange(3), (9000, 900, 20)).astype(np.int32)
    rows = linear.sampled(labels, np.random.default_rng(0), 990)
    assert np.bincount(labels[rows]).tolist() == [899, 90, 20]
    assert len(np.unique(rows)) == len(rows)


def test_a_large_probe_with_weights_is_the_small_one(monkeypatch):
    vectors, labels = clusters(np.random.default_rng(7), (500, 300), 12, apart=0.4)
    weights = np.where(np.arange(800) % 3 == 0, 2.0, 0.5)
    small = Probe.fit(vectors, labels, 2, 0.1, weights)
    monkeypatch.setattr(linear, "LARGE", 100)
    large = Probe.fit(vectors, labels, 2, 0.1, weights)
    assert abs(small.probabilities(vectors) - large.probabilities(vectors)).max() < 0.02


def copied(n: int, times: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of two classes of `n` pictures whose ground gives the class away in nine of ten, each in `times` near-copies; the
    labels, whether the ground follows the rule, and the number of the picture."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], n).astype(np.int32)
    follows = rng.random(2 * n) < 0.9
    ground = np.where(follows, labels, 1 - labels)
    vectors = rng.normal(0, 1, (2 * n, 64))
    vectors[:, 0] += 4 * ground
    vectors[:, 1] += 1.5 * labels
    picture = np.repeat(np.arange(2 * n), times).astype(np.int32)
    near = vectors[picture] + rng.normal(0, 0.02, (2 * n * times, 64))
    return near.astype(np.float32), labels[picture], follows[picture], picture


def gap_of(vectors, labels, follows, groups=None) -> float:
    right = linear.cross_fit(vectors, labels, 2, 0.1, seed=0, groups=groups).probabilities.argmax(1) == labels
    return float(right[follows].mean() - right[~follows].mean())


def test_copies_in_one_fold_leave_the_reliance_gap_as_it_is_without_copies():
    """With each picture four times a probe has seen a copy of every image that breaks the rule."""
    alone, hidden, kept = [], [], []
    for seed in range(5):
        alone.append(gap_of(*copied(60, 1, seed)[:3]))
        vectors, labels, follows, picture = copied(60, 4, seed)
        hidden.append(gap_of(vectors, labels, follows))
        kept.append(gap_of(vectors, labels, follows, picture))
    assert np.mean(alone) > 0.3
    assert np.mean(hidden) < np.mean(alone) / 2
    assert abs(np.mean(kept) - np.mean(alone)) < 0.1


def test_wrong_labels_of_copied_pictures_are_doubted():
    """All four copies of six pictures have the wrong label."""
    vectors, labels, _, picture = copied(60, 4)
    vectors[:, 1] += 3 * labels
    wrong = np.isin(picture, np.random.default_rng(1).permutation(120)[:6])
    given = np.where(wrong, 1 - labels, labels).astype(np.int32)
    named = [
        (linear.cross_fit(vectors, given, 2, 0.1, seed=0, groups=g).probabilities.argmax(1) != given)[wrong].mean()
        for g in (None, picture)
    ]
    assert named[0] < 0.5 < 0.8 < named[1]


def test_without_copies_the_folds_are_those_without_groups():
    """The null."""
    vectors, labels, _, picture = copied(40, 1)
    one, other = (linear.cross_fit(vectors, labels, 2, 0.1, seed=0, groups=g) for g in (None, picture))
    np.testing.assert_array_equal(one.fold, other.fold)
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_a_large_cross_fit_keeps_copies_in_one_fold_inside_the_sample_and_out(monkeypatch):
    monkeypatch.setattr(linear, "LARGE", 200)
    learnt = np.arange(0, 480, 7)  # of most pictures one copy
    monkeypatch.setattr(linear, "sampled", lambda labels, rng: learnt)
    vectors, labels, _, picture = copied(60, 4)
    fold = linear.cross_fit(vectors, labels, 2, 0.1, seed=0, groups=picture).fold
    assert (fold >= 0).all()
    for k in np.unique(picture[learnt]):
        assert len(np.unique(fold[picture == k])) == 1
