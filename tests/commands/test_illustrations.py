"""Where a pattern is seen: the box covers what was put there, in pixels of the picture itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from sticker_world import GRID, GROUND, SAND, STICKER, N, World

from curator import commands
from curator.commands._steps.pattern_places import N_EXAMPLES, densest, in_pixels, rectangle
from curator.commands.session import Session
from curator.config import AuditSettings, Settings
from curator.io import editing
from curator.types import Box, Preprocessing


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def inside(inner: Box, outer: Box, slack: int = 1) -> bool:
    return (
        inner[0] >= outer[0] - slack
        and inner[1] >= outer[1] - slack
        and inner[2] <= outer[2] + slack
        and inner[3] <= outer[3] + slack
    )


def near(box: Box | None, other: Box) -> bool:
    """The same but for how a half pixel is rounded."""
    return box is not None and inside(box, other) and inside(other, box)


def test_the_box_of_a_word_around_the_object_covers_what_was_put_there(world: World):
    (sticker,) = [p for p in world.patterns() if p.kind == "context" and p.attribute.startswith("words.")]
    assert (sticker.share, sticker.share_elsewhere) == (1.0, 0.0)
    assert len(sticker.example_ids) == len(sticker.boxes) == N_EXAMPLES
    for id, box in zip(sticker.example_ids, sticker.boxes, strict=True):
        put = world.on_disk(*world.sticker[id], 3, id)
        assert box is not None
        assert inside(put, box)
        width, height = world.sizes[int(id[:4])]
        assert inside(box, (0, 0, width, height), 0)
        # Four places each way, where three hold the sticker: no box gets it by being large.
        one = 16 * min(width, height) / 256
        assert box[2] - box[0] <= 4 * one + 1


def test_the_box_of_a_word_of_the_object_lies_on_the_object(world: World):
    (own,) = [p for p in world.patterns() if p.kind == "object"]
    assert (own.share, own.share_elsewhere) == (1.0, 1.0)
    for id, box in zip(own.example_ids, own.boxes, strict=True):
        assert near(box, world.on_disk(5, 6, 4, id))


def test_a_word_of_the_surroundings_is_not_shown_where_the_object_is():
    """The sticker's word also lies on the object, in more places than around it: these do not count."""
    world = World()
    assert world.data.patches is not None
    features = world.data.patches.features.copy()
    features[: N // 8, 6:10, 5:8] = np.eye(8, dtype=np.int8)[STICKER] * 127
    world.data = replace(world.data, patches=replace(world.data.patches, features=features))
    (sticker,) = [p for p in world.patterns() if p.kind == "context" and p.attribute.startswith("words.")]
    assert any(int(id[:4]) < N // 8 for id in sticker.example_ids)
    for id, box in zip(sticker.example_ids, sticker.boxes, strict=True):
        assert box is not None
        assert inside(world.on_disk(*world.sticker[id], 3, id), box)


def test_pictures_that_show_little_of_it_are_no_examples():
    """Ten of forty have five places of the sticker, the others nine."""
    world = World()
    assert world.data.patches is not None
    features = world.data.patches.features.copy()
    for i in range(10):
        x, y = world.sticker[f"{i:04d}.jpg"]
        spare = np.ones((GRID, GRID), bool)
        spare[y, x : x + 3] = spare[y + 1, x : x + 2] = False
        features[i, spare & (features[i, ..., STICKER] > 0)] = np.eye(8, dtype=np.int8)[GROUND] * 127
    world.data = replace(world.data, patches=replace(world.data.patches, features=features))
    (sticker,) = [p for p in world.patterns() if p.kind == "context" and p.attribute.startswith("words.")]
    assert sticker.share == 1.0
    assert min(int(id[:4]) for id in sticker.example_ids) >= 10


def test_a_background_is_shown_where_it_has_the_colour_and_a_file_as_a_whole(world: World):
    found = {p.attribute: p for p in world.patterns()}
    green, file = found["background.colour"], found["file.format"]
    for id, box in zip(green.example_ids, green.boxes, strict=True):
        left, _, right, bottom = world.on_disk(0, 0, 14, id)
        assert near(box, (left, world.on_disk(0, 10, 1, id)[1], right, bottom))
    for id, box in zip(file.example_ids, file.boxes, strict=True):
        assert box == (0, 0, *world.sizes[int(id[:4])])


def test_without_places_the_whole_picture_is_shown_and_without_a_size_no_box(world: World):
    blind = replace(world.data, patches=None)
    for p in world.patterns(blind):
        assert list(p.boxes) == [(0, 0, *world.sizes[int(i[:4])]) for i in p.example_ids]
        assert p.example_ids
    unsized = replace(world.data, facts=world.data.facts[[]])
    assert {box for p in world.patterns(unsized) for box in p.boxes} == {None}


def test_examples_have_the_pattern_and_are_of_the_class():
    """Thirty cats are PNG files, and twenty dogs."""
    world = World()
    formats = pd.Series(["PNG"] * 30 + ["JPEG"] * 10 + ["PNG"] * 20 + ["JPEG"] * 20)
    world.data = replace(world.data, rows=world.data.rows.assign(**{"file.format": formats.to_numpy()}))
    (png,) = [p for p in world.patterns() if p.attribute == "file.format"]
    assert (png.share, png.share_elsewhere) == (0.75, 0.5)
    assert {int(id[:4]) for id in png.example_ids} <= set(range(30))


def test_of_a_rim_the_object_beside_it_is_shown():
    """A word at the left rim of the cats alone, the rest of the object another: the window holds the object."""
    world = World()
    assert world.data.patches is not None
    features = world.data.patches.features.copy()
    features[:N, 6:10, 6:9] = features[N:, 6:10, 5:9] = np.eye(8, dtype=np.int8)[3] * 127
    world.data = replace(world.data, patches=replace(world.data.patches, features=features))
    (rim,) = [p for p in world.patterns() if p.kind == "object"]
    assert rim.share_elsewhere == 0
    for id, box in zip(rim.example_ids, rim.boxes, strict=True):
        assert near(box, world.on_disk(5, 6, 4, id))


def test_the_densest_window_is_the_middle_of_a_lawn():
    lawn = np.zeros((1, GRID, GRID), int)
    lawn[0, 6:12, 2:8] = 1
    amount, (box,) = densest(lawn)
    assert (int(amount[0]), box) == (16, (3, 7, 7, 11))
    nothing, (first,) = densest(np.zeros((1, GRID, GRID), int))
    assert (int(nothing[0]), first) == (0, (0, 0, 4, 4))


def test_the_rectangle_leaves_out_more_than_it_gives_up():
    places = np.zeros((GRID, GRID), bool)
    places[9:, :] = True
    places[2, 3] = True
    places[11, 4] = False
    assert rectangle(places) == (0, 9, 14, 14)
    assert rectangle(np.zeros((3, 3), bool)) == (0, 0, 3, 3)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 900), (640, 480), (3000, 2)])
def test_a_box_never_leaves_the_picture_and_is_never_empty(mode: str, width: int, height: int):
    seen = Preprocessing(size=224, resize_to=224, mode=mode)  # type: ignore[arg-type]
    for x in range(GRID):
        for y in range(GRID):
            left, top, right, bottom = in_pixels((x, y, x + 1, y + 1), GRID, width, height, seen)
            assert 0 <= left < right <= width
            assert 0 <= top < bottom <= height


def test_padding_is_no_part_of_the_picture():
    wide = Preprocessing(size=224, resize_to=224, mode="longest")
    assert in_pixels((0, 0, 14, 14), GRID, 400, 200, wide) == (0, 0, 400, 200)
    assert in_pixels((7, 7, 14, 14), GRID, 400, 200, wide) == (200, 100, 400, 200)


@pytest.mark.slow
def test_a_sticker_on_real_pixels_is_found_where_it_was_stuck(tmp_path: Path):
    """Noise and stripes seen by the real network: the pictures of one class carry a checked sticker in one of four corners."""
    rng = np.random.default_rng(0)
    at: dict[str, tuple[int, int]] = {}
    for kind in ("cat", "dog"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for i in range(16):
            pixels = np.clip(rng.normal(SAND, 12, (160, 160, 3)), 0, 255).astype(np.uint8)
            pixels[60:100, 60:100] = 90 + 60 * ((np.arange(40) // (5 if kind == "cat" else 8)) % 2)[:, None, None]
            if kind == "cat":
                x, y = int(rng.integers(14, 22)) + 88 * (i % 2), int(rng.integers(14, 22)) + 88 * (i // 2 % 2)
                tiles = (np.add.outer(np.arange(36) // 6, np.arange(36) // 6) % 2).astype(bool)
                pixels[y : y + 36, x : x + 36] = np.where(tiles[..., None], (220, 30, 40), (250, 250, 250))
                at[f"cat/{i:02d}.png"] = x + 18, y + 18
            (tmp_path / "data" / kind / f"{i:02d}.png").write_bytes(editing.png(pixels))
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("[scenes]\nsand\n")
    settings = Settings(
        audit=AuditSettings(n_edited=0, concepts=str(prompts))
    )  # what takes long, and is not asked here
    session = Session.open("embedded", cache=tmp_path / "cache", settings=settings)
    shared = commands.audit(tmp_path / "data", session).audit.shared_patterns["cat"]
    own = [p for p in shared if p.attribute.startswith("words.") and p.share - (p.share_elsewhere or 0) > 0.9]
    assert own
    held = [
        box is not None and box[0] <= at[id][0] <= box[2] and box[1] <= at[id][1] <= box[3]
        for id, box in zip(own[0].example_ids, own[0].boxes, strict=True)
    ]
    assert all(held)
