"""Groups of images that look alike: found when they are there, numbered by size, called by what sets them apart."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from curator.similarity.clusters import cluster, default_k, medoids, name_clusters
from curator.similarity.vectors import nearest, pairs_above, unit
from curator.types import Clusters, Embeddings, EncoderInfo, Preprocessing

INFO = EncoderInfo("test", "pixels", 16, False, "sha256:0", Preprocessing(64, 64))


def blobs(sizes, dim=16, spread=0.1, seed=0) -> tuple[Embeddings, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    vectors = unit(np.eye(dim)[truth] + spread * rng.normal(size=(len(truth), dim)))
    return Embeddings(np.array([f"{i}.jpg" for i in range(len(truth))]), vectors, INFO), truth


def test_planted_groups_are_found_and_numbered_by_size():
    embeddings, truth = blobs((20, 60, 35))
    found = cluster(embeddings, k=3)
    assert adjusted_rand_score(truth, found.assignment) == 1
    assert np.bincount(found.assignment).tolist() == [60, 35, 20]
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-5)
    assert nearest(found.centres, embeddings.vectors)[0][:, 0].tolist() == [
        int(np.flatnonzero(truth == k)[(embeddings.vectors[truth == k] @ found.centres[c]).argmax()])
        for c, k in enumerate((1, 2, 0))
    ]
    again = cluster(embeddings, k=3)
    assert (again.assignment == found.assignment).all()


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_images_are_no_error(n):
    embeddings, _ = blobs((n,))
    found = cluster(embeddings)
    assert found.assignment.shape == (n,)
    assert len(found.names) == len(found.centres) == (default_k(n) if n else 0)


def test_no_more_clusters_than_different_pictures():
    embeddings, _ = blobs((6, 4), spread=0)
    found = cluster(embeddings, k=5)
    assert np.bincount(found.assignment).tolist() == [6, 4]


def test_names_are_what_sets_a_cluster_apart_not_what_fits_everything():
    clusters = Clusters(np.array([0, 0, 0, 1, 1]), np.eye(2), ("", ""))
    rng = np.random.default_rng(1)
    always, grass, snow = np.full(5, 9.0), np.array([1, 1, 0.9, 0, 0]), np.array([0, 0, 0, 0.7, 0.8])
    scores = np.stack([always, grass, snow], axis=1) + 0.001 * rng.normal(size=(5, 3))
    scores[:, 0] = 9.0
    assert name_clusters(clusters, ("photo", "grass", "snow"), scores).names == ("grass", "snow")
    assert name_clusters(clusters, (), np.zeros((5, 0))).names == ("", "")


def test_medoids_stand_for_every_group_and_never_repeat():
    embeddings, truth = blobs((30, 30, 30, 30))
    chosen = medoids(embeddings.vectors, 4)
    assert sorted(truth[chosen]) == [0, 1, 2, 3]
    same = unit(np.ones((5, 3)))
    assert sorted(medoids(same, 9)) == [0, 1, 2, 3, 4]
    assert medoids(same[:0], 3).tolist() == []


@pytest.mark.parametrize("n", [3, 2050])
def test_pairs_and_neighbours_are_those_of_the_whole_matrix(n):
    """Above one block of 2048 rows too."""
    vectors = unit(np.random.default_rng(2).normal(size=(n, 5)))
    i, j, cosine = pairs_above(vectors, 0.97)
    whole = vectors @ vectors.T
    want = np.argwhere(np.triu(whole >= 0.97, 1))
    assert np.stack([i, j], axis=1).tolist() == want.tolist()
    np.testing.assert_allclose(cosine, whole[i, j], atol=1e-6)
    index, best = nearest(vectors[:7], vectors, 2)
    assert (index[:, 0] == np.arange(len(index))).all()
    np.testing.assert_allclose(best[:, 1], np.sort(whole[:7], axis=1)[:, -2], atol=1e-6)
    assert nearest(vectors, vectors, 10_000)[0].shape[1] == n
