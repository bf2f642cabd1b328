"""Visual words: the kinds of patches in a data set, found by clustering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from curator.types import Floats, Mask, Patches

N_WORDS = 64
N_AXES = 48
"""Number of words, and of principal axes for finding them, as in the bags of words of Sivic and Zisserman."""
_SAMPLE = 40_000
"""Number of patches from which the words are learnt. k-means takes about a second on them. Not tuned."""
ODD, BY_THE_EDGE = 5.0, 4
"""A patch that is odd in its own image and lies within this many places of the edge counts this often. A watermark in one image
of ten is one patch in a thousand. Of four development sets with marks in few images, three got no word for the mark without a
weight (phi 0.08 to 0.62). All four get one with any weight from 5 to 20 (0.88 to 0.94). From 10 on, backgrounds lose words to
odd things."""
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`mean` (d,), `axes` (d, a), `centres` (k, a): a patch gets the word whose centre is nearest after projection."""

    mean: Floats
    axes: Floats
    centres: Floats

    def __len__(self) -> int:
        return len(self.centres)


def learn(patches: Patches, seed: int, n_words: int = N_WORDS) -> Vocabulary:
    """Learn the words of a data set, numbered from the most to the least common.

    Runs principal axes and then k-means on a random sample of patches, with as many patches from every image. Small marks at
    the edge have more weight (`ODD`). Labels are not used.

    Source: Sivic and Zisserman (2003).
    """
    n, places = len(patches), patches.grid**2
    rng = np.random.default_rng(seed)
    each = max(1, min(places, _SAMPLE // max(n, 1)))
    rows = rng.permutation(n)[:_SAMPLE]
    picks = np.argsort(rng.random((len(rows), places)), axis=1)[:, :each]
    sample = np.concatenate(
        [_picked(patches, rows[k : k + _BLOCK], picks[k : k + _BLOCK]) for k in range(0, max(len(rows), 1), _BLOCK)]
    ).astype(np.float32)
    sample /= 127
    weights = _weights(patches, rows, picks)
    mean = np.average(sample, axis=0, weights=weights).astype(np.float32)
    centred = (sample - mean).astype(np.float64)
    # One thread, because the last bits of a product depend on the number of threads, and k-means would amplify them.
    with threadpool_limits(1):
        values, vectors = np.linalg.eigh((centred * weights[:, None]).T @ centred / weights.sum())
        order = np.argsort(-values, kind="stable")[:N_AXES]
        axes = vectors[:, order]
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
        projected = np.round(centred @ axes, 4)
        k = min(n_words, len(np.unique(projected, axis=0)))
        fitted = KMeans(k, n_init=1, max_iter=60, random_state=seed, init="k-means++").fit(
            projected, sample_weight=weights
        )
    by_size = np.argsort(-np.bincount(fitted.labels_, minlength=k), kind="stable")
    centres = fitted.cluster_centers_[by_size]
    return Vocabulary(mean.astype(np.float32), axes.astype(np.float32), centres.astype(np.float32))


def _picked(patches: Patches, rows: NDArray[np.intp], picks: NDArray[np.intp]) -> NDArray[np.int8]:
    """The features (r * e, d) at the places `picks` (r, e) of the images `rows` (r,)."""
    features = patches.features[rows].reshape(len(rows), patches.grid**2, -1)
    return features[np.arange(len(rows))[:, None], picks].reshape(picks.size, -1)


def _weights(patches: Patches, rows: NDArray[np.intp], picks: NDArray[np.intp]) -> NDArray[np.float64]:
    """How often each sampled patch counts: `picks` (r, e) are places of the images `rows` (r,) -> (r * e,)."""
    g = patches.grid
    y, x = np.mgrid[:g, :g]
    near = (np.minimum(np.minimum(y, x), g - 1 - np.maximum(y, x)) < BY_THE_EDGE).ravel()
    odd = patches.on_object_of(rows).reshape(len(rows), g * g)[np.arange(len(rows))[:, None], picks]
    return np.where(odd & near[picks], ODD, 1.0).ravel()


def spell(vocabulary: Vocabulary, patches: Patches) -> NDArray[np.uint8]:
    """The word at each place of each image: (n, g, g), indices into the vocabulary."""
    n, g = len(patches), patches.grid
    out = np.empty((n, g * g), np.uint8)
    half = (vocabulary.centres**2).sum(1) / 2
    for start in range(0, n, _BLOCK):
        block = patches.features[start : start + _BLOCK].astype(np.float32) / 127 - vocabulary.mean
        score = (block.reshape(-1, block.shape[-1]) @ vocabulary.axes) @ vocabulary.centres.T - half
        out[start : start + _BLOCK] = score.argmax(1).reshape(-1, g * g)
    return out.reshape(n, g, g)


def counts(words: NDArray[np.uint8], where: Mask, n_words: int) -> NDArray[np.int32]:
    """Count the places of each image that have each word, within `where` (n, g, g): words (n, g, g) -> (n, n_words).

    >>> counts(np.array([[[0, 1], [1, 2]]], np.uint8), np.array([[[True, True], [True, False]]]), 3).tolist()
    [[1, 2, 0]]
    """
    out = np.empty((len(words), n_words), np.int32)
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        n = len(block)
        slot = block.reshape(n, -1).astype(np.int64) + n_words * np.arange(n)[:, None]
        tally = np.bincount(slot[where[start : start + n].reshape(n, -1)], minlength=n * n_words)
        out[start : start + n] = tally.reshape(n, n_words)
    return out
