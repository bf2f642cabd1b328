"""The same picture twice: by its bytes, by its look, by its embedding. One table of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from curator.config import DuplicateSettings
from curator.similarity import altered_copies, hash_pairs
from curator.similarity.hash_pairs import Pairs, hamming
from curator.similarity.vectors import EXACT_UP_TO, cosines, near_pairs, pairs_of
from curator.types import DuplicateGroup, Embeddings, Ids, Patches
from curator.types.results import Recall

Evidence = Literal["exact", "perceptual", "embedding"]
_MANY = 5_000_000
"""Pairs kept before they are thinned: twenty thousand pictures of one wall would be two hundred million."""
SAMPLED = 2000
"""Images whose pairs are looked for among all others to see how many the index has found."""


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


def pairs(
    phash: NDArray[np.uint64] | None, embeddings: Embeddings, settings: DuplicateSettings, seed: int = 0
) -> tuple[Pairs, Pairs]:
    """Perceptual and embedding pairs: all of them, or of very many enough to connect the same images.

    A perceptual hash sees light and dark in 8 x 8 waves and nothing else, so two skies over two lawns agree; a match
    counts only where the embeddings agree to `confirm` as well. Without hashes (`phash` None) there are no perceptual ones.

    Above `vectors.EXACT_UP_TO` images the embeddings are asked for by `vectors.near_pairs`, which may miss some, and hashes
    by `hash_pairs.near`, which does not; the settings' `hamming` and cosines hold for every pair that is found.
    """
    vectors = embeddings.vectors
    low = min(settings.confirm, settings.cosine) if phash is not None else settings.cosine
    look, close = _Edges(len(vectors)), _Edges(len(vectors))
    for i, j, cosine in near_pairs(vectors, low, np.random.default_rng(seed)):
        if phash is not None:
            agrees = (hamming(phash[i], phash[j]) <= settings.hamming) & (cosine >= settings.confirm)
            look.add(i[agrees], j[agrees])
        enough = cosine >= settings.cosine
        close.add(i[enough], j[enough])
    if phash is not None and len(phash) > EXACT_UP_TO:
        for i, j in hash_pairs.near(phash, settings.hamming):
            enough = cosines(vectors, i, j) >= settings.confirm
            look.add(i[enough], j[enough])
    return look.all(), close.all()


def recall(
    found: Sequence[DuplicateGroup], ids: Ids, phash: NDArray[np.uint64] | None, embeddings: Embeddings,
    settings: DuplicateSettings, seed: int = 0,
) -> Recall | None:  # fmt: skip
    """Of the pairs that a seeded sample of images really has, how many are in one of the groups; None where all were compared.

    Error: binomial; a set with few duplicates has few pairs to count, and says so by their number.
    """
    if len(ids) <= EXACT_UP_TO:
        return None
    rows = np.sort(np.random.default_rng(seed).permutation(len(ids))[:SAMPLED])
    low = min(settings.confirm, settings.cosine)
    i, j, cosine = pairs_of(rows, embeddings.vectors, low)
    real = cosine >= settings.cosine
    if phash is not None:
        real |= (hamming(phash[i], phash[j]) <= settings.hamming) & (cosine >= settings.confirm)
    i, j = i[real], j[real]
    group = {id: k for k, g in enumerate(found) for id in g.ids}
    joined = sum(group.get(str(a), -1) == group.get(str(b), -2) for a, b in zip(ids[i], ids[j], strict=True))
    return Recall(len(rows), len(i), joined)


class _Edges:
    """Pairs as they come; where they grow many, only enough of them to keep the same rows connected."""

    def __init__(self, n: int) -> None:
        self.n, self.size = n, 0
        self.parts: list[Pairs] = []

    def add(self, i: NDArray[np.intp], j: NDArray[np.intp]) -> None:
        self.parts.append((i, j))
        self.size += len(i)
        if self.size > _MANY:
            i, j = self.all()
            _, component = connected_components(
                coo_matrix((np.ones(len(i), np.int8), (i, j)), shape=(self.n, self.n)), directed=False
            )
            _, first = np.unique(component, return_index=True)
            head = first[component]
            rest = np.flatnonzero(head != np.arange(self.n))
            self.parts, self.size = [(head[rest], rest)], 0

    def all(self) -> Pairs:
        if not self.parts:
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        return np.concatenate([p[0] for p in self.parts]), np.concatenate([p[1] for p in self.parts])


def groups(
    ids: Ids,
    sha256: Sequence[str],
    phash: NDArray[np.uint64] | None,
    embeddings: Embeddings,
    settings: DuplicateSettings,
    patches: Patches | None = None,
    seed: int = 0,
) -> tuple[DuplicateGroup, ...]:
    """Groups of images that show the same picture, each with the strongest evidence that joins all of it.

    With `patches` (of the same images) copies that were cropped, mirrored or lightened are found too, see
    `altered_copies.alike`: they count as perceptual. Transitive: a group may hold two images that only a third
    connects. Sorted by first id.
    """
    n = len(ids)
    look, near = pairs(phash, embeddings, settings, seed)
    if patches is not None and phash is not None:
        one, other = altered_copies.alike(phash, embeddings.vectors, patches)
        look = np.concatenate([look[0], one]), np.concatenate([look[1], other])
    kinds: tuple[Evidence, ...] = ("exact", "perceptual", "embedding")
    found: dict[tuple[int, ...], Evidence] = {}
    edges: Pairs = (np.zeros(0, np.intp), np.zeros(0, np.intp))
    for kind, (i, j) in zip(kinds, (exact_pairs(sha256), look, near), strict=True):
        edges = np.concatenate([edges[0], i]), np.concatenate([edges[1], j])
        graph = coo_matrix((np.ones(len(edges[0]), np.int8), edges), shape=(n, n))
        _, component = connected_components(graph, directed=False)
        # Only rows that belong with others: a million groups of one would take longer than finding the rest.
        several = np.flatnonzero((np.bincount(component, minlength=1) > 1)[component])
        order = several[np.argsort(component[several], kind="stable")]
        parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
        together = {tuple(part.tolist()) for part in parts if len(part)}
        found = {rows: found.get(rows, kind) for rows in together}
    return tuple(DuplicateGroup(kind, tuple(str(ids[r]) for r in rows)) for rows, kind in sorted(found.items()))


def leaks(found: Sequence[DuplicateGroup], ids: Ids, splits: Ids) -> tuple[DuplicateGroup, ...]:
    """The groups that lie in more than one split."""
    split_of = dict(zip(ids.tolist(), splits.tolist(), strict=True))
    return tuple(g for g in found if len({split_of[i] for i in g.ids}) > 1)
