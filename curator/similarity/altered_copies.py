"""Finds images that are cropped, mirrored or lightened copies of one another, by comparing them place by place.

Embeddings of two lawns agree, and so do their hashes. Two photographs differ from two copies of one photograph by where
things are. No image is decoded again: the hash of a mirrored image follows from its hash, and a crop follows from the colours
of the places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.similarity import hash_pairs
from curator.similarity.hash_pairs import Pairs
from curator.similarity.vectors import EXACT_UP_TO, cosines, near_pairs, unit
from curator.types import Floats, Mask, Patches, PlaceFeatures

CANDIDATE_BITS = 20
"""Maximum number of differing bits (of 64) of a candidate pair. A crop of 5 % changes 9, at most 20 of 240 (dev half)."""
SAME = 1.5
"""Minimum sum of the two correlations of a pair, see `alike`. This and the constants below were chosen on photographs of the
dev half and their altered copies; benchmarks/leaks.py reports on the other half."""
_LEAST_COLOUR, _LEAST_FEATURES = 0.65, 0.55
"""Minimum of each correlation. Colours alone agree for two skies over two lawns."""
_LEAST_COSINE = 0.6
"""Minimum cosine of the embeddings of a candidate pair. Altered copies fall to 0.68 at worst, except one in 200."""
_ODD_PLACES, _LEAST_THERE = 10, 0.45
"""Percentage of the places that may disagree, and the minimum agreement of the others. It rejects another animal before the
same sky."""
_SAME_COLOURS = 0.95
"""From this correlation of the colours on, places need not agree, because lightening an image until it is white changes its
features."""
_SKETCHY = 0.2
"""The correlation of sketched features may be below the correlation of the features by this much."""
_CROPS = (0.95, 0.9)
"""Sides of the windows that a cropped copy may show, as fractions of the whole image."""
_ODD_COLUMNS = np.uint64(0x5555555555555555)
_BLOCK_ENTRIES = 1 << 22
_CHUNK = 512
_INDEXED_BITS = 7
"""Maximum number of differing bits (of 64) at which the index of hashes offers a pair. A crop of 5 % changes 9. The index
of embeddings finds copies that change more, because a crop or a mirror changes the embedding little."""
_OFFERED = 1 << 16
Window = tuple[float, float, float]
"""Left edge, top edge and side, as fractions of the image."""
_WHOLE: Window = (0.0, 0.0, 1.0)


def mirrored_hash(phash: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The perceptual hash (n,) of the mirrored images.

    Mirroring changes the sign of every wave with an odd number of half periods across. The bits are signs (of a wave minus
    the median wave, which is near 0).

    Error: 4 of 64 bits are wrong on average, at most 14 in 240 photographs.

    >>> [hex(int(h)) for h in mirrored_hash(np.array([0, 0xFF], np.uint64))]
    ['0x5555555555555555', '0x55555555555555aa']
    """
    return phash ^ _ODD_COLUMNS


def alike(phash: NDArray[np.uint64], vectors: Floats, patches: Patches) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Find pairs of images that are the same but for a crop of up to 10 %, light, colour, size or a mirror: rows i and j (p,).

    `phash` (n,), `vectors` (n, d) of unit norm and `patches` describe the same images. A pair can occur in both orders.
    One image is laid over the best fitting window of the other, and two correlations over the g x g places are computed. The
    first is of the colours minus the means of their row and column, because a horizon or a vignette makes those alike. The
    second is of the features minus their mean over the image, because every lawn has similar features. The sum of the
    correlations must be large, and so must the agreement of the places.

    Above `vectors.EXACT_UP_TO` images only the pairs that an index of the embeddings or of the hashes offers are compared
    (`vectors.near_pairs`, `hash_pairs.near`).

    Error: benchmarks/results/leaks.json. Copies that are rotated, mirrored upside down or cropped by more are not found.
    """
    if len(phash) > EXACT_UP_TO:
        return _among(_offered(phash, vectors), phash, vectors, patches)
    grey = patches.colour.mean(3, dtype=np.float32)[..., None]
    none = np.zeros(0, np.intp)
    if len(phash) < 2:
        return none, none
    sketch = _sketch(patches)
    whole = {turn: _detail(_turned(grey, np.full(len(grey), turn))) for turn in (False, True)}
    windows = [_WHOLE, *_windows()]
    found: list[list[NDArray[np.intp]]] = [[], []]
    for rows, plain, mirrored in _near(phash):
        seen = np.stack([_detail(_through(window, grey[rows])) for window in windows], 1)
        parts: list[tuple[NDArray[np.intp], ...]] = []
        for k, i in enumerate(rows):
            for turn, near in ((False, plain[k]), (True, mirrored[k])):
                j = np.flatnonzero(near)
                j = j[(j != i) & (vectors[j] @ vectors[i] >= _LEAST_COSINE)]
                fits = whole[turn][j] @ seen[k].T
                best = fits.argmax(1)
                keep = fits[np.arange(len(j)), best] >= _LEAST_COLOUR
                n = int(keep.sum())
                parts.append((np.full(n, i), j[keep], best[keep], np.full(n, turn)))
        i, j, best, turned = (np.concatenate(column) for column in zip(*parts, strict=True))
        for start in range(0, len(i), _CHUNK):
            part = slice(start, start + _CHUNK)
            same = _same(patches, sketch, i[part], j[part], turned[part].astype(np.bool_), best[part], windows)
            found[0].append(i[part][same])
            found[1].append(j[part][same])
    return np.concatenate([none, *found[0]]), np.concatenate([none, *found[1]])


def _offered(phash: NDArray[np.uint64], vectors: Floats) -> Iterator[Pairs]:
    """Candidate pairs, each at least once: pairs with near embeddings, or with near hashes (plain or mirrored)."""
    n = len(phash)
    for i, j, _ in near_pairs(vectors, _LEAST_COSINE, np.random.default_rng(0)):
        yield i, j
    for i, j in hash_pairs.near(np.concatenate([phash, mirrored_hash(phash)]), _INDEXED_BITS):
        # Skip an image with its own mirror image. Also skip two mirror images: their originals are equally near.
        real = (np.minimum(i, j) < n) & (i % n != j % n)
        yield i[real] % n, j[real] % n


def _among(offered: Iterator[Pairs], phash: NDArray[np.uint64], vectors: Floats, patches: Patches) -> Pairs:
    """The offered pairs that are alike. Reads only the places it needs, for a limited number of pairs at a time."""
    windows = [_WHOLE, *_windows()]
    found: list[list[NDArray[np.intp]]] = [[np.zeros(0, np.intp)], [np.zeros(0, np.intp)]]
    for pairs in offered:
        for start in range(0, len(pairs[0]), _OFFERED):
            one, other = (side[start : start + _OFFERED] for side in pairs)
            one, other = np.concatenate([one, other]), np.concatenate([other, one])
            close = cosines(vectors, one, other) >= _LEAST_COSINE
            one, other = one[close], other[close]
            for turn in (False, True):
                theirs = mirrored_hash(phash[other]) if turn else phash[other]
                near = hash_pairs.hamming(phash[one], theirs) <= CANDIDATE_BITS
                for k in range(0, int(near.sum()), _CHUNK):
                    i, j = one[near][k : k + _CHUNK], other[near][k : k + _CHUNK]
                    same = _compared(patches, i, j, turn, windows)
                    found[0].append(i[same])
                    found[1].append(j[same])
    return np.concatenate(found[0]), np.concatenate(found[1])


def _compared(
    patches: Patches, i: NDArray[np.intp], j: NDArray[np.intp], turn: bool, windows: list[Window]
) -> Mask:  # fmt: skip
    """Whether each pair (p,) is the same image, with j mirrored if `turn`: `alike` for a few pairs."""
    rows, at = np.unique(np.concatenate([i, j]), return_inverse=True)
    some = patches.take(rows)
    a, b = at[: len(i)], at[len(i) :]
    grey = some.colour.mean(3, dtype=np.float32)[..., None]
    whole = _detail(_turned(grey, np.full(len(grey), turn)))
    fits = np.stack([np.einsum("pk,pk->p", whole[b], _detail(_through(w, grey[a]))) for w in windows], 1)
    best = fits.argmax(1)
    keep = np.flatnonzero(fits[np.arange(len(a)), best] >= _LEAST_COLOUR)
    out = np.zeros(len(a), np.bool_)
    if len(keep):
        out[keep] = _same(some, _sketch(some), a[keep], b[keep], np.full(len(keep), turn), best[keep], windows)
    return out


def _near(phash: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.intp], Mask, Mask]]:
    """For some rows at a time: the images (rows, n) whose hash is near theirs, plain and mirrored."""
    step = max(1, _BLOCK_ENTRIES // max(1, len(phash)))
    for start in range(0, len(phash), step):
        block = phash[start : start + step, None]
        plain, mirrored = (np.bitwise_count(b ^ phash) <= CANDIDATE_BITS for b in (block, mirrored_hash(block)))
        yield np.arange(start, start + len(block)), plain, mirrored


def _same(
    patches: Patches, sketch: Floats, i: NDArray[np.intp], j: NDArray[np.intp], turned: Mask, best: NDArray[np.intp],
    windows: list[Window],
) -> Mask:  # fmt: skip
    """Whether each image j, mirrored where `turned`, equals the part of image i in its window `best`."""
    out = np.zeros(len(i), np.bool_)
    for w in np.unique(best):
        at = np.flatnonzero(best == w)
        colour = _agreement(patches.colour, i[at], j[at], turned[at], windows[w], _detail)
        likely = colour + _agreement(sketch, i[at], j[at], turned[at], windows[w], _centred) >= SAME - _SKETCHY
        at, colour = at[likely & (colour >= _LEAST_COLOUR)], colour[likely & (colour >= _LEAST_COLOUR)]
        if len(at):
            one, two = _laid(patches.features, i[at], j[at], turned[at], windows[w])
            features, places = _places(one, two)
            same = (colour + features >= SAME) & (features >= _LEAST_FEATURES)
            out[at] = same & ((places >= _LEAST_THERE) | (colour >= _SAME_COLOURS))
    return out


def _sketch(patches: Patches) -> Floats:
    """The features (n, g, g, d) in 8 random directions. This small sketch is enough to reject most unlike images."""
    d = patches.features.shape[3]
    directions = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (d, 8))
    return np.concatenate(
        [patches.features[k : k + _CHUNK].astype(np.float32) @ directions for k in range(0, len(patches), _CHUNK)]
    )


def _agreement(
    grids: NDArray[Any],
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    turned: Mask,
    window: Window,
    form: Callable[[Floats], Floats],
) -> NDArray[np.float64]:
    """Correlation (p,) of each grid j, mirrored where `turned`, with the part of grid i in the window."""
    one, two = _laid(grids, i, j, turned, window)
    return np.asarray(np.einsum("pk,pk->p", form(one), form(two)), np.float64)


def _laid(
    grids: NDArray[Any] | PlaceFeatures, i: NDArray[np.intp], j: NDArray[np.intp], turned: Mask, window: Window
) -> tuple[Floats, Floats]:
    return _through(window, grids[i].astype(np.float32)), _turned(grids[j].astype(np.float32), turned)


def _places(one: Floats, two: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation (p,) of feature grids minus their mean, and the cosine (p,) that all but the worst places reach."""
    one, two = one - one.mean((1, 2), keepdims=True), two - two.mean((1, 2), keepdims=True)
    dots = np.einsum("pxyd,pxyd->pxy", one, two)
    lengths = [np.einsum("pxyd,pxyd->pxy", part, part) for part in (one, two)]
    whole = np.sqrt(lengths[0].sum((1, 2)) * lengths[1].sum((1, 2)))
    cosines = dots / np.maximum(np.sqrt(lengths[0] * lengths[1]), 1e-9)
    return dots.sum((1, 2)) / np.maximum(whole, 1e-9), np.percentile(cosines, _ODD_PLACES, axis=(1, 2))


def _windows() -> list[Window]:
    """Nine windows of each size: at the edges, in the corners and in the middle."""
    return [(x * (1 - s), y * (1 - s), s) for s in _CROPS for x in (0, 0.5, 1) for y in (0, 0.5, 1)]


def _turned(grids: Floats, mirrored: Mask) -> Floats:
    return np.where(mirrored[:, None, None, None], grids[:, :, ::-1], grids)


def _through(window: Window, grids: Floats) -> Floats:
    """The part of grids (p, g, g, c) in a window, resampled to g x g places (linear between the centres of places)."""
    if window == _WHOLE:
        return grids
    left, top, side = window
    across, down = (_resampling(grids.shape[1], start, side) for start in (left, top))
    rows = np.tensordot(grids, down, axes=([1], [1]))  # (p, x, c, g)
    return np.asarray(np.tensordot(rows, across, axes=([1], [1])).transpose(0, 2, 3, 1))


def _resampling(g: int, start: float, side: float) -> Floats:
    at = np.clip((start + side * (np.arange(g) + 0.5) / g) * g - 0.5, 0, g - 1)
    low = np.minimum(at.astype(int), g - 2)
    weights = np.zeros((g, g), np.float32)
    weights[np.arange(g), low] = low + 1 - at
    weights[np.arange(g), low + 1] = at - low
    return weights


def _detail(grids: Floats) -> Floats:
    """Each channel minus the mean of its row and of its column, as rows of unit length (p, g * g * c)."""
    across, down = grids.mean(2, keepdims=True), grids.mean(1, keepdims=True)
    return unit((grids - across - down + grids.mean((1, 2), keepdims=True)).reshape(len(grids), grids[0].size))


def _centred(grids: Floats) -> Floats:
    return unit((grids - grids.mean((1, 2), keepdims=True)).reshape(len(grids), grids[0].size))
