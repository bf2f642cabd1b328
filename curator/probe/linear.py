"""The linear probe on frozen embeddings: fitting, cross-fitting, and finding labels that may be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from curator import config
from curator.errors import DataError
from curator.probe import refits
from curator.types import Floats, Ints, LabelError, Mask

_MAX_ITERATIONS = 500
LARGE = config.LARGE
"""Above this many images a probe is fitted by `refits.refit`. scikit-learn takes a minute for 100,000 images of 512
dimensions; `refit` fits all folds of a cross-validation together in a sixth of a minute. Accuracies agree to half a point
(test_probing)."""
SAMPLED = 60_000
"""Maximum number of images that a probe is trained on: ten per parameter of a probe of ten classes on 512 dimensions. The
probe still predicts all images."""
_LEAST_PER_CLASS = 50
_BLOCK = 1 << 15
_CONFIDENT, _AS_USUAL = 0.7, 0.8
"""A class is claimed for an image from this probability, and from this share of the mean probability of that class's own
images. Among values that report no label in clean sets, these were the best on the dev half (benchmarks/label_errors.py)."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Logistic regression on centred vectors scaled to unit variance on average. Its classes are label indices (k,)."""

    model: Any
    mean: Floats
    scale: float
    rotation: Floats | None
    n_classes: int

    @classmethod
    def fit(
        cls, vectors: Floats, labels: Ints, n_classes: int, c: float, weights: NDArray[np.float64] | None = None
    ) -> Self:
        """Fit on rows with their labels. `c` is scikit-learn's inverse regularisation, `weights` (n,) are sample weights.

        One scale for all directions keeps the encoder's geometry. A scale per direction would amplify its noise.

        Raises:
            DataError: the labels have fewer than two classes.
        """
        if len(np.unique(labels)) < 2:
            raise DataError("the images have only one class; a probe needs at least two; add images of another class.")
        if len(vectors) > LARGE:
            rows = sampled(labels, np.random.default_rng(0))
            counts = np.ones((1, len(rows))) if weights is None else weights[None, rows]
            return cls.all_of(refits.refit(vectors[rows], labels[rows], n_classes, c, counts), n_classes)[0]
        mean = vectors.mean(0)
        centred = vectors - mean
        scale = float(np.sqrt(np.mean(centred**2))) or 1.0
        rotation = None
        # On such small matrices a second BLAS thread costs more than it saves. The last bits of a product also depend on the
        # number of threads and would change every result of the probe.
        with threadpool_limits(1):
            if len(centred) < centred.shape[1]:
                # The penalty is rotation invariant, so the solution lies in the span of the rows. Fitting there is 10x faster.
                rotation = np.linalg.qr(centred.T)[0]
                centred = centred @ rotation
            model = LogisticRegression(C=c, max_iter=_MAX_ITERATIONS).fit(
                centred / scale, labels, sample_weight=weights
            )
        return cls(model, mean, scale, rotation, n_classes)

    @classmethod
    def all_of(cls, fits: refits.Refits, n_classes: int) -> list[Self]:
        """Turn each refit into a probe."""
        mean = np.zeros(fits.coefficients.shape[2], np.float32)
        pairs = zip(fits.coefficients, fits.intercepts, strict=True)
        return [cls(_Softmax(a, b), mean, 1.0, None, n_classes) for a, b in pairs]

    def probabilities(self, vectors: Floats) -> NDArray[np.float64]:
        """(n, n_classes), rows sum to 1. A class that was not in the training set has probability 0."""
        out = np.zeros((len(vectors), self.n_classes))
        with threadpool_limits(1):  # as in the fit
            for start in range(0, len(vectors), _BLOCK):
                part = vectors[start : start + _BLOCK]
                centred = part - self.mean if self.rotation is None else (part - self.mean) @ self.rotation
                out[start : start + _BLOCK, self.model.classes_] = self.model.predict_proba(centred / self.scale)
        return out

    def predict(self, vectors: Floats) -> Ints:
        """The most probable class of each row."""
        return np.asarray(self.probabilities(vectors).argmax(1), np.int32)


@dataclass(frozen=True, slots=True)
class _Softmax:
    """A refit with the interface of scikit-learn's model."""

    coefficients: Floats
    intercepts: Floats

    @property
    def classes_(self) -> NDArray[np.intp]:
        return np.flatnonzero(np.isfinite(self.intercepts))

    def predict_proba(self, vectors: Floats) -> NDArray[np.float64]:
        scores = np.asarray(vectors @ self.coefficients[self.classes_].T + self.intercepts[self.classes_], np.float64)
        np.exp(scores - scores.max(1, keepdims=True), out=scores)
        return np.asarray(scores / scores.sum(1, keepdims=True))


def sampled(labels: Ints, rng: np.random.Generator, most: int = SAMPLED) -> NDArray[np.intp]:
    """Sorted rows for a probe to train on: about `most`, in proportion to the class sizes, but at least `_LEAST_PER_CLASS` of
    every class (or all it has), so that no small class is lost."""
    if len(labels) <= most:
        return np.arange(len(labels))
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    _, first, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    wanted = np.maximum(np.ceil(sizes * most / len(labels)), np.minimum(sizes, _LEAST_PER_CLASS))
    within = np.arange(len(order)) - np.repeat(first, sizes)
    return np.sort(order[within < np.repeat(wanted, sizes)])


def group_weights(labels: Ints, value: Mask) -> NDArray[np.float64]:
    """Weights (n,) with mean 1 that give every class x value group the same total weight.

    Source: the reweighting of Sagawa et al. (2020) and of DFR (Kirichenko et al. 2023), on the last layer only.

    >>> group_weights(np.array([0, 0, 0, 1]), np.array([True, True, False, True])).round(2).tolist()
    [0.67, 0.67, 1.33, 1.33]
    """
    _, group, sizes = np.unique(
        np.stack([labels, value.astype(labels.dtype)]), axis=1, return_inverse=True, return_counts=True
    )
    return np.asarray(len(labels) / (len(sizes) * sizes[group.ravel()]), float)


def _folds(
    labels: Ints, n_folds: int, seed: int, groups: Ints | None = None
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Stratified folds. Images of one group (copies of one image) are in the same fold."""
    smallest = int(distinct_groups(labels, groups)[np.unique(labels)].min())
    if smallest < 2:
        raise DataError(
            "a class has a single image; cross-validation needs two images of every class; add one or drop that class."
        )
    n = min(n_folds, smallest)
    if groups is None or len(np.unique(groups)) == len(groups):
        return list(StratifiedKFold(n, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels))
    split = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    return list(split.split(np.zeros(len(labels)), labels, groups))


def distinct_groups(labels: Ints, groups: Ints | None, n_classes: int = 0) -> NDArray[np.intp]:
    """The number of groups (k,) of each class; of images, if there are no groups. Labels of -1 do not count.

    >>> distinct_groups(np.array([0, 0, 0, 1]), np.array([5, 5, 6, 6])).tolist()
    [2, 1]
    """
    of = np.arange(len(labels), dtype=np.int32) if groups is None else groups
    pairs = np.unique(np.stack([labels[labels >= 0], of[labels >= 0]]), axis=1)
    return np.bincount(pairs[0].astype(np.intp), minlength=n_classes)


@dataclass(frozen=True, slots=True)
class CrossFit:
    """The probes of a cross-validation. They are kept so that the probe that has not seen an image can predict its edited copy.

    `fold` (n,) is the position in `probes` of the probe that was not trained on image i, or -1 if the image was left out.
    `probabilities` (n, n_classes) are that probe's predictions, 0 if the image was left out.
    """

    probes: tuple[Probe, ...]
    fold: Ints
    probabilities: NDArray[np.float64]

    def predict_rows(self, vectors: Floats, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """Class probabilities (m, n_classes) of `vectors` (m, d), each from the probe that has not seen image rows[i].

        Raises:
            DataError: an image was left out of the cross-validation.
        """
        folds = self.fold[rows]
        if (folds < 0).any():
            raise DataError(
                "an image was left out of the cross-validation, so no probe can predict it; ask for others."
            )
        out = np.zeros((len(rows), self.probabilities.shape[1]))
        for k in np.unique(folds):
            out[folds == k] = self.probes[k].probabilities(vectors[folds == k])
        return out


def cross_fit(
    vectors: Floats, labels: Ints, n_classes: int, c: float, seed: int, n_folds: int = 5, rows: Mask | None = None,
    groups: Ints | None = None,
) -> CrossFit:  # fmt: skip
    """Cross-validate probes by stratified folds over the images in `rows` (n,), or over all images by default.

    No probe predicts an image of which it has seen a copy: images with the same number in `groups` (n,) share a fold. With
    copies in both, a probe is as good on images that break the rule as on others, and no wrong label is doubted.

    With more than `LARGE` images the probes are trained on a sample (`sampled`). An image outside the sample, which no probe
    has seen, is assigned to a random fold. All of `rows` are predicted.

    Raises:
        DataError: a class has a single image, or there is only one class.
    """
    chosen = np.arange(len(labels)) if rows is None else np.flatnonzero(rows)
    fold = np.full(len(labels), -1, np.int32)
    out = np.zeros((len(labels), n_classes))
    probes: list[Probe] = []
    if len(chosen) > LARGE:
        return _large_cross_fit(vectors, labels, n_classes, c, seed, n_folds, chosen, groups)
    same = None if groups is None else groups[chosen]
    for train, test in _folds(labels[chosen], n_folds, seed, same) if len(chosen) else []:
        if len(np.unique(labels[chosen[train]])) < 2:
            continue  # all copies of the other classes are in this fold
        probe = Probe.fit(vectors[chosen[train]], labels[chosen[train]], n_classes, c)
        out[chosen[test]] = probe.probabilities(vectors[chosen[test]])
        fold[chosen[test]] = len(probes)
        probes.append(probe)
    return CrossFit(tuple(probes), fold, out)


def _large_cross_fit(
    vectors: Floats, labels: Ints, n_classes: int, c: float, seed: int, n_folds: int, chosen: NDArray[np.intp],
    groups: Ints | None,
) -> CrossFit:  # fmt: skip
    """`cross_fit` for very many images: the probes of all folds are fitted together, on a sample."""
    rng = np.random.default_rng(seed)
    learnt = chosen[sampled(labels[chosen], rng)]
    folds = _folds(labels[learnt], n_folds, seed, None if groups is None else groups[learnt])
    fold = np.full(len(labels), -1, np.int32)
    fold[chosen] = rng.integers(0, len(folds), len(chosen))
    weights = np.ones((len(folds), len(learnt)), np.float32)
    for k, (_, test) in enumerate(folds):
        fold[learnt[test]] = k
        weights[k, test] = 0
    if groups is not None:  # an image outside the sample goes to the fold of its copies inside
        of_group = np.full(int(groups.max()) + 1, -1, np.int32)
        of_group[groups[learnt]] = fold[learnt]
        fold[chosen] = np.where(of_group[groups[chosen]] >= 0, of_group[groups[chosen]], fold[chosen])
    fits = refits.refit(vectors[learnt], labels[learnt], n_classes, c, weights)
    probes = Probe.all_of(fits, n_classes)
    out = np.zeros((len(labels), n_classes))
    for start in range(0, len(chosen), _BLOCK):
        rows = chosen[start : start + _BLOCK]
        part, of = vectors[rows], fold[rows]
        for k, probe in enumerate(probes):
            out[rows[of == k]] = probe.probabilities(part[of == k])
    return CrossFit(tuple(probes), fold, out)


def out_of_fold(
    vectors: Floats, labels: Ints, n_classes: int, c: float, seed: int, n_folds: int = 5
) -> NDArray[np.float64]:
    """Class probabilities (n, n_classes) of each image, from a probe that has not seen it."""
    return cross_fit(vectors, labels, n_classes, c, seed, n_folds).probabilities


def label_errors(
    ids: Sequence[str], labels: Ints, classes: Sequence[str], probabilities: NDArray[np.float64]
) -> tuple[LabelError, ...]:
    """Images whose label an out-of-sample probe contradicts by claiming another class, the surest error first.

    Source: confident learning (Northcutt et al. 2021). There, a class is claimed from the mean probability that its own
    images get. Here it is claimed from 0.8 of that mean, because half of a class's own images may lie below the mean itself,
    and never below a probability of 0.7.
    Error: a probe that relies on a shortcut finds conflicting images mislabelled. Look at them before you change labels.
    """
    given = probabilities[np.arange(len(labels)), labels]
    usual = np.array(
        [probabilities[labels == k, k].mean() if (labels == k).any() else 1.0 for k in range(len(classes))]
    )
    claimed = np.where(probabilities >= np.maximum(_AS_USUAL * usual, _CONFIDENT), probabilities, 0)
    other = claimed.argmax(1)
    doubtful = np.flatnonzero((claimed.max(1) > 0) & (other != labels))
    order = sorted(doubtful, key=lambda i: (given[i], str(ids[int(i)])))
    return tuple(
        LabelError(str(ids[int(i)]), classes[int(labels[i])], classes[int(other[i])], float(1 - given[i]))
        for i in order
    )
