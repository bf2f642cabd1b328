"""Edits of pictures: what they change, by how much, and what they leave alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from curator.errors import InputError
from curator.io import editing as e


@pytest.fixture
def picture() -> np.ndarray:
    """A mosaic 60 high and 90 wide, colourful and not symmetrical."""
    rng = np.random.default_rng(0)
    return rng.integers(30, 226, (6, 9, 3), dtype=np.uint8).repeat(10, 0).repeat(10, 1)


def left_third(picture: np.ndarray) -> np.ndarray:
    mask = np.zeros(picture.shape[:2], bool)
    mask[:, :30] = True
    return mask


EDITS = {
    "tint": lambda p: e.tint(p, (255, 180, 60), 0.5),
    "frame": lambda p: e.frame(p, (0, 0, 0), 0.1),
    "patch": lambda p: e.patch(p, "bottom right", 0.2),
    "recompress": lambda p: e.recompress(p, 10),
    "grey": lambda p: e.grey(p, left_third(p)),
    "fill": lambda p: e.fill(p, left_third(p)),
    "blur": lambda p: e.blur(p, left_third(p)),
    "swap": lambda p: e.swap(p, left_third(p), p[::-1, ::-1][:50, :40].copy()),
    "without_object": lambda p: e.without_object(p, left_third(p)),
    "crop_border": lambda p: e.crop_border(p, 0.1),
    "crop_inside": lambda p: e.crop_inside(p, 0.1),
    "relight": lambda p: e.relight(p, 0.2),
    "spread": lambda p: e.spread(p, 0.5),
    "saturate": lambda p: e.saturate(p, 0.3),
    "shift_by": lambda p: e.shift_by(p, (1, 0, -1), 20),
    "noise_like": lambda p: e.noise_like(p, e.recompress(p, 10), np.random.default_rng(0)),
}


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_keeps_the_shape_changes_something_and_is_the_same_twice(name: str, picture: np.ndarray) -> None:
    before = picture.copy()
    once, twice = EDITS[name](picture), EDITS[name](picture)
    assert (once.shape, once.dtype) == (picture.shape, np.uint8)
    assert (picture == before).all()
    assert (once == twice).all()
    assert e.distance(once, picture) > 2


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("shape", [(3, 3), (3, 40), (17, 5)])
def test_no_picture_is_too_small(name: str, shape: tuple[int, int]) -> None:
    assert EDITS[name](np.full((*shape, 3), 90, np.uint8)).shape == (*shape, 3)


def test_edits_of_a_region_leave_the_rest(picture: np.ndarray) -> None:
    for name in ("grey", "blur"):
        assert (EDITS[name](picture)[:, 30:] == picture[:, 30:]).all(), name
    for name in ("fill", "swap"):  # their edge is soft
        assert (EDITS[name](picture)[:, 36:] == picture[:, 36:]).all(), name


def test_grey_has_no_colour_and_the_luminance_it_had(picture: np.ndarray) -> None:
    out = e.grey(picture, left_third(picture))[:, :30].astype(float)
    assert np.ptp(out, axis=2).max() == 0
    assert np.abs(out @ e.LUMA - picture[:, :30] @ e.LUMA).max() <= 1


def test_fill_is_the_mean_of_the_rest_and_mid_grey_where_there_is_none(picture: np.ndarray) -> None:
    mean = picture[:, 30:].mean((0, 1))
    assert np.abs(e.fill(picture, left_third(picture))[:, :24] - mean).max() <= 1
    assert (e.fill(picture, np.ones(picture.shape[:2])) == 128).all()


def test_swap_shows_the_same_place_of_the_donor(picture: np.ndarray) -> None:
    donor = picture[:, ::-1].copy()
    assert (e.swap(picture, left_third(picture), donor)[:, :24] == donor[:, :24]).all()


def test_an_object_is_covered_with_the_mirror_image() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[..., 0] = np.arange(60)
    mask = np.zeros((40, 60))
    mask[:, :10] = 1
    out = e.without_object(picture, mask)
    assert (out[:, :10] == picture[:, ::-1][:, :10]).all()
    assert (out[:, 10:] == picture[:, 10:]).all()


def test_a_frame_is_as_wide_as_said_and_cropping_takes_it_away(picture: np.ndarray) -> None:
    framed = e.frame(picture, (10, 200, 30), 0.1)
    for edge in (framed[:6], framed[-6:], framed[:, :6], framed[:, -6:]):
        assert (edge == (10, 200, 30)).all()
    assert (framed[6:-6, 6:-6] == picture[6:-6, 6:-6]).all()
    assert not (e.crop_border(framed, 0.1) == (10, 200, 30)).all(2).any()
    inside = e.crop_inside(framed, 0.1)
    assert (inside[:6] == (10, 200, 30)).all()
    assert (inside[6:-6, 6:-6] != framed[6:-6, 6:-6]).any()


@pytest.mark.parametrize("corner", e.CORNERS)
def test_a_patch_stands_in_its_corner(corner: str, picture: np.ndarray) -> None:
    y, x = np.nonzero((e.patch(picture, corner, 0.2) != picture).any(2))
    assert (y.max() < 20) == corner.startswith("top")
    assert (x.max() < 20) == corner.endswith("left")
    assert max(np.ptp(y), np.ptp(x)) < 12


def test_an_unknown_corner_is_refused(picture: np.ndarray) -> None:
    with pytest.raises(InputError, match="'middle' is not a corner; use one of: top left"):
        e.patch(picture, "middle", 0.2)


@pytest.mark.parametrize("target", [0.15, 0.5, 0.8])
def test_relighting_meets_the_brightness_asked_for(target: float, picture: np.ndarray) -> None:
    assert (e.relight(picture, target) @ e.LUMA).mean() / 255 == pytest.approx(target, abs=0.01)


def test_contrast_and_colourfulness_scale_and_keep_the_luminance(picture: np.ndarray) -> None:
    luma = picture @ e.LUMA
    assert (e.spread(picture, 0.5) @ e.LUMA).std() == pytest.approx(luma.std() / 2, rel=0.02)
    half = e.saturate(picture, 0.5)
    assert np.abs(half @ e.LUMA - luma).max() < 1.5
    assert np.ptp(half.astype(float), axis=2).mean() == pytest.approx(
        np.ptp(picture.astype(float), axis=2).mean() / 2, rel=0.02
    )


def test_a_step_is_as_far_as_asked_also_where_it_is_clipped(picture: np.ndarray) -> None:
    assert e.distance(e.shift_by(picture, (1, 1, 1), 40), picture) == pytest.approx(40, abs=2)
    assert e.distance(e.shift_by(picture, (1, 1, 1), 120), picture) == pytest.approx(120, abs=3)


def test_noise_has_the_size_and_the_spectrum_of_the_change_but_not_its_places(picture: np.ndarray) -> None:
    edited = e.blur(picture, np.ones(picture.shape[:2]), 3)
    noisy = e.noise_like(picture, edited, np.random.default_rng(1))
    change, noise = edited - picture.astype(float), noisy - picture.astype(float)
    assert e.distance(noisy, picture) == pytest.approx(e.distance(edited, picture), rel=0.05)
    assert abs(np.corrcoef(change.ravel(), noise.ravel())[0, 1]) < 0.15
    a, b = (np.abs(np.fft.rfft2(v[..., 0])).ravel() for v in (change, noise))
    assert np.corrcoef(a, b)[0, 1] > 0.95


def test_files_are_written_as_asked(picture: np.ndarray) -> None:
    low, high = e.jpeg(picture, 20), e.jpeg(picture, 95)
    assert len(low) < len(high)
    assert np.abs(np.asarray(Image.open(io.BytesIO(high))).astype(int) - picture).mean() < 8
    assert (np.asarray(Image.open(io.BytesIO(e.png(picture)))) == picture).all()
    assert e.shrink(picture, 45).shape == (30, 45, 3)
    assert e.shrink(picture, 900).shape == picture.shape
