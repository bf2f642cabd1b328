"""Visual words: kinds of patches that were planted come back as words, in order of how common they are."""

from __future__ import annotations

import numpy as np
import pytest

from curator.regions import visual_words
from curator.types import Patches

GRID, DIM = 5, 12


def patches(kinds: np.ndarray, noise: float = 0.02, seed: int = 0) -> Patches:
    """Patches (n, g, g) of these kinds: each kind is an axis of its own, plus noise."""
    rng = np.random.default_rng(seed)
    features = np.eye(DIM)[kinds] + rng.normal(size=(*kinds.shape, DIM)) * noise
    whole = np.rint(np.clip(127 * features, -127, 127)).astype(np.int8)
    n, g = kinds.shape[:2]
    nothing = np.zeros((n, g, g), np.uint8)
    return Patches(np.array([f"{i}" for i in range(n)]), whole, nothing, np.zeros((n, g, g, 3), np.uint8), nothing, "e")


def drawn(n: int = 60, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(4, (n, GRID, GRID), p=[0.1, 0.5, 0.15, 0.25])


def test_planted_kinds_are_the_words_the_most_common_first():
    kinds = drawn()
    seen = patches(kinds)
    words = visual_words.spell(visual_words.learn(seen, seed=0, n_words=4), seen)
    # Kind 1 is the most common, then 3, 2 and 0.
    np.testing.assert_array_equal(words, np.array([3, 0, 2, 1])[kinds])


def test_other_pictures_are_read_by_the_words_that_were_learnt():
    learnt = visual_words.learn(patches(drawn()), seed=0, n_words=4)
    others = np.full((2, GRID, GRID), 2)
    assert set(visual_words.spell(learnt, patches(others, seed=5)).ravel().tolist()) == {2}


def test_the_same_seed_gives_the_same_words():
    seen = patches(drawn(), noise=0.3)
    one, again = (visual_words.learn(seen, seed=3, n_words=6) for _ in range(2))
    np.testing.assert_array_equal(one.centres, again.centres)
    np.testing.assert_array_equal(one.axes, again.axes)


def test_a_patch_is_the_nearest_word_not_the_longest():
    """Centres at 0.1 and 0.4 on a line: 0.2 is nearer the first, though its product with the second is larger."""
    line = visual_words.Vocabulary(np.zeros(1, np.float32), np.ones((1, 1), np.float32), np.float32([[0.1], [0.4]]))
    nothing = np.zeros((1, 2, 2), np.uint8)
    features = np.rint(127 * np.array([[[[0.2], [0.3]], [[0.0], [0.5]]]])).astype(np.int8)
    seen = Patches(np.array(["a"]), features, nothing, np.zeros((1, 2, 2, 3), np.uint8), nothing, "e")
    assert visual_words.spell(line, seen).tolist() == [[[0, 1], [0, 1]]]


def test_there_are_no_more_words_than_different_patches():
    assert len(visual_words.learn(patches(drawn(), noise=0), seed=0)) == 4
    assert len(visual_words.learn(patches(np.zeros((3, GRID, GRID), int), noise=0), seed=0)) == 1


def test_words_of_noise_are_independent_of_any_class():
    """The null: where patches are one cloud, the words' shares in two halves of the images differ as chance has it."""
    rng = np.random.default_rng(2)
    seen = patches(np.zeros((200, GRID, GRID), int), noise=0.3)
    words = visual_words.spell(visual_words.learn(seen, seed=0, n_words=8), seen)
    n = len(visual_words.learn(seen, seed=0, n_words=8))
    counts = visual_words.counts(words, np.ones(words.shape, np.bool_), n)
    half = rng.permutation(200) < 100
    share = counts / counts.sum(1, keepdims=True)
    z = (share[half].mean(0) - share[~half].mean(0)) / (share.std(0) * (2 / 100) ** 0.5)
    assert abs(z).max() < 3.3  # of eight words, 0.8 % of draws come out above


def test_counts_are_per_image_and_only_where_asked():
    words = np.array([[[0, 1], [1, 1]], [[2, 2], [0, 1]]], np.uint8)
    everywhere = np.ones(words.shape, np.bool_)
    assert visual_words.counts(words, everywhere, 4).tolist() == [[1, 3, 0, 0], [1, 1, 2, 0]]
    left = everywhere.copy()
    left[:, :, 1] = False
    assert visual_words.counts(words, left, 3).tolist() == [[1, 1, 0], [1, 0, 1]]
    assert visual_words.counts(words, ~everywhere, 3).sum() == 0


@pytest.mark.parametrize("n", [1, 1100])
def test_any_number_of_pictures_is_spelt(n):
    kinds = drawn(n)
    seen = patches(kinds)
    learnt = visual_words.learn(patches(drawn()), seed=0, n_words=4)
    np.testing.assert_array_equal(visual_words.spell(learnt, seen), np.array([3, 0, 2, 1])[kinds])


@pytest.mark.parametrize(("odd", "found"), [(True, True), (False, False)])
def test_a_small_mark_in_few_pictures_gets_a_word_where_it_is_odd_by_the_edge(odd, found):
    """Eighteen places of 28,800 in a broad cloud of others: too few for a word of their own, were they not odd."""
    rng = np.random.default_rng(4)
    g, n = 12, 200
    features = np.concatenate([rng.normal(size=(n, g, g, 2)), np.zeros((n, g, g, 1))], axis=3)
    where = np.zeros((n, g, g), np.bool_)
    where[:9, 0, 0:2] = True
    features[where] = 0, 0, 2
    likely = np.where(where & odd, 255, 0).astype(np.uint8)
    whole = np.rint(np.clip(127 * features / 5, -127, 127)).astype(np.int8)
    seen = Patches(np.array([f"{i}" for i in range(n)]), whole, likely, np.zeros((n, g, g, 3), np.uint8), likely, "e")
    words = visual_words.spell(visual_words.learn(seen, seed=0, n_words=40), seen)
    of_mark = np.unique(words[where])
    assert (len(of_mark) == 1 and not (words[~where] == of_mark[0]).any()) == found
