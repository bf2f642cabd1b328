"""Measures whether a probe relies on an attribute. An association does no harm if no network uses it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from curator import stats
from curator.types import Interval, Ints, Mask, Reliance

_DRAWS = 1000


def accuracy_gap(
    probabilities: NDArray[np.float64], labels: Ints, class_idx: int, value: Mask, rng: np.random.Generator
) -> Reliance | None:
    """The accuracy on aligned images minus the accuracy on conflicting images, from out-of-fold predictions.

    Aligned images are the class with the value and the others without it. Conflicting images are the class without it and the
    others with it. Each side (class, others) gives a difference of two accuracies of "is it this class?". The gap is the mean
    of the two differences, so it does not depend on the number of images on each side. None if there are no conflicting
    images.

    `probabilities` (n, k) come from `linear.out_of_fold`; `value` (n,). The interval is a bootstrap within the four cells.

    Error: with fewer than 10 conflicting images the interval is wide and a little too narrow. Conflicting images that are
    hard for another reason also cause a gap.
    """
    return gap(probabilities.argmax(1), labels, class_idx, value, rng)


def gap(
    predicted: NDArray[np.integer], labels: Ints, class_idx: int, value: Mask, rng: np.random.Generator
) -> Reliance | None:
    """`accuracy_gap` from predicted classes (n,), which are computed once for all findings."""
    claimed = predicted == class_idx
    inside = labels == class_idx
    right = claimed == inside
    sides = []
    for side, obeys in ((inside, value), (~inside, ~value)):
        cells = right[side & obeys], right[side & ~obeys]
        if all(len(c) for c in cells):
            sides.append(cells)
    if not sides:
        return None
    middle = float(np.mean([a.mean() - b.mean() for a, b in sides]))
    draws = np.mean([_mean_draws(a, rng) - _mean_draws(b, rng) for a, b in sides], axis=0)
    breaking = int((inside & ~value).sum() + (~inside & value).sum())
    low, high = stats.percentile_interval(draws)
    # The prior moves the draws towards 0.5, but not the estimate, so the interval is extended to contain the estimate.
    return Reliance(middle, (min(low, middle), max(high, middle)), breaking)


def _mean_draws(right: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Bootstrap draws of the share of correct predictions. One correct and one wrong prediction are added (a uniform prior), so
    that three images that agree do not look certain. Source: Agresti and Coull (1998), add one success and one failure."""
    n = len(right)
    share = (right.sum() + 1) / (n + 2)
    return rng.binomial(n, share, _DRAWS) / n


@dataclass(frozen=True, slots=True)
class Intervention:
    """The cost of editing an attribute out of `n` images (or into them), compared with a control edit.

    `drop` and `control` are decreases of the mean probability of the right class (fractions, -1..1; above 0 = the edit
    hurts). `excess` is `drop` minus `control`: the cost of the attribute itself. All have 95 % intervals.
    """

    n: int
    drop: float
    drop_ci: Interval
    control: float
    control_ci: Interval
    excess: float
    excess_ci: Interval


def intervention(
    costs: NDArray[np.float64], control: NDArray[np.float64], rng: np.random.Generator, *, paired: bool
) -> Intervention:
    """The cost of the edit, the cost of the control edit, and the difference.

    `costs` (n,): for each image, the probability of its class before the edit minus the probability after it, from a probe
    that has not seen the image. `control` (m,): the same for the control edit. `paired`: row i of both is the same image, and
    the interval of `excess` uses this.

    Error: covers the choice of images, not the choice of the probe or the encoder. With fewer than 10 images the intervals
    are wide; with one image they are -1..1. Every edit that makes an image look unnatural has a cost of its own: read
    `excess`. Source: percentile bootstrap over images (Efron 1979), widened for small n as in Hesterberg (2015), section 5.3;
    comparison with an edit of equal size elsewhere as in Singla and Feizi (2022).
    """
    drop, other = float(costs.mean()), float(control.mean())
    own_weights = _resamples(len(costs), rng)
    other_weights = own_weights if paired else _resamples(len(control), rng)
    own_draws, other_draws = (_widened(x, w) for x, w in ((costs, own_weights), (control, other_weights)))
    intervals = [
        (-1.0, 1.0) if min(len(costs), len(control)) < 2 else stats.percentile_interval(np.clip(d, -1, 1))
        for d in (own_draws, other_draws, own_draws - other_draws)
    ]
    return Intervention(len(costs), drop, intervals[0], other, intervals[1], drop - other, intervals[2])


def _resamples(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Bootstrap weights (draws, n), rows sum to 1."""
    return rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS) / n


def _widened(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bootstrap draws of the mean, widened by the ratio of Student's t with n - 1 degrees of freedom to a normal."""
    n, mean = len(values), values.mean()
    if n < 2:
        return np.full(len(weights), mean)
    wider = float(student.ppf((1 + stats.LEVEL) / 2, n - 1)) / stats.z_value() * np.sqrt(n / (n - 1))
    return np.asarray(mean + wider * (weights @ (values - mean)))
