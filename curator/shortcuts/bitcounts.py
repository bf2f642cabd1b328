"""Counts of images per class that have two values together. Columns are packed into bits, so a count is fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.shortcuts.indicators import Indicators
from curator.types import Ints, Mask

Bits = NDArray[np.uint64]
_WORD = 64


class Tallies:
    """Columns of values, and of where they are known, as bits. Images of one class are adjacent. A column is packed on its
    first use.

    `classes` (C,) are the labels present. Images with label -1 are ignored. Counts are exact.
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
        """The images that have value v, and the images where v is known."""
        if v not in self._columns:
            known = self._indicators.known[self._order, v]
            self._columns[v] = self._packed(self._indicators.values[self._order, v] & known), self._packed(known)
        return self._columns[v]

    def _packed(self, column: Mask) -> Bits:
        flat = np.zeros(self._n_words * _WORD, np.bool_)
        flat[self._places] = column
        return np.packbits(flat).view(np.uint64)

    def by_class(self, bits: Bits) -> NDArray[np.int64]:
        """The number of set bits in each class (C,)."""
        if not len(self._starts):
            return np.zeros(0, np.int64)
        return np.add.reduceat(np.bitwise_count(bits), self._starts, dtype=np.int64)

    def split(self, bits: Bits, class_idx: int) -> tuple[int, int]:
        """The number of set bits in the class, and in all other classes together."""
        counts = self.by_class(bits)
        inside = int(counts[self.classes == class_idx].sum())
        return inside, int(counts.sum()) - inside
