"""Chooses random images of the cell: the control for the other strategies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.selection.choice import Candidates


def choose(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Uniformly at random, without replacement."""
    return np.asarray(rng.permutation(len(candidates.vectors))[:k], np.intp)


STRATEGY = choose
