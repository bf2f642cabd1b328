"""Chooses the images that best represent the others: greedy facility location."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.selection.choice import Candidates


def choose(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Each step adds the image that brings all candidates nearest to a chosen one, weighted by confidence in its label.

    The result is within 1 - 1/e of the best possible coverage. Source: Nemhauser, Wolsey and Fisher (1978); Wei, Iyer and
    Bilmes (2015).
    """
    n = len(candidates.vectors)
    similarity = np.clip(candidates.vectors @ candidates.vectors.T, 0, 1) * candidates.confidence[:, None]
    covered = np.zeros(n)
    chosen: list[int] = []
    for _ in range(min(k, n)):
        gain = np.maximum(similarity, covered[None]).sum(1) - covered.sum()
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        covered = np.maximum(covered, similarity[chosen[-1]])
    return np.array(chosen, np.intp)


STRATEGY = choose
