"""Chooses the images with the least certain labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.selection.choice import Candidates


def choose(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """By confidence, lowest first. Source: uncertainty sampling (Lewis and Gale 1994)."""
    return np.argsort(candidates.confidence, kind="stable")[:k]


STRATEGY = choose
