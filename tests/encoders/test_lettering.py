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


class Seen:
    """A network that takes for lettering what is blue, as likely as it is bright. It is given blue first, in -1..1."""

    def run(self, _: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        return [(given["x"][:, :1] + 1) / 2]


def blue(width: int, height: int, *bars: tuple[int, int, int, int, float]) -> Photo:
    """A photo with bars (left, top, right, bottom, how bright, 0..1) that only `Seen` takes for lettering."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom, bright in bars:
        pixels[top:bottom, left:right, 2] = round(255 * bright)
    return photo(Image.fromarray(pixels))


def seen(these: Photo, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, ...]]:
    """The lines (left, top, right, bottom) of a photo, in its pixels, by `Seen`."""
    monkeypatch.setattr(_lettering, "_session", Seen)
    w, h = these.facts.width, these.facts.height
    return [tuple(line / 255 * (w, h, w, h)) for line in Lettering(1).lines([these])[0] if line.any()]


@pytest.mark.parametrize("size", [(480, 480), (480, 333), (333, 480), (480, 61), (61, 480)], ids=str)
def test_a_line_is_told_where_the_network_sees_it(size, monkeypatch):
    w, h = size
    for box in [(0, 0, 20, 10), (w - 20, h - 10, w, h), (w // 3, h // 2, w // 3 + 20, h // 2 + 10)]:
        (line,) = seen(blue(w, h, (*box, 1.0)), monkeypatch)
        np.testing.assert_allclose(line, box, atol=1)


def test_of_more_lines_than_are_kept_the_surest_come_first(monkeypatch):
    order = np.random.default_rng(4).permutation(MOST + 8)
    bars = [(10, 12 + 20 * k, 90, 22 + 20 * k, 0.75 + 0.01 * sure) for k, sure in enumerate(order.tolist())]
    tops = [line[1] for line in seen(blue(480, 480, *bars), monkeypatch)]
    expected = [12 + 20 * k for k in np.argsort(-order)[:MOST].tolist()]
    np.testing.assert_allclose(tops, expected, atol=1)


def test_what_is_unsure_or_too_thin_is_no_line(monkeypatch):
    bars = [(50, 20, 150, 40, 0.6), (50, 60, 150, 62, 1.0), (50, 80, 52, 180, 1.0)]
    assert seen(blue(480, 480, *bars), monkeypatch) == []
    assert len(seen(blue(480, 480, (50, 60, 150, 63, 1.0), (50, 80, 53, 180, 1.0)), monkeypatch)) == 2


def test_a_crooked_line_is_as_sure_as_its_own_pixels(monkeypatch):
    """Most of its box is empty."""
    (line,) = seen(blue(480, 480, (40, 40, 200, 46, 0.9), (194, 40, 200, 200, 0.9)), monkeypatch)
    np.testing.assert_allclose(line, (40, 40, 200, 200), atol=1)


def test_damaged_weights_are_an_error_that_says_what_to_do(monkeypatch):
    monkeypatch.setattr(_lettering, "WEIGHTS_SHA256", "0" * 64)
    _lettering._session.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=r"ppocr_det\.onnx is damaged; reinstall"):
            Lettering(1).lines([photo(ground(64, 64))])
    finally:
        _lettering._session.cache_clear()
