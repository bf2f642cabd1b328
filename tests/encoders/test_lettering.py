"""The text detector: lettering is found where it was written, and nothing else is lettering."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from curator.encoders import _lettering
from curator.encoders._lettering import MOST, PREPROCESSING, Lettering
from curator.errors import MissingExtraError
from curator.io.decoding import images
from curator.types import Photo


def ground(width: int, height: int, seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3)) + np.array((90, 110, 80))
    return Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))


def written(
    width: int, height: int, at: tuple[float, float], text: str = "12 AUG 2007"
) -> tuple[Photo, tuple[float, ...]]:
    """A photo with a line of text whose top left corner is at these fractions of it, and the box of the text, 0..1."""
    image = ground(width, height)
    font = ImageFont.load_default(size=max(width, height) // 18)
    draw, corner = ImageDraw.Draw(image), (at[0] * width, at[1] * height)
    draw.text(corner, text, (255, 200, 60), font)
    left, top, right, bottom = draw.textbbox(corner, text, font)
    return photo(image), (left / width, top / height, right / width, bottom / height)


def photo(image: Image.Image) -> Photo:
    out = io.BytesIO()
    image.save(out, "PNG")
    return images.decode_bytes(out.getvalue(), PREPROCESSING)


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (500, 500), (200, 150), (1500, 600)], ids=str)
@pytest.mark.parametrize("at", [(0.05, 0.04), (0.4, 0.85)], ids=str)
def test_a_line_is_found_where_it_was_written(size, at):
    made, box = written(*size, at)
    (found,) = Lettering(1).lines([made])
    lines = [line / 255 for line in found if line.any()]
    # Words of one line may be found apart.
    union = np.r_[np.min([line[:2] for line in lines], axis=0), np.max([line[2:] for line in lines], axis=0)]
    np.testing.assert_allclose(union, box, atol=0.05)  # a box is a few pixels smaller than its line


def test_where_nothing_is_written_nothing_is_found():
    shade = np.linspace(0, 255, 300).astype(np.uint8)
    slope = Image.fromarray(np.broadcast_to(shade[:, None, None], (300, 300, 3)).copy())
    loud = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    assert not Lettering(1).lines([photo(i) for i in (ground(400, 300), slope, loud)]).any()


def test_a_photo_gives_the_same_lines_alone_and_in_a_batch_and_with_any_number_of_jobs():
    photos = [written(400, 300, (0.1, 0.1))[0], photo(ground(300, 300)), written(300, 500, (0.3, 0.9), "WEST 7")[0]]
    alone = np.concatenate([Lettering(1).lines([one]) for one in photos])
    assert alone.shape == (3, MOST, 4)
    for jobs in (1, 2):
        np.testing.assert_array_equal(Lettering(jobs).lines(photos), alone)
    assert Lettering(1).lines([]).shape == (0, MOST, 4)


def test_of_more_lines_than_are_kept_the_most_are_kept():
    image = ground(600, 600)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=22)
    for k in range(8):
        for x in (40, 340):
            draw.text((x, 20 + 70 * k), f"LINE {k}", (255, 255, 255), font)
    (found,) = Lettering(1).lines([photo(image)])
    assert found.any(1).all()


def test_damaged_weights_are_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(_lettering, "WEIGHTS_SHA256", "0" * 64)
    _lettering._session.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=r"ppocr_det\.onnx is damaged; reinstall"):
            Lettering(1).lines([photo(ground(64, 64))])
    finally:
        _lettering._session.cache_clear()
