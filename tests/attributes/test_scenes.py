"""Scenes that `embedded` knows: the cuts hold in every data set, a planted scene is found, and grounds name words."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from photos import Texts, embedded

from curator.attributes import FAMILIES, scenes, words
from curator.attributes.scenes import BIAS, CUTS
from curator.config import AuditSettings, Settings
from curator.shortcuts import detection, indicators
from curator.similarity.vectors import unit
from curator.types import Audit, Embedded, Measures

DIM = len(scenes.weights()["mean"])
PLAIN = Texts({}, DIM, text=False)
ENCODER = Texts({}, DIM, text=False)
ENCODER.info = replace(PLAIN.info, kind="embedded")


def surround(shows: dict[str, np.ndarray], n: int, seed: int = 0) -> np.ndarray:
    """Vectors (n, d) of surroundings: the usual mean and noise, with a scene's own direction where an image shows it."""
    rng = np.random.default_rng(seed)
    known = scenes.weights()
    out = rng.normal(0, 1 / DIM**0.5, (n, DIM))
    for name, has in shows.items():
        out[has] += 0.6 * known[f"scene.{name}"][0]
    return known["mean"] + 0.5 * out


def seen(vectors: np.ndarray | None, n: int = 40) -> Embedded:
    made = embedded(np.ones((n if vectors is None else len(vectors), DIM)))
    return replace(made, embeddings=replace(made.embeddings, surround=vectors))


def derive(these: Embedded, encoder=ENCODER) -> Measures:
    return FAMILIES.get("scenes").derive(these, encoder, Settings(), these)


def test_another_encoder_or_no_view_of_the_surroundings_has_no_scenes():
    assert derive(seen(None)).columns == ()
    assert derive(seen(surround({}, 5)), PLAIN).columns == ()


def test_every_scene_is_a_flag_that_is_judged_with_its_bias():
    columns = derive(seen(surround({}, 5))).columns
    assert [c.name for c in columns] == [f"scene.{name}" for name in CUTS]
    assert {(c.form, c.kind, c.bias, c.absence, c.around) for c in columns} == {("flag", "context", BIAS, False, True)}


@pytest.mark.parametrize("name", ["flowers", "snow", "a paved road"])
def test_an_image_of_a_scene_shows_it_whatever_the_others_show(name):
    alone = derive(seen(surround({name: np.ones(1, np.bool_)}, 1))).frame
    assert alone[f"scene.{name}"].all()
    among = derive(seen(surround({name: np.arange(30) < 10}, 30))).frame
    assert among[f"scene.{name}"].tolist() == [True] * 10 + [False] * 20


def test_a_score_is_a_cosine_to_the_closest_direction_without_the_mean():
    known = scenes.weights()
    one = known["mean"] + 3 * known["scene.water"][1]
    scores = scenes.scores(one[None], "scene")
    assert set(scores) == set(CUTS)
    assert scores["water"][0] == pytest.approx(1, abs=1e-3)
    assert scores["snow"][0] == pytest.approx(
        float(unit(known["scene.snow"])[0] @ unit(known["scene.water"])[1]), abs=1e-3
    )


def audit(these: Embedded, labels: np.ndarray) -> Audit:
    table = indicators.build(derive(these), (0.5,), 3)
    settings = AuditSettings(n_permutations=0)
    return detection.audit(table, labels.astype(np.int32), ("bees", "ants"), settings, np.random.default_rng(0))


def test_flowers_under_one_class_are_found():
    """Planted: 70 % of 100 bees and 13 % of 100 ants."""
    labels = np.repeat([0, 1], 100)
    has = np.r_[np.arange(100) < 70, np.arange(100) < 13]
    (found,) = audit(seen(surround({"flowers": has}, 200)), labels).findings
    assert (found.class_name, found.attribute, found.n_with, found.phrase) == (
        "bees",
        "scene.flowers",
        70,
        "show flowers",
    )
    assert found.severity in ("medium", "high")


def test_flowers_drawn_without_a_look_at_the_class_are_no_finding():
    """The null, ten times."""
    labels = np.repeat([0, 1], 100)
    for seed in range(10):
        has = np.random.default_rng(seed).random(200) < 0.4
        assert audit(seen(surround({"flowers": has}, 200, seed)), labels).findings == ()


def named(strength: dict[str, float]) -> dict[int, str]:
    """The name of a word that half of 60 images have, whose surroundings lean to these grounds."""
    has = np.arange(60) < 30
    vectors = surround({}, 60)
    for ground, much in strength.items():
        vectors[has] += 0.5 * much * scenes.weights()[f"ground.{ground}"][0]
    return words._meanings(has[:, None], ["context"], ENCODER, Settings(), seen(vectors))


def test_a_ground_that_goes_with_a_word_names_it_and_a_second_as_good_is_named_too():
    assert named({"snow": 0.1}) == {0: "snow"}
    assert set(named({"sand": 0.12, "flowers": 0.12})[0].split(" or ")) == {"sand", "flowers"}
    assert named({"snow": 0.02}) == {}


def test_a_word_on_the_object_gets_no_ground():
    has = np.arange(60) < 30
    vectors = surround({}, 60)
    vectors[has] += 0.3 * scenes.weights()["ground.snow"][0]
    assert words._meanings(has[:, None], ["object"], ENCODER, Settings(), seen(vectors)) == {}
