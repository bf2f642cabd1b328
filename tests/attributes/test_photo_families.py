"""Known answers: pictures painted so that anyone can say what must be measured."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from photos import photo, plain
from scipy.ndimage import gaussian_filter

from curator import attributes
from curator.attributes import colour
from curator.attributes._surround import band

GREEN, GREY, WHITE, BLACK, RED = (50, 130, 40), (128, 128, 128), (250, 250, 250), (5, 5, 5), (210, 20, 20)


def on(surround, middle, height=60, width=80) -> np.ndarray:
    pixels = plain(surround, height, width)
    pixels[height // 4 : -height // 4, width // 4 : -width // 4] = middle
    return pixels


def measured(pixels: np.ndarray, **facts: object) -> dict[str, object]:
    return attributes.measure(photo(pixels, **facts))


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        (GREEN, "green"), ((90, 150, 60), "green"), (GREY, "grey"), (WHITE, "white"), (BLACK, "black"), (RED, "red"),
        ((30, 60, 200), "blue"), ((240, 220, 40), "yellow"), ((240, 140, 20), "orange"), ((110, 70, 40), "brown"),
        ((120, 40, 160), "purple"), ((250, 120, 180), "pink"), ((200, 190, 180), "grey"), ((255, 0, 8), "red"),
    ],
)  # fmt: skip
def test_a_plain_colour_is_called_what_people_call_it(rgb, name):
    assert colour.NAMES[int(colour.name_map(np.array([[rgb]], np.uint8))[0, 0])] == name


def test_the_background_is_the_surround_and_not_the_middle():
    row = measured(on(GREEN, RED))
    assert row["background.colour"] == "green"
    assert row["colour.dominant"] == "green"
    assert measured(on(RED, GREEN))["background.colour"] == "red"


def test_two_colours_of_a_surround_are_two_tags_the_larger_first():
    pixels = plain(GREEN)
    pixels[:24] = WHITE
    assert measured(pixels)["background.colour"] == "green|white"


def test_a_surround_of_many_colours_has_none():
    five = np.array([GREEN, GREY, WHITE, RED, (30, 60, 200)])
    pixels = five[np.random.default_rng(3).integers(0, 5, (60, 80))]
    assert measured(pixels)["background.colour"] == ""


def test_background_brightness_and_texture_have_known_values():
    row = measured(on((102, 102, 102), WHITE))
    assert row["background.brightness"] == pytest.approx(0.4)
    stripes = plain((0, 0, 0))
    stripes[:, ::2] = 51
    assert measured(stripes)["background.texture"] == pytest.approx(0.2, abs=0.005)
    assert measured(plain(GREEN))["background.texture"] == 0


def test_the_surround_is_a_fifth_on_each_side_and_everything_where_there_is_no_middle():
    mask = band(10, 20)
    assert mask.sum() == 200 - 6 * 12
    assert not mask[2:8, 4:16].any()
    assert band(2, 300).all()
    assert band(1, 1).all()


@pytest.mark.parametrize(("rgb", "name"), [(WHITE, "white"), (BLACK, "black"), (RED, "red")])
def test_a_frame_is_seen_and_named(rgb, name):
    noise = np.random.default_rng(0).integers(0, 256, (100, 140, 3)).astype(np.uint8)
    framed = noise.copy()
    framed[:3], framed[-3:], framed[:, :3], framed[:, -3:] = rgb, rgb, rgb, rgb
    assert measured(framed)["border.frame"] == name
    framed[-3:] = noise[-3:]
    assert measured(framed)["border.frame"] == "none"
    assert measured(noise)["border.frame"] == "none"


@pytest.mark.parametrize("rgb", [GREEN, GREY, WHITE, BLACK, RED])
def test_a_picture_of_one_colour_has_no_frame(rgb):
    assert measured(plain(rgb))["border.frame"] == "none"


def test_black_and_white_is_told_from_pale():
    noise = np.random.default_rng(1).integers(0, 256, (60, 80, 1)).astype(np.uint8)
    grey = np.repeat(noise, 3, axis=2)
    assert measured(grey)["colour.grey"] is True
    assert measured(grey)["colour.saturation"] == 0
    tinted = grey.copy()
    tinted[:10, :, 0] = 255 - tinted[:10, :, 0]
    assert measured(tinted)["colour.grey"] is False


def test_brightness_and_contrast_have_known_values():
    half = plain((0, 0, 0))
    half[:, 40:] = 255
    row = measured(half)
    assert row["light.brightness"] == pytest.approx(0.5)
    assert row["light.contrast"] == pytest.approx(1)
    assert measured(plain((0, 255, 0)))["light.brightness"] == pytest.approx(0.587)
    assert measured(plain(BLACK))["light.brightness"] < 0.05


def test_a_blurred_picture_is_less_sharp():
    noise = np.random.default_rng(2).normal(128, 20, (80, 80, 1))
    sharp = np.repeat(np.clip(noise, 0, 255), 3, axis=2)
    blurred = sum(np.roll(sharp, (i, j), (0, 1)) for i in range(-2, 3) for j in range(-2, 3)) / 25
    scores = [measured(p.astype(np.uint8))["sharpness.detail"] for p in (sharp, blurred, plain(GREY))]
    assert scores[0] > scores[1] + 0.2
    assert scores[2] is None
    # Steps of white noise have variance 2 v. A Gaussian of 1 pixel leaves neighbours of variance v / 4 pi that correlate as
    # exp(-1/4): steps of variance v (1 - exp(-1/4)) / 2 pi.
    # Of steps of 2 * 20 / sqrt(pi) levels on average, half a level is allowed for rounding.
    step = 40 / np.sqrt(np.pi)
    lost = 1 - np.sqrt((1 - np.exp(-1 / 4)) / (4 * np.pi))
    assert scores[0] == pytest.approx(lost * step / (step + 0.5), abs=0.01)


@pytest.mark.parametrize("pitch", [2, 6, 16])
def test_sharpness_does_not_depend_on_what_is_shown(pitch):
    """A smooth floor photographed sharply is not blurred: its few steps are as steep as a lawn's."""
    tiles = np.kron(np.random.default_rng(4).integers(0, 2, (96 // pitch, 96 // pitch)), np.ones((pitch, pitch))) * 180
    floor = np.repeat(tiles[..., None], 3, axis=2).astype(np.uint8)
    soft = np.stack([gaussian_filter(floor[..., 0].astype(float), 2.5)] * 3, axis=2).astype(np.uint8)
    assert measured(floor)["sharpness.detail"] > 0.5 > 0.3 > measured(soft)["sharpness.detail"]


def test_half_the_light_changes_brightness_and_nothing_else():
    """Else one shortcut would have five names, and the darkest of them no better a claim than the palest."""
    picture = np.random.default_rng(3).integers(40, 256, (60, 80, 3)).astype(np.uint8)
    one, half = measured(picture), measured((picture / 2).astype(np.uint8))
    for name in ("light.contrast", "colour.saturation", "colour.warmth", "sharpness.detail"):
        assert half[name] == pytest.approx(one[name], abs=0.02), name
    for name in ("light.brightness", "light.highlights"):
        assert half[name] == pytest.approx(one[name] / 2, abs=0.01), name


@pytest.mark.parametrize(
    ("size", "shape"),
    [((400, 300), "landscape"), ((300, 400), "portrait"), ((400, 400), "square"), ((404, 400), "square")],
)
def test_the_shape_is_that_of_the_file(size, shape):
    row = measured(plain(GREEN), width=size[0], height=size[1])
    assert row["geometry.shape"] == shape
    assert row["geometry.size"] == f"{size[0]}x{size[1]}"
    assert row["geometry.megapixels"] == pytest.approx(size[0] * size[1] / 1e6)


def test_the_file_is_read_as_it_is():
    row = measured(plain(GREEN), format="PNG", mode="P", n_bytes=9600, jpeg_quality=None)
    assert (row["file.format"], row["file.mode"], row["file.jpeg_quality"]) == ("PNG", "P", None)
    assert row["file.bytes_per_pixel"] == 2
    assert measured(plain(GREEN), jpeg_quality=85)["file.jpeg_quality"] == 85


def seen(pixels: np.ndarray, foreground: np.ndarray) -> dict[str, object]:
    return attributes.measure(replace(photo(pixels), foreground=foreground.astype(np.float32)))


def test_colour_and_light_are_measured_off_the_object():
    pixels = on(GREEN, WHITE)
    hidden = np.zeros(pixels.shape[:2])
    hidden[15:-15, 20:-20] = 1
    row = seen(pixels, hidden)
    assert (row["background.colour"], row["colour.dominant"]) == ("green", "green")
    assert row["light.brightness"] == pytest.approx(np.dot(GREEN, (0.299, 0.587, 0.114)) / 255, abs=0.01)
    assert row["light.contrast"] == pytest.approx(0, abs=0.01)
    # Without the object's place, the middle is in the light, and in the colours of the whole.
    turned = seen(pixels, 1 - hidden)
    assert (turned["background.colour"], turned["colour.dominant"]) == ("white", "white")


def test_an_object_that_leaves_no_surround_leaves_the_outer_band():
    assert seen(on(GREEN, RED), np.ones((60, 80)))["background.colour"] == "green"


def test_the_span_is_the_longer_extent_of_the_largest_piece():
    where = np.zeros((60, 80))
    where[10:25, 5:45] = 1  # 15 of 60 rows, 40 of 80 columns
    where[50:55, 60:65] = 1
    assert seen(plain(GREEN, 60, 80), where)["framing.object_span"] == pytest.approx(0.5)
    assert seen(plain(GREEN, 60, 80), np.zeros((60, 80)))["framing.object_span"] == 0
    assert measured(plain(GREEN))["framing.object_span"] is None


def test_warmth_is_that_of_the_light_and_not_of_the_lawn():
    rng = np.random.default_rng(0)
    lawn = np.clip(np.array((80, 110, 40)) + rng.integers(-10, 11, (60, 80, 1)), 0, 255).astype(np.uint8)
    lawn[:10] = 240  # a cloudy sky
    assert abs(float(str(measured(lawn)["colour.warmth"]))) < 0.1
    warm = (lawn * np.array((1.0, 0.9, 0.5))).astype(np.uint8)
    assert float(str(measured(warm)["colour.warmth"])) == pytest.approx(1, abs=0.15)


def test_highlights_tell_a_dark_photograph_from_a_photograph_of_something_dark():
    road = plain((40, 40, 40))
    road[:8] = 235
    assert float(str(measured(road)["light.highlights"])) > 0.9
    assert float(str(measured((road * 0.5).astype(np.uint8))["light.highlights"])) < 0.5


def test_a_lawn_in_the_sun_is_no_dark_photograph():
    """Full in one channel is as bright as a camera makes it."""
    lawn = plain((60, 240, 20))
    assert float(str(measured(lawn)["light.highlights"])) == pytest.approx(240 / 255, abs=0.02)
