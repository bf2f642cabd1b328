"""Look for the salient object in a sample of a data set's images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curator.encoders import _saliency
from curator.engines import looking
from curator.io.decoding import images
from curator.io.store.store import Store
from curator.types import Embedded, Photo, Preprocessing, Salience

N_IMAGES = 240
"""Images that are looked at, as many of every class as of every other. On seven real sets, the places of a visual word in 200
images said whether the word lies on the object with a correlation of 0.93 (median) to masks drawn by hand."""


def look(
    embedded: Embedded, preprocessing: Preprocessing, cache: Path, jobs: int, progress: Callable[[int, int], None]
) -> Embedded:
    """The data set with `patches.salience`, computed for up to `N_IMAGES` images and stored in `cache` under their contents.

    Returns the same object if it has no patches or was looked at before. An image that cannot be read again is left out.
    """
    patches = embedded.patches
    if patches is None or patches.salience is not None:
        return embedded
    grid = patches.grid
    key = f"salience {_saliency.VERSION} {grid} {preprocessing} decoded {images.DECODING}"
    store = Store.of_patches(cache, key, "salient objects (U2-Net, small)")
    network = _saliency.SalientObjects(jobs)

    def see(photos: Sequence[Photo]) -> NDArray[np.uint8]:
        inputs = images.fit(np.stack([photo.input for photo in photos]), _saliency.SIZE)
        return np.rint(255 * network.maps(inputs, grid)).astype(np.uint8).reshape(len(photos), grid**2)

    maps = looking.look(embedded, sample(embedded), see, store, preprocessing, jobs, progress)
    kept = np.array(sorted(maps), np.intp)
    stack = np.stack([maps[int(row)] for row in kept]) if len(kept) else np.zeros((0, grid**2), np.uint8)
    seen = Salience(kept, stack.reshape(len(kept), grid, grid))
    return replace(embedded, patches=replace(patches, salience=seen))


def sample(embedded: Embedded) -> NDArray[np.intp]:
    """The rows that are looked at, ascending (see `looking.sample`)."""
    return looking.sample(embedded, N_IMAGES)
