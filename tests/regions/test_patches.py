"""Packed patches: what comes back is what went in, to the rounding that is promised."""

from __future__ import annotations

import numpy as np
import pytest

from curator.regions.foreground import foreground
from curator.regions.patches import pack, unpack
from curator.types import Patches

IDS = np.array(["a.jpg", "b.jpg"])
GRID, DIM, SIDE = 6, 9, 4


def packed() -> tuple[np.ndarray, np.ndarray, Patches]:
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, 256, (2, GRID * SIDE, GRID * SIDE, 3)).astype(np.uint8)
    features = rng.normal(size=(2, GRID, GRID, DIM)).astype(np.float32) * 7
    return inputs, features, unpack(IDS, pack(inputs, features), GRID, "sha256:0")


def test_features_come_back_without_their_length_to_the_rounding():
    _, features, out = packed()
    unit = features / np.linalg.norm(features, axis=3, keepdims=True)
    assert out.features.dtype == np.int8
    np.testing.assert_allclose(out.features / 127, unit, atol=0.5 / 127 + 1e-6)
    cosine = (out.features / 127 * unit).sum(3) / np.linalg.norm(out.features / 127, axis=3)
    assert cosine.min() > 0.99


def test_each_place_keeps_its_own_foreground_colour_and_texture():
    inputs, features, out = packed()
    np.testing.assert_allclose(out.foreground / 255, foreground(features), atol=0.5 / 255 + 1e-6)
    block = inputs[1, 2 * SIDE : 3 * SIDE, 4 * SIDE : 5 * SIDE].astype(float)
    np.testing.assert_allclose(out.colour[1, 2, 4], block.mean((0, 1)), atol=0.5)
    grey = block.mean(2)
    steps = (np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean()) / 2
    assert out.texture[1, 2, 4] == pytest.approx(steps, abs=0.51)
    assert (out.grid, out.eye, out.ids.tolist()) == (GRID, "sha256:0", IDS.tolist())


def test_texture_by_hand():
    """Stripes of 0 and 30 across, nothing down: the mean step is 30 across and 0 down, so 15."""
    stripes = np.zeros((1, 4, 4, 3), np.uint8)
    stripes[:, :, 1::2] = 30
    out = unpack(IDS[:1], pack(stripes, np.ones((1, 1, 1, 2), np.float32)), 1, "eye")
    assert out.texture.tolist() == [[[15]]]
    assert out.colour.tolist() == [[[[15, 15, 15]]]]


def test_a_place_of_zeros_stays_zero():
    features = np.ones((1, GRID, GRID, DIM), np.float32)
    features[0, 1, 1] = 0
    inputs = np.zeros((1, GRID * SIDE, GRID * SIDE, 3), np.uint8)
    assert not unpack(IDS[:1], pack(inputs, features), GRID, "eye").features[0, 1, 1].any()
