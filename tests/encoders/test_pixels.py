"""The encoder without weights: what it sees, and that it can stand in for any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curator.encoders import pixels, resolve
from curator.errors import InputError, MissingExtraError


def encode(*pictures: np.ndarray) -> np.ndarray:
    return resolve("pixels", cache=Path("unused"), device="cpu")[0].encode(np.stack(pictures).astype(np.uint8))


def plain(*colour: int) -> np.ndarray:
    return np.full((64, 64, 3), colour, np.uint8)


def stripes(axis: int) -> np.ndarray:
    wave = (np.sin(np.arange(64) * 0.8) * 60 + 128).astype(np.uint8)
    grey = np.broadcast_to(wave[:, None] if axis == 0 else wave[None, :], (64, 64))
    return np.repeat(grey[:, :, None], 3, axis=2)


def test_vectors_are_unit_finite_and_of_the_documented_size():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3))
    vectors = encode(plain(0, 0, 0), plain(255, 255, 255), plain(10, 200, 30), noise, stripes(0))
    assert (vectors.shape, vectors.dtype) == ((5, 244), np.float32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.isfinite(vectors).all()


def test_alike_colours_are_near_and_others_far():
    red, light_red, green = encode(plain(200, 30, 30), plain(220, 40, 35), plain(30, 200, 30))
    assert red @ light_red > 0.95 > 0.5 > red @ green


def test_it_sees_where_a_colour_is_and_which_way_stripes_run():
    above, below = plain(128, 128, 128), plain(128, 128, 128)
    above[:32], below[32:] = (200, 30, 30), (200, 30, 30)
    above_vector, below_vector, level, upright = encode(above, below, stripes(0), stripes(1))
    assert above_vector @ below_vector < 0.9
    assert level @ upright < 0.9


def test_the_hue_bins_are_where_they_are_said_to_be():
    """Pure red is hue 0, green hue 1/3, blue hue 2/3: of 8 bins the first, third and sixth; a rose the last."""
    vectors = encode(plain(255, 0, 0), plain(0, 255, 0), plain(0, 0, 255), plain(255, 0, 64))
    hues = vectors[:, : 9 * pixels.HUES].reshape(4, 9, pixels.HUES)
    assert [sorted(set(np.flatnonzero(h > 0) % 8)) for h in hues.reshape(4, -1)] == [[0], [2], [5], [7]]


def test_names_and_text_are_declined():
    encoder, _ = resolve("pixels", cache=Path("unused"), device="cpu")
    assert encoder.concepts(encode(plain(1, 2, 3)))[1].shape == (1, 0)
    with pytest.raises(MissingExtraError, match="cannot read text prompts"):
        encoder.encode_text(["red"])
    with pytest.raises(InputError, match=r"\(n, 64, 64, 3\) uint8"):
        encoder.encode(np.zeros((1, 64, 64, 3), np.float32))
