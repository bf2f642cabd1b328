"""Locates the object in each image, from the features of its places. Needs no classes and no masks."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from threadpoolctl import ThreadpoolController

from curator.types import Floats, Mask, Preprocessing

VERSION = 3
RING = 1 / 7
"""Width of the border ring that counts as surroundings, as a fraction of the side: two of fourteen places."""
NEIGHBOURS = 8
"""Number of most similar ring places that a place is compared with. Chosen among 1 to 16, with rings of one to three places, on
360 composed photographs with true masks: the AUC of 0.982 hardly depends on either."""
TOUCHES, STEEPNESS = 0.714, 25.6
"""Logistic fit on the same photographs: the distance at which the probability is 0.5 that the object covers at least 5 % of the
place, and the slope. Places that only touch the object count as object, so that the rest is free of it."""
WEIGHTS = Path(__file__).with_name("foreground_weights.txt")
"""Logistic weights of the cues of a place, learnt by benchmarks/wild/train_foreground.py from the salient objects in
photographs of seven kinds and from composed images with true masks."""
DIM = 112
"""Number of features of the network that the weights are for."""
N_CUES = 3 * DIM + 7
"""Cues of a place: its features, their mean over its neighbours and over the image, its position, and how different it is
from the border: itself, its neighbours and the image."""


@cache
def _libraries() -> ThreadpoolController:
    """The BLAS libraries in use. Cached, because finding them takes a hundred times as long as setting a limit."""
    return ThreadpoolController()


@cache
def _ring(grid: int) -> tuple[NDArray[np.intp], Mask]:
    """The places of the ring, and the pairs (place, ring place) that are not compared. A place is not compared with itself or
    with its neighbours, which contain nearly the same pixels."""
    y, x = (v.ravel() for v in np.mgrid[:grid, :grid])
    width = max(1, round(grid * RING))
    at = np.flatnonzero(np.minimum(np.minimum(y, x), grid - 1 - np.maximum(y, x)) < width)
    return at, np.maximum(abs(y[:, None] - y[at]), abs(x[:, None] - x[at])) <= 1


def strangeness(features: Floats) -> Floats:
    """How different each place is from the surroundings: 1 minus its mean cosine to the most similar places of the outer ring.

    `features` (b, g, g, d), any scale -> (b, g, g), 0..2. Photographs usually show the object inside its surroundings, so
    the ring shows the surroundings (the border prior).

    Error: an object that fills the ring is taken for surroundings. Surroundings that appear only in the middle are taken for
    object. Source: the border prior of Wei et al. (2012), with nearest neighbours among patch features instead of geodesics.
    """
    b, g = features.shape[:2]
    flat = features.reshape(b, g * g, -1)
    unit = flat / np.maximum(np.linalg.norm(flat, axis=2, keepdims=True), 1e-12)
    ring, near = _ring(g)
    # Two threads take twice as long for such small products, and the last bits depend on the number of threads.
    with _libraries().limit(limits=1, user_api="blas"):
        similar = unit @ unit[:, ring].transpose(0, 2, 1)
    similar[:, near] = -1
    k = min(NEIGHBOURS, len(ring))
    closest = np.partition(similar, len(ring) - k, axis=2)[:, :, len(ring) - k :]
    return np.asarray(1 - closest.mean(2), np.float32).reshape(b, g, g)


def stands_out(features: NDArray[Any]) -> Mask:
    """The places (b, g, g) of features (b, g, g, d), any scale, that are unlike the border of their own image."""
    return np.asarray(strangeness(np.asarray(features, np.float32)) > TOUCHES, np.bool_)


def cues(features: Floats) -> Floats:
    """What tells whether a place belongs to the object: features (b, g, g, d) -> (b, g, g, 3 d + 7)."""
    b, g = features.shape[:2]
    unit = features / np.maximum(np.linalg.norm(features, axis=3, keepdims=True), 1e-12)
    scaled = np.asarray(4 * unit, np.float32)
    odd = 6 * (strangeness(features)[..., None] - TOUCHES)
    middle = (g - 1) / 2
    y, x = (v.astype(np.float32) / np.float32(middle) - 1 for v in np.mgrid[:g, :g])
    place = np.stack([x, y, x**2, y**2], -1)

    def parts(values: Floats) -> list[Floats]:
        near = uniform_filter(values, (0, 3, 3, 0), mode="nearest")
        return [values, near, np.broadcast_to(values.mean((1, 2), keepdims=True), values.shape)]

    return np.concatenate([*parts(scaled), np.broadcast_to(place, (b, g, g, 4)), *parts(odd)], -1, dtype=np.float32)


@cache
def _weights() -> Floats:
    return np.loadtxt(WEIGHTS, dtype=np.float32)


def foreground(features: Floats) -> Floats:
    """The probability (b, g, g) that a place contains part of the object.

    With the network that the weights were learnt for, several cues count together (`cues`). With any other, only the
    difference from the border does.

    Error: of the places called surroundings in 100 real photographs, with masks drawn by hand and weights learnt without
    images of that kind, 3 % (insects) to 34 % (waste that fills the frame) lay on the object; with the border alone 5 to
    50 %. X-rays have no surroundings, and 87 % of what is called so is the patient.

    >>> features = np.tile(np.array([1.0, 0.0], np.float32), (1, 7, 7, 1))
    >>> features[0, 3, 2] = 0.0, 1.0
    >>> np.argwhere(foreground(features)[0] > 0.5).tolist()
    [[3, 2]]
    """
    if features.shape[3] == DIM:
        weights = _weights()
        # Summed by numpy and not by BLAS, so that the last bits do not depend on the number of threads.
        logit = np.einsum("bghc,c->bgh", cues(features), weights[:-1], optimize=False) + weights[-1]
    else:
        logit = STEEPNESS * (strangeness(features) - TOUCHES)
    return np.asarray(1 / (1 + np.exp(-logit)), np.float32)


def spread(grid: Floats, height: int, width: int, preprocessing: Preprocessing) -> Floats:
    """Resample a map (g, g) over the encoder's input to a map (height, width) over the original image.

    Pixels outside the encoder's input get the value of the nearest place inside.
    """
    left, top, right, bottom = preprocessing.view(width, height)
    g = len(grid)
    rows = ((np.arange(height) + 0.5) / height - top) / (bottom - top) * g
    columns = ((np.arange(width) + 0.5) / width - left) / (right - left) * g
    at = [np.clip(np.floor(v), 0, g - 1).astype(np.intp) for v in (rows, columns)]
    return np.asarray(grid[np.ix_(*at)], np.float32)


def cover(inputs: NDArray[np.uint8], likely: Floats) -> NDArray[np.uint8]:
    """The images (b, size, size, 3) with their object covered by pieces of the nearby surroundings.

    `likely` (b, g, g) is the probability of the object. Each place with 0.5 or more is replaced by a place of the
    surroundings in the same row or a neighbouring one. The choice depends only on the position, so an image is always covered
    in the same way. An image without surroundings stays as it is.

    Error: the covering pieces are squares, and the hole has the object's rough shape. On 360 composed photographs a probe
    still names 24 % of sixteen species (chance 6 %, whole image 94 %, mean of the last features off the object 89 %), and
    99 % of the scenes.
    """
    g = likely.shape[1]
    side = inputs.shape[1] // g
    out = inputs.copy()
    for block, source, hidden in zip(_places(out, g, side), _places(inputs, g, side), likely >= 0.5, strict=True):
        free = np.argwhere(~hidden)
        if not len(free):
            continue
        for y in np.flatnonzero(hidden.any(1)):
            near = free[np.abs(free[:, 0] - y) <= 1]
            near = near if len(near) else free
            x = np.flatnonzero(hidden[y])
            v, u = near[(7 * y + 13 * x) % len(near)].T
            block[y, x] = source[v, u]
    return out


def _places(inputs: NDArray[np.uint8], g: int, side: int) -> NDArray[np.uint8]:
    """The images (b, size, size, 3) by place, (b, g, g, side, side, 3). This is a view of the same memory."""
    shown = inputs[:, : g * side, : g * side]
    return shown.reshape(len(inputs), g, side, g, side, 3).swapaxes(2, 3)
