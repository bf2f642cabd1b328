"""What every strategy must keep to, and what each is for."""

from __future__ import annotations

import numpy as np
import pytest

from curator.recommenders import STRATEGIES
from curator.selection.choice import Candidates
from curator.similarity.vectors import unit

NAMES = STRATEGIES.names()


def candidates(n: int, seed: int = 0) -> Candidates:
    rng = np.random.default_rng(seed)
    return Candidates(unit(rng.normal(size=(n, 6))), rng.uniform(0.5, 1, n), rng.random(n))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "k"), [(0, 0), (0, 5), (1, 1), (5, 0), (5, 9), (40, 12)])
def test_up_to_k_positions_none_twice(name, n, k):
    some = candidates(n)
    before = [some.vectors.copy(), some.confidence.copy(), some.doubt.copy()]
    chosen = STRATEGIES.get(name)(some, k, np.random.default_rng(1))
    assert np.issubdtype(chosen.dtype, np.integer)
    assert len(chosen) == len(set(chosen.tolist())) == min(n, k)
    assert all(0 <= i < n for i in chosen)
    for was, now in zip(before, (some.vectors, some.confidence, some.doubt), strict=True):
        assert np.array_equal(was, now)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_draw_chooses_the_same_and_fewer_are_the_first_of_more(name):
    choose = STRATEGIES.get(name)
    ten, again, four = (choose(candidates(40), k, np.random.default_rng(2)).tolist() for k in (10, 10, 4))
    assert ten == again
    assert ten[:4] == four


@pytest.mark.parametrize("name", NAMES)
def test_identical_candidates_are_no_error(name):
    same = Candidates(unit(np.ones((6, 3))), np.ones(6), np.zeros(6))
    assert len(STRATEGIES.get(name)(same, 4, np.random.default_rng(3))) == 4


def test_coverage_takes_one_of_every_kind_before_a_second():
    rng = np.random.default_rng(4)
    kind = np.repeat(np.arange(5), [20, 3, 8, 1, 8])
    vectors = unit(np.eye(5)[kind] + 0.05 * rng.normal(size=(40, 5)))
    chosen = STRATEGIES.get("coverage")(Candidates(vectors, np.ones(40), np.zeros(40)), 5, rng)
    assert sorted(kind[chosen]) == [0, 1, 2, 3, 4]


def test_coverage_is_within_its_bound_of_the_best_of_all_choices():
    from itertools import combinations

    some = candidates(10, seed=5)
    gain = np.clip(some.vectors @ some.vectors.T, 0, 1) * some.confidence[:, None]
    best = max(gain[list(c)].max(0).sum() for c in combinations(range(10), 3))
    chosen = STRATEGIES.get("coverage")(some, 3, np.random.default_rng(0))
    assert gain[chosen].max(0).sum() >= (1 - 1 / np.e) * best


def test_a_counterexample_whose_label_is_doubted_is_none():
    """Of two images that the probe calls something else, the one that another reader also doubts may well be something else."""
    two = Candidates(np.eye(2, dtype=np.float32), np.array([0.6, 0.99]), np.array([0.95, 0.9]))
    assert STRATEGIES.get("counterexample")(two, 1, np.random.default_rng(0)).tolist() == [1]


def test_each_strategy_takes_first_what_it_is_named_for():
    some = candidates(30, seed=6)
    rng = np.random.default_rng(7)
    by_doubt = np.argsort(-some.doubt * some.confidence)[:5]
    assert STRATEGIES.get("counterexample")(some, 5, rng).tolist() == by_doubt.tolist()
    assert STRATEGIES.get("uncertainty")(some, 5, rng).tolist() == np.argsort(some.confidence)[:5].tolist()
    taken = np.zeros(30)
    for seed in range(600):
        taken[STRATEGIES.get("uniform")(some, 5, np.random.default_rng(seed))] += 1
    assert taken.min() > 60
    assert taken.max() < 145
