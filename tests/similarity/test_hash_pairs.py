"""Pairs of perceptual hashes: the index against all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from curator.similarity import hash_pairs


def planted(n: int, seed: int = 0) -> np.ndarray:
    """Random hashes; every fifth is an earlier one with 0 to 9 bits turned."""
    rng = np.random.default_rng(seed)
    out = rng.integers(0, 2**64, n, dtype=np.uint64)
    for k in range(5, n, 5):
        bits = rng.permutation(64)[: rng.integers(0, 10)]
        out[k] = out[rng.integers(0, k)] ^ np.uint64(sum(1 << int(b) for b in bits))
    return out


def brute(values: np.ndarray, most: int) -> set[tuple[int, int]]:
    differ = np.bitwise_count(values[:, None] ^ values[None])
    return {(int(i), int(j)) for i, j in zip(*np.nonzero(differ <= most), strict=True) if i < j}


def indexed(values: np.ndarray, most: int) -> set[tuple[int, int]]:
    return {
        (int(min(a, b)), int(max(a, b))) for i, j in hash_pairs.near(values, most) for a, b in zip(i, j, strict=True)
    }


@pytest.mark.parametrize("most", [0, 3, 6, 8])
def test_the_index_finds_every_pair_and_no_other(most):
    values = planted(1500)
    assert len(brute(values, most)) > 20
    assert indexed(values, most) == brute(values, most)


def test_pairs_are_found_where_many_hashes_agree_in_all_but_one_quarter():
    rng = np.random.default_rng(1)
    # Plain pictures: three quarters of the hash are the same for all of them.
    values = rng.integers(0, 2**16, 800, dtype=np.uint64) << np.uint64(32)
    assert indexed(values, 4) == brute(values, 4)


def test_of_a_thousand_blank_pages_only_some_are_compared_with_each_other():
    values = np.zeros(1000, np.uint64)
    found = indexed(values, 6)
    assert len(found) == hash_pairs.MOST_ALIKE * (hash_pairs.MOST_ALIKE - 1) // 2
    assert indexed(values[: hash_pairs.MOST_ALIKE], 6) == brute(values[: hash_pairs.MOST_ALIKE], 6)


def test_no_hashes_and_one_have_no_pairs():
    assert indexed(np.zeros(0, np.uint64), 6) == set()
    assert indexed(np.array([5], np.uint64), 6) == set()


def test_a_quarter_that_too_many_share_leaves_the_pairs_to_the_others(monkeypatch):
    monkeypatch.setattr(hash_pairs, "_FULLEST", 100)
    rng = np.random.default_rng(2)
    values = rng.integers(0, 2**48, 400, dtype=np.uint64)  # the highest quarter is 0 for all of them
    values[200:] = values[:200] ^ np.uint64(1 << 20)
    assert indexed(values, 4) == brute(values, 4)
