"""The statistics against other people's numbers, against exact enumeration, and against their own promises."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from curator import stats

shares = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_wilson_against_newcombes_published_table():
    """Newcombe (1998), Statistics in Medicine 17:857, table I, method 3 (score without continuity correction)."""
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (k, n), bounds in published.items():
        np.testing.assert_allclose(stats.wilson(k, n), bounds, atol=5e-5)


def test_newcombe_against_its_published_table():
    """Newcombe (1998), Statistics in Medicine 17:873, table II, method 10."""
    published = {
        (56, 70, 48, 80): (0.0524, 0.3339),
        (9, 10, 3, 10): (0.1705, 0.8090),
        (6, 7, 2, 7): (0.0582, 0.8062),
        (5, 56, 0, 29): (-0.0381, 0.1926),
        (0, 10, 0, 20): (-0.1611, 0.2775),
        (0, 10, 0, 10): (-0.2775, 0.2775),
        (10, 10, 0, 20): (0.6791, 1.0),
        (10, 10, 0, 10): (0.6075, 1.0),
    }
    for counts, bounds in published.items():
        np.testing.assert_allclose(stats.newcombe(*counts), bounds, atol=5e-5, err_msg=str(counts))


@pytest.mark.parametrize("n", [5, 10, 30, 100])
def test_wilson_covers_what_it_says_summed_over_every_outcome(n):
    """Exact coverage, no simulation: over all k and a grid of true shares."""
    k = np.arange(n + 1)
    low, high = stats.wilson(k, n)
    truth = np.linspace(0.01, 0.99, 99)
    chance = scipy_stats.binom.pmf(k[None], n, truth[:, None])
    coverage = (chance * ((low <= truth[:, None]) & (truth[:, None] <= high))).sum(1)
    assert 0.94 < coverage.mean() < 0.97
    assert coverage.min() > 0.82


@pytest.mark.parametrize(("n1", "n2"), [(5, 5), (10, 40), (60, 180)])
def test_newcombe_covers_what_it_says_summed_over_every_outcome(n1, n2):
    k1, k2 = (k.ravel() for k in np.meshgrid(np.arange(n1 + 1), np.arange(n2 + 1)))
    low, high = stats.newcombe(k1, n1, k2, n2)
    covered = [
        (scipy_stats.binom.pmf(k1, n1, a) * scipy_stats.binom.pmf(k2, n2, b) * ((low <= a - b) & (a - b <= high))).sum()
        for a, b in itertools.product(np.linspace(0.03, 0.97, 12), repeat=2)
    ]
    assert 0.945 < np.mean(covered) < 0.975
    assert min(covered) > 0.85


@given(shares)
def test_wilson_holds_the_estimate_and_mirrors(share):
    k, n = share
    low, high = stats.wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert (low == 0) == (k == 0)
    assert (high == 1) == (k == n)
    np.testing.assert_allclose(stats.wilson(n - k, n), (1 - high, 1 - low), atol=1e-12)
    wider = stats.wilson(k, n, 0.99)
    assert wider[0] <= low
    assert wider[1] >= high


@given(shares, shares)
def test_newcombe_holds_the_difference_and_mirrors(one, other):
    low, high = stats.newcombe(*one, *other)
    difference = one[0] / one[1] - other[0] / other[1]
    assert -1 <= low <= difference + 1e-12
    assert difference - 1e-12 <= high <= 1
    swapped = stats.newcombe(*other, *one)
    np.testing.assert_allclose((-swapped[1], -swapped[0]), (low, high), atol=1e-12)


def test_no_trials_say_nothing():
    assert [float(x) for x in stats.wilson(0, 0)] == [0, 1]
    low, high = stats.newcombe(3, 4, 0, 0)
    assert low < 0 < high


@given(st.data())
def test_exact_greater_is_fishers_one_sided_p(data):
    n_in, n_out = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 200))
    a, b = data.draw(st.integers(0, n_in)), data.draw(st.integers(0, n_out))
    theirs = scipy_stats.fisher_exact([[a, n_in - a], [b, n_out - b]], alternative="greater").pvalue
    ours = float(stats.exact_greater(a, n_in, a + b, n_in + n_out))
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-14)


def test_exact_greater_by_counting_every_draw():
    """All 70 ways to draw 4 of 8 images of which the first 3 are marked."""
    draws = list(itertools.combinations(range(8), 4))
    for k in range(4):
        want = sum(sum(i < 3 for i in d) >= k for d in draws) / len(draws)
        assert float(stats.exact_greater(k, 4, 3, 8)) == pytest.approx(want)


def test_exact_greater_keeps_its_precision_far_out():
    """All of a class of 60 and none of 180 others: 1 / C(240, 60), nowhere near 0."""
    assert float(stats.exact_greater(60, 60, 60, 240)) == pytest.approx(1 / comb(240, 60), rel=1e-6)


def test_exact_greater_is_never_anti_conservative():
    """The chance of p <= alpha under the null, summed exactly over the hypergeometric, stays at or below alpha."""
    for n_in, k_all, n_all in [(4, 4, 8), (10, 25, 100), (60, 70, 240), (3, 400, 500)]:
        k = np.arange(0, min(n_in, k_all) + 1)
        p = stats.exact_greater(k, n_in, k_all, n_all)
        chance = scipy_stats.hypergeom.pmf(k, n_all, k_all, n_in)
        for alpha in (0.01, 0.05, 0.2):
            assert chance[p <= alpha].sum() <= alpha + 1e-12


def test_benjamini_hochberg_by_hand():
    """Ordered 0.01 0.02 0.03 0.5 times 4/1 4/2 4/3 4/4, then the running minimum from the right."""
    assert stats.benjamini_hochberg([0.5, 0.01, 0.03, 0.011]).round(4).tolist() == [0.5, 0.022, 0.04, 0.022]
    assert stats.benjamini_hochberg([]).tolist() == []
    assert stats.benjamini_hochberg([0.2]).tolist() == [0.2]


def test_benjamini_hochberg_holds_the_false_discovery_rate():
    """80 of 100 hypotheses true: the mean false share of the discoveries is alpha * 0.8 = 0.04."""
    rng = np.random.default_rng(1)
    false_share = []
    for _ in range(400):
        p = rng.uniform(size=100)
        p[:20] = scipy_stats.norm.sf(rng.normal(3.5, 1, 20))
        found = stats.benjamini_hochberg(p) <= 0.05
        false_share.append(found[20:].sum() / max(1, found.sum()))
    assert np.mean(false_share) == pytest.approx(0.04, abs=0.008)


def test_stratified_difference_by_hand():
    """Greenland and Robins: sum(w d) / sum(w), w = m1 m2 / (m1 + m2)."""
    weights = np.array([10 * 30 / 40, 20 * 20 / 40])
    differences = np.array([8 / 10 - 6 / 30, 5 / 20 - 10 / 20])
    estimate, low, high = stats.stratified_difference([8, 5], [10, 20], [6, 10], [30, 20])
    assert estimate == pytest.approx((weights * differences).sum() / weights.sum())
    assert low < estimate < high


@given(shares, shares)
def test_stratified_difference_with_one_stratum_is_the_plain_difference_and_mirrors(one, other):
    (k1, n1), (k2, n2) = one, other
    estimate, low, high = stats.stratified_difference([k1], [n1], [k2], [n2])
    assert estimate == pytest.approx(k1 / n1 - k2 / n2, abs=1e-12)
    assert low - 1e-12 <= estimate <= high + 1e-12
    back = stats.stratified_difference([k2], [n2], [k1], [n1])
    np.testing.assert_allclose((-back[0], -back[2], -back[1]), (estimate, low, high), atol=1e-9)


def test_stratified_difference_covers_and_is_not_fooled_by_the_stratum():
    """Simpson: inside both strata the classes are alike to 0.1, pooled they differ by far more."""
    rng = np.random.default_rng(2)
    n1, n2, elsewhere = np.array([40, 10]), np.array([20, 120]), np.array([0.7, 0.2])
    covered = 0
    for _ in range(2000):
        k1, k2 = rng.binomial(n1, elsewhere + 0.1), rng.binomial(n2, elsewhere)
        _, low, high = stats.stratified_difference(k1, n1, k2, n2)
        covered += low <= 0.1 <= high
    assert 0.925 <= covered / 2000 <= 0.97


def test_the_variance_of_the_stratified_difference_is_that_of_its_draws():
    """Forty strata of 2 against 10: sparse and lopsided, where the variance's two terms pull apart."""
    rng, n1, n2 = np.random.default_rng(4), np.full(40, 2), np.full(40, 10)
    draws = [
        stats.stratified_difference(rng.binomial(n1, 0.7), n1, rng.binomial(n2, 0.2), n2, level=0.682689)
        for _ in range(3000)
    ]
    estimate, low, high = np.array(draws).T
    assert estimate.mean() == pytest.approx(0.5, abs=0.005)
    assert np.mean((high - low) / 2) == pytest.approx(estimate.std(), rel=0.05)


def test_stratified_difference_without_a_shared_stratum_knows_nothing():
    estimate, low, high = stats.stratified_difference([5, 0], [5, 0], [0, 3], [0, 9])
    assert np.isnan(estimate)
    assert (low, high) == (-1, 1)


def test_association_within_ignores_what_both_owe_to_the_class():
    classes = np.repeat([0, 1], 500)
    rng = np.random.default_rng(3)
    follows = rng.random(1000) < np.where(classes == 0, 0.9, 0.1)
    too = rng.random(1000) < np.where(classes == 0, 0.9, 0.1)
    assert np.corrcoef(follows, too)[0, 1] > 0.5
    assert abs(stats.association_within(follows, too, classes)) < 0.1
    assert stats.association_within(follows, follows, classes) == pytest.approx(1)
    assert stats.association_within(follows, ~follows, classes) == pytest.approx(-1)
    assert stats.association_within(classes == 0, follows, classes) == 0


def test_percentile_interval_leaves_a_fortieth_on_either_side():
    low, high = stats.percentile_interval(np.arange(10_001))
    assert (low, high) == pytest.approx((250, 9750))


def test_exact_greater_may_stop_early_and_still_says_what_is_significant():
    rng = np.random.default_rng(5)
    n_all = rng.integers(20, 3000, 4000)
    k_all, n_in = rng.integers(1, n_all), rng.integers(1, n_all)
    k = np.clip(rng.hypergeometric(k_all, n_all - k_all, n_in) + rng.integers(-3, 6, 4000), 0, None)
    full, quick = (stats.exact_greater(k, n_in, k_all, n_all, up_to) for up_to in (1.0, 0.05))
    np.testing.assert_array_equal(quick <= 0.05, full <= 0.05)
    np.testing.assert_array_equal(quick[full <= 0.05], full[full <= 0.05])
    theirs = scipy_stats.hypergeom.sf(k - 1, n_all, k_all, n_in)
    np.testing.assert_allclose(full, theirs, rtol=1e-8, atol=1e-14)


def test_most_extreme_is_the_smallest_p_that_the_margins_allow():
    for n_in, k_all, n_all in [(4, 4, 8), (10, 25, 100), (60, 20, 240), (3, 400, 500), (97, 97, 100)]:
        k = np.arange(min(n_in, k_all) + 1)
        want = stats.exact_greater(k, n_in, k_all, n_all).min()
        assert float(stats.most_extreme(n_in, k_all, n_all)) == pytest.approx(want, rel=1e-9)


BERKELEY = {
    "men": ([512, 353, 120, 138, 53, 22], [825, 560, 325, 417, 191, 373]),
    "women": ([89, 17, 202, 131, 94, 24], [108, 25, 593, 375, 393, 341]),
}


def test_cochran_mantel_haenszel_against_a_published_table():
    """Admissions to Berkeley by department (Bickel et al. 1975), as R's manual works them: chi-squared 1.4269, p 0.2323."""
    p = stats.cochran_mantel_haenszel(*BERKELEY["women"], *BERKELEY["men"])
    assert scipy_stats.norm.isf(p) ** 2 == pytest.approx(1.4269, abs=5e-5)
    assert 2 * p == pytest.approx(0.2323, abs=5e-5)
    assert stats.cochran_mantel_haenszel(*BERKELEY["men"], *BERKELEY["women"]) == pytest.approx(1 - p)
    # Pooled over the departments, men are admitted far more often: the table's lesson.
    men, women = (tuple(sum(x) for x in BERKELEY[who]) for who in ("men", "women"))
    assert float(stats.exact_greater(men[0], men[1], men[0] + women[0], men[1] + women[1])) < 1e-20


def test_cochran_mantel_haenszel_by_hand():
    """Two strata: excess 8 - 3.5 and 5 - 3.5, variances 1.75 and 1.4808."""
    want = scipy_stats.norm.sf((6 - 0.5) / np.sqrt(109200 / 62400 + 92400 / 62400))
    assert stats.cochran_mantel_haenszel([8, 5], [10, 20], [6, 2], [30, 20]) == pytest.approx(want)
    assert stats.cochran_mantel_haenszel([5, 0], [5, 0], [0, 3], [0, 9]) == 1
    assert stats.cochran_mantel_haenszel([5, 3], [5, 3], [5, 3], [5, 3]) == 1


def test_cochran_mantel_haenszel_is_silent_on_what_the_stratum_does_and_finds_what_is_left():
    """Simpson: alike inside both strata, far apart pooled. The null's rate is under alpha; a rise of 0.3 is found."""
    rng = np.random.default_rng(6)
    n1, n2, elsewhere = np.array([40, 10]), np.array([20, 120]), np.array([0.7, 0.2])
    null, pooled, found = [], [], []
    for _ in range(1000):
        k1, k2 = rng.binomial(n1, elsewhere), rng.binomial(n2, elsewhere)
        null.append(stats.cochran_mantel_haenszel(k1, n1, k2, n2) <= 0.05)
        pooled.append(float(stats.exact_greater(k1.sum(), 50, k1.sum() + k2.sum(), 190)) <= 0.05)
        k1 = rng.binomial(n1, elsewhere + 0.25)
        found.append(stats.cochran_mantel_haenszel(k1, n1, k2, n2) <= 0.05)
    assert np.mean(pooled) > 0.9
    assert 0.01 <= np.mean(null) <= 0.07
    assert np.mean(found) > 0.8
