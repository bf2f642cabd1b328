"""Near pairs: all of a small set, what an index finds in a large one, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curator.config import DuplicateSettings
from curator.encoders import resolve
from curator.similarity import duplicates, vectors
from curator.similarity.vectors import near_pairs, pairs_above, pairs_of, unit
from curator.types import DuplicateGroup, Embeddings


def planted(
    n: int = 1500, copies: int = 150, dim: int = 96, seed: int = 0, least: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors about 30 centres; the last `copies` are `least` to 0.999 like an earlier row, whose number comes back."""
    rng = np.random.default_rng(seed)
    base = unit(rng.normal(size=(30, dim))[rng.integers(0, 30, n)] + 0.7 * rng.normal(size=(n, dim)))
    of = rng.integers(0, n - copies, copies)
    tangent = np.sqrt(1 / rng.uniform(least, 0.999, copies) ** 2 - 1)[:, None]
    base[n - copies :] = unit(base[of] + tangent * unit(rng.normal(size=(copies, dim))))
    return base, of


def joined(parts) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for i, j, _ in parts for a, b in zip(i, j, strict=True)}


@pytest.fixture
def small_index(monkeypatch):
    for module in (vectors, duplicates):
        monkeypatch.setattr(module, "EXACT_UP_TO", 500)


def test_a_small_set_is_compared_with_itself_bit_by_bit():
    base, _ = planted()
    i, j, cosine = (np.concatenate(c) for c in zip(*near_pairs(base, 0.9, np.random.default_rng(0)), strict=True))
    exact = pairs_above(base, 0.9)
    assert (i.tolist(), j.tolist(), cosine.tolist()) == tuple(part.tolist() for part in exact)


def test_the_index_finds_what_was_planted_and_nothing_that_is_not_near(small_index):
    base, of = planted(least=0.905)
    found = joined(near_pairs(base, 0.9, np.random.default_rng(0)))
    exact = joined([pairs_above(base, 0.9)])
    wanted = {(int(o), 1350 + k) for k, o in enumerate(of)} & exact
    assert len(wanted) > 135  # the noise is not quite at right angles
    assert found <= exact
    assert len(found & wanted) >= 0.97 * len(wanted)


def test_where_nothing_is_near_the_index_finds_nothing(small_index):
    base = unit(np.random.default_rng(1).normal(size=(800, 64)))
    assert joined(near_pairs(base, 0.9, np.random.default_rng(0))) == set()


def test_the_same_seed_finds_the_same_pairs(small_index):
    base, _ = planted(seed=2)
    one, two = (joined(near_pairs(base, 0.9, np.random.default_rng(3))) for _ in range(2))
    assert one == two


def test_a_thousand_rows_alike_need_no_million_pairs(small_index):
    base = np.repeat(unit(np.random.default_rng(1).normal(size=(1, 32))), 1000, axis=0)
    sizes = [len(i) for i, _, _ in near_pairs(base, 0.9, np.random.default_rng(0))]
    assert 1000 <= sum(sizes) <= 1000 * (vectors.NEIGHBOURS + 1)


def test_some_rows_against_all_are_what_all_pairs_say():
    base, _ = planted(700, 90)
    rows = np.array([3, 40, 650])
    i, j, cosine = pairs_of(rows, base, 0.9)
    both = joined([pairs_above(base, 0.9)])
    assert {(min(a, b), max(a, b)) for a, b in zip(i.tolist(), j.tolist(), strict=True)} == {
        p for p in both if set(p) & set(rows.tolist())
    }
    np.testing.assert_allclose(cosine, np.einsum("nd,nd->n", base[i], base[j]), atol=1e-6)


def embeddings(base: np.ndarray) -> Embeddings:
    encoder, _ = resolve("pixels", cache=Path("unused"), device="cpu")
    return Embeddings(np.array([f"{k:05d}" for k in range(len(base))]), base, encoder.info)


def test_a_large_set_has_the_duplicates_of_a_small_one_and_says_how_many_it_finds(monkeypatch):
    base, of = planted()
    rng = np.random.default_rng(5)
    hashes = rng.integers(0, 2**64, len(base), dtype=np.uint64)
    hashes[1350:] = hashes[of] ^ np.uint64(5)
    made, settings = embeddings(base), DuplicateSettings()
    args = (made.ids, [str(k) for k in range(len(base))], hashes, made, settings)
    small = duplicates.groups(*args)
    assert duplicates.recall(small, made.ids, hashes, made, settings) is None
    for module in (vectors, duplicates):
        monkeypatch.setattr(module, "EXACT_UP_TO", 500)
    large = duplicates.groups(*args)
    # Every planted pair has near hashes, and those are found without fail.
    assert set(large) == set(small)
    told = duplicates.recall(large, made.ids, hashes, made, settings)
    assert told is not None
    assert told.n_found == told.n_pairs > 100
    lost = duplicates.recall(large[::2], made.ids, hashes, made, settings)
    assert lost is not None
    assert 0.4 < lost.n_found / lost.n_pairs < 0.6
    crossed = [
        DuplicateGroup("embedding", (a.ids[0], b.ids[-1])) for a, b in zip(large, [*large[1:], large[0]], strict=True)
    ]
    mixed = duplicates.recall(crossed, made.ids, hashes, made, settings)
    assert mixed is not None
    assert mixed.n_found < 0.1 * mixed.n_pairs


def test_hashes_join_what_lies_beyond_the_neighbours(small_index):
    """Two crowds of forty, 0.95 like each other: no row of one has a neighbour in the other, but two hashes agree."""
    rng = np.random.default_rng(8)
    base = unit(rng.normal(size=(800, 64)))
    base[1] = unit((base[0] + np.sqrt(1 / 0.95**2 - 1) * unit(base[1:2] - (base[1] @ base[0]) * base[0]))[0][None])
    for k in (0, 1):
        base[2 + k : 82 : 2] = unit(base[k] + 0.02 * unit(rng.normal(size=(40, 64))))
    hashes = rng.integers(0, 2**64, 800, dtype=np.uint64)
    hashes[40] = hashes[41]
    made = embeddings(base)
    found = duplicates.groups(made.ids, [str(k) for k in range(800)], hashes, made, DuplicateSettings())
    assert [len(g.ids) for g in found] == [82]
    apart = duplicates.groups(made.ids, [str(k) for k in range(800)], hashes[::-1], made, DuplicateSettings())
    assert [len(g.ids) for g in apart] == [41, 41]


def test_embeddings_without_pictures_have_no_perceptual_duplicates():
    base, _ = planted()
    made = embeddings(base)
    groups = duplicates.groups(made.ids, [], None, made, DuplicateSettings())
    assert {g.kind for g in groups} == {"embedding"}
