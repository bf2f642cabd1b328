"""Predict labels for unlabelled images without the bias of the data set, and whether they belong to any class at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from curator.probe.linear import Probe
from curator.regions import foreground
from curator.similarity.vectors import unit
from curator.types import Floats, Ints, Patches

_TRUSTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Possible weights of a view: exponents of its probabilities. A single view with 1 gives its probe unchanged."""
_NEIGHBOURS = 3
"""Number of images of its class that an image is compared with to decide whether it belongs to any class."""
_FOLDS = 5
_STRANGERS = 0.2
"""Assumed share of a pool that belongs to no class, before any image is looked at. The true share cannot be known, so this
is a cautious value."""
_MOST = 6
"""Most classes that are left out in turn to learn how images of no class look; the largest classes are used."""
_LARGEST = 3000
"""Most images used for this."""
_BLOCK = 512
_RARE = 0.05
"""With too few classes to leave one out, membership is uncertain (0.5) for an image that is no more typical of its class than
this share of the class."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """Predicted labels of p pool images.

    `probabilities` (p, n_classes) are of each class, given that the image belongs to one; rows sum to 1. `belongs` (p,) is
    the probability that it belongs to any class. `trusts` are the weights of the views.
    """

    probabilities: NDArray[np.float64]
    belongs: NDArray[np.float64]
    trusts: tuple[float, ...]

    @property
    def labels(self) -> Ints:
        """The most probable class of each image."""
        return np.asarray(self.probabilities.argmax(1), np.int32)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability (p,) that the label is right: the image belongs to a class, and to this one."""
        return np.asarray(self.probabilities.max(1) * self.belongs)


@dataclass(frozen=True, slots=True)
class _Known:
    """Labelled images: their `views`, each (n, d_v), and sample `weights` (n,).

    The last view decides whether an image belongs to any class.
    """

    views: tuple[Floats, ...]
    labels: Ints
    weights: NDArray[np.float64]
    n_classes: int
    c: float
    seed: int

    def held_out(self) -> list[NDArray[np.float64]]:
        """Cross-validated log-probabilities (n, n_classes) of each image, one array per view."""
        sizes = np.bincount(self.labels)
        n_folds = min(_FOLDS, int(sizes[sizes > 0].min()))
        out = [np.full((len(self.labels), self.n_classes), -np.log(self.n_classes)) for _ in self.views]
        if n_folds < 2:
            return out
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.seed)
        for train, test in folds.split(self.labels, self.labels):
            for logs, view in zip(out, self.views, strict=True):
                probe = Probe.fit(view[train], self.labels[train], self.n_classes, self.c, self.weights[train])
                logs[test] = _log(probe.probabilities(view[test]))
        return out

    def of(self, others: Sequence[Floats]) -> list[NDArray[np.float64]]:
        """Log-probabilities (p, n_classes) of other images, one array per view."""
        pairs = zip(self.views, others, strict=True)
        return [
            _log(Probe.fit(v, self.labels, self.n_classes, self.c, self.weights).probabilities(o)) for v, o in pairs
        ]

    def take(self, rows: NDArray[np.intp]) -> _Known:
        """Some of the images, with their classes renumbered."""
        classes, labels = np.unique(self.labels[rows], return_inverse=True)
        views = tuple(v[rows] for v in self.views)
        return _Known(views, labels.astype(np.int32), self.weights[rows], len(classes), self.c, self.seed)


def object_view(patches: Patches) -> Floats:
    """The mean feature (n, d), unit norm, of the places that stand out in their own image, or of all places if none does.

    With all cues for the object instead (`foreground.foreground`), six more images of the sample's pool seemed to be of no
    class, and its hens on grass were not recommended.

    It does not contain the surroundings, where most shortcuts are.
    Error: where the object is, is estimated. The features come from the fifth block of a network, so they describe shapes
    and textures better than kinds of object.
    """
    out = np.empty((len(patches), patches.features.shape[3]), np.float32)
    for start in range(0, len(patches), _BLOCK):
        block = slice(start, start + _BLOCK)
        some = patches.features[block]
        for i, (features, here) in enumerate(zip(some, foreground.stands_out(some), strict=True)):
            places = features[here] if here.any() else features.reshape(-1, out.shape[1])
            out[start + i] = places.mean(0, dtype=np.float32)
    return unit(out)


def label(
    known: Sequence[Floats], labels: Ints, weights: NDArray[np.float64], n_classes: int, pool: Sequence[Floats],
    *, c: float, seed: int,
) -> Labelling:  # fmt: skip
    """Label the pool by combining probes on several views of the same images (the whole image, the object).

    `known` are the views (n, d_v) of the images with `labels` (n,), and `pool` the same views (p, d_v). The probe of each
    view is trained with `weights` (n,) that give every class x value group the same weight. The probabilities of the views
    are multiplied, each raised to an exponent. The exponents maximise the weighted likelihood of held-out images. That
    prefers views without the bias and calibrates the result. `belongs` is learnt by leaving out each class in turn and
    looking at how its images appear to probes of the other classes.

    Source: the product of experts (Hinton 2002) with weights fitted as in stacking (Wolpert 1992).
    Error: for a cell with three images the exponents depend on three images. Images of no class may look stranger or less
    strange than a left-out class. A fifth of the pool is assumed to belong to no class. With two classes none can be left
    out.
    """
    have = _Known(tuple(known), labels, weights, n_classes, c, seed)
    held = have.held_out()
    trusts = _trusts(held, labels, weights)
    theirs = have.of(pool)
    probabilities = np.exp(_together(theirs, trusts))
    return Labelling(probabilities, _belongs(have, pool[-1]), trusts)


def _trusts(
    held: Sequence[NDArray[np.float64]], labels: Ints, weights: NDArray[np.float64]
) -> tuple[float, ...]:  # fmt: skip
    """The exponent of each view: among those within one standard error of the best, the ones that favour the last view.

    There are too few conflicting images to show which view is biased, but the last view sees least of the surroundings.
    Source: the one-standard-error rule of Breiman et al. (1984).
    """
    mine = np.arange(len(labels))
    losses = {t: -_together(held, t)[mine, labels] for t in product(_TRUSTS, repeat=len(held)) if any(t)}
    mean = {t: float((weights * loss).sum() / weights.sum()) for t, loss in losses.items()}
    best = min(mean, key=lambda t: mean[t])
    fair = []
    for t, loss in losses.items():
        apart = loss - losses[best]
        spread = np.sqrt(((weights * (apart - mean[t] + mean[best])) ** 2).sum()) / weights.sum()
        if mean[t] - mean[best] <= spread:
            fair.append(t)
    most = max(t[-1] / sum(t) for t in fair)
    return min((t for t in fair if t[-1] / sum(t) == most), key=lambda t: mean[t])


def _log(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(probabilities, 1e-6)))


def _together(logs: Sequence[NDArray[np.float64]], trusts: tuple[float, ...]) -> NDArray[np.float64]:
    total = np.sum([t * log for t, log in zip(trusts, logs, strict=True)], axis=0)
    total = total - total.max(1, keepdims=True)
    return np.asarray(total - np.log(np.exp(total).sum(1, keepdims=True)))


def _belongs(every: _Known, pool: Floats) -> NDArray[np.float64]:
    """The probability (p,) that each pool image belongs to any class, from the last view alone; at most 0.5 for a stranger.

    In a view that depends on the surroundings the images that are wanted most would look strange.
    """
    known = replace(every, views=every.views[-1:])
    logs = known.of([pool])[0]
    look = _signs(logs, typical(known.views[-1], known.labels, pool, logs.argmax(1)))
    if known.n_classes < 3 or len(np.unique(known.labels)) < 3:
        # How images of no class look is unknown, but few true members look unlike all others of their class.
        return np.where(np.exp(look[:, 1]) > _RARE, 1 - _STRANGERS / 4, 0.5)
    rng = np.random.default_rng(known.seed)
    sample = np.sort(rng.permutation(len(known.labels))[:_LARGEST])
    sizes = np.bincount(known.labels[sample], minlength=known.n_classes)
    signs, member, weights = [], [], []
    for k in np.argsort(-sizes, kind="stable")[:_MOST]:
        out = known.labels[sample] == k
        if not out.any() or (sizes[sizes > 0].min() < 2):
            continue
        rest, gone = known.take(sample[~out]), known.take(sample[out])
        own = rest.held_out()[0]
        odd = rest.of(gone.views)[0]
        signs += [
            _signs(own, typical(rest.views[-1], rest.labels, None, own.argmax(1))),
            _signs(odd, typical(rest.views[-1], rest.labels, gone.views[-1], odd.argmax(1))),
        ]
        member += [np.ones(len(own), bool), np.zeros(len(odd), bool)]
        weights += [rest.weights / rest.weights.sum(), gone.weights / gone.weights.sum()]
    if not signs:
        return np.full(len(logs), 1 - _STRANGERS)
    y, w = np.concatenate(member), np.concatenate(weights)
    fit = LogisticRegression(C=10, max_iter=500).fit(np.concatenate(signs), y, sample_weight=w * len(y) / w.sum())
    # Half of the training weight was on left-out classes, so correct the odds to the assumed share.
    odds = fit.decision_function(look) + np.log((1 - _STRANGERS) / _STRANGERS)
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))))


def _signs(logs: NDArray[np.float64], typical: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features that tell members from others: the largest probability, similarity to the class, and entropy."""
    return np.column_stack([logs.max(1), np.log(typical + 1e-3), -(np.exp(logs) * logs).sum(1)])


def typical(
    known: Floats, labels: Ints, pool: Floats | None, guess: NDArray[np.integer]
) -> NDArray[np.float64]:  # fmt: skip
    """The share (p,) of the predicted class's images that are no more similar to their class than the pool image is.

    Similarity is the mean cosine to the three most similar other images of the class. With `pool` None the known images
    are rated themselves. Source: conformal p-values (Vovk, Gammerman and Shafer 2005).

    >>> known = np.array([[1, 0], [0.9, 0.1], [0.8, 0.2], [0.7, 0.3]], np.float32)
    >>> typical(known, np.zeros(4, int), np.array([[0.85, 0.15], [-1, 0]], np.float32), np.zeros(2, int)).round(1).tolist()
    [1.0, 0.2]
    """
    mean = known.mean(0) if len(np.unique(labels)) > 1 else np.zeros(known.shape[1], known.dtype)
    ours = unit(known - mean)
    theirs = ours if pool is None else unit(pool - mean)
    out = np.zeros(len(theirs))
    for k in np.unique(guess):
        members, rows = np.flatnonzero(labels == k), np.flatnonzero(guess == k)
        if len(members) <= _NEIGHBOURS:
            out[rows] = 1.0
            continue
        among = ours[members] @ ours[members].T
        np.fill_diagonal(among, -np.inf)
        usual = np.sort(_nearest(among))
        similar = theirs[rows] @ ours[members].T
        if pool is None:
            similar[rows[:, None] == members] = -np.inf
        out[rows] = (1 + np.searchsorted(usual, _nearest(similar), side="right")) / (1 + len(members))
    return np.minimum(out, 1.0)


def _nearest(similar: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.sort(similar, axis=1)[:, -_NEIGHBOURS:].mean(1), float)
