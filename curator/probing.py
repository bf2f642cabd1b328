"""The linear probe on frozen embeddings: fitting, groups, and what adding images did to the worst of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from curator import stats
from curator.config import ValidateSettings
from curator.errors import DataError
from curator.types import Arm, CurvePoint, Floats, GroupAccuracy, Ints, LabelError, Mask, ProbeReport

Verdict = Literal["fixed", "improved", "no evidence of improvement"]
_MAX_ITERATIONS = 500
_CONFIDENT, _AS_USUAL = 0.7, 0.8
"""Probability from which the probe's other opinion of a label is worth a person's time, and the share of what that class's own
images usually get. Of the values with no label doubted in clean sets, the best on the dev half (benchmarks/label_errors.py)."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Logistic regression on centred vectors scaled to unit variance on average; knows `classes` (k,) label indices."""

    model: Any
    mean: Floats
    scale: float
    rotation: Floats | None
    n_classes: int

    @classmethod
    def fit(
        cls, vectors: Floats, labels: Ints, n_classes: int, c: float, weights: NDArray[np.float64] | None = None
    ) -> Self:
        """Fit on rows with their labels; `c` is scikit-learn's inverse regularisation, `weights` (n,) sample weights.

        One scale for all directions keeps the encoder's geometry; a scale per direction would blow up its noise.

        Raises:
            DataError: fewer than two classes among the labels.
        """
        if len(np.unique(labels)) < 2:
            raise DataError("a probe needs images of at least two classes to tell apart; add another class.")
        mean = vectors.mean(0)
        centred = vectors - mean
        scale = float(np.sqrt(np.mean(centred**2))) or 1.0
        rotation = None
        if len(centred) < centred.shape[1]:
            # The solution lies in the span of the rows (the penalty is rotation invariant), and there it is 10x faster.
            rotation = np.linalg.qr(centred.T)[0]
            centred = centred @ rotation
        # On matrices this small, starting a second BLAS thread costs more than the product.
        with threadpool_limits(1):
            model = LogisticRegression(C=c, max_iter=_MAX_ITERATIONS).fit(
                centred / scale, labels, sample_weight=weights
            )
        return cls(model, mean, scale, rotation, n_classes)

    def probabilities(self, vectors: Floats) -> NDArray[np.float64]:
        """(n, n_classes), rows sum to 1; a class that was not in the training set has probability 0."""
        out = np.zeros((len(vectors), self.n_classes))
        if len(vectors):
            centred = vectors - self.mean if self.rotation is None else (vectors - self.mean) @ self.rotation
            out[:, self.model.classes_] = self.model.predict_proba(centred / self.scale)
        return out

    def predict(self, vectors: Floats) -> Ints:
        """The most probable class of each row."""
        return np.asarray(self.probabilities(vectors).argmax(1), np.int32)


def group_weights(labels: Ints, value: Mask) -> NDArray[np.float64]:
    """Weights (n,), mean 1, under which every class x value group counts alike.

    Source: the reweighting of Sagawa et al. (2020) and of DFR (Kirichenko et al. 2023), on the last layer only.

    >>> group_weights(np.array([0, 0, 0, 1]), np.array([True, True, False, True])).round(2).tolist()
    [0.67, 0.67, 1.33, 1.33]
    """
    _, group, sizes = np.unique(
        np.stack([labels, value.astype(labels.dtype)]), axis=1, return_inverse=True, return_counts=True
    )
    return np.asarray(len(labels) / (len(sizes) * sizes[group.ravel()]), float)


def _folds(labels: Ints, n_folds: int, seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    smallest = int(np.bincount(labels)[np.unique(labels)].min())
    if smallest < 2:
        raise DataError("cross-validation needs two images of every class; one class has a single image.")
    split = StratifiedKFold(min(n_folds, smallest), shuffle=True, random_state=seed)
    return list(split.split(np.zeros(len(labels)), labels))


@dataclass(frozen=True, slots=True)
class CrossFit:
    """Probes of a cross-validation, kept to be asked again: about an edited picture, by the one that has not seen it.

    `fold` (n,) is the position in `probes` of the probe that was not trained on image i, -1 where the image took no part;
    `probabilities` (n, n_classes) are what that probe says of it, 0 where it took no part.
    """

    probes: tuple[Probe, ...]
    fold: Ints
    probabilities: NDArray[np.float64]

    def predict_rows(self, vectors: Floats, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """Class probabilities (m, n_classes) of `vectors` (m, d), each from the probe that has not seen image rows[i].

        Raises:
            DataError: an image that took no part is asked about.
        """
        folds = self.fold[rows]
        if (folds < 0).any():
            raise DataError("a probe is asked about an image that took no part in its cross-validation.")
        out = np.zeros((len(rows), self.probabilities.shape[1]))
        for k in np.unique(folds):
            out[folds == k] = self.probes[k].probabilities(vectors[folds == k])
        return out


def cross_fit(
    vectors: Floats, labels: Ints, n_classes: int, c: float, seed: int, n_folds: int = 5, rows: Mask | None = None
) -> CrossFit:
    """Probes by stratified folds over the images in `rows` (n,), all of them by default.

    Raises:
        DataError: a class with a single image, or one class only.
    """
    chosen = np.arange(len(labels)) if rows is None else np.flatnonzero(rows)
    fold = np.full(len(labels), -1, np.int32)
    out = np.zeros((len(labels), n_classes))
    probes: list[Probe] = []
    for train, test in _folds(labels[chosen], n_folds, seed) if len(chosen) else []:
        probe = Probe.fit(vectors[chosen[train]], labels[chosen[train]], n_classes, c)
        out[chosen[test]] = probe.probabilities(vectors[chosen[test]])
        fold[chosen[test]] = len(probes)
        probes.append(probe)
    return CrossFit(tuple(probes), fold, out)


def out_of_fold(
    vectors: Floats, labels: Ints, n_classes: int, c: float, seed: int, n_folds: int = 5
) -> NDArray[np.float64]:
    """Class probabilities (n, n_classes) of each image from a probe that has not seen it."""
    return cross_fit(vectors, labels, n_classes, c, seed, n_folds).probabilities


def choose_c(vectors: Floats, labels: Ints, n_classes: int, grid: Sequence[float], seed: int) -> float:
    """The regularisation with the best cross-validated accuracy inside the training set; the strongest of equals."""
    scores = []
    for c in sorted(grid):
        guess = out_of_fold(vectors, labels, n_classes, c, seed, n_folds=3).argmax(1)
        scores.append((float((guess == labels).mean()), -c))
    return -max(scores)[1]


def label_errors(
    ids: Sequence[str], labels: Ints, classes: Sequence[str], probabilities: NDArray[np.float64]
) -> tuple[LabelError, ...]:
    """Images whose label an out-of-sample probe doubts, the surest error first: it claims another class for them.

    Source: confident learning (Northcutt et al. 2021): a class is claimed from the mean probability its own images get; here
    from 0.8 of that, for half of a class's own images may miss the mean itself, and from 0.7 whatever it is.
    Error: a conflicting image looks mislabelled to a probe that leans on a shortcut; look before you relabel.
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


@dataclass(frozen=True, slots=True)
class Groups:
    """Test images by class x value: which images (n,) belong to each of the groups that are large enough."""

    names: tuple[tuple[int, bool], ...]
    masks: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: Ints, value: Mask, n_classes: int, smallest: int) -> Self:
        """The groups with at least `smallest` test images.

        Raises:
            DataError: there is none.
        """
        names, masks = [], []
        for c in range(n_classes):
            for has in (True, False):
                mask = (labels == c) & (value == has)
                if mask.sum() >= smallest:
                    names.append((c, has))
                    masks.append(mask)
        if not names:
            raise DataError(f"no class x value group of the test set has {smallest} images; give a larger --test.")
        return cls(tuple(names), np.stack(masks))

    def accuracies(self, right: NDArray[Any], weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
        """Accuracy per group of `right` (..., n) under image weights (..., n): (..., groups)."""
        w = np.ones(right.shape[-1]) if weights is None else weights
        # Weighted means of ones may end a hair above 1.
        return np.asarray(np.minimum(1.0, (right * w) @ self.masks.T / np.maximum(w @ self.masks.T, 1e-12)))


@dataclass(frozen=True, slots=True)
class Holdout:
    """What the probe is examined on."""

    vectors: Floats
    labels: Ints
    groups: Groups


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Vectors, labels and whether each image has the attribute's value, row by row."""

    vectors: Floats
    labels: Ints
    value: Mask

    def plus(self, other: TrainingSet) -> TrainingSet:
        """These images and the other's."""
        return TrainingSet(
            np.concatenate([self.vectors, other.vectors]),
            np.concatenate([self.labels, other.labels]),
            np.concatenate([self.value, other.value]),
        )

    def first(self, n: int) -> TrainingSet:
        """The first n images."""
        return TrainingSet(self.vectors[:n], self.labels[:n], self.value[:n])


@dataclass(frozen=True, slots=True)
class _Examiner:
    """Fits arms and examines them on the same test images under the same bootstrap weights (b, n): all is paired."""

    test: Holdout
    n_classes: int
    c: float
    weights: NDArray[np.float64]
    rng: np.random.Generator

    def right(self, data: TrainingSet, *, reweighted: bool = False) -> NDArray[np.bool_]:
        """Which test images (n,) a probe trained on `data` gets right."""
        weights = group_weights(data.labels, data.value) if reweighted else None
        probe = Probe.fit(data.vectors, data.labels, self.n_classes, self.c, weights)
        return np.asarray(probe.predict(self.test.vectors) == self.test.labels)

    def draws(self, right: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Bootstrap draws of the group accuracies (b, g) and of the accuracy (b,) of an arm with fits `right` (r, n).

        An arm of several fits is their mean, so its draws are means too, over fits drawn with replacement.
        """
        share = self.rng.multinomial(len(right), np.full(len(right), 1 / len(right)), size=len(self.weights)) / len(
            right
        )
        drawn = share @ right
        return self.test.groups.accuracies(drawn, self.weights), (drawn * self.weights).sum(1) / self.weights.sum(1)


def _bootstrap_weights(groups: Groups, n_test: int, n_bootstrap: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """How often each test image is drawn, (b, n_test): resampled inside each group, since the test's make-up is given."""
    weights = np.zeros((n_bootstrap, n_test))
    for mask in [*groups.masks, ~groups.masks.any(0)]:
        rows = np.flatnonzero(mask)
        if len(rows):
            weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=n_bootstrap)
    return weights


def _arm(
    name: str, n_train: int, right: NDArray[np.bool_], examiner: _Examiner, classes: Sequence[str], value: str
) -> tuple[Arm, NDArray[np.float64]]:
    """The arm's figures, and its bootstrap draws per group (b, g)."""
    groups, accuracy = examiner.draws(right)
    mean_right = right.mean(0)
    per_group = examiner.test.groups.accuracies(mean_right)
    rows = tuple(
        GroupAccuracy(
            classes[c],
            value if has else f"not {value}",
            int(mask.sum()),
            float(per_group[g]),
            # A group that is all right (or all wrong) has no bootstrap spread; the score interval knows better.
            _group_interval(groups[:, g], float(per_group[g]), int(mask.sum())),
        )
        for g, ((c, has), mask) in enumerate(zip(examiner.test.groups.names, examiner.test.groups.masks, strict=True))
    )
    labels = examiner.test.labels
    balanced = float(np.mean([mean_right[labels == c].mean() for c in np.unique(labels)]))
    ci = stats.percentile_interval(np.minimum(accuracy, 1))
    arm = Arm(name, n_train, float(mean_right.mean()), ci, balanced, rows[int(per_group.argmin())], rows)
    return arm, groups


def _group_interval(draws: NDArray[np.float64], accuracy: float, n: int) -> tuple[float, float]:
    low, high = stats.percentile_interval(draws)
    score_low, score_high = stats.wilson(accuracy * n, n)
    return min(low, float(score_low)), max(high, float(score_high))


def _gap(accuracies: NDArray[np.float64], names: Sequence[tuple[int, bool]], class_idx: int) -> NDArray[np.float64]:
    """How much better the class does where it has the value than where it has not, (..., groups) -> (...)."""
    if (class_idx, True) not in names or (class_idx, False) not in names:
        return np.zeros(accuracies.shape[:-1])
    return np.asarray(
        accuracies[..., names.index((class_idx, True))] - accuracies[..., names.index((class_idx, False))]
    )


def compare(
    before: TrainingSet, recommended: TrainingSet, random: Sequence[TrainingSet], test: Holdout, classes: Sequence[str],
    *, class_idx: int, attribute: str, value: str, settings: ValidateSettings, rng: np.random.Generator, seed: int,
    batches: Sequence[int] = (), notes: Sequence[str] = (),
) -> ProbeReport:  # fmt: skip
    """The arms and their verdict. `recommended` and each of `random` are images to add to `before`.

    The regularisation is chosen inside the `before` set and kept for every arm, so that only the images differ. The gain
    is the accuracy of the group that was worst before (named before anything is added, so that no arm can shop for
    another), recommended less random, paired over test images and random draws. `improved` needs that interval above 0, a
    place among the best 5 % of the single random draws (so at least 19 of them), and a worst group no worse than the
    random arm's; `fixed` also needs the class's gap between images with and without the value halved at least, and
    down to one whose interval holds 0.

    Error: the gain is over the random arm's mean; its interval covers test images and how well the draws give that mean,
    not a new training set or the choice of the attribute. A group of 20 images moves in steps of five points.
    Source: Sagawa et al. (2020) for the worst group; Efron (1979); Phipson and Smyth (2010) for the rank; Kirichenko et
    al. (2023) for the reweighted arm.
    """
    n_classes = len(classes)
    sizes = np.bincount(before.labels, minlength=n_classes)
    for name, size in zip(classes, sizes, strict=True):
        if size == 1:
            raise DataError(
                f"class {name!r} has a single training image; a probe needs two or more, or none of that class."
            )
    c = choose_c(before.vectors, before.labels, n_classes, settings.c_grid, seed)
    weights = _bootstrap_weights(test.groups, len(test.labels), settings.n_bootstrap, rng)
    examiner = _Examiner(test, n_classes, c, weights, rng)
    arms: dict[str, Arm] = {}
    draws: dict[str, NDArray[np.float64]] = {}
    each: dict[str, NDArray[np.float64]] = {}

    def add(name: str, sets: Sequence[TrainingSet], *, reweighted: bool = False) -> None:
        right = np.stack([examiner.right(s, reweighted=reweighted) for s in sets])
        n_train = round(float(np.mean([len(s.labels) for s in sets])))
        arms[name], draws[name] = _arm(name, n_train, right, examiner, classes, value)
        each[name] = test.groups.accuracies(right.astype(float))

    add("before", [before])
    if len(recommended.labels):
        add("recommended", [before.plus(recommended)])
        add("random", [before.plus(r) for r in random])
    add("reweighted", [before], reweighted=True)
    curve = tuple(_point(n, before.plus(recommended.first(n)), examiner, class_idx) for n in batches)
    worst = int(np.argmin([g.accuracy for g in arms["before"].groups]))
    gain, verdict = _judge(arms, draws, each, worst, test.groups.names, class_idx)
    return ProbeReport(arms, gain, verdict, attribute, value, curve, tuple(notes))


def _judge(
    arms: Mapping[str, Arm],
    draws: Mapping[str, NDArray[np.float64]],
    each: Mapping[str, NDArray[np.float64]],
    worst: int,
    names: Sequence[tuple[int, bool]],
    class_idx: int,
) -> tuple[tuple[float, tuple[float, float]] | None, Verdict]:
    if "recommended" not in arms:
        return None, "no evidence of improvement"
    ci = stats.percentile_interval(draws["recommended"][:, worst] - draws["random"][:, worst])
    gain = arms["recommended"].groups[worst].accuracy - arms["random"].groups[worst].accuracy
    # One lucky set beats the mean of many; the rank among the single draws asks whether luck alone would do.
    as_good = int((each["random"][:, worst] >= each["recommended"][0, worst]).sum())
    rank_p = (1 + as_good) / (1 + len(each["random"]))
    no_worse = arms["recommended"].worst_group.accuracy >= arms["random"].worst_group.accuracy
    if ci[0] <= 0 or rank_p > 1 - stats.LEVEL or not no_worse:
        return (gain, ci), "no evidence of improvement"
    # Without both of the class's groups in the test set there is no gap to see, and none to call closed.
    has_gap = (class_idx, True) in names and (class_idx, False) in names
    # In a small test set any interval holds 0, so the gap itself must have come down too.
    before, after = (
        _gap(np.array([g.accuracy for g in arms[a].groups]), names, class_idx) for a in ("before", "recommended")
    )
    holds_0 = stats.percentile_interval(_gap(draws["recommended"], names, class_idx))[0] <= 0
    closed = has_gap and holds_0 and bool(after <= before / 2)
    return (gain, ci), "fixed" if closed else "improved"


def _point(n: int, data: TrainingSet, examiner: _Examiner, class_idx: int) -> CurvePoint:
    right = examiner.right(data)[None]
    groups = examiner.test.groups
    per_group = groups.accuracies(right[0].astype(float))
    ci = stats.percentile_interval(examiner.draws(right)[0].min(1))
    return CurvePoint(n, float(per_group.min()), ci, float(_gap(per_group, groups.names, class_idx)))
