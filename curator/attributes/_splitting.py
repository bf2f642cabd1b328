"""Tests whether a score splits the images in two: compares a mixture of two Gaussians with one, and finds the cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Scores = NDArray[np.float64]
FEWEST_FRAC, FEWEST = 0.03, 5
"""Minimum share of the images, and minimum number of images, on the smaller side."""
LEAST_DISTANCE = 2.5
"""Minimum distance of the two means in standard deviations. From here on at most one image in ten is misread; more errors would
weaken every effect. Ashman, Bird & Zepf (1994) give 2 as the least distance at which two sides can be distinguished."""
LEAST_GAIN = 9.0
"""Minimum gain: twice the log-likelihood ratio. One Gaussian in a hundred exceeds it, at 20 to 2000 images (80 to 200 samples
each). The usual chi-square does not hold for mixtures (Hartigan 1985)."""
_STARTS = (0.04, 0.12, 0.3, 0.5, 0.7, 0.88, 0.96)
_SHAPES = tuple(np.arange(-1.0, 3.01, 0.25).tolist())
_FREEDOMS = (3.0, 5.0, 9.0)
_STEPS = 60
_LARGEST = 2000
"""Maximum number of images that a mixture is fitted on. More would move the cut by less than its own standard error."""


@dataclass(frozen=True, slots=True)
class Split:
    """One fitted score. `gain` is twice the log-likelihood of two components minus that of one, which may be skewed.

    `cut` is the score at which both sides are equally likely. `share` (0..1) is the weight of the upper side. `distance` is
    the distance of the means in standard deviations of a side.
    """

    cut: float
    share: float
    distance: float
    gain: float

    def read(self, scores: Scores) -> NDArray[np.bool_]:
        """Whether each of the scores (n,), of any images, lies on the upper side."""
        return np.asarray(scores >= self.cut)

    def separates(self, n: int) -> bool:
        """Whether the n images of the fit split in two: see `LEAST_GAIN`, `LEAST_DISTANCE`, `FEWEST`."""
        smaller = min(self.share, 1 - self.share)
        return self.gain > LEAST_GAIN and self.distance >= LEAST_DISTANCE and smaller >= max(FEWEST_FRAC, FEWEST / n)

    def again(self, scores: Scores, rows: NDArray[np.intp]) -> Split:
        """Refit the split to those rows of another wording's scores, starting from the same share above the cut.

        If these scores do not have two sides, the cut is placed so that it keeps the share.
        """
        x = np.sort(scores[rows])
        kept = float(np.quantile(x, 1 - self.share))
        if x[0] == x[-1]:
            return Split(kept, self.share, self.distance, self.gain)
        mean, scale = float(x.mean()), float(x.std())
        cut, share, distance, _ = _em((x - mean) / scale, x >= kept)
        if distance < 1 or not 0.5 < share / self.share < 2:
            return Split(kept, self.share, self.distance, self.gain)
        return Split(mean + scale * cut, share, distance, self.gain)


def split(scores: Scores) -> Split | None:
    """The best split of scores (n,), or None if all are equal or there are fewer than ten.

    Two Gaussians of equal variance are fitted by EM (Dempster et al. 1977) from seven starts. They are compared with one
    Gaussian after the best power transform (Yeo & Johnson 2000) and with one Student t, so that a score that is only skewed,
    or has a few far values, is not split.
    """
    x = np.asarray(scores, np.float64)
    if len(x) > _LARGEST:
        x = np.sort(x)[np.linspace(0, len(x) - 1, _LARGEST).round().astype(int)]
    mean, scale = float(x.mean()), float(x.std())
    if len(x) < 10 or scale <= 1e-9 * max(1.0, abs(mean)):
        return None
    z = np.sort((x - mean) / scale)
    one = max(float(stats.yeojohnson_llf(shape, z)) for shape in _SHAPES) - 0.5 * len(z) * (np.log(2 * np.pi) + 1)
    one = max(one, *(_student(z, freedom) for freedom in _FREEDOMS))
    fits = [_em(z, np.arange(len(z)) >= len(z) * (1 - share)) for share in _STARTS]
    cut, share, distance, two = max(fits, key=lambda fit: fit[3])
    return Split(mean + scale * cut, share, distance, 2 * (two - one))


def _student(z: Scores, freedom: float) -> float:
    """The log-likelihood of one Student t with `freedom` degrees of freedom; place and scale by EM (Lange et al. 1989)."""
    place, var = float(np.median(z)), 1.0
    for _ in range(15):
        weight = (freedom + 1) / (freedom + (z - place) ** 2 / var)
        place = float((weight * z).sum() / weight.sum())
        var = float((weight * (z - place) ** 2).mean())
    return float(stats.t.logpdf(z, freedom, place, var**0.5).sum())


def _em(z: Scores, above: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """(cut, share above, distance, log-likelihood) of the mixture that EM reaches from the assignment `above`."""
    r = np.where(above, 0.95, 0.05)
    n, floor = len(z), 1e-3 * z.var()
    cut = share = distance = 0.0
    likelihood = -np.inf
    for _ in range(_STEPS):
        share = float(np.clip(r.mean(), 1 / n, 1 - 1 / n))
        high = float((r * z).sum() / max(r.sum(), 1e-12))
        low = float(((1 - r) * z).sum() / max((1 - r).sum(), 1e-12))
        var = max(float((r * (z - high) ** 2 + (1 - r) * (z - low) ** 2).mean()), floor)
        log_high = np.log(share) - (z - high) ** 2 / (2 * var)
        log_low = np.log(1 - share) - (z - low) ** 2 / (2 * var)
        both = np.logaddexp(log_high, log_low)
        r = np.exp(log_high - both)
        before, likelihood = likelihood, float(both.sum() - 0.5 * n * np.log(2 * np.pi * var))
        distance = (high - low) / var**0.5
        if likelihood - before < 1e-5 * n:
            break
    gap = max(high - low, 1e-9)
    cut = (high + low) / 2 + var * float(np.log((1 - share) / share)) / gap
    return cut, share, distance, likelihood
