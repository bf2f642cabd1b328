"""Prompts as attributes: silent where nothing varies, right where it does, and honest about their own error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import Texts, embedded

from curator.attributes import FAMILIES, concepts
from curator.attributes._splitting import LEAST_DISTANCE, split
from curator.attributes.concepts import DRAWS, TEMPLATES
from curator.config import AuditSettings, Settings
from curator.errors import DataError
from curator.similarity.vectors import unit
from curator.types import Column, Measures

DIM = 40


@pytest.mark.parametrize("n", [30, 120, 600])
@pytest.mark.parametrize("shape", ["normal", "gamma", "heavy"])
def test_one_side_is_not_taken_for_two(n, shape):
    """The null: of 100 scores with one side about 1 % or fewer pass; 5 is the 99.9 % point of that binomial."""
    rng = np.random.default_rng(n)
    draw = {
        "normal": rng.standard_normal,
        "gamma": lambda k: rng.gamma(3, size=k),
        "heavy": lambda k: rng.standard_t(5, k),
    }
    assert sum(split(draw[shape](n)).separates(n) for _ in range(100)) <= 5


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5, 0.9])
def test_two_sides_are_found_with_their_share_distance_and_cut(share):
    rng = np.random.default_rng(3)
    on = rng.permutation(600) < round(600 * share)
    scores = rng.normal(size=600) * 0.1 + 0.45 * on + 7
    found = split(scores)
    assert found.separates(600)
    assert found.share == pytest.approx(share, abs=0.02)
    assert found.distance == pytest.approx(4.5, abs=0.5)
    assert (found.read(scores) == on).mean() >= 0.97


def test_sides_that_overlap_too_much_are_left_out():
    rng = np.random.default_rng(4)
    close = split(rng.normal(size=4000) + 1.8 * (np.arange(4000) < 2000))
    assert close.distance < LEAST_DISTANCE
    assert not close.separates(4000)
    one = np.r_[rng.normal(size=198), 30, 31]
    assert not split(one).separates(200)  # two odd images are no side


def test_scores_without_a_spread_have_no_split():
    assert split(np.full(50, 2.0)) is None
    assert split(np.arange(9.0)) is None


def scene(n, share, noise, tmp_path, seed=0):
    """n images of which a share shows meadow; thirty other prompts mean nothing to them."""
    rng = np.random.default_rng(seed)
    words = tmp_path / "words.txt"
    words.write_text("[scenes]\nmeadow\n" + "".join(f"thing {i:02d}\n" for i in range(30)))
    known = {"meadow": np.eye(DIM)[0], **{f"thing {i:02d}": np.eye(DIM)[i + 1] for i in range(30)}}
    on = rng.permutation(n) < round(n * share)
    vectors = np.eye(DIM)[0] * on[:, None] + rng.normal(size=(n, DIM)) * noise + 3 * np.eye(DIM)[-2]
    return embedded(vectors), Texts(known, DIM), Settings(audit=AuditSettings(concepts=str(words))), on


def derive(data, encoder, settings, reference=None):
    return FAMILIES.get("concepts").derive(data, encoder, settings, reference or data)


def test_every_prompt_of_the_user_is_answered_or_named(tmp_path):
    data, encoder, settings, _ = scene(400, 0.5, 0.15, tmp_path)
    silent = concepts.unanswered(derive(data, encoder, settings), settings)
    kept = {c.name.removeprefix("concept.") for c in derive(data, encoder, settings).columns}
    assert "meadow" in kept
    assert "meadow" not in silent
    assert kept | set(silent) == {"meadow", *(f"thing {i:02d}" for i in range(30))}
    assert concepts.unanswered(derive(data, encoder, settings), Settings()) == []


def test_where_nothing_varies_few_prompts_survive(tmp_path):
    kept = [len(derive(*scene(200, 0, 0.2, tmp_path, seed)[:3]).columns) for seed in range(5)]
    assert sum(kept) <= 6  # of 155, at 1 % each


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_a_prompt_true_of_some_is_kept_and_the_pool_is_read_by_its_cut(share, tmp_path):
    data, encoder, settings, on = scene(400, share, 0.15, tmp_path)
    out = derive(data, encoder, settings)
    assert (out.frame["concept.meadow"].to_numpy(bool) == on).mean() > 0.98
    rows = np.flatnonzero(on)
    pool = derive(data.take(rows), encoder, settings, reference=data)
    assert pool.frame["concept.meadow"].mean() > 0.9
    np.testing.assert_array_equal(pool.readings["concept.meadow"], out.readings["concept.meadow"][rows])


def test_readings_spread_as_far_as_the_flag_is_unsure(tmp_path):
    """Planted: clear sides are read alike each time; sides that overlap are not, and the share moves accordingly."""
    moved = []
    for noise in (0.1, 0.3):
        data, encoder, settings, on = scene(400, 0.5, noise, tmp_path)
        readings = derive(data, encoder, settings).readings["concept.meadow"]
        assert readings.shape == (400, len(TEMPLATES) * DRAWS)
        assert abs(readings.mean() - on.mean()) < 0.05
        moved.append(readings.mean(0).std())
    assert moved[0] < 0.005 < moved[1] < 0.1


def test_readings_go_where_their_images_go():
    flag = Column("concept.x", "flag", "context", "show x|do not show x", "that do not show x")
    size = Column("size", "number", "image", "have {value}", "other than {value}")
    index = pd.Index(["a", "b", "c"])
    read = np.array([[1, 0], [0, 0], [1, 1]], np.bool_)
    one = Measures(pd.DataFrame({"concept.x": [True, False, True]}, index=index), (flag,), {"concept.x": read})
    joined = Measures(pd.DataFrame({"size": [1.0, 2.0, 3.0]}, index=index), (size,)).join(one)
    np.testing.assert_array_equal(joined.take([2, 0]).readings["concept.x"], read[[2, 0]])
    with pytest.raises(DataError, match="readings"):
        Measures(joined.frame, joined.columns, {"concept.x": read[:2]})
    with pytest.raises(DataError, match="readings"):
        Measures(joined.frame, joined.columns, {"concept.y": read})


def kept(vectors, known, tmp_path, **settings):
    words = tmp_path / "own.txt"
    words.write_text("[scenes]\n" + "".join(f"{name}\n" for name in known))
    out = derive(embedded(vectors), Texts(known, DIM), Settings(audit=AuditSettings(concepts=str(words))))
    return [c.name.removeprefix("concept.") for c in out.columns]


def test_a_rare_scene_is_kept_beside_a_common_one_and_a_faint_one_is_not(tmp_path):
    """A scene of 4 % spreads its scores less than one of 40 %, but its sides lie as far apart."""
    rng = np.random.default_rng(0)
    common, rare, faint = (rng.permutation(400) < 400 * share for share in (0.4, 0.04, 0.4))
    base = rng.normal(size=(400, DIM)) * 0.02 + 3 * np.eye(DIM)[-2]
    vectors = base + np.outer(common, np.eye(DIM)[0]) + np.outer(rare, np.eye(DIM)[1])
    vectors += 0.3 * np.outer(faint, np.eye(DIM)[2])
    known = {"meadow": np.eye(DIM)[0], "quarry": np.eye(DIM)[1], "fog bank": np.eye(DIM)[2]}
    assert kept(vectors, known, tmp_path) == ["meadow", "quarry"]


def test_of_prompts_that_part_the_images_alike_the_one_that_means_it_most_is_kept(tmp_path):
    on = np.arange(200) % 3 == 0
    rng = np.random.default_rng(1)
    vectors = np.outer(on, np.eye(DIM)[0]) + rng.normal(size=(200, DIM)) * 0.03 + 3 * np.eye(DIM)[-2]
    half = np.eye(DIM)[0] + 0.7 * np.eye(DIM)[5]
    assert kept(vectors, {"pasture": half, "meadow": np.eye(DIM)[0]}, tmp_path) == ["meadow"]


def test_prompts_of_places_are_asked_of_the_surround_and_prompts_of_things_of_the_whole(tmp_path):
    words = tmp_path / "own.txt"
    words.write_text("[scenes]\nmeadow\n[objects]\nbucket\n")
    known = {"meadow": np.eye(DIM)[0], "bucket": np.eye(DIM)[1]}
    rng = np.random.default_rng(2)
    around, thing = np.arange(200) % 3 == 0, np.arange(200) % 5 < 2
    base = rng.normal(size=(200, DIM)) * 0.03 + 3 * np.eye(DIM)[-2]
    whole = base + np.outer(thing, np.eye(DIM)[1] + np.eye(DIM)[0])  # the thing itself looks like a meadow
    data = embedded(whole)
    surround = unit(base + np.outer(around, np.eye(DIM)[0])).astype("f4")
    data = replace(data, embeddings=replace(data.embeddings, surround=surround))
    out = derive(data, Texts(known, DIM), Settings(audit=AuditSettings(concepts=str(words))))
    assert [(c.name, c.kind, c.bias) for c in out.columns] == [
        ("concept.meadow", "context", 0.0),
        ("concept.bucket", "object", 0.0),
    ]
    np.testing.assert_array_equal(out.frame["concept.meadow"].to_numpy(bool), around)
    np.testing.assert_array_equal(out.frame["concept.bucket"].to_numpy(bool), thing)
