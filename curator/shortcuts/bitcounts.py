"""How many images of each class have this value and that one: whole columns as bits, so that a count is a few machine words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.shortcuts.indicators import Indicators
from curator.types import Ints, Mask

Bits = NDArray[np.uint64]
_WORD = 64


class Tallies:
    """Values and their being known as bits, the images of one class side by side; columns are packed when first asked for.

    `classes` (C,) are the labels there are; images with label -1 take no part. Counts are exact.
    """

    def __init__(self, indicators: Indicators, labels: Ints) -> None:
        self._indicators = indicators
        rows = np.flatnonzero(labels >= 0)
        self._order = rows[np.argsort(labels[rows], kind="stable")]
        self.classes, sizes = np.unique(labels[rows], return_counts=True)
        words = -(-sizes // _WORD)
        self._starts = np.concatenate([[0], np.cumsum(words)])[:-1].astype(np.intp)
        self._n_words = int(words.sum())
        first = np.cumsum(sizes) - sizes
        self._places = np.arange(len(rows)) + np.repeat(self._starts * _WORD - first, sizes)
        self._columns: dict[int, tuple[Bits, Bits]] = {}

    def column(self, v: int) -> tuple[Bits, Bits]:
        """Who has value v, and where it is known."""
        if v not in self._columns:
            known = self._indicators.known[self._order, v]
            self._columns[v] = self._packed(self._indicators.values[self._order, v] & known), self._packed(known)
        return self._columns[v]

    def _packed(self, column: Mask) -> Bits:
        flat = np.zeros(self._n_words * _WORD, np.bool_)
        flat[self._places] = column
        return np.packbits(flat).view(np.uint64)

    def by_class(self, bits: Bits) -> NDArray[np.int64]:
        """How many bits are set in each class (C,)."""
        if not len(self._starts):
            return np.zeros(0, np.int64)
        return np.add.reduceat(np.bitwise_count(bits), self._starts, dtype=np.int64)

    def split(self, bits: Bits, class_idx: int) -> tuple[int, int]:
        """How many bits are set in the class, and in all others together."""
        counts = self.by_class(bits)
        inside = int(counts[self.classes == class_idx].sum())
        return inside, int(counts.sum()) - inside
