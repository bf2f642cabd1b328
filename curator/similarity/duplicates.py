"""Groups of duplicates: images with the same bytes, the same look or nearly the same embedding."""

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
"""Number of pairs kept before they are thinned. Twenty thousand images of one wall would give two hundred million pairs."""
SAMPLED = 2000
"""Number of sampled images that are compared with all images, to measure how many pairs the index finds."""


def exact_pairs(sha256: Sequence[str]) -> Pairs:
    """Pairs of consecutive rows with the same bytes. They are enough to connect all such rows.

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
    """Perceptual and embedding pairs: all of them, or for very many pairs enough to connect the same images.

    A perceptual hash contains only light and dark in 8 x 8 waves, so two skies over two lawns agree. A match therefore counts
    only if the embeddings also agree to `confirm`. Without hashes (`phash` None) there are no perceptual pairs.

    Above `vectors.EXACT_UP_TO` images `vectors.near_pairs` finds the embedding pairs and may miss some; `hash_pairs.near`
    finds the hash pairs. Every pair found satisfies the settings' `hamming` and cosines.
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
    """How many of the true pairs of a seeded sample of images are in one of the groups. None if all pairs were compared.

    Error: binomial. A set with few duplicates has few pairs to count; the result contains their number.
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
    """Collects pairs. If there are very many, it keeps only enough of them to connect the same rows."""

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
    """Groups of duplicate images, each with the strongest evidence that joins the whole group.

    With `patches` (of the same images) cropped, mirrored or lightened copies are found too, see `altered_copies.alike`. They
    count as perceptual. Groups are transitive: two images of a group may be connected only by a third. Sorted by first id.
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
        # Single rows are skipped, because a million groups of one would take longer than finding the duplicates.
        several = np.flatnonzero((np.bincount(component, minlength=1) > 1)[component])
        order = several[np.argsort(component[several], kind="stable")]
        parts = np.split(order, np.flatnonzero(np.diff(component[order])) + 1)
        together = {tuple(part.tolist()) for part in parts if len(part)}
        found = {rows: found.get(rows, kind) for rows in together}
    return tuple(DuplicateGroup(kind, tuple(str(ids[r]) for r in rows)) for rows, kind in sorted(found.items()))


def leaks(found: Sequence[DuplicateGroup], ids: Ids, splits: Ids) -> tuple[DuplicateGroup, ...]:
    """The groups with images in more than one split."""
    split_of = dict(zip(ids.tolist(), splits.tolist(), strict=True))
    return tuple(g for g in found if len({split_of[i] for i in g.ids}) > 1)
