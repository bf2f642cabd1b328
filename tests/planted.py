"""Data sets of yes/no attributes with shortcuts of known size, for the tests of the stages after measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from curator.shortcuts.indicators import Indicators, build
from curator.types import Column, Measures

CUTS = (0.1, 0.25, 0.5, 0.75, 0.9)


def flag(name: str, kind: str = "context") -> Column:
    is_word = name.startswith("words.")
    return Column(
        name, "flag", kind, f"show {name}|do not show {name}", f"that do not show {name}",  # type: ignore[arg-type]
        learnt=is_word, rank=int(is_word),
    )  # fmt: skip


def measures(columns: Mapping[str, Sequence[object] | np.ndarray], described: Sequence[Column] = ()) -> Measures:
    """Columns by name; yes/no columns are described as flags of the surroundings unless `described` says otherwise."""
    by_name = {c.name: c for c in described}
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame({name: pd.Series(list(values), dtype=object) for name, values in columns.items()}).set_axis(
        [f"{i:05d}.jpg" for i in range(n)]
    )
    return Measures(frame, tuple(by_name.get(name, flag(name)) for name in columns))


def indicators(columns: Mapping[str, Sequence[object] | np.ndarray], described: Sequence[Column] = ()) -> Indicators:
    return build(measures(columns, described), CUTS)


def labels(*sizes: int) -> np.ndarray:
    """Class 0 first, then class 1 and so on."""
    return np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)


def drawn(rng: np.random.Generator, classes: np.ndarray, shares: Mapping[int, float], otherwise: float) -> np.ndarray:
    """A yes/no column: each image of class c has it with chance shares[c], all others with chance `otherwise`."""
    chance = np.array([shares.get(int(c), otherwise) for c in classes])
    return rng.random(len(classes)) < chance


def exactly(classes: np.ndarray, counts: Mapping[int, int]) -> np.ndarray:
    """A yes/no column: the first counts[c] images of class c have it."""
    out = np.zeros(len(classes), np.bool_)
    for c, k in counts.items():
        out[np.flatnonzero(classes == c)[:k]] = True
    return out
