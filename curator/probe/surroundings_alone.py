"""How well a probe names the class from one kind of input alone: balanced accuracy and AUC on images it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from curator import stats
from curator.errors import DataError
from curator.probe import refits
from curator.types import Floats, Interval, Ints

N_FOLDS = 5
FEWEST = 10
"""Fewest different images of a class: two in each fold."""
PER_IMAGE = 2
"""Images that count as one in the width of an interval. Of two images in different folds each teaches the probe how to name the
other, so that they are right or wrong together more often than by chance: where there is nothing to learn, up to twice the
binomial variance."""
DIRECTIONS = 256
"""Embeddings are reduced to this many directions of largest variance. The fits of 5,000 images then take 1 s and not 30 s."""
FARTHEST = 3.0
"""Standardised numbers are cut off here, so that one panorama does not decide the fit."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one input tells: balanced `accuracy` (0..1) with its 95 % interval, and `auc` (k,) of each class, nan if unknown."""

    accuracy: float
    ci: Interval
    auc: NDArray[np.float64]


def folds(labels: Ints, groups: Ints, rng: np.random.Generator) -> Ints:
    """The fold (n,) of each image, stratified by class. Images with equal `groups` (n,), such as copies, share a fold.

    Raises:
        DataError: copies leave too few different images, so that a fold would have none, or its probe only one class.
    """
    refused = DataError("too few of the images are different; a probe needs other images than copies; add some.")
    if len(np.unique(groups)) < N_FOLDS:
        raise refused
    out = np.zeros(len(labels), np.int32)
    split = StratifiedGroupKFold(N_FOLDS, shuffle=True, random_state=int(rng.integers(1 << 31)))
    for k, (train, test) in enumerate(split.split(labels[:, None], labels, groups)):
        out[test] = k
        if len(np.unique(labels[train])) < 2:
            raise refused
    return out


def told(x: Floats, labels: Ints, fold: Ints, groups: Ints, c: float) -> Told:
    """Cross-validate a probe on `x` (n, d) that names `labels` (n,), which are 0 to k - 1 and all occur.

    In every fold the classes get the same total weight. `c` is scikit-learn's inverse regularisation. Copies of one image
    (equal `groups`, in the same `fold`) count as one image in the width of the interval.

    Error: the interval is Wilson's by class, combined by square-and-add. With labels drawn at random it contains chance in
    95 to 97 % of sets of 40 to 400 images with 6 to 64 numbers each (150 sets a size); with a class that the probe names in
    74 to 97 % it contains the accuracy of that probe on new images in 95 to 99 %. The AUC compares images of one fold only;
    with 10 images of a class its standard error is about 0.1. A linear probe does not see what only a curved border
    separates.
    Source: Wilson (1927); square-and-add of Zou and Donner (2008), for a mean of independent shares.
    """
    n_classes = int(labels.max()) + 1
    seen = fold[None] != np.arange(N_FOLDS)[:, None]
    weights = np.zeros(seen.shape)
    for k in range(n_classes):
        mine = seen & (labels == k)
        weights += mine * (len(labels) / n_classes / np.maximum(mine.sum(1, keepdims=True), 1))
    probabilities = refits.refit(x, labels, n_classes, c, weights).probabilities(x)[fold, np.arange(len(labels))]
    right = probabilities.argmax(1) == labels
    accuracy, ci = balanced(right, labels, groups)
    # Rounded, so that the last bits, which depend on the processor, do not order images that get the same score.
    scores = np.round(probabilities.astype(float), 5)
    auc = np.array([_auc(scores[:, k], labels == k, fold) for k in range(n_classes)])
    return Told(accuracy, ci, auc)


def balanced(right: NDArray[np.bool_], labels: Ints, groups: Ints) -> tuple[float, Interval]:
    """The mean over the classes of the share of images that are `right` (n,), and its 95 % interval.

    A class of n images in groups of m_1, m_2, ... copies counts as n^2 / sum(m_i^2) images, as if all copies of an image were
    right or wrong together.

    >>> right = np.array([True] * 8 + [False] * 2 + [True] * 5 + [False] * 5)
    >>> accuracy, (low, high) = balanced(right, np.repeat([0, 1], 10), np.arange(20))
    >>> accuracy, round(low, 2), round(high, 2)
    (0.65, 0.38, 0.83)
    """
    shares, below, above = [], 0.0, 0.0
    for k in np.unique(labels):
        mine = labels == k
        copies = np.unique(groups[mine], return_counts=True)[1]
        n = copies.sum() ** 2 / (copies.astype(float) ** 2).sum() / PER_IMAGE
        share = float(right[mine].mean())
        low, high = stats.wilson(share * n, n)
        shares.append(share)
        below += (share - float(low)) ** 2
        above += (float(high) - share) ** 2
    accuracy = float(np.mean(shares))
    ends = accuracy - np.sqrt(below) / len(shares), accuracy + np.sqrt(above) / len(shares)
    return accuracy, (float(max(0.0, ends[0])), float(min(1.0, ends[1])))


def _auc(scores: NDArray[np.float64], mine: NDArray[np.bool_], fold: Ints) -> float:
    """The share of pairs (image of the class, image of another class) of one fold in which the first has the higher score.

    Scores of different folds come from different probes and are not compared. nan if no fold has a pair.
    """
    won = pairs = 0.0
    for k in np.unique(fold):
        here = fold == k
        own = mine[here]
        n, rest = int(own.sum()), int((~own).sum())
        won += rankdata(scores[here])[own].sum() - n * (n + 1) / 2
        pairs += n * rest
    return float(won / pairs) if pairs else float("nan")


def directions(vectors: Floats) -> Floats:
    """The vectors (n, d) in their `DIRECTIONS` directions of largest variance, or as they are if d is not larger.

    Error: a class that differs only in a direction of small variance is lost. Labels play no part, so the accuracy is not
    biased.
    """
    if vectors.shape[1] <= DIRECTIONS:
        return vectors
    centred = vectors - vectors.mean(0)
    with threadpool_limits(1):
        axes = np.linalg.eigh((centred.T @ centred).astype(float))[1][:, -DIRECTIONS:]
        return np.asarray(centred @ axes.astype(np.float32))


def standardised(x: NDArray[np.floating], *, squares: bool) -> Floats:
    """The columns of `x` (n, d) with mean 0 and standard deviation 1, cut off at `FARTHEST`.

    With `squares` their squares follow: (n, 2 d). An unknown number (nan) counts as the mean of its column.

    >>> standardised(np.array([[1.0], [3.0], [np.nan]]), squares=True).round(1).tolist()
    [[-1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    """
    known = np.isfinite(x)
    n = np.maximum(known.sum(0), 1)
    centred = np.where(known, x - np.where(known, x, 0).sum(0) / n, 0)
    spread = np.sqrt((centred**2).sum(0) / n)
    z = np.clip(centred / np.where(spread > 1e-9, spread, 1), -FARTHEST, FARTHEST)
    return np.asarray(np.column_stack([z, z**2]) if squares else z, np.float32)
