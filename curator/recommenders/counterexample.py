"""Chooses the images that the current probe gets most wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.selection.choice import Candidates


def choose(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """By doubt times confidence in the label, highest first. The confidence matters because an image that looks like another
    class sometimes is one. Source: the idea of Just Train Twice (Liu et al. 2021)."""
    return np.argsort(-candidates.doubt * candidates.confidence, kind="stable")[:k]


STRATEGY = choose
