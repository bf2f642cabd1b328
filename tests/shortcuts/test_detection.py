"""The audit on data whose truth is known: nothing planted, something planted, and every shape of data in between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from changed import replace
from planted import drawn, exactly, flag, indicators, labels
from scipy import stats as scipy_stats

from curator.config import AuditSettings
from curator.report.wording import percent
from curator.shortcuts import detection
from curator.shortcuts.detection import audit
from curator.shortcuts.indicators import natural_cut
from curator.types import Audit, Column, Confirmation, Finding, Reliance

QUICK = AuditSettings(n_permutations=0)
COLOUR = Column("background.colour", "tags", "context", "have a {value} background", "on something other than {value}")
SHARP = Column("sharpness", "number", "image", "have sharpness {value}", "with sharpness not {value}")


def run(table, classes, settings=QUICK, names=None, seed=0, **options) -> Audit:
    names = names or tuple(f"class{k}" for k in range(int(classes.max()) + 1))
    return audit(table, classes, names, settings, np.random.default_rng(seed), **options)


def noise(rng, classes) -> dict:
    """Three flags, a category and a number that know nothing of the class."""
    n = len(classes)
    return {
        "rare": rng.random(n) < 0.1,
        "half": rng.random(n) < 0.5,
        "usual": rng.random(n) < 0.85,
        "background.colour": rng.choice(["green", "grey", "white", "green|white"], n),
        "sharpness": rng.normal(size=n),
    }


@pytest.mark.parametrize("sizes", [(60, 60), (108, 12), (40,) * 4, (150, 10, 10, 10), (20,) * 10], ids=str)
def test_null_rate_of_sets_with_a_finding_is_at_most_alpha(sizes):
    """Nothing is planted: of 200 sets, those with any finding lie at or below the upper end of alpha's binomial band."""
    classes, rng = labels(*sizes), np.random.default_rng(11)
    cried = sum(bool(run(indicators(noise(rng, classes), [COLOUR, SHARP]), classes).findings) for _ in range(200))
    assert cried <= scipy_stats.binom.ppf(0.99, 200, QUICK.alpha)


def test_null_with_labels_shuffled_over_strongly_tied_attributes():
    """Ten copies of one noise attribute are one chance to be wrong, not ten: the rate stays under alpha."""
    classes, rng, cried = labels(40, 40, 40), np.random.default_rng(12), 0
    for _ in range(150):
        one = rng.random(120) < 0.4
        cried += bool(run(indicators({f"copy{i}": one for i in range(10)}), rng.permutation(classes)).findings)
    assert cried <= scipy_stats.binom.ppf(0.99, 150, QUICK.alpha)


def test_planted_share_is_found_with_its_class_and_size():
    """0.9 of class 1 against 0.1 elsewhere; over 40 sets the intervals hold the truth about as often as they say."""
    classes, rng = labels(60, 60, 60, 60), np.random.default_rng(13)
    held = []
    for _ in range(40):
        found = run(
            indicators({"grass": drawn(rng, classes, {1: 0.9}, 0.1), **noise(rng, classes)}, [COLOUR, SHARP]), classes
        )
        top = found.findings[0]
        assert (top.id, found.verdict, top.severity) == ("class1:grass=yes", "shortcuts found", "high")
        assert abs(top.effect - 0.8) < 0.2
        assert top.times == pytest.approx(top.share_in_class / top.share_elsewhere)
        assert top.effect_ci[0] < top.effect < top.effect_ci[1]
        held += [
            top.effect_ci[0] <= 0.8 <= top.effect_ci[1],
            top.share_in_class_ci[0] <= 0.9 <= top.share_in_class_ci[1],
            top.share_elsewhere_ci[0] <= 0.1 <= top.share_elsewhere_ci[1],
        ]
    assert np.mean(held) >= 0.9


def test_p_is_fishers_and_counts_are_right():
    classes = labels(20, 30)
    grass = exactly(classes, {0: 17, 1: 4})
    (found,) = run(indicators({"grass": grass}), classes).findings
    want = scipy_stats.fisher_exact([[17, 3], [4, 26]], alternative="greater").pvalue
    assert found.p == pytest.approx(want, rel=1e-9)
    # Two classes x (yes, no): of the four tests two are this one, seen from either side, and two point away from it.
    assert found.q == pytest.approx(2 * want, rel=1e-9)
    assert (found.n_class, found.n_with, found.share_in_class) == (20, 17, 0.85)
    assert found.share_elsewhere == pytest.approx(4 / 30)
    assert found.effect == pytest.approx(17 / 20 - 4 / 30)


def test_the_cuts_of_one_number_are_one_test_paid_for():
    """Five quantiles, and where the numbers part best, each read from two sides: the last pays 4-fold, the quantiles 20-fold.
    `n_tests` counts the number once per class."""
    classes = labels(20, 20)
    number = np.r_[np.linspace(0, 1, 20) + 0.9, np.linspace(0, 1, 20)]
    result = run(indicators({"sharpness": number}, [SHARP]), classes)
    assert result.n_tests == 2
    (found,) = result.findings
    side, cut = found.value.startswith("below"), float(found.value.removeprefix("below ").removesuffix(" or above"))
    has = number < cut if side else number >= cut
    inside = classes == ["class0", "class1"].index(found.class_name)
    counts = [[(has & inside).sum(), (~has & inside).sum()], [(has & ~inside).sum(), (~has & ~inside).sum()]]
    cost = 4 if cut == pytest.approx(natural_cut(number), abs=0.01) else 20
    assert found.p == pytest.approx(cost * scipy_stats.fisher_exact(counts, alternative="greater").pvalue, rel=1e-6)


@pytest.mark.parametrize(
    "values", [np.arange(100.0), np.r_[np.zeros(50), np.ones(50)], np.r_[np.zeros(80), np.arange(20)]]
)
def test_what_the_cuts_of_a_number_pay_is_what_one_test_may_cost(values):
    table = indicators({"sharpness": values}, [SHARP])
    assert 0.4 < sum(1 / cost for cost in table.costs) < 1 + 1e-9  # values that no image has are not there


@pytest.mark.parametrize("majority", [0.5, 0.7, 0.8, 0.9, 0.95])
def test_noise_passes_whatever_the_majority(majority):
    """A tool that takes the majority class's index for its size flags pure noise from 70 % on."""
    classes, rng = labels(round(5000 * majority), round(5000 * (1 - majority))), np.random.default_rng(14)
    for _ in range(5):
        assert run(indicators({"noise": rng.random(5000) < 0.4}), classes).verdict == "none found"


@pytest.mark.parametrize("aligned", [0.7, 0.8, 0.9, 0.95])
def test_two_classes_aligned_with_an_attribute_are_one_finding(aligned):
    classes, rng = labels(2500, 2500), np.random.default_rng(15)
    (found,) = run(indicators({"grass": drawn(rng, classes, {0: aligned}, 1 - aligned)}), classes).findings
    assert (found.id, found.same_as) == ("class0:grass=yes", ("class1:grass=no",))
    assert found.effect == pytest.approx(2 * aligned - 1, abs=0.05)


@pytest.mark.parametrize("n_classes", [5, 10, 50])
def test_one_class_of_many_is_found_and_named_once(n_classes):
    """ONE class with 90 % against 10 %: the association over all classes is weak, the class's own is not."""
    classes, rng = labels(*[5000 // n_classes] * n_classes), np.random.default_rng(16)
    (found,) = run(indicators({"grass": drawn(rng, classes, {2: 0.9}, 0.1)}), classes).findings
    assert (found.id, found.severity) == ("class2:grass=yes", "high")
    assert found.effect == pytest.approx(0.8, abs=0.08)


def test_two_names_of_one_attribute_are_one_finding():
    classes, rng = labels(60, 60, 60, 60), np.random.default_rng(17)
    for _ in range(20):
        grass = drawn(rng, classes, {0: 0.95}, 0.05)
        green = grass ^ (rng.random(240) < 0.03)
        (found,) = run(indicators({"grass": grass, "green": green}), classes).findings
        other = {"grass": "green", "green": "grass"}[found.attribute]
        assert found.class_name == "class0"
        assert f"{other}=yes" in found.same_as


@pytest.mark.parametrize("second", [0, 1])
def test_two_independent_shortcuts_are_two_findings(second):
    """Of one class or of two, each is reported once, and neither is said to be the other."""
    classes, rng, right = labels(60, 60, 60, 60), np.random.default_rng(18), 0
    for _ in range(20):
        columns = {"grass": drawn(rng, classes, {0: 0.9}, 0.1), "dark": drawn(rng, classes, {second: 0.9}, 0.1)}
        found = run(indicators(columns), classes).findings
        ids = {f.id for f in found}
        assert {"class0:grass=yes", f"class{second}:dark=yes"} <= ids
        right += len(found) == 2
        assert all(f.attribute in same for f in found for same in f.same_as)
    assert right >= 19


@pytest.mark.parametrize("n_classes", [2, 3, 6])
def test_a_flawless_shortcut_is_one_finding_too(n_classes):
    """All of the class and none elsewhere: nothing varies inside the classes, and yet "not grass" is the same news."""
    classes = labels(*[40] * n_classes)
    (found,) = run(indicators({"grass": classes == 0}), classes).findings
    assert found.id == "class0:grass=yes"
    assert len(found.same_as) == n_classes - 1
    (found,) = run(
        indicators({"background.colour": np.where(classes == 0, "green", "grey")}, [COLOUR]), classes
    ).findings
    assert found.id == "class0:background.colour=green"


def test_what_others_have_more_of_because_one_class_has_none_is_not_news():
    """Class 0 is green, so every other colour is commoner in the other classes than "elsewhere"."""
    classes, rng, right = labels(60, 60, 60, 60), np.random.default_rng(19), 0
    for _ in range(40):
        other = rng.choice(["grey", "white", "brown"], 240)
        colour = np.where(drawn(rng, classes, {0: 0.9}, 0.1), "green", other)
        found = run(indicators({"background.colour": colour}, [COLOUR]), classes).findings
        assert found[0].id == "class0:background.colour=green"
        right += len(found) == 1
    assert right >= 36


def test_two_classes_with_a_colour_each_are_two_findings():
    classes, rng, right = labels(60, 60, 60, 60), np.random.default_rng(20), 0
    for _ in range(20):
        colour = rng.choice(["green", "grey", "white", "brown"], 240)
        colour = np.where(drawn(rng, classes, {0: 0.9}, 0), "green", colour)
        colour = np.where(drawn(rng, classes, {1: 0.9}, 0), "white", colour)
        ids = {f.id for f in run(indicators({"background.colour": colour}, [COLOUR]), classes).findings}
        assert {"class0:background.colour=green", "class1:background.colour=white"} <= ids
        right += len(ids) == 2
    assert right >= 17


@pytest.mark.parametrize("n_classes", [3, 5, 11])
def test_every_class_with_a_colour_of_its_own_is_a_finding(n_classes):
    """The last of them too, for which leaving out all the others would leave nothing."""
    classes, rng = labels(*[40] * n_classes), np.random.default_rng(25)
    own = np.array([f"colour{c}" for c in classes])
    colour = np.where(rng.random(len(classes)) < 0.9, own, rng.permutation(own))
    found = run(indicators({"background.colour": colour}, [COLOUR]), classes).findings
    assert sorted(f.id for f in found) == sorted(f"class{c}:background.colour=colour{c}" for c in range(n_classes))


def test_the_folded_name_that_reads_best_leads():
    """Of two that say the same, the surroundings in words go before a number of the whole picture."""
    classes, rng = labels(50, 50, 50), np.random.default_rng(26)
    grass = exactly(classes, {0: 45, 1: 4, 2: 4})
    (found,) = run(indicators({"sharpness": 5.0 * grass + rng.random(150), "grass": grass}, [SHARP]), classes).findings
    assert found.attribute == "grass"
    assert any(name.startswith("sharpness=") for name in found.same_as)


def test_one_class_alone_has_no_p_and_says_so():
    classes = labels(4)
    found = run(indicators({"grass": np.ones(4, bool)}), classes, names=("bunny",))
    assert found.verdict == "too few images to tell"
    assert (found.n_tests, found.expected_false_findings) == (0, None)
    (only,) = found.findings
    assert [only.share_elsewhere, only.effect, only.effect_ci, only.p, only.q] == [None] * 5
    assert (only.phrase, only.n_with, only.n_class) == ("show grass", 4, 4)
    assert only.share_in_class_ci[0] == pytest.approx(4 / (4 + 1.959964**2), abs=1e-4)
    assert found.shared_patterns["bunny"][0].share == 1


def test_a_lone_class_is_described_by_visual_words_only_where_nothing_is_plainer():
    words = {f"words.{k}": np.ones(4, bool) for k in range(3)}
    for columns, said in (({"grass": np.ones(4, bool)}, ["grass"]), ({}, list(words))):
        found = run(indicators({**words, **columns}), labels(4), names=("bunny",)).findings
        assert [f.attribute for f in found] == said


@pytest.mark.parametrize("value", ["yes", "no"])
def test_the_pool_is_compared_with_and_never_reported(value):
    """A label equal to the number of classes marks the pool; what it has more of is not news about it."""
    classes = labels(30, 200)
    grass = exactly(classes, {0: 29, 1: 30}) == (value == "yes")
    found = run(indicators({"grass": grass}), classes, names=("bunny",), against="pool")
    assert [f.id for f in found.findings] == [f"bunny:grass={value}"]
    assert found.findings[0].against == "pool"


def test_a_pool_unlike_every_class_hides_none_of_them():
    classes = labels(40, 40, 400)
    grass = exactly(classes, {0: 38, 1: 38, 2: 40})
    found = run(indicators({"grass": grass}), classes, names=("bunny", "hen"))
    assert {f.class_name for f in found.findings} == {"bunny", "hen"}


def test_a_false_finding_is_expected_seldom_on_noise_and_the_number_is_reproducible():
    classes, rng = labels(60, 60, 60), np.random.default_rng(21)
    table = indicators(noise(rng, classes), [COLOUR, SHARP])
    settings = AuditSettings(n_permutations=60)
    first = run(table, classes, settings)
    assert 0 <= first.expected_false_findings <= 0.15
    assert run(table, classes, settings) == first
    assert run(table, classes, QUICK).expected_false_findings is None


def test_a_planted_shortcut_does_not_raise_the_expected_false_findings():
    classes, rng = labels(60, 60, 60), np.random.default_rng(22)
    table = indicators({"grass": drawn(rng, classes, {0: 0.9}, 0.1)}, [])
    assert run(table, classes, AuditSettings(n_permutations=60)).expected_false_findings <= 0.15


def test_the_order_of_the_images_does_not_matter():
    classes, rng = labels(60, 60, 60), np.random.default_rng(23)
    columns = {"grass": drawn(rng, classes, {0: 0.9}, 0.1), **noise(rng, classes)}
    order = rng.permutation(len(classes))
    here = run(indicators(columns, [COLOUR, SHARP]), classes)
    there = run(indicators({k: np.asarray(v)[order] for k, v in columns.items()}, [COLOUR, SHARP]), classes[order])
    # Which halves are drawn is the seed's business and follows the order.
    assert [replace(f, confirmation=None) for f in here.findings] == [
        replace(f, confirmation=None) for f in there.findings
    ]
    assert here.findings


def test_findings_are_sorted_worst_first():
    classes, rng = labels(100, 100, 100), np.random.default_rng(24)
    columns = {f"shortcut{k}": drawn(rng, classes, {k: share}, 0.1) for k, share in enumerate((0.45, 0.9, 0.7))}
    found = run(indicators(columns), classes).findings
    assert [f.class_name for f in found] == ["class1", "class2", "class0"]
    assert all(a.effect_ci[0] >= b.effect_ci[0] for a, b in pairwise(found))


def test_severity_is_a_policy_on_the_lower_end():
    at = [detection.severity(low, "context", QUICK) for low in (0.05, 0.1999, 0.2, 0.3999, 0.4, 0.9)]
    assert at == ["low", "low", "medium", "medium", "high", "high"]
    assert detection.severity(0.9, "object", QUICK) == "low"
    classes = labels(50, 50)
    (found,) = run(indicators({"ears": classes == 0}, [flag("ears", "object")]), classes).findings
    assert found.severity == "low"


def finding(low: float, *, kind="context", bias=0.0, gap=None, excess=None, severity=None, name="grass") -> Finding:
    """A finding whose effect's interval starts at `low`, with the intervals of a probe's gap and of an edit's excess."""
    leans = Reliance(gap and sum(gap) / 2, gap, 20, excess_ci=excess)
    severity = severity or detection.severity(low - bias, kind, POLICY)
    return Finding(
        class_name="a", attribute=name, value="yes", kind=kind, n_class=90, n_with=80, share_in_class=0.9,
        share_in_class_ci=(0.8, 0.95), share_elsewhere=0.1, share_elsewhere_ci=(0.05, 0.2), effect=low + 0.05,
        effect_ci=(low, low + 0.1), p=1e-9, q=1e-8, severity=severity, sentence="", reliance=leans, bias=bias,
    )  # fmt: skip


POLICY = replace(QUICK, medium=0.2, high=0.4, leans=0.1)
LEANS, MAYBE, NOT = (0.12, 0.3), (0.05, 0.2), (-0.1, 0.08)
"""Intervals of reliance: surely 0.1 or more, who knows, surely under 0.1."""


@pytest.mark.parametrize(
    ("low", "gap", "excess", "want"),
    [
        # Either proof that a probe leans on it raises medium to high, even if the other one denies it.
        (0.3, LEANS, None, "high"),
        (0.3, None, LEANS, "high"),
        (0.3, LEANS, NOT, "high"),
        (0.3, NOT, LEANS, "high"),
        (0.3, (0.1, 0.3), None, "high"),
        # Nothing proved, or nothing tried: association stands.
        (0.3, None, None, "medium"),
        (0.3, MAYBE, MAYBE, "medium"),
        (0.3, (0.0999, 0.3), None, "medium"),
        (0.5, MAYBE, None, "high"),
        (0.5, LEANS, LEANS, "high"),
        # Only both together rule it out, and then it falls by one.
        (0.3, NOT, None, "medium"),
        (0.3, None, NOT, "medium"),
        (0.3, NOT, MAYBE, "medium"),
        (0.3, NOT, (-0.1, 0.1), "medium"),
        (0.5, NOT, None, "high"),
        (0.5, MAYBE, NOT, "high"),
        (0.5, NOT, NOT, "medium"),
        (0.3, NOT, NOT, "low"),
        # Low is not raised where no random half confirms it (see the next test), and cannot fall.
        (0.1, LEANS, LEANS, "low"),
        (0.1, NOT, NOT, "low"),
    ],
    ids=str,
)
def test_severity_is_judged_by_association_and_reliance_together(low, gap, excess, want):
    assert detection.judged(finding(low, gap=gap, excess=excess), POLICY).severity == want


def test_the_policy_allows_for_bias_knows_objects_and_reads_its_settings():
    """What is not the severity stays as it was."""

    def judged(settings=POLICY, **given):
        return detection.judged(finding(**given), settings).severity

    assert judged(low=0.45, bias=0.1) == "medium"
    # A probe that leans on the picture does not say that the measure read it right.
    assert judged(low=0.45, bias=0.1, gap=LEANS) == "medium"
    assert judged(low=0.45, bias=0.3, gap=LEANS) == "low"
    assert judged(low=0.9, kind="object", gap=LEANS, excess=LEANS) == "low"
    assert judged(replace(POLICY, objects=True), low=0.3, kind="object", gap=LEANS) == "high"
    assert judged(replace(POLICY, leans=0.2), low=0.3, gap=LEANS) == "medium"
    assert judged(replace(POLICY, leans=0.2), low=0.3, gap=MAYBE, excess=LEANS) == "medium"
    assert judged(replace(POLICY, leans=0.05), low=0.3, gap=NOT, excess=NOT) == "medium"
    one = finding(0.3, gap=LEANS)
    assert detection.judged(one, POLICY) == replace(one, severity="high")


def halves(confirmed: int, discovered: int = 10) -> Confirmation:
    return Confirmation(10, discovered, confirmed, 0.2, (0.1, 0.3))


@pytest.mark.parametrize(
    ("confirmed", "excess", "want"),
    [
        (6, (0.21, 0.5), "medium"),  # `leans` is 0.1 in this policy
        (6, (0.19, 0.5), "low"),
        (5, (0.21, 0.5), "low"),
        (6, None, "low"),
        (None, (0.21, 0.5), "low"),
    ],
)
def test_a_rare_value_that_decides_rises_to_medium_where_most_halves_confirm_it(confirmed, excess, want):
    found = replace(finding(0.1, gap=NOT, excess=excess), confirmation=None if confirmed is None else halves(confirmed))
    assert detection.judged(found, POLICY).severity == want
    assert detection.judged(replace(found, bias=0.05), POLICY).severity == "low"
    assert detection.judged(replace(found, kind="object"), POLICY).severity == "low"


def test_what_no_half_bears_out_comes_last_of_its_severity_and_does_not_count():
    weak = [replace(finding(low, severity="low", name=n), confirmation=halves(k)) for low, n, k in
            ((0.15, "chance", 0), (0.10, "once", 1))]  # fmt: skip
    assert [f.attribute for f in detection.worst_first(weak)] == ["once", "chance"]
    assert [f.is_confirmed for f in weak] == [False, True]
    assert not detection.any_counts(weak[:1], POLICY)
    assert detection.any_counts(weak, POLICY)
    assert detection.any_counts([replace(weak[0], severity="medium")], POLICY)
    assert detection.any_counts([replace(weak[0], confirmation=None)], POLICY)  # no split was asked for
    fur = replace(weak[1], kind="object")
    assert not detection.any_counts([fur], POLICY)
    assert detection.any_counts([fur], replace(POLICY, objects=True))


def test_what_may_be_the_object_never_counts_and_is_never_above_low():
    """Whatever its effect, the reliance and the settings say."""
    for settings in (POLICY, replace(POLICY, objects=True)):
        assert detection.severity(0.9, "unclear", settings) == "low"
        for low in (0.1, 0.3, 0.9):
            either = finding(low, kind="unclear", gap=LEANS, excess=LEANS)
            assert detection.judged(either, settings).severity == "low"
            assert detection.judged(replace(either, confirmation=halves(9)), settings).severity == "low"
        assert not detection.any_counts([replace(finding(0.9, severity="high"), kind="unclear")], settings)


PRESENT_ONLY = [replace(flag(name), absence=False) for name in ("grass", "site")]


def grass_and_site(unclear: np.ndarray | None, **options) -> Audit:
    """Grass in 28 of 30 of class0 and site in 27 of 30 of class1, each in 3 of 30 elsewhere and independent of the other.
    Their absence is not tested. `unclear` is a mask by class, over grass=yes and site=yes."""
    classes = labels(30, 30, 30)
    grass, site = exactly(classes, {0: 28, 1: 3, 2: 3}), exactly(classes, {0: 3, 1: 27, 2: 3})
    return run(indicators({"grass": grass, "site": site}, PRESENT_ONLY), classes, unclear=unclear, **options)


def test_a_value_that_may_be_the_object_is_reported_with_its_numbers_last_and_outside_the_verdict():
    plain = grass_and_site(None)
    assert [(f.id, f.kind, f.severity) for f in plain.findings[:2]] == [
        ("class0:grass=yes", "context", "high"), ("class1:site=yes", "context", "high"),
    ]  # fmt: skip
    none = grass_and_site(np.zeros((3, 2), np.bool_))
    assert none == plain
    mask = np.zeros((3, 2), np.bool_)
    mask[0, 0] = True
    found = grass_and_site(mask)
    assert found.verdict == "shortcuts found"
    assert [(f.id, f.kind, f.severity) for f in found.findings] == [
        ("class1:site=yes", "context", "high"), ("class0:grass=yes", "unclear", "low"),
    ]  # fmt: skip
    there, here = plain.findings[0], found.findings[-1]
    assert (here.p, here.q, here.effect, here.effect_ci) == (there.p, there.q, there.effect, there.effect_ci)
    for settings in (QUICK, replace(QUICK, objects=True)):
        everything = grass_and_site(np.ones((3, 2), np.bool_), settings=settings)
        assert everything.verdict == "none found"
        assert {(f.kind, f.severity) for f in everything.findings} == {("unclear", "low")}


def test_a_column_that_cannot_be_told_is_unclear_in_every_class():
    classes = labels(30, 30)
    (found,) = run(indicators({"words.1": classes == 0}, [flag("words.1", "unclear")]), classes).findings
    assert (found.kind, found.severity) == ("unclear", "low")


def test_what_may_be_the_object_hides_no_shortcut():
    """Grass and the site are the same images. One of them may be the object: both are told, each in a group of its own."""
    classes = labels(30, 30, 30)
    grass = exactly(classes, {0: 28, 1: 3, 2: 3})
    table = indicators({"grass": grass, "site": grass}, PRESENT_ONLY)
    assert [f.id for f in run(table, classes).findings] == ["class0:grass=yes"]
    for doubtful, sure in (("grass", "site"), ("site", "grass")):
        mask = np.tile([name == doubtful for name in table.attribute], (3, 1))
        found = run(table, classes, unclear=mask).findings
        assert [(f.attribute, f.kind, f.severity) for f in found] == [
            (sure, "context", "high"), (doubtful, "unclear", "low"),
        ]  # fmt: skip
        assert [f.same_as for f in found] == [(), ()]


def test_other_names_are_said_in_words_too():
    """In the same order as `same_as`; a name of another class begins with that class."""
    classes = labels(30, 30)
    grass = exactly(classes, {0: 28, 1: 3})
    (found,) = run(indicators({"grass": grass, "lawn": grass}), classes, names=("cow", "dog")).findings
    assert found.attribute == "grass"
    said = dict(zip(found.same_as, found.also, strict=True))
    assert said["lawn=yes"] == "show lawn"
    assert said["dog:lawn=no"] == "dog: do not show lawn"


def test_of_few_images_nothing_is_described_that_may_be_the_object():
    classes = np.zeros(4, np.int32)
    table = indicators({"grass": [True] * 4})
    mask = np.array([[v == "yes" for v in table.value_names]])
    assert [f.id for f in run(table, classes).findings] == ["class0:grass=yes"]
    assert run(table, classes, unclear=mask).findings == ()


def test_what_was_never_tested_is_not_judged():
    """A description has no p; without a probe there is no reliance. Both keep the severity that they came with."""
    described = replace(finding(0.5, gap=NOT, excess=NOT, severity="low"), p=None, q=None)
    assert detection.judged(described, POLICY) == described
    unprobed = replace(finding(0.5, severity="low"), reliance=None)
    assert detection.judged(unprobed, POLICY) == unprobed


def test_worst_first_is_by_severity_then_by_what_is_left_of_the_effect_and_objects_last():
    right = [
        finding(0.25, severity="high", name="leant on"),
        finding(0.5, severity="medium", name="strong, not leant on"),
        finding(0.6, bias=0.2, severity="medium", name="biased"),
        finding(0.3, severity="medium", name="a tie by name"),
        finding(0.3, severity="medium", name="b tie by name"),
        finding(0.9, severity="low", name="weak"),
        finding(0.9, kind="object", severity="high", name="ears"),
        finding(0.85, kind="unclear", severity="low", name="either"),
        finding(0.8, kind="object", severity="low", name="fur"),
    ]
    for seed in range(10):
        mixed = [right[i] for i in np.random.default_rng(seed).permutation(len(right))]
        assert [f.attribute for f in detection.worst_first(mixed)] == [f.attribute for f in right]


def test_the_strongest_of_every_class_comes_before_the_second_of_any():
    """Of one severity; and what no random half confirms comes after all that was confirmed."""
    high = [("a", 0.9), ("a", 0.8), ("a", 0.7), ("b", 0.6), ("c", 0.5), ("c", 0.45)]
    of = [(name, low, "high") for name, low in high] + [("d", 0.3, "medium"), ("a", 0.25, "medium")]
    findings = [
        replace(finding(low, severity=severity, name=f"{k}"), class_name=name)
        for k, (name, low, severity) in enumerate(of)
    ]
    findings.append(replace(finding(0.95, severity="low", name="chance"), class_name="e", confirmation=halves(0)))
    findings.append(replace(finding(0.15, severity="low", name="sure"), class_name="e", confirmation=halves(10)))
    assert " ".join(f.attribute for f in detection.worst_first(findings[::-1])) == "0 3 4 1 5 2 6 7 sure chance"


@pytest.mark.parametrize(
    ("here", "elsewhere", "want"),
    [(30, 0, "medium"), (36, 3, "medium"), (34, 3, "low"), (26, 0, "low"), (48, 20, "low")],
)
def test_what_hardly_any_other_image_shows_needs_three_quarters_of_the_effect_of_medium(here, elsewhere, want):
    """Of 120 images of the class and 120 others; the lower limits are 0.174, 0.188, 0.172, 0.145 and 0.12."""
    classes = labels(120, 120)
    grass = exactly(classes, {0: here, 1: elsewhere})
    (found,) = [f for f in run(indicators({"grass": grass}), classes).findings if f.value == "yes"]
    assert found.severity == want


def test_an_effect_that_may_be_tiny_is_no_finding_however_sure():
    """55 % against 50 % of 5000 each: p is minute, the interval's lower end is under `min_effect`."""
    classes = labels(5000, 5000)
    table = indicators({"grass": exactly(classes, {0: 2750, 1: 2500})})
    assert float(scipy_stats.fisher_exact([[2750, 2250], [2500, 2500]], alternative="greater").pvalue) < 1e-6
    assert run(table, classes).findings == ()
    assert len(run(table, classes, AuditSettings(n_permutations=0, min_effect=0.02)).findings) == 1


def test_where_nothing_could_be_tested_nothing_is_called_clean():
    """Twenty images and one: a value of three images cannot be significant, so there are no tests."""
    classes = labels(20, 1)
    audit = run(indicators({"grass": np.arange(21) < 3}), classes)
    assert (audit.n_tests, audit.verdict) == (0, "too few images to tell")


@pytest.mark.parametrize("sizes", [(1,), (1, 1), (2, 2), (3, 1), (2, 2, 2)], ids=str)
def test_tiny_sets_are_no_error_and_claim_nothing(sizes):
    classes = labels(*sizes)
    found = run(indicators({"grass": classes == 0, "sharpness": np.arange(len(classes))}, [SHARP]), classes)
    assert found.verdict == "too few images to tell"
    assert all(f.p is None for f in found.findings)


def test_images_without_a_class_take_no_part():
    classes = labels(30, 30)
    grass = exactly(classes, {0: 28, 1: 3})
    alone = run(indicators({"grass": grass}), classes)
    more = run(indicators({"grass": np.r_[grass, np.ones(50, bool)]}), np.r_[classes, np.full(50, -1, np.int32)])
    assert more.findings == alone.findings


def test_images_that_were_not_measured_take_no_part():
    classes = labels(30, 30)
    grass = exactly(classes, {0: 28, 1: 3}).astype(object)
    grass[-10:] = None
    (found,) = run(indicators({"grass": grass}), classes).findings
    assert found.share_elsewhere == pytest.approx(3 / 20)


@pytest.mark.parametrize(
    "columns", [{"grass": [True] * 40}, {"sharpness": [2.0] * 40}, {"grass": [None] * 40}], ids=str
)
def test_everything_equal_is_nothing_found(columns):
    found = run(indicators(columns, [SHARP]), labels(20, 20), AuditSettings(n_permutations=5))
    assert (found.findings, found.verdict, found.expected_false_findings) == ((), "none found", 0)


def test_an_empty_class_is_no_error():
    classes = labels(30, 30)
    found = run(indicators({"grass": classes == 0}), classes, names=("a", "b", "nothing"))
    assert [f.class_name for f in found.findings] == ["a"]


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0%"), (0.001, "1%"), (0.004, "1%"), (0.5, "50%"), (0.997, "99%"), (1, "100%")]
)
def test_percent_never_rounds_to_certainty(share, said):
    assert percent(share) == said


def test_members_are_who_has_the_value_and_who_was_seen_without_it():
    classes = labels(4, 3)
    table = indicators({"grass": [True, True, None, False, False, False, False]})
    finding = run(
        indicators({"grass": classes == 0}),
        classes,
        names=("a", "b"),
        settings=AuditSettings(alpha=0.9, min_effect=0.0, medium=0.2, n_permutations=0),
    ).findings[0]
    has, lacks = detection.members(finding, table, classes, ("a", "b"))
    assert np.flatnonzero(has).tolist() == [0, 1]
    assert np.flatnonzero(lacks).tolist() == [3]
