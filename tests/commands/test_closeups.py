"""Close-ups: the object fills the frame, its surroundings are gone, and what has none is left as it is."""

from __future__ import annotations

import numpy as np

from curator.commands._steps.closeups import closeup
from curator.types import Preprocessing

SQUARE = Preprocessing(size=56, resize_to=64)


def grid(*places, n=14):
    likely = np.zeros((n, n), np.float32)
    for y, x in places:
        likely[y, x] = 1
    return likely


def picture(height, width):
    """Green, with a red object where the test says."""
    out = np.zeros((height, width, 3), np.uint8)
    out[..., 1] = 200
    return out


def test_the_object_is_large_and_nothing_else_is_left():
    pixels = picture(256, 256)
    # The encoder sees the middle 224 of 256 pixels, 16 for each place: places 4 to 6 are pixels 80 to 128.
    pixels[80:128, 80:128] = 200, 0, 0
    seen = closeup(pixels, grid(*[(y, x) for y in (4, 5, 6) for x in (4, 5, 6)]), SQUARE)
    assert seen.shape == (56, 56, 3)
    red = (seen[..., 0] > 150) & (seen[..., 1] < 60)
    # Three places of the five that are shown: 36 % of the frame, where the picture gave it 4 %.
    assert 0.30 < red.mean() < 0.40
    assert not (seen[..., 1] > 160).any()
    np.testing.assert_array_equal(seen[0, 0], [127] * 3)


def test_of_two_objects_the_larger_is_shown():
    pixels = picture(256, 256)
    pixels[80:128, 80:128] = 200, 0, 0
    pixels[208:224, 208:224] = 0, 0, 200
    seen = closeup(pixels, grid(*[(y, x) for y in (4, 5, 6) for x in (4, 5, 6)], (12, 12)), SQUARE)
    assert (seen[..., 0] > 150).any()
    assert not (seen[..., 2] > 150).any()


def test_a_wide_picture_is_cut_where_the_encoder_looks():
    """Of 512 x 256 pixels the encoder sees the middle: its second column of places begins at pixel 160."""
    pixels = picture(256, 512)
    pixels[96:112, 160:176] = 200, 0, 0
    seen = closeup(pixels, grid((5, 1)), SQUARE)
    red = (seen[..., 0] > 150) & (seen[..., 1] < 60)
    assert 0.07 < red.mean() < 0.16
    assert not (seen[..., 1] > 160).any()


def test_without_an_object_there_is_only_grey():
    assert (closeup(picture(100, 100), grid(), SQUARE) == 127).all()
