"""The same picture twice: by its bytes, by its look, by its embedding. One table of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from curator.config import DuplicateSettings
from curator.types import DuplicateGroup, Embeddings, Ids
from curator.vectors import pairs_above

Pairs = tuple[NDArray[np.intp], NDArray[np.intp]]
Evidence = Literal["exact", "perceptual", "embedding"]


def exact_pairs(sha256: Sequence[str]) -> Pairs:
    """Pairs of neighbours among rows with the same bytes (enough to connect them).

    >>> [p.tolist() for p in exact_pairs(["a", "b", "a", "a"])]
    [[0, 2], [2, 3]]
    """
    last: dict[str, int] = {}
    i, j = [], []
    for row, key in enumerate(sha256):
        if key in last:
            i.append(last[key])
            j.append(row)
        last[key] = row
    return np.array(i, np.intp), np.array(j, np.intp)


def hamming(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many of 64 bits differ, pair by pair.

    >>> hamming(np.array([7, 8], np.uint64), np.array([5, 8], np.uint64)).tolist()
    [1, 0]
    """
    return np.bitwise_count(np.bitwise_xor(a, b)).astype(np.int64)


def pairs(phash: NDArray[np.uint64], embeddings: Embeddings, settings: DuplicateSettings) -> tuple[Pairs, Pairs]:
    """Perceptual and embedding pairs.

    A perceptual hash sees light and dark in 8 x 8 waves and nothing else, so two skies over two lawns agree; a match
    counts only where the embeddings agree to `confirm` as well.
    """
    low = min(settings.confirm, settings.cosine)
    i, j, cosine = pairs_above(embeddings.vectors, low)
    look = (hamming(phash[i], phash[j]) <= settings.hamming) & (cosine >= settings.confirm)
    near = cosine >= settings.cosine
    return (i[look], j[look]), (i[near], j[near])


def groups(
    ids: Ids, sha256: Sequence[str], phash: NDArray[np.uint64], embeddings: Embeddings, settings: DuplicateSettings
) -> tuple[DuplicateGroup, ...]:
    """Groups of images that show the same picture, each with the strongest evidence that joins all of it.

    Transitive: a group may hold two images that only a third connects. Sorted by first id.
    """
    n = len(ids)
    look, near = pairs(phash, embeddings, settings)
    kinds: tuple[Evidence, ...] = ("exact", "perceptual", "embedding")
    found: dict[tuple[int, ...], Evidence] = {}
    edges: Pairs = (np.zeros(0, np.intp), np.zeros(0, np.intp))
    for kind, (i, j) in zip(kinds, (exact_pairs(sha256), look, near), strict=True):
        edges = np.concatenate([edges[0], i]), np.concatenate([edges[1], j])
        graph = coo_matrix((np.ones(len(edges[0]), np.int8), edges), shape=(n, n))
        _, component = connected_components(graph, directed=False)
        order = np.argsort(component, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
        together = {tuple(int(x) for x in sorted(part)) for part in parts if len(part) > 1}
        found = {rows: found.get(rows, kind) for rows in together}
    return tuple(DuplicateGroup(kind, tuple(str(ids[r]) for r in rows)) for rows, kind in sorted(found.items()))


def leaks(found: Sequence[DuplicateGroup], ids: Ids, splits: Ids) -> tuple[DuplicateGroup, ...]:
    """The groups that lie in more than one split."""
    split_of = dict(zip(ids.tolist(), splits.tolist(), strict=True))
    return tuple(g for g in found if len({split_of[i] for i in g.ids}) > 1)
