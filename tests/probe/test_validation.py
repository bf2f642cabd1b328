"""Verdicts on worlds where the shortcut, the cure and the luck are made to order."""

from __future__ import annotations

import numpy as np
import pytest

from curator.config import ValidateSettings
from curator.probe.groups import Groups, Holdout, TrainingSet
from curator.probe.validation import compare

SETTINGS = ValidateSettings(c_grid=(0.1,), n_random=20, n_bootstrap=200, n_seeds=40)
QUICK = ValidateSettings(c_grid=(0.1,), n_random=20, n_bootstrap=200, n_seeds=25)


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


def held(data: TrainingSet, smallest=5) -> Holdout:
    return Holdout(data.vectors, data.labels, Groups.of(data.labels, data.value, 2, smallest))


def examine(seed: int, choose, settings=SETTINGS, **options):
    """Before: 5 % break the rule; of a pool where 15 % do, `choose(pool, rng)` picks 30; tested half and half."""
    rng = np.random.default_rng(seed)
    before, pool, test = world(rng, 120, 0.05), world(rng, 400, 0.15), world(rng, 200, 0.5)
    return compare(
        before, pool.take(choose(pool, rng)), pool, options.pop("test", held(test)), ("bunny", "hen"), class_idx=0,
        attribute="grass", value="yes", settings=settings, rng=rng, seed=seed, **options,
    )  # fmt: skip


def breaking_ones(pool, rng):
    return np.flatnonzero((pool.labels == 0) != pool.value)[:30]


def any_ones(pool, rng):
    return rng.permutation(len(pool.labels))[:30]


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
    """The null: a recommendation that is a random draw itself. At most 5 in 100 may be called an improvement, and the
    interval is as wide as such gains are spread."""
    reports = [examine(seed, any_ones, QUICK) for seed in range(100)]
    assert sum(r.verdict != "no evidence of improvement" for r in reports) <= 5
    gains = np.array([r.gain_over_random[0] for r in reports])
    ci = np.array([r.gain_over_random[1] for r in reports])
    assert abs(gains.mean()) < 0.03
    assert 0.7 < (ci[:, 1] - ci[:, 0]).mean() / (2 * 1.96) / gains.std() < 1.5
    # The ends are missed about as often as 2.5 % of the time each.
    assert (ci[:, 0] > 0).sum() <= 7


def test_the_interval_knows_that_another_training_set_would_do_otherwise():
    """A test set so large that it hardly matters: gains differ by what there is to learn from, and intervals are as wide."""
    gains, widths = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        before, pool, test = world(rng, 60, 0.1), world(rng, 400, 0.15), world(rng, 3000, 0.5)
        report = compare(
            before, pool.take(any_ones(pool, rng)), pool, held(test), ("bunny", "hen"), class_idx=0, attribute="grass",
            value="yes", settings=QUICK, rng=rng, seed=seed,
        )  # fmt: skip
        gains.append(report.gain_over_random[0])
        widths.append(np.diff(report.gain_over_random[1])[0])
    assert 0.7 < np.mean(widths) / (2 * 1.96) / np.std(gains) < 1.6


def test_luck_alone_is_not_called_an_improvement():
    """To be better than all of 18 single draws happens once in 19 times by luck: no interval makes up for so few."""
    rng = np.random.default_rng(3)
    before, pool, test = world(rng, 120, 0.05), world(rng, 400, 0.15), held(world(rng, 200, 0.5))
    few = ValidateSettings(c_grid=(0.1,), n_random=18, n_bootstrap=100, n_seeds=20)
    report = compare(
        before, pool.take(breaking_ones(pool, rng)), pool, test, ("bunny", "hen"), class_idx=0, attribute="grass",
        value="yes", settings=few, rng=rng, seed=0,
    )  # fmt: skip
    assert report.gain_over_random[1][0] > 0
    assert report.verdict == "no evidence of improvement"


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
    report = compare(
        before, cure, usual, held(test), ("bunny", "hen"), class_idx=0, attribute="grass", value="yes",
        settings=SETTINGS, rng=rng, seed=0,
    )  # fmt: skip
    groups = {(g.class_name, g.value): g.accuracy for g in report.arms["recommended"].groups}
    assert abs(groups["bunny", "yes"] - groups["bunny", "not yes"]) < 0.12
    assert report.verdict == "fixed"


def test_a_gap_that_cannot_be_seen_is_not_called_closed():
    """Without bunnies on grass in the test set nothing shows whether the gap has gone."""
    rng = np.random.default_rng(8)
    test = world(rng, 300, 0.5)
    test = test.take(np.flatnonzero(~((test.labels == 0) & test.value)))
    report = examine(0, breaking_ones, test=held(test))
    assert ("bunny", "yes") not in {(g.class_name, g.value) for g in report.arms["before"].groups}
    assert report.verdict == "improved"
    assert all(np.isnan(p.reliance) for p in report.curve)


def test_nothing_to_add_has_no_gain_and_no_arm():
    report = examine(0, lambda pool, rng: np.zeros(0, int))
    assert set(report.arms) == {"before", "reweighted"}
    assert (report.gain_over_random, report.verdict) == (None, "no evidence of improvement")


def test_reweighting_helps_the_worst_group():
    reports = [examine(seed, any_ones) for seed in range(6)]
    gains = [r.arms["reweighted"].worst_group.accuracy - r.arms["before"].worst_group.accuracy for r in reports]
    assert np.mean(gains) > 0.1


def test_figures_are_what_they_are_called():
    report = examine(1, breaking_ones, batches=(0, 10, 30), notes=("as is",))
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
    assert [p.n_added for p in report.curve] == [0, 10, 30]
    for point in report.curve:
        for p in (point, point.random):
            assert p.ci[0] <= p.worst_group <= p.ci[1]
            assert p.reliance_ci[0] <= p.reliance <= p.reliance_ci[1]
    assert report.curve[0].random.worst_group == report.curve[0].worst_group
    assert report.curve[-1].random.worst_group == report.arms["random"].worst_group.accuracy
    assert report.curve[-1].ci == report.arms["recommended"].worst_group.ci
    assert report.curve[-1].worst_group == report.arms["recommended"].worst_group.accuracy
    groups = {(g.class_name, g.value): g.accuracy for g in report.arms["recommended"].groups}
    gaps = groups["bunny", "yes"] - groups["bunny", "not yes"], groups["hen", "not yes"] - groups["hen", "yes"]
    assert report.curve[-1].reliance == pytest.approx(np.mean(gaps))
    assert report.notes == ("as is",)
    assert examine(1, breaking_ones, batches=(0, 10, 30), notes=("as is",)) == report


def test_a_group_that_is_all_right_is_not_certain():
    rng = np.random.default_rng(9)
    vectors, labels = clusters(rng, (20, 20), apart=8)
    data = TrainingSet(vectors, labels, np.tile([True, False], 20))
    report = compare(
        data, data.take(np.zeros(0, int)), data, held(data), ("a", "b"), class_idx=0, attribute="x", value="yes",
        settings=SETTINGS, rng=rng, seed=0,
    )  # fmt: skip
    worst = report.arms["before"].worst_group
    assert (worst.accuracy, worst.n) == (1, 10)
    assert worst.ci == pytest.approx((10 / (10 + 1.959964**2), 1), abs=1e-4)


def test_the_curve_falls_with_the_right_images_and_hardly_with_any_others():
    reports = [examine(seed, breaking_ones, batches=(0, 15, 30)) for seed in range(5)]
    gaps = np.array([[p.reliance for p in r.curve] for r in reports])
    control = np.array([[p.random.reliance for p in r.curve] for r in reports])
    assert (gaps[:, 0] - gaps[:, -1] > 0.15).all()
    assert ((gaps[:, 0] - gaps[:, -1]) > 1.5 * (control[:, 0] - control[:, -1])).all()
    assert (np.diff(gaps.mean(0)) < 0).all()


def test_a_fix_that_ruins_the_rest_is_said_to():
    """Hens off the grass only, and labelled bunnies: the bunnies' worst group gains what the hens lose."""

    def hens_called_bunnies(pool, rng):
        return np.flatnonzero((pool.labels == 1) & ~pool.value)[:30]

    rng = np.random.default_rng(0)
    before, pool, test = world(rng, 120, 0.05), world(rng, 400, 0.15), held(world(rng, 400, 0.5))
    wrong = pool.take(hens_called_bunnies(pool, rng))
    wrong = TrainingSet(np.repeat(wrong.vectors, 3, 0), np.zeros(90, np.int32), np.zeros(90, bool))
    ruined = compare(
        before, wrong, pool, test, ("bunny", "hen"), class_idx=0, attribute="grass", value="yes",
        settings=SETTINGS, rng=rng, seed=0,
    )  # fmt: skip
    value, ci = ruined.average_change
    assert value < -0.1
    assert ci[1] < 0
    assert ruined.verdict != "fixed"
    assert any("mean over all groups" in note for note in ruined.notes)
    for seed in range(5):
        sound = examine(seed, breaking_ones)
        assert not any("mean over all groups" in note for note in sound.notes)
        assert sound.average_change[1][1] > 0


def test_the_average_is_over_the_make_up_of_the_training_set():
    report = examine(2, breaking_ones)
    rng = np.random.default_rng(2)
    before = world(rng, 120, 0.05)
    usual = [((before.labels == c) & (before.value == v)).sum() for c in (0, 1) for v in (True, False)]
    for arm in report.arms.values():
        groups = [g.accuracy for g in arm.groups]
        assert arm.average_accuracy == pytest.approx(np.average(groups, weights=usual))
    assert report.average_change[0] == pytest.approx(
        report.arms["recommended"].average_accuracy - report.arms["before"].average_accuracy
    )


def test_the_oracle_fills_the_emptiest_cells():
    """It knows which images break the rule: as good as the right recommendation, better than random."""
    reports = [examine(seed, breaking_ones, oracle=True) for seed in range(5)]
    for report in reports:
        worst = {name: arm.worst_group.accuracy for name, arm in report.arms.items()}
        assert worst["oracle"] > worst["random"] + 0.1
        assert abs(worst["oracle"] - worst["recommended"]) < 0.15
        assert report.arms["oracle"].n_train == 150


@pytest.mark.parametrize(("n_added", "others"), [(30, 0), (30, 1), (0, 0)])
def test_progress_counts_every_probe_that_is_fitted(n_added: int, others: int) -> None:
    told: list[tuple[int, int]] = []
    rng = np.random.default_rng(0)
    more = {"synthetic": world(rng, 10, 0.5)} if others else {}
    examine(
        0, lambda pool, rng: any_ones(pool, rng)[:n_added], QUICK, oracle=True, others=more,
        batches=(0, 10, 20, 30) if n_added else (0,), progress=lambda done, n: told.append((done, n)),
    )  # fmt: skip
    counts = [done for done, _ in told]
    assert counts == sorted(set(counts))
    assert {n for _, n in told} == {counts[-1]}  # it ends where it said it would
