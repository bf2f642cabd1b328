"""Does a probe lean on the attribute? Association is not harm: a network may never have used the grass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.types import Ints, Mask, Reliance

_DRAWS = 1000


def accuracy_gap(
    probabilities: NDArray[np.float64], labels: Ints, class_idx: int, value: Mask, rng: np.random.Generator
) -> Reliance | None:
    """Accuracy on images that obey the shortcut less accuracy on those that break it, from out-of-fold predictions.

    Obeying: the class with the value and the others without it. Breaking: the class without, the others with. Each side
    (class, others) is a difference of two accuracies of "is it this class?", and the gap is their mean, so that it does
    not depend on how many images each side has. None where no image breaks the rule.

    `probabilities` (n, k) from `probing.out_of_fold`; `value` (n,). The interval is a bootstrap inside the four cells.

    Error: with under 10 breaking images the interval is wide and a little too narrow. A gap may also come from breaking
    images that are hard for another reason.
    """
    said = probabilities.argmax(1) == class_idx
    inside = labels == class_idx
    right = said == inside
    sides = []
    for side, obeys in ((inside, value), (~inside, ~value)):
        cells = right[side & obeys], right[side & ~obeys]
        if all(len(c) for c in cells):
            sides.append(cells)
    if not sides:
        return None
    gap = float(np.mean([a.mean() - b.mean() for a, b in sides]))
    draws = np.mean([_mean_draws(a, rng) - _mean_draws(b, rng) for a, b in sides], axis=0)
    breaking = int((inside & ~value).sum() + (~inside & value).sum())
    low, high = stats.percentile_interval(draws)
    # The draws are drawn towards the middle, the estimate is not: the interval is made to hold it.
    return Reliance(gap, (min(low, gap), max(high, gap)), breaking)


def _mean_draws(right: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Bootstrap draws of the share of right answers, with a uniform prior's one right and one wrong, so that three images
    that agree do not look certain. Source: Agresti and Coull (1998), add one success and one failure."""
    n = len(right)
    share = (right.sum() + 1) / (n + 2)
    return rng.binomial(n, share, _DRAWS) / n
