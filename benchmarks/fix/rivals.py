"""Other ways to choose images of a pool, at the same budget. None of them is told of labels or findings.

Each takes the pool's vectors (p, d), those of the training set (n, d), how many to choose and a generator, and gives rows of
the pool. `uniqueness` is FiftyOne's formula as in fiftyone-brain 0.25.0 (internal/core/uniqueness.py): the mean of the cosine
distances to the three nearest images, weighted 0.6, 0.3 and 0.1. `k_centre` is the coreset of Sener and Savarese (2018), the
idea of LightlyStudio's diversity selection. `typiclust` is that of Hacohen et al. (2022).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans


def uniqueness(pool: NDArray, train: NDArray, k: int, rng: np.random.Generator) -> NDArray:
    distance = 1 - pool @ pool.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.sort(distance, axis=1)[:, :3]
    return np.argsort(-(nearest * [0.6, 0.3, 0.1]).mean(1), kind="stable")[:k]


def k_centre(pool: NDArray, train: NDArray, k: int, rng: np.random.Generator) -> NDArray:
    away = 1 - (pool @ train.T).max(1)
    chosen: list[int] = []
    for _ in range(min(k, len(pool))):
        chosen.append(int(away.argmax()))
        away = np.minimum(away, 1 - pool @ pool[chosen[-1]])
        away[chosen] = -1
    return np.array(chosen)


def typiclust(pool: NDArray, train: NDArray, k: int, rng: np.random.Generator) -> NDArray:
    both = np.concatenate([pool, train])
    cluster = KMeans(
        len(np.unique(both, axis=0)[: 2 * k]), n_init=1, random_state=int(rng.integers(1 << 30))
    ).fit_predict(both)
    covered = set(cluster[len(pool) :].tolist())
    sizes = np.bincount(cluster[: len(pool)], minlength=cluster.max() + 1)
    # Clusters the training set has nothing of come first, the larger ones before the smaller.
    order = sorted(np.flatnonzero(sizes), key=lambda c: (c in covered, -sizes[c]))
    queues = []
    for c in order:
        rows = np.flatnonzero(cluster[: len(pool)] == c)
        similar = np.sort(pool[rows] @ pool[rows].T, axis=1)[:, -21:]
        queues.append(rows[np.argsort(-similar.mean(1), kind="stable")].tolist())
    chosen: list[int] = []
    while len(chosen) < min(k, len(pool)):
        for queue in queues:
            if queue and len(chosen) < k:
                chosen.append(queue.pop(0))
    return np.array(chosen)


RIVALS = {"uniqueness": uniqueness, "k_centre": k_centre, "typiclust": typiclust}
