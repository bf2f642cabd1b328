"""Where a finding is said to be: the places that were planted, and nowhere where nothing was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import Texts
from report_example import BUNNY, make_run
from sticker_world import GREEN, GRID, N, World

from curator import attributes
from curator.attributes import FAMILIES
from curator.attributes.colour import NAMES, name_map
from curator.commands._steps import finding_places
from curator.commands._steps.finding_places import MOST_IMAGES, sights
from curator.config import Settings
from curator.types import AuditRun, Column, Finding, Measures

COLOUR = NAMES[int(name_map(np.array([[GREEN]], np.uint8))[0, 0])]


OTHERS = (
    Column("light.around", "number", "context", "have light {value}", ""),
    Column("concept.lawn", "flag", "context", "show a lawn|do not show a lawn", ""),
)
"""Attributes that nothing measures on made-up images."""


def audited(world: World) -> AuditRun:
    data = world.data
    return replace(
        make_run(),
        dataset=data.dataset,
        encoder=data.embeddings.encoder,
        embeddings=data.embeddings,
        facts=data.facts,
        patches=data.patches,
        measures=attributes.measures(data, Texts({}, 4, text=False), Settings()).join(
            Measures(pd.DataFrame({c.name: True for c in OTHERS}, index=data.rows.index), OTHERS)
        ),
    )


def about(attribute: str, value: str, kind: str = "context", examples: int = 4) -> Finding:
    ids = tuple(f"{i:04d}.jpg" for i in range(examples))
    return replace(BUNNY, class_name="cat", attribute=attribute, value=value, kind=kind, example_ids=ids)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_a_coloured_ground_is_where_it_was_put(world: World) -> None:
    found = about("background.colour", COLOUR)
    sight = sights(audited(world), [found])[found.id]
    assert sight.exact
    # Grass lies in the four lowest rows of every cat and of no dog.
    assert (sight.share[10:] == 1).all()
    assert (sight.share[:10] == 0).all()
    assert (sight.elsewhere == 0).all()
    assert (sight.n, sight.n_elsewhere) == (N, N)
    assert set(sight.places) == set(found.example_ids)
    for id, mask in sight.places.items():
        assert mask[10:].all()
        assert not mask[:10].any()
        assert sight.sizes[id] == world.sizes[int(id[:4])]


def test_a_lone_class_is_compared_with_nothing(world: World) -> None:
    run = audited(world)
    alone = replace(run, dataset=replace(run.dataset, labels=np.zeros_like(run.dataset.labels), classes=("cat",)))
    found = about("background.colour", COLOUR)
    sight = sights(alone, [found])[found.id]
    assert sight.n_elsewhere == 0
    assert (sight.elsewhere == 0).all()


def test_a_word_is_where_it_is_seen_in_each_picture(world: World) -> None:
    run = audited(world)
    words = {f"words.{k}": about(f"words.{k}", "yes") for k in range(8)}
    found = sights(run, words.values())
    hits = {}
    for name, f in words.items():
        if f.id in found and found[f.id].share.max() > 0:
            hits[name] = [
                bool(mask[y : y + 3, x : x + 3].all() and mask.sum() == 9)
                for id, mask in found[f.id].places.items()
                for x, y in [world.sticker[id]]
            ]
    assert any(all(hit) and hit for hit in hits.values()), hits


def test_what_surrounds_the_object_is_all_but_the_object(world: World) -> None:
    found = about("light.around", "below 3")
    sight = sights(audited(world), [found])[found.id]
    assert not sight.exact
    assert (sight.share[6:10, 5:9] == 0).all()
    assert sight.share.sum() == GRID * GRID - 16


@pytest.mark.parametrize("kind", ["image", "file", "metadata"])
def test_what_is_of_no_place_has_none(world: World, kind: str) -> None:
    assert sights(audited(world), [about("light.brightness", "below 3", kind=kind)]) == {}


def test_what_is_not_there_is_nowhere(world: World) -> None:
    assert sights(audited(world), [about("concept.lawn", "no")]) == {}
    assert sights(replace(audited(world), patches=None), [about("background.colour", COLOUR)]) == {}
    assert sights(audited(world), [replace(about("background.colour", COLOUR), class_name="hen")]) == {}


def test_shares_of_many_images_are_taken_over_some_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_IMAGES >= 400
    monkeypatch.setattr(finding_places, "MOST_IMAGES", 10)
    found = about("background.colour", COLOUR)
    sight = sights(audited(world), [found])[found.id]
    assert (sight.n, sight.n_elsewhere) == (10, 10)
    assert (sight.share[10:] == 1).all()


def test_lettering_is_where_it_was_read_in_the_whole_image(world: World) -> None:
    """A line at the left edge of every image, one at the bottom that is of another place, and a grid that is no crop."""
    run = audited(world)
    left, bottom = "2 120 20 130", "120 245 140 252"
    facts = run.facts.assign(lettering=[f"{left};{bottom}"] * len(run.facts))
    data = replace(world.data, facts=facts)
    measured = FAMILIES.get("lettering").derive(data, Texts({}, 4, text=False), Settings(), data)
    run = replace(run, facts=facts, measures=run.measures.join(measured))
    found = about("lettering.place", "left edge")
    sight = sights(run, [found])[found.id]
    assert sight.exact
    expected = np.zeros((GRID, GRID))
    y0, y1 = int(120 / 255 * GRID), int(130 / 255 * GRID)
    expected[y0 : y1 + 1, 0 : int(20 / 255 * GRID) + 1] = 1
    np.testing.assert_array_equal(sight.share, expected)
    assert set(sight.views.values()) == {(0.0, 0.0, 1.0, 1.0)}
