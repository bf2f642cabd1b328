"""Unit vectors and who lies near whom, in blocks so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.types import Floats

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
