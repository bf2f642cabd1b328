"""Where lettering is drawn in the report: at its own place, on the images that were read, and in the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from photos import Texts
from report_example import BUNNY, make_run
from sticker_world import GRID, N, World

from curator.attributes import FAMILIES
from curator.commands._steps.finding_places import sights
from curator.config import Settings
from curator.report.html.places import Sight
from curator.types import LETTERING, AuditRun, Finding

LEFT, LOW, CORNER, INSIDE = "2 120 20 130", "120 240 140 252", "235 240 255 255", "100 120 150 130"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def audited(world: World, lines: list[str | None]) -> AuditRun:
    """An audit of lettering alone, with these lines in the 40 cats and the 40 dogs."""
    facts = world.data.facts.assign(**{LETTERING: np.array(lines, object)})
    data = replace(world.data, facts=facts)
    return replace(
        make_run(),
        dataset=data.dataset,
        encoder=data.embeddings.encoder,
        embeddings=data.embeddings,
        facts=facts,
        patches=data.patches,
        measures=FAMILIES.get("lettering").derive(data, Texts({}, 4, text=False), Settings(), data),
    )


def about(attribute: str, value: str, *examples: int, of: str = "cat") -> Finding:
    ids = tuple(f"{k:04d}.jpg" for k in examples)
    return replace(BUNNY, class_name=of, attribute=attribute, value=value, kind="context", example_ids=ids)


def sight(run: AuditRun, finding: Finding) -> Sight:
    return sights(run, [finding])[finding.id]


def places(*lines: str) -> np.ndarray:
    """The places that a line touches, counted one by one."""
    out = np.zeros((GRID, GRID))
    for line in lines:
        left, top, right, bottom = (int(number) * GRID / 255 for number in line.split())
        for y in range(GRID):
            for x in range(GRID):
                if x + 1 > left and x <= right and y + 1 > top and y <= bottom:
                    out[y, x] = 1
    return out


def test_a_line_is_drawn_at_its_place_in_the_images_that_have_it(world: World) -> None:
    """Every other cat has a line at the left, every fourth dog one below."""
    run = audited(
        world, [*[LEFT if k % 2 == 0 else "" for k in range(N)], *[LOW if k % 4 == 0 else "" for k in range(N)]]
    )
    seen = sight(run, about("lettering.by_edge", "yes", 0, 1, 2))
    np.testing.assert_array_equal(seen.share, places(LEFT) / 2)
    np.testing.assert_array_equal(seen.elsewhere, places(LOW) / 4)
    for k, lines in enumerate([(LEFT,), (), (LEFT,)]):
        np.testing.assert_array_equal(seen.places[f"{k:04d}.jpg"], places(*lines))
        assert seen.views[f"{k:04d}.jpg"] == (0.0, 0.0, 1.0, 1.0)
        assert seen.sizes[f"{k:04d}.jpg"] == world.sizes[k]
    dogs = sight(run, about("lettering.by_edge", "yes", N, of="dog"))
    np.testing.assert_array_equal(dogs.share, places(LOW) / 4)
    np.testing.assert_array_equal(dogs.places[f"{N:04d}.jpg"], places(LOW))


@pytest.mark.parametrize("value", ["left edge", "bottom edge", "bottom right corner"])
def test_a_place_shows_its_own_lines_and_any_lettering_shows_all_by_the_edge(world: World, value: str) -> None:
    run = audited(world, [f"{LEFT};{LOW};{CORNER};{INSIDE}"] * (2 * N))
    own = {"left edge": LEFT, "bottom edge": LOW, "bottom right corner": CORNER}[value]
    np.testing.assert_array_equal(sight(run, about("lettering.place", value)).share, places(own))
    for attribute, any_value in [("lettering.by_edge", "yes"), ("lettering.height", "below 0.1")]:
        np.testing.assert_array_equal(sight(run, about(attribute, any_value)).share, places(LEFT, LOW, CORNER))


def test_an_image_full_of_lettering_shows_none(world: World) -> None:
    run = audited(world, [f"{LEFT};{INSIDE};{INSIDE}"] * (2 * N))
    assert not sight(run, about("lettering.by_edge", "yes", 0)).share.any()


def test_an_image_that_was_not_read_shows_none(world: World) -> None:
    run = audited(world, [LEFT, None] * N)
    seen = sight(run, about("lettering.by_edge", "yes", 0, 1))
    assert seen.places["0000.jpg"].any()
    assert not seen.places["0001.jpg"].any()


def test_facts_without_lettering_have_no_place(world: World) -> None:
    run = audited(world, [LEFT] * (2 * N))
    unread = replace(run, facts=run.facts.drop(columns=LETTERING))
    assert sights(unread, [about("lettering.by_edge", "yes", 0)]) == {}
