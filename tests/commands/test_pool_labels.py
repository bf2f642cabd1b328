"""Labels for a pool from views that do not share the bias, and strangers told from members."""

from __future__ import annotations

import numpy as np
import pytest

from curator.commands._steps.pool_labels import label, object_view, typical
from curator.probe.linear import group_weights
from curator.similarity.vectors import unit
from curator.types import Patches


def views(rng, y, scene, n_kinds=8, noise=0.28):
    """The whole picture shows the scene more plainly than the kind; the object alone shows the kind only."""
    kinds, scenes = np.eye(n_kinds), np.eye(2)
    whole = np.concatenate([0.4 * kinds[y], 1.2 * scenes[scene.astype(int)]], 1)
    whole = unit(whole + noise / 2 * rng.normal(size=whole.shape))
    alone = unit(kinds[y] + noise * rng.normal(size=(len(y), n_kinds)))
    return whole, alone


def biased(rng, n=60):
    """Four classes, the first on the scene in 95 %, the others in 5 %."""
    y = np.repeat(np.arange(4), n)
    scene = rng.permuted(np.tile(np.arange(n) < 0.05 * n, (4, 1)), axis=1)
    scene[0] = ~scene[0]
    return y.astype(np.int32), scene.ravel()


def planted(seed):
    rng = np.random.default_rng(seed)
    y, scene = biased(rng)
    pool_y, pool_scene = np.repeat(np.arange(8), [40, 40, 40, 40, 10, 10, 10, 10]), rng.random(200) < 0.5
    ours, theirs = views(rng, y, scene), views(rng, pool_y, pool_scene)
    found = label(ours, y, group_weights(y, scene), 4, theirs, c=0.1, seed=0)
    return found, pool_y, pool_scene


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_counterexamples_are_labelled_rightly_and_strangers_are_refused(seed):
    found, y, scene = planted(seed)
    breaks = (y < 4) & (scene == (y != 0))
    assert (found.labels == y)[breaks].mean() >= 0.95
    sure = found.confidence >= 0.6
    assert sure[y >= 4].mean() <= 0.15
    assert sure[y < 4].mean() >= 0.75
    np.testing.assert_allclose(found.probabilities.sum(1), 1)
    assert found.trusts[1] >= found.trusts[0]


def test_confidence_is_the_share_that_is_right():
    """Over draws, of those called 0.6 to 0.9 sure, between half and all are right; of those below 0.3, under half."""
    said, right = [], []
    for seed in range(4):
        found, y, _ = planted(seed)
        said.append(found.confidence)
        right.append(found.labels == y)
    said, right = np.concatenate(said), np.concatenate(right)
    assert right[said >= 0.9].mean() >= 0.97
    assert right[said < 0.3].mean() < 0.5
    assert abs(right.mean() - said.mean()) < 0.12


def test_of_noise_nothing_is_sure():
    """No view knows the labels: hardly any label is called sure."""
    rng = np.random.default_rng(9)
    y = np.repeat(np.arange(4), 40).astype(np.int32)
    ours = [unit(rng.normal(size=(160, 10))) for _ in range(2)]
    theirs = [unit(rng.normal(size=(100, 10))) for _ in range(2)]
    found = label(ours, y, np.ones(160), 4, theirs, c=0.1, seed=0)
    assert (found.confidence >= 0.6).mean() <= 0.05


def test_one_view_and_two_classes_are_enough():
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1], 30).astype(np.int32)
    view = unit(np.eye(2)[y] + 0.2 * rng.normal(size=(60, 2)))
    found = label([view], y, np.ones(60), 2, [view], c=1.0, seed=0)
    assert (found.labels == y).mean() > 0.95
    assert (found.confidence > 0.6).mean() > 0.8


def test_typical_images_of_a_class_have_even_ranks():
    """Under exchangeability the share is uniform: a tenth of true members lies below a tenth."""
    rng = np.random.default_rng(4)
    known, new = (np.concatenate([rng.normal(size=(n, 6)) + 2 * np.eye(6)[k] for k in (0, 1)]) for n in (300, 300))
    y = np.repeat([0, 1], 300)
    share = typical(known.astype(np.float32), y, new.astype(np.float32), y)
    assert 0.07 <= (share < 0.1).mean() <= 0.14
    assert 0.44 <= share.mean() <= 0.56


def test_the_object_view_sees_no_surroundings():
    """In the first image the middle stands out; in the second nothing does, so that all of it is seen."""
    features = np.zeros((2, 7, 7, 4), np.int8)
    features[..., 0] = 127
    features[0, 3, 3] = 0, 127, 0, 0
    patches = Patches(
        np.array(["a", "b"]),
        features,
        np.full((2, 7, 7), 255, np.uint8),
        np.zeros((2, 7, 7, 3), np.uint8),
        np.zeros((2, 7, 7), np.uint8),
        "eye",
    )
    assert object_view(patches).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]


def test_of_two_classes_an_image_like_neither_is_a_stranger():
    """Of the pool 20 show a third kind; at most a twentieth of the true members may look strange."""
    rng = np.random.default_rng(5)
    kinds = np.eye(8)
    y, theirs = np.repeat([0, 1], 40).astype(np.int32), np.repeat([0, 1, 5], [40, 40, 20])
    ours, pool = (unit(kinds[k] + 0.1 * rng.normal(size=(len(k), 8))) for k in (y, theirs))
    found = label([ours], y, np.ones(80), 2, [pool], c=1.0, seed=0)
    strange = found.belongs <= 0.5
    assert strange[theirs == 5].mean() >= 0.9
    assert strange[theirs < 5].mean() <= 0.15
    assert (found.confidence[strange] < 0.6).all()  # the default below which a label is not used
