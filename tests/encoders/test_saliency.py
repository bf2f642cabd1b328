"""The network for salient objects: a bright disc is found where it is, and a picture gives the same map however it is run."""

from __future__ import annotations

import numpy as np
import pytest

from curator.encoders import _saliency
from curator.encoders._saliency import SIZE, SalientObjects
from curator.errors import MissingExtraError
from curator.types import Salience

GRID = 14
PLAIN = np.full((SIZE, SIZE, 3), (70, 90, 70), np.uint8)


def disc(y: int = 96, x: int = 128, radius: int = 44) -> np.ndarray:
    """A bright disc on a plain ground; its centre is (y, x) in pixels."""
    out = PLAIN.copy()
    rows, columns = np.mgrid[:SIZE, :SIZE]
    out[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = 240, 200, 60
    return out


def covered(picture: np.ndarray) -> np.ndarray:
    """How much of each place the disc covers, counted in pixels."""
    bright = picture[..., 0] == 240
    side = SIZE // GRID
    return bright.reshape(GRID, side, GRID, side).mean((1, 3))


@pytest.mark.parametrize("centre", [(96, 128), (128, 80)])
def test_a_disc_is_found_where_it_is(centre):
    picture = disc(*centre)
    (found,) = SalientObjects(1).maps(picture[None], GRID)
    assert (found.dtype, found.shape) == (np.float32, (GRID, GRID))
    assert np.abs(found - covered(picture)).mean() < 0.03
    assert found[covered(picture) == 1].min() > 0.8
    assert found[covered(picture) == 0].mean() < 0.02
    assert Salience(np.array([0]), np.rint(255 * found[None]).astype(np.uint8)).found.tolist() == [True]


@pytest.mark.parametrize("colour", [(0, 0, 0), (70, 90, 70), (255, 255, 255)])
def test_in_a_plain_picture_nothing_is_found(colour):
    found = SalientObjects(1).maps(np.full((1, SIZE, SIZE, 3), colour, np.uint8), GRID)
    assert np.isfinite(found).all()
    assert 0 <= found.min() <= found.max() <= 1
    assert Salience(np.array([0]), np.rint(255 * found).astype(np.uint8)).found.tolist() == [False]


def test_a_map_is_the_same_bytes_alone_and_in_a_batch_and_with_any_number_of_jobs():
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    batch = np.stack([disc(), noise, PLAIN, disc(60, 60, 30)])
    alone = np.concatenate([SalientObjects(1).maps(one[None], GRID) for one in batch])
    for jobs in (1, 2):
        np.testing.assert_array_equal(SalientObjects(jobs).maps(batch, GRID), alone)
    np.testing.assert_array_equal(SalientObjects(2).maps(batch[::-1], GRID), alone[::-1])


def test_nothing_to_look_at_gives_nothing():
    assert SalientObjects(1).maps(np.zeros((0, SIZE, SIZE, 3), np.uint8), GRID).shape == (0, GRID, GRID)


def test_a_grid_that_does_not_divide_the_picture_leaves_out_the_last_pixels():
    """9 places of 24 pixels are 216 of 224: the disc keeps its places."""
    (found,) = SalientObjects(1).maps(disc(36, 180, 30)[None], 9)
    y, x = np.unravel_index(int(found.argmax()), found.shape)
    assert (y, x) == (1, 7)


def test_damaged_weights_are_said_to_be_damaged(tmp_path, monkeypatch):
    """The file of another installation, one byte changed."""
    content = bytearray((_saliency.resources.files("curator.encoders") / _saliency.WEIGHTS).read_bytes())
    content[1000] ^= 1
    package = tmp_path / "harmed"
    package.mkdir()
    (package / _saliency.WEIGHTS).write_bytes(content)
    monkeypatch.setattr(_saliency.resources, "files", lambda _: package)
    _saliency._session.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=rf"{_saliency.WEIGHTS} is damaged; reinstall"):
            SalientObjects(1).maps(PLAIN[None], GRID)
    finally:
        _saliency._session.cache_clear()
