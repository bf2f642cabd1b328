"""Perceptual hashes of 64 bits: the number of differing bits, and all pairs that differ in few bits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]
_PARTS, _BITS = 4, 16
_AT_ONCE = 1 << 22
"""Number of candidate pairs compared at a time: 32 MB of hashes on each side."""
MOST_ALIKE = 50
"""Maximum number of rows with an identical hash that are compared with others. If more rows share the hash (a thousand blank
pages), only the embeddings can find the other rows."""
_FULLEST = 4096
"""If more different hashes than this agree in a quarter, that quarter is not used. The other three still are."""


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The number of differing bits (of 64) of each pair.

    >>> hamming(np.array([7, 8], np.uint64), np.array([5, 8], np.uint64)).tolist()
    [1, 0]
    """
    return np.bitwise_count(np.bitwise_xor(a, b)).astype(np.int64)


def near(hashes: NDArray[np.uint64], most: int) -> Iterator[Pairs]:
    """Every pair of rows (i, j) whose hashes differ in at most `most` bits, in blocks. A pair occurs once or more often.

    If two hashes of 64 bits differ in 6 bits, one of their four quarters differs in at most one bit. So only rows that agree
    in a quarter, up to that one bit, are compared. Time grows with n times the rows per quarter, not with n squared.

    Error: none, except for the limits `MOST_ALIKE` and `_FULLEST`.
    Source: Norouzi, Punjani and Fleet (2012), multi-index hashing.

    >>> found = near(np.array([0, 7, 1 << 40], np.uint64), 1)
    >>> sorted({pair for a, b in found for pair in zip(a.tolist(), b.tolist(), strict=True)})
    [(0, 2)]
    """
    order = np.argsort(hashes, kind="stable")
    different, first, counts = np.unique(hashes[order], return_index=True, return_counts=True)
    counts = np.minimum(counts, MOST_ALIKE)
    yield from _same(order, first, counts)
    for part in range(_PARTS):
        for a, b in _sharing(different, part, most // _PARTS):
            close = hamming(different[a], different[b]) <= most
            if close.any():
                yield _spread(order, first, counts, a[close], b[close])


def _quarter(hashes: NDArray[np.uint64], part: int) -> NDArray[np.intp]:
    return ((hashes >> np.uint64(part * _BITS)) & np.uint64((1 << _BITS) - 1)).astype(np.intp)


def _sharing(different: NDArray[np.uint64], part: int, flips: int) -> Iterator[Pairs]:
    """Pairs of different hashes whose quarter `part` differs in at most `flips` bits."""
    key = _quarter(different, part)
    order = np.argsort(key, kind="stable")
    size = np.bincount(key, minlength=1 << _BITS)
    start = np.concatenate([[0], np.cumsum(size)])
    size = np.where(size > _FULLEST, 0, size)
    for flipped in range(flips + 1):
        for bits in combinations(range(_BITS), flipped):
            mask = sum(1 << bit for bit in bits)
            own = key[order]
            other = own ^ mask
            # Each pair is needed in one order only: the smaller key asks, and within a key the earlier row.
            begin = np.where(own == other, np.arange(len(order)) + 1, start[other])
            n = np.where(own <= other, start[other] + size[other] - begin, 0)
            n = np.where(size[own] > 0, np.maximum(n, 0), 0)
            yield from _ranges(order, begin, n)


def _ranges(order: NDArray[np.intp], begin: NDArray[np.intp], n: NDArray[np.intp]) -> Iterator[Pairs]:
    """Each position paired with the `n` positions from `begin` on, about `_AT_ONCE` pairs at a time."""
    asking = np.flatnonzero(n)
    ends = np.cumsum(n[asking])
    at = 0
    while at < len(asking):
        done = ends[at - 1] if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, done + _AT_ONCE, side="right")))
        rows = asking[at:stop]
        within = np.arange(int(n[rows].sum())) - np.repeat(np.cumsum(n[rows]) - n[rows], n[rows])
        yield order[np.repeat(rows, n[rows])], order[np.repeat(begin[rows], n[rows]) + within]
        at = stop


def _same(order: NDArray[np.intp], first: NDArray[np.intp], counts: NDArray[np.intp]) -> Iterator[Pairs]:
    """Pairs of rows with an identical hash, at most `MOST_ALIKE` rows per hash."""
    for size in np.unique(counts[counts > 1]):
        of = first[counts == size]
        i, j = np.triu_indices(int(size), 1)
        step = max(1, _AT_ONCE // len(i))
        for start in range(0, len(of), step):
            part = of[start : start + step, None]
            yield order[part + i].ravel(), order[part + j].ravel()


def _spread(
    order: NDArray[np.intp], first: NDArray[np.intp], counts: NDArray[np.intp], a: NDArray[np.intp], b: NDArray[np.intp]
) -> Pairs:
    """Turn pairs of hashes into pairs of the rows that have them."""
    n = counts[a] * counts[b]
    which = np.repeat(np.arange(len(a)), n)
    within = np.arange(len(which)) - np.repeat(np.cumsum(n) - n, n)
    i, j = first[a][which] + within // counts[b][which], first[b][which] + within % counts[b][which]
    return order[i], order[j]
