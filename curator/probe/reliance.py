"""Does a probe lean on the attribute? Association is not harm: a network may never have used the grass."""

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
    """Accuracy on images that obey the shortcut less accuracy on those that break it, from out-of-fold predictions.

    Obeying: the class with the value and the others without it. Breaking: the class without, the others with. Each side
    (class, others) is a difference of two accuracies of "is it this class?", and the gap is their mean, so that it does
    not depend on how many images each side has. None where no image breaks the rule.

    `probabilities` (n, k) from `linear.out_of_fold`; `value` (n,). The interval is a bootstrap inside the four cells.

    Error: with under 10 breaking images the interval is wide and a little too narrow. A gap may also come from breaking
    images that are hard for another reason.
    """
    return gap(probabilities.argmax(1), labels, class_idx, value, rng)


def gap(
    predicted: NDArray[np.integer], labels: Ints, class_idx: int, value: Mask, rng: np.random.Generator
) -> Reliance | None:
    """`accuracy_gap` of classes that were predicted (n,) once for all findings."""
    said = predicted == class_idx
    inside = labels == class_idx
    right = said == inside
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
    # The draws are drawn towards the middle, the estimate is not: the interval is made to hold it.
    return Reliance(middle, (min(low, middle), max(high, middle)), breaking)


def _mean_draws(right: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Bootstrap draws of the share of right answers, with a uniform prior's one right and one wrong, so that three images
    that agree do not look certain. Source: Agresti and Coull (1998), add one success and one failure."""
    n = len(right)
    share = (right.sum() + 1) / (n + 2)
    return rng.binomial(n, share, _DRAWS) / n


@dataclass(frozen=True, slots=True)
class Intervention:
    """What editing an attribute out of `n` pictures (or into them) costs, against a control edit.

    `drop` and `control` are falls of the mean probability of the right class (fractions, -1..1; above 0 = the edit
    hurts), `excess` is the first less the second: what the attribute itself costs. All with 95 % intervals.
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
    """What the edit costs, what the control edit costs, and the difference.

    `costs` (n,): for each picture the probability that a probe which has not seen it gives to its class before the edit, less
    the same after it; `control` (m,): the same for the control edit. `paired`: row i of both is the same picture, which the
    interval of `excess` then uses.

    Error: covers the choice of pictures, not that of the probe or the encoder. With under 10 pictures the intervals are wide;
    with one they are -1..1. An edit that makes a picture unlike any photograph costs something of itself: read `excess`.
    Source: percentile bootstrap over pictures (Efron 1979), widened for small n as in Hesterberg (2015), section 5.3; an edit
    against an edit of equal size elsewhere as in Singla and Feizi (2022).
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
    """Bootstrap draws of the mean, wider by what Student's t with n - 1 degrees of freedom has over a normal."""
    n, mean = len(values), values.mean()
    if n < 2:
        return np.full(len(weights), mean)
    wider = float(student.ppf((1 + stats.LEVEL) / 2, n - 1)) / stats.z_value() * np.sqrt(n / (n - 1))
    return np.asarray(mean + wider * (weights @ (values - mean)))
