"""Colours that prompts speak of: right where the table knows the word, nothing where it does not, and only off the object."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from photos import Texts, embedded
from sklearn.metrics import roc_auc_score

from curator.attributes import FAMILIES, concepts
from curator.attributes import _usual_colours as usual_colours
from curator.attributes.colour import NAMES
from curator.config import AuditSettings, Settings
from curator.types import Embedded, Patches

DIM, GRID = 40, 4
BROWN, GREEN, WHITE = (120, 80, 50), (60, 130, 50), (245, 245, 245)


def patches(colours: np.ndarray, foreground: np.ndarray | None = None) -> Patches:
    n = len(colours)
    return Patches(
        ids=np.array([f"{i:04d}.jpg" for i in range(n)]),
        features=np.ones((n, GRID, GRID, 2), np.int8),
        foreground=np.zeros((n, GRID, GRID), np.uint8) if foreground is None else foreground,
        colour=np.broadcast_to(colours.reshape(n, 1 if colours.ndim == 2 else GRID, 1, 3), (n, GRID, GRID, 3)).astype(
            np.uint8
        ),
        texture=np.zeros((n, GRID, GRID), np.uint8),
        eye="made",
    )


def scene(on: np.ndarray, seed: int = 0) -> Embedded:
    """Vectors that say nothing, and brown surroundings where `on`, green ones elsewhere."""
    rng = np.random.default_rng(seed)
    data = embedded(rng.normal(size=(len(on), DIM)) * 0.05 + 3 * np.eye(DIM)[-2])
    return replace(data, patches=patches(np.where(on[:, None], BROWN, GREEN)))


def texts(kind: str = "embedded") -> Texts:
    encoder = Texts({"dirt": np.eye(DIM)[0], "green grass": np.eye(DIM)[1], "quarry": np.eye(DIM)[2]}, DIM)
    encoder.info = replace(encoder.info, kind=kind)
    return encoder


def test_the_table_is_in_colours_that_pixels_are_named_by_and_tells_no_word_twice():
    words, shares = usual_colours.table()
    assert len(words) == len(set(words)) == len(shares) >= 100
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-6)
    of = dict(zip(words, shares, strict=True))
    assert [NAMES[k] for k in np.argsort(-of["dirt"])[:3]] == ["brown", "black", "grey"]
    assert of["dirt"][NAMES.index("brown")] == pytest.approx(6 / 11)  # of 1, 1/2 and 1/3
    for colour in NAMES:
        word = f"an {colour} background" if colour[0] == "o" else f"a {colour} background"
        assert NAMES[int(of[word].argmax())] == colour


def test_a_prompt_has_the_colours_of_its_word_and_one_far_from_all_words_those_of_the_table():
    words, shares = np.eye(4)[:2].astype("f4"), np.eye(11)[:2].astype("f4")
    far = np.array([0.4, 0.1, 0, np.sqrt(1 - 0.17)])  # nearer to the first than to the second, but to neither near
    found = usual_colours.expected(np.stack([np.eye(4)[1], far]).astype("f4"), words, shares) ** 2
    assert found[0, 1] > 0.99
    np.testing.assert_allclose(found[1], shares.mean(0), atol=0.01)
    between = np.array([[np.cos(0.3), 0, np.sin(0.3), 0]], "f4")  # as near to one word as a paraphrase is
    assert usual_colours.expected(between, words, shares)[0, 0] ** 2 > 0.98
    np.testing.assert_allclose(np.linalg.norm(usual_colours.expected(between, words, shares), axis=1), 1, atol=1e-6)


def test_colours_are_seen_off_the_object():
    foreground = np.zeros((2, GRID, GRID), np.uint8)
    foreground[0, 1:3] = foreground[1] = 255
    rows = np.array([[BROWN, WHITE, WHITE, BROWN]] * 2)
    there, all_object = usual_colours.seen(patches(rows, foreground)) ** 2
    assert there[NAMES.index("brown")] > 0.99
    assert [round(float(all_object[NAMES.index(c)]), 3) for c in ("brown", "white")] == [0.5, 0.5]
    assert usual_colours.seen(patches(rows[:0])).shape == (0, 11)


def test_of_vectors_that_say_nothing_the_colours_tell_dirt_and_no_prompt_without_a_colour(tmp_path):
    """Planted: brown places are dirt and green ones grass. Null: "quarry" is not in the table; CLIP is asked no colours."""
    on = np.arange(300) % 3 == 0
    asked = ("dirt", "green grass", "quarry")
    scores = concepts.agreement(asked, texts(), scene(on))
    assert roc_auc_score(on, scores[:, 0]) > 0.95
    assert roc_auc_score(~on, scores[:, 1]) > 0.95
    plain = concepts.agreement(asked, texts("open_clip"), scene(on))
    error = np.sqrt(301 / (12 * 100 * 200))  # of an AUC when nothing is there (Mann and Whitney 1947)
    null = [roc_auc_score(on, scores[:, 2]), *(roc_auc_score(on, plain[:, k]) for k in range(3))]
    for auc in null:
        assert abs(auc - 0.5) < 3 * error


def test_colours_that_do_not_vary_change_no_score():
    rng = np.random.default_rng(1)
    data = embedded(rng.normal(size=(100, DIM)))
    grey = replace(data, patches=patches(np.full((100, 3), 128)))
    asked = ("dirt", "quarry")
    np.testing.assert_allclose(
        concepts.agreement(asked, texts(), grey), concepts.agreement(asked, texts(), data), atol=1e-9
    )


def test_colours_keep_their_weight_whatever_the_covariance_makes_of_the_scale():
    """Vectors half as far apart have plain scores half as large and varied ones an eighth: colours shrink by a quarter, so
    that they weigh against the vectors as they do in the plain scores, twice as much."""
    wide = scene(np.arange(300) % 3 == 0)
    vectors = wide.embeddings.vectors
    narrow = replace(wide.embeddings, vectors=vectors.mean(0) + (vectors - vectors.mean(0)) / 2)
    spread = []
    for data in (wide, replace(wide, embeddings=narrow)):
        without = concepts.agreement(("dirt",), texts(), replace(data, patches=None))
        spread.append((concepts.agreement(("dirt",), texts(), data) - without).std())
    assert spread[1] / spread[0] == pytest.approx(1 / 4, rel=1e-3)


def test_the_flag_its_readings_and_those_of_a_pool_come_from_the_colours_of_that_prompt(tmp_path):
    on = np.arange(240) % 4 == 0
    words = tmp_path / "own.txt"
    words.write_text("[surfaces]\nquarry\ndirt\n")
    settings = Settings(audit=AuditSettings(concepts=str(words)))
    data, encoder = scene(on), texts()
    derive = FAMILIES.get("concepts").derive
    out = derive(data, encoder, settings, data)
    np.testing.assert_array_equal(out.frame["concept.dirt"].to_numpy(bool), on)
    assert (out.readings["concept.dirt"] == on[:, None]).mean() > 0.98
    rows = np.flatnonzero(on)
    pool = derive(data.take(rows), encoder, settings, data)
    assert pool.frame["concept.dirt"].all()
    other = scene(~on)  # the same vectors: what is learnt must not be taken for that of the first
    np.testing.assert_array_equal(derive(other, encoder, settings, other).frame["concept.dirt"].to_numpy(bool), ~on)
