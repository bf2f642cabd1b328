"""Remedies without new images: a group-balanced subset or sample weights, and a probe's accuracy with each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.probe.refits import dealt, refit
from curator.types import Floats, Ints, Mask
from curator.types.without_pool import Remedy, RemedyName

_FOLDS = 10
_MOST = 4000
"""Maximum number of images that the probes are tested on."""


def examine(
    vectors: Floats, labels: Ints, value: Mask, remedies: Mapping[RemedyName, NDArray[np.floating]], n_classes: int, c: float,
    rng: np.random.Generator, *, min_group: int = 5, n_draws: int = 1000,
) -> tuple[Remedy, ...]:  # fmt: skip
    """The worst group under each weighting of the images: `remedies` name -> (n,), 0 for an image that is left out.

    Gains are relative to the first remedy. Every image is tested by a probe that has not seen it (ten folds), whether or not
    the remedy uses the image. The groups are class x value, with `min_group` images or more. The result is empty if there are
    fewer than two such groups. Intervals resample the tested images, with the same draws for all remedies.

    Error: if the worst group has ten images, its accuracy moves in steps of ten points. The intervals ignore that the folds
    share nearly all training images. A probe on frozen features is not your network.
    Source: cross-validation (Stone 1974), the bootstrap (Efron 1979), DFR for balanced subsets (Kirichenko et al. 2023).
    """
    group = labels * 2 + value
    sizes = np.bincount(group, minlength=2 * n_classes)
    groups = np.flatnonzero(sizes >= min_group)
    if len(groups) < 2:
        return ()
    fold = dealt(group, _FOLDS, rng)
    weights = np.stack([w * (fold != f) for w in remedies.values() for f in range(_FOLDS)]).astype(np.float32)
    if any(len(np.unique(labels[row > 0])) < 2 for row in weights):
        return ()
    asked = np.sort(rng.permutation(len(labels))[:_MOST])
    fits = refit(vectors, labels, n_classes, c, weights)
    right = np.zeros((len(remedies), len(labels)))
    for f in range(_FOLDS):
        mine = asked[fold[asked] == f]
        for r in range(len(remedies)):
            k = r * _FOLDS + f
            scores = vectors[mine] @ fits.coefficients[k].T + fits.intercepts[k]
            right[r, mine] = scores.argmax(1) == labels[mine]
    means, draws = [], []
    for g in groups:
        mine = asked[group[asked] == g]
        means.append(right[:, mine].mean(1))
        share = rng.multinomial(len(mine), np.full(len(mine), 1 / len(mine)), size=n_draws) / len(mine)
        draws.append(share @ right[:, mine].T)
    at, drawn = np.array(means), np.min(draws, axis=0)
    worst = at.min(0)
    out = []
    for r, (name, used) in enumerate(remedies.items()):
        low_g = int(groups[at[:, r].argmin()])
        low, high = stats.percentile_interval(drawn[:, r])
        apart = stats.percentile_interval(drawn[:, r] - drawn[:, 0])
        value_ci = min(float(low), float(worst[r])), max(float(high), float(worst[r]))
        gain = float(worst[r] - worst[0])
        gain_ci = min(float(apart[0]), gain), max(float(apart[1]), gain)
        out.append(
            Remedy(
                name,
                int((used > 0).sum()),
                float(worst[r]),
                value_ci,
                gain,
                gain_ci,
                low_g // 2,
                bool(low_g % 2),
                int(sizes[low_g]),
            )
        )
    return tuple(out)
