"""The probe against scikit-learn, and its verdicts on worlds where the shortcut, the cure and the luck are made to order."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from curator import probing
from curator.config import ValidateSettings
from curator.errors import DataError
from curator.probing import Groups, Holdout, Probe, TrainingSet, compare, group_weights, label_errors

SETTINGS = ValidateSettings(c_grid=(0.1,), n_random=20, n_bootstrap=200)


def clusters(rng, sizes, dim=16, apart=1.5):
    """One Gaussian per class along its own axis."""
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    vectors = rng.normal(size=(len(labels), dim)).astype(np.float32)
    vectors[np.arange(len(labels)), labels] += apart * 2
    return vectors, labels


def world(rng, n, breaking, dim=6) -> TrainingSet:
    """Two classes: the class moves axis 0 a little, the value axis 1 a lot; `breaking` of the images break the rule."""
    labels = rng.integers(0, 2, n).astype(np.int32)
    value = (labels == 0) ^ (rng.random(n) < breaking)
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    vectors[:, 0] += 1.2 * (2 * labels - 1)
    vectors[:, 1] += 2.0 * (2 * value - 1)
    return TrainingSet(vectors, labels, value)


def rows(data: TrainingSet, idx) -> TrainingSet:
    return TrainingSet(data.vectors[idx], data.labels[idx], data.value[idx])


def held(data: TrainingSet, smallest=5) -> Holdout:
    return Holdout(data.vectors, data.labels, Groups.of(data.labels, data.value, 2, smallest))


def examine(seed: int, choose, settings=SETTINGS, **options):
    """Before: 5 % break the rule; of a pool where 15 % do, `choose(pool, rng)` picks 30; tested half and half."""
    rng = np.random.default_rng(seed)
    before, pool, test = world(rng, 120, 0.05), world(rng, 400, 0.15), world(rng, 200, 0.5)
    random = [rows(pool, rng.permutation(400)[:30]) for _ in range(settings.n_random)]
    recommended = rows(pool, choose(pool, rng))
    return compare(
        before, recommended, random, options.pop("test", held(test)), ("bunny", "hen"), class_idx=0,
        attribute="grass", value="yes", settings=settings, rng=rng, seed=seed, **options,
    )  # fmt: skip


def breaking_ones(pool, rng):
    return np.flatnonzero((pool.labels == 0) != pool.value)[:30]


def any_ones(pool, rng):
    return rng.permutation(len(pool.labels))[:30]


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
    with pytest.raises(DataError, match="at least two classes"):
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
    guess = probing.out_of_fold(vectors, labels, 2, 1.0, seed=0).argmax(1)
    assert (guess == labels).mean() < 0.65
    assert (Probe.fit(vectors, labels, 2, 1.0).predict(vectors) == labels).mean() == 1
    with pytest.raises(DataError, match="two images of every class"):
        probing.out_of_fold(vectors[:5], np.array([0, 0, 0, 0, 1], np.int32), 2, 1.0, seed=0)


def test_choose_c_regularises_what_is_noisy_and_takes_the_strongest_of_equals():
    rng = np.random.default_rng(5)
    vectors, labels = clusters(rng, (30, 30), 8, apart=6)
    assert probing.choose_c(vectors, labels, 2, (1.0, 0.01, 0.1), seed=0) == 0.01
    vectors, labels = clusters(rng, (400, 20), 2, apart=1.5)
    assert probing.choose_c(vectors, labels, 2, (1e-6, 1.0), seed=0) == 1.0


def test_flipped_labels_of_clear_clusters_are_found_and_clean_ones_are_not_doubted():
    rng = np.random.default_rng(6)
    vectors, labels = clusters(rng, (60, 60, 60), apart=4)
    ids = [f"{i}.jpg" for i in range(180)]
    classes = ("a", "b", "c")
    clean = label_errors(ids, labels, classes, probing.out_of_fold(vectors, labels, 3, 1.0, seed=0))
    assert clean == ()
    given = labels.copy()
    flipped = rng.choice(180, 5, replace=False)
    given[flipped] = (labels[flipped] + 1) % 3
    found = label_errors(ids, given, classes, probing.out_of_fold(vectors, given, 3, 1.0, seed=0))
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


def test_small_groups_are_left_out_and_none_left_is_an_error():
    labels = np.array([0] * 9 + [1] * 6, np.int32)
    value = np.array([True] * 5 + [False] * 4 + [True] * 6)
    groups = Groups.of(labels, value, 2, smallest=5)
    assert groups.names == ((0, True), (1, True))
    assert groups.masks.sum(1).tolist() == [5, 6]
    with pytest.raises(DataError, match="has 7 images; give a larger --test"):
        Groups.of(labels, value, 2, smallest=7)


def test_group_accuracies_by_hand():
    groups = Groups.of(np.array([0, 0, 0, 1]), np.array([True, True, False, True]), 2, 1)
    right = np.array([1, 0, 1, 0])
    assert groups.accuracies(right).tolist() == [0.5, 1, 0]
    assert groups.accuracies(right, np.array([3.0, 1, 1, 1])).tolist() == [0.75, 1, 0]


def test_adding_the_images_that_break_the_rule_is_seen_to_help():
    reports = [examine(seed, breaking_ones) for seed in range(8)]
    for report in reports:
        assert report.verdict in ("improved", "fixed")
        gain, (low, high) = report.gain_over_random
        assert 0 < low < gain < high
        assert gain > 0.15
        arms = report.arms
        worst = arms["before"].worst_group
        assert (worst.class_name, worst.value) in {("bunny", "not yes"), ("hen", "yes")}
        assert arms["recommended"].worst_group.accuracy > arms["random"].worst_group.accuracy
        assert (arms["before"].n_train, arms["recommended"].n_train, arms["random"].n_train) == (120, 150, 150)


def test_images_drawn_like_the_random_arm_are_no_evidence():
    """The null: of 40 such comparisons at most a tenth may be called an improvement (the rank alone allows 1 in 20)."""
    quick = ValidateSettings(c_grid=(0.1,), n_random=19, n_bootstrap=100)
    verdicts = [examine(seed, any_ones, quick).verdict for seed in range(40)]
    assert verdicts.count("no evidence of improvement") >= 36


def test_adding_more_of_the_same_is_no_evidence():
    def obeying(pool, rng):
        return np.flatnonzero((pool.labels == 0) == pool.value)[:30]

    for seed in range(5):
        report = examine(seed, obeying)
        assert report.verdict == "no evidence of improvement"
        assert report.gain_over_random[0] < 0.02


def test_a_closed_gap_is_called_fixed():
    """Enough images that break the rule that the class does as well off the grass as on it."""
    rng = np.random.default_rng(7)
    before, test, cure, usual = (world(rng, n, b) for n, b in [(100, 0.05), (300, 0.5), (600, 0.5), (600, 0.05)])
    random = [rows(usual, rng.permutation(600)[:200]) for _ in range(20)]
    report = compare(
        before, cure, random, held(test), ("bunny", "hen"), class_idx=0, attribute="grass", value="yes",
        settings=SETTINGS, rng=rng, seed=0,
    )  # fmt: skip
    groups = {(g.class_name, g.value): g.accuracy for g in report.arms["recommended"].groups}
    assert abs(groups["bunny", "yes"] - groups["bunny", "not yes"]) < 0.12
    assert report.verdict == "fixed"


def test_a_gap_that_cannot_be_seen_is_not_called_closed():
    """Without bunnies on grass in the test set nothing shows whether the gap has gone."""
    rng = np.random.default_rng(8)
    test = world(rng, 300, 0.5)
    test = rows(test, np.flatnonzero(~((test.labels == 0) & test.value)))
    report = examine(0, breaking_ones, test=held(test))
    assert ("bunny", "yes") not in {(g.class_name, g.value) for g in report.arms["before"].groups}
    assert report.verdict == "improved"


def test_nothing_to_add_has_no_gain_and_no_arm():
    report = examine(0, lambda pool, rng: np.zeros(0, int))
    assert set(report.arms) == {"before", "reweighted"}
    assert (report.gain_over_random, report.verdict) == (None, "no evidence of improvement")


def test_reweighting_helps_the_worst_group():
    reports = [examine(seed, any_ones) for seed in range(6)]
    gains = [r.arms["reweighted"].worst_group.accuracy - r.arms["before"].worst_group.accuracy for r in reports]
    assert np.mean(gains) > 0.1


def test_figures_are_what_they_are_called():
    report = examine(1, breaking_ones, batches=(10, 30), notes=("as is",))
    for arm in report.arms.values():
        n = np.array([g.n for g in arm.groups])
        accuracies = np.array([g.accuracy for g in arm.groups])
        assert n.sum() == 200
        assert arm.accuracy == pytest.approx((n * accuracies).sum() / n.sum())
        assert arm.worst_group.accuracy == accuracies.min()
        assert arm.accuracy_ci[0] <= arm.accuracy <= arm.accuracy_ci[1]
        assert arm.accuracy_ci[1] - arm.accuracy_ci[0] < 0.2
        by_class = [
            (n[here] * accuracies[here]).sum() / n[here].sum()
            for here in ([g.class_name == c for g in arm.groups] for c in ("bunny", "hen"))
        ]
        assert arm.balanced_accuracy == pytest.approx(np.mean(by_class))
        for group in arm.groups:
            assert 0 <= group.ci[0] <= group.accuracy <= group.ci[1] <= 1
    assert [p.n_added for p in report.curve] == [10, 30]
    assert report.curve[-1].worst_group == report.arms["recommended"].worst_group.accuracy
    groups = {(g.class_name, g.value): g.accuracy for g in report.arms["recommended"].groups}
    assert report.curve[-1].reliance == pytest.approx(groups["bunny", "yes"] - groups["bunny", "not yes"])
    assert report.notes == ("as is",)
    assert examine(1, breaking_ones, batches=(10, 30), notes=("as is",)) == report


def test_a_group_that_is_all_right_is_not_certain():
    rng = np.random.default_rng(9)
    vectors, labels = clusters(rng, (20, 20), apart=8)
    data = TrainingSet(vectors, labels, np.tile([True, False], 20))
    report = compare(
        data, data.first(0), [], held(data), ("a", "b"), class_idx=0, attribute="x", value="yes", settings=SETTINGS,
        rng=rng, seed=0,
    )  # fmt: skip
    worst = report.arms["before"].worst_group
    assert (worst.accuracy, worst.n) == (1, 10)
    assert worst.ci == pytest.approx((10 / (10 + 1.959964**2), 1), abs=1e-4)


def test_each_image_is_asked_of_the_probe_that_has_not_seen_it():
    """Asked again about the pictures as they are, the probes say what they said; other rows took no part."""
    rng = np.random.default_rng(8)
    classes = np.repeat([0, 1], 30).astype(np.int32)
    vectors = rng.normal(size=(60, 5)).astype(np.float32)
    rows = np.arange(60) % 6 != 0
    fit = probing.cross_fit(vectors, classes, 2, 0.1, seed=0, rows=rows)
    asked = np.flatnonzero(rows)[::-1]
    assert np.allclose(fit.predict_rows(vectors[asked], asked), fit.probabilities[asked])
    assert len(fit.probes) == 5
    assert (fit.fold[~rows] == -1).all()
    assert (fit.probabilities[~rows] == 0).all()
    with pytest.raises(DataError, match="took no part"):
        fit.predict_rows(vectors[:1], np.array([0]))
