"""Unit vectors and who lies near whom, in blocks so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.types import Floats

EXACT_UP_TO = 30_000
"""Rows up to which all pairs are compared: 10 processor seconds at 512 dimensions. Above, `near_pairs` asks an index."""
NEIGHBOURS = 16
"""Neighbours that the index is asked for. A row with more of them is joined to the others through those."""
_AXES = 64
"""Principal axes that the index holds. Lengths only shrink on them, so that no near pair is lost by leaving out the others, and
it is 8 times as fast as 512 and takes an eighth of the memory."""
_ROUNDING = 1e-3
"""By how much single precision may make a squared distance too large, with room to spare."""
_CELLS_PER_ROOT = 2
"""Cells of the index per square root of the rows: about as much work to choose the cells as to look through them."""
_PROBED = 16
"""Cells that are looked through for each row. Of the planted pairs of benchmarks/speed/audit_scale.py 8 find all; see
`duplicates.recall` for what is found in the data at hand."""
_TRAINING = 64
"""Rows per cell that the cells are learnt from."""
_AXES_FROM = 20_000
"""Rows that the axes are learnt from."""

_BLOCK = 2048
"""Rows compared at a time, at most."""
_ENTRIES = 1 << 23
"""Similarities held at a time, at most: 32 MB of float32."""


def unit(vectors: NDArray[Any]) -> Floats:
    """Each row divided by its length, float32; a zero row stays zero.

    >>> unit(np.array([[3.0, 4.0]])).round(1).tolist()
    [[0.6000000238418579, 0.800000011920929]]
    """
    rows = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), np.float32)


def blocks_above(vectors: Floats, threshold: float) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Floats]]:
    """Every pair i < j of unit rows with cosine >= threshold, some rows at a time, so that memory stays flat.

    Yields (i, j, cosine). All n (n - 1) / 2 pairs are compared.
    """
    rows = max(1, min(_BLOCK, _ENTRIES // max(1, len(vectors))))
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows] @ vectors[start:].T
        i, j = np.nonzero(block >= threshold)
        later = j > i
        yield i[later] + start, j[later] + start, block[i[later], j[later]]


def pairs_above(vectors: Floats, threshold: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """All of `blocks_above` at once: (i, j, cosine), ordered by i, then j.

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
    """Pairs i < j of unit rows with cosine >= threshold, some rows at a time: (i, j, cosine).

    All of them up to `EXACT_UP_TO` rows. Above, those among the `NEIGHBOURS` nearest of each row that an inverted-file index
    finds; each is verified on the whole vectors, so that none is wrong, and some may be missing or come twice.

    Error: `duplicates.recall` says how many of them are found.
    Source: Sivic and Zisserman (2003), inverted files; Johnson et al. (2019), faiss.
    """
    if len(vectors) <= EXACT_UP_TO:
        yield from blocks_above(vectors, threshold)
        return
    import faiss  # not above: most sets are small, and it takes half a second and 60 MB to load

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
        # On some of the axes a pair is no further apart than on all: most are ruled out without a look at the rest.
        real = (j >= 0) & (i != j) & (apart.ravel() <= 2 - 2 * threshold + _ROUNDING)
        i, j = np.minimum(i, j)[real], np.maximum(i, j)[real]
        cosine = cosines(vectors, i, j)
        close = cosine >= threshold
        yield i[close], j[close], cosine[close]


def _shortened(vectors: Floats, rng: np.random.Generator) -> Floats:
    """The rows (n, d) on their `_AXES` principal axes, learnt from some of them."""
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
    """Every pair of one of `rows` with any other row, cosine >= threshold, by comparing them all: (row, other, cosine)."""
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
    """The k most similar rows of `vectors` for each query: indices and cosines, (q, k), best first; ties by index.

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
