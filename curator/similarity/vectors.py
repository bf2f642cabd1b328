"""Unit vectors and their near pairs, computed in blocks so that memory stays constant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator import config
from curator.types import Floats

EXACT_UP_TO = config.LARGE
"""Up to this many rows all pairs are compared: 10 processor seconds at 512 dimensions. Above, `near_pairs` uses an index."""
NEIGHBOURS = 16
"""Number of neighbours requested from the index. A row with more duplicates is connected to the others through those."""
_AXES = 64
"""Number of principal axes in the index. Distances can only shrink when axes are dropped, so no near pair is lost. This is 8
times as fast as 512 axes and takes an eighth of the memory."""
_ROUNDING = 1e-3
"""Upper bound of the error of a squared distance in single precision."""
_CELLS_PER_ROOT = 2
"""Cells of the index per square root of the rows. Choosing the cells then costs about as much as searching them."""
_PROBED = 16
"""Number of cells searched for each row. 8 cells find all planted pairs of benchmarks/speed/audit_scale.py.
`duplicates.recall` measures what is found in the data at hand."""
_TRAINING = 64
"""Number of rows per cell from which the cells are learnt."""
_AXES_FROM = 20_000
"""Number of rows from which the axes are learnt."""

_BLOCK = 2048
"""Maximum number of rows compared at a time."""
_ENTRIES = 1 << 23
"""Maximum number of similarities in memory: 32 MB of float32."""


def unit(vectors: NDArray[Any]) -> Floats:
    """Divide each row by its length, as float32. A zero row stays zero.

    >>> unit(np.array([[3.0, 4.0]])).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    rows = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def blocks_above(vectors: Floats, threshold: float) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
    """Every pair i < j of unit rows with cosine >= threshold, in blocks of rows so that memory stays constant.

    Yields (i, j, cosine). All n (n - 1) / 2 pairs are compared.
    """
    rows = max(1, min(_BLOCK, _ENTRIES // max(1, len(vectors))))
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows] @ vectors[start:].T
        i, j = np.nonzero(block >= threshold)
        later = j > i
        yield i[later] + start, j[later] + start, block[i[later], j[later]]


def pairs_above(vectors: Floats, threshold: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """All blocks of `blocks_above` together: (i, j, cosine), ordered by i, then j.

    >>> i, j, cosine = pairs_above(unit(np.array([[1, 0], [0, 1], [1, 0.1]])), 0.9)
    >>> i.tolist(), j.tolist(), cosine.round(3).tolist()
    ([0], [2], [0.9950000047683716])
    """
    blocks = list(blocks_above(vectors, threshold))
    if not blocks:
        none = np.zeros(0, np.intp)
        return none, none, np.zeros(0, np.float32)
    rows, columns, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    return rows, columns, values.astype(np.float32)


def near_pairs(
    vectors: Floats, threshold: float, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
    """Pairs i < j of unit rows with cosine >= threshold, in blocks of rows: (i, j, cosine).

    Up to `EXACT_UP_TO` rows this finds all pairs. Above, an inverted-file index proposes the `NEIGHBOURS` nearest rows of each
    row. Each pair is verified on the whole vectors, so no pair is wrong, but some may be missing or occur twice.

    Error: `duplicates.recall` measures how many pairs are found.
    Source: Sivic and Zisserman (2003), inverted files; Johnson et al. (2019), faiss.
    """
    if len(vectors) <= EXACT_UP_TO:
        yield from blocks_above(vectors, threshold)
        return
    import faiss  # imported here because it takes half a second and 60 MB to load, and most sets are small

    n = len(vectors)
    short = _shortened(vectors, rng)
    n_cells = int(_CELLS_PER_ROOT * n**0.5)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(short.shape[1]), short.shape[1], n_cells)
    index.cp.niter, index.cp.max_points_per_centroid = 8, _TRAINING
    index.train(short[np.sort(rng.permutation(n)[: _TRAINING * n_cells])])
    for start in range(0, n, _BLOCK):
        index.add(short[start : start + _BLOCK])
    index.nprobe = _PROBED
    step = 8 * _BLOCK
    for start in range(0, n, step):
        apart, found = index.search(short[start : start + step], NEIGHBOURS + 1)
        i = np.repeat(np.arange(start, start + len(found)), found.shape[1])
        j = found.ravel().astype(np.intp)
        # On the principal axes a pair is no further apart than on all axes, so most pairs are rejected without the rest.
        real = (j >= 0) & (i != j) & (apart.ravel() <= 2 - 2 * threshold + _ROUNDING)
        i, j = np.minimum(i, j)[real], np.maximum(i, j)[real]
        cosine = cosines(vectors, i, j)
        close = cosine >= threshold
        yield i[close], j[close], cosine[close]


def _shortened(vectors: Floats, rng: np.random.Generator) -> Floats:
    """The rows (n, d) projected on their `_AXES` principal axes, which are learnt from some of the rows."""
    if vectors.shape[1] <= _AXES:
        return np.ascontiguousarray(vectors, np.float32)
    some = vectors[np.sort(rng.permutation(len(vectors))[:_AXES_FROM])]
    axes = np.linalg.eigh(some.T @ some)[1][:, -_AXES:]
    out = np.empty((len(vectors), _AXES), np.float32)
    for start in range(0, len(vectors), _BLOCK):
        out[start : start + _BLOCK] = vectors[start : start + _BLOCK] @ axes
    return out


def cosines(vectors: Floats, i: NDArray[np.intp], j: NDArray[np.intp]) -> Floats:
    """Cosine (p,) of each pair of unit rows."""
    out = np.empty(len(i), np.float32)
    for start in range(0, len(i), _BLOCK * 4):
        part = slice(start, start + _BLOCK * 4)
        out[part] = np.einsum("pd,pd->p", vectors[i[part]], vectors[j[part]])
    return out


def pairs_of(
    rows: NDArray[np.intp], vectors: Floats, threshold: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Every pair of one of `rows` with any other row, cosine >= threshold, by exhaustive comparison: (row, other, cosine)."""
    parts = []
    for start in range(0, len(vectors), _ENTRIES // max(1, len(rows))):
        block = vectors[rows] @ vectors[start : start + _ENTRIES // max(1, len(rows))].T
        k, j = np.nonzero(block >= threshold)
        other = j + start
        keep = other != rows[k]
        parts.append((rows[k[keep]], other[keep], block[k[keep], j[keep]]))
    none = np.zeros(0, np.intp)
    i, j, cosine = (np.concatenate(column) for column in zip(*parts, strict=True)) if parts else (none, none, none)
    return i, j, np.asarray(cosine, np.float32)


def nearest(queries: Floats, vectors: Floats, k: int = 1) -> tuple[NDArray[np.intp], Floats]:
    """The k most similar rows of `vectors` for each query: indices and cosines (q, k), best first, ties by index.

    >>> index, cosine = nearest(unit(np.array([[1, 0.2]])), unit(np.array([[0, 1], [1, 0]])))
    >>> index.tolist()
    [[1]]
    """
    k = min(k, len(vectors))
    index = np.zeros((len(queries), k), np.intp)
    cosine = np.zeros((len(queries), k), np.float32)
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK] @ vectors.T
        order = np.argsort(-block, axis=1, kind="stable")[:, :k]
        index[start : start + _BLOCK] = order
        cosine[start : start + _BLOCK] = np.take_along_axis(block, order, axis=1)
    return index, cosine
