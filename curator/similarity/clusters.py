"""Clusters of images that look alike, and names for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans, MiniBatchKMeans

from curator import config
from curator.similarity.vectors import unit
from curator.types import Clusters, Embeddings, Floats

_MINIBATCH_FROM = 20_000
"""From this many images on, k-means runs on mini-batches. Full k-means would take longer than embedding a thousand images."""
SAMPLED = config.LARGE
"""Maximum number of images from which clusters are learnt; all images are then assigned. A cluster of 1 % has 300 of them."""
_BLOCK = 1 << 14
"""Number of images assigned at a time."""
_MOST_CLUSTERS = 40
"""Maximum number of clusters, because nobody looks through more."""


def default_k(n: int) -> int:
    """The number of clusters for n images: about sqrt(n / 4). For 240 images this gives clusters of thirty.

    >>> [default_k(n) for n in (1, 4, 240, 100_000)]
    [1, 1, 8, 40]
    """
    return int(max(1, min(_MOST_CLUSTERS, round((n / 4) ** 0.5), n)))


def cluster(embeddings: Embeddings, k: int = 0, seed: int = 0) -> Clusters:
    """k-means on the unit vectors (in effect spherical). Clusters are numbered by size, largest first, and have no names.

    Above `SAMPLED` images the clusters are learnt from a sample of that size, and every image joins the nearest cluster.
    Source: Lloyd (1982); Sculley (2010) for the mini-batch variant from 20,000 images on.
    """
    n = len(embeddings)
    dim = embeddings.vectors.shape[1]
    if n == 0:
        return Clusters(np.zeros(0, np.int32), np.zeros((0, dim), np.float32), ())
    vectors = embeddings.vectors
    if n > SAMPLED:
        vectors = vectors[np.sort(np.random.default_rng(seed).permutation(n)[:SAMPLED])]
    # k-means cannot make more clusters than there are distinct vectors.
    k = min(k or default_k(n), len(np.unique(vectors, axis=0)))
    method = MiniBatchKMeans if n >= _MINIBATCH_FROM else KMeans
    fitted = method(n_clusters=k, n_init=4, random_state=seed).fit(vectors)
    labels = fitted.labels_ if n <= SAMPLED else _assigned(embeddings.vectors, fitted.cluster_centers_)
    order = np.argsort(-np.bincount(labels, minlength=k), kind="stable")
    rank = np.empty(k, np.int32)
    rank[order] = np.arange(k)
    centres = unit(fitted.cluster_centers_[order])
    return Clusters(rank[labels], centres, tuple("" for _ in range(k)))


def _assigned(vectors: Floats, centres: Floats) -> NDArray[np.intp]:
    """The nearest of the centres (k, d) for each row, in blocks."""
    half = (centres**2).sum(1) / 2
    return np.concatenate(
        [(vectors[k : k + _BLOCK] @ centres.T - half).argmax(1) for k in range(0, len(vectors), _BLOCK)]
    )


def name_clusters(clusters: Clusters, names: Sequence[str], scores: NDArray[np.floating]) -> Clusters:
    """Name each cluster by up to two names whose scores set its images most apart from the others.

    `scores` (n, m): how well each of the m `names` fits each image. Scores are standardised per name, so that a name that
    fits every image is not used.
    """
    if not len(names) or not len(clusters.assignment):
        return clusters
    some = np.arange(len(scores))
    if len(scores) > SAMPLED:
        # 300 images give a cluster's mean to a twentieth of the spread. The seed gives the same rows in every run.
        some = np.sort(np.random.default_rng(len(scores)).permutation(len(scores))[:SAMPLED])
    assignment, scores = clusters.assignment[some], scores[some]
    spread = scores.std(0)
    z = (scores - scores.mean(0)) / np.where(spread > 0, spread, np.inf)
    out = []
    for c in range(len(clusters.names)):
        lift = z[assignment == c].mean(0) if (assignment == c).any() else np.zeros(len(names))
        best = [int(j) for j in np.argsort(-lift, kind="stable")[:2] if lift[j] > 0.5]
        out.append(", ".join(names[j] for j in best) or clusters.names[c])
    return Clusters(clusters.assignment, clusters.centres, tuple(out))


def medoids(vectors: Floats, k: int) -> NDArray[np.intp]:
    """Up to k rows that represent all rows: the nearest to the mean first, then each time the farthest from those chosen.

    Source: Gonzalez (1985), farthest-first traversal.

    >>> medoids(unit(np.array([[1, 0], [1, 0.1], [0, 1]])), 2).tolist()
    [1, 2]
    """
    if not len(vectors):
        return np.zeros(0, np.intp)
    chosen = [int((vectors @ vectors.mean(0)).argmax())]
    closest = vectors @ vectors[chosen[0]]
    while len(chosen) < min(k, len(vectors)):
        closest[chosen] = np.inf
        chosen.append(int(closest.argmin()))
        closest = np.maximum(closest, vectors @ vectors[chosen[-1]])
    return np.array(chosen, np.intp)
