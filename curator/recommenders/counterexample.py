"""The images that the probe as it stands gets most wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.selection.choice import Candidates


def choose(candidates: Candidates, k: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """By doubt times trust in the label, most first: of images that look like another class some are. Source: the idea of
    Just Train Twice (Liu et al. 2021)."""
    return np.argsort(-candidates.doubt * candidates.confidence, kind="stable")[:k]


STRATEGY = choose
