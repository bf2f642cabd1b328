"""Counts of values by class, from bits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from curator.shortcuts import indicators
from curator.shortcuts.bitcounts import Tallies
from curator.types import Column, Measures


def built(n: int, seed: int) -> tuple[indicators.Indicators, np.ndarray]:
    rng = np.random.default_rng(seed)
    a = pd.Series(rng.choice(["x", "y", None], n), dtype=object)
    b = pd.Series(rng.choice([True, False, None], n), dtype=object)
    frame = pd.DataFrame({"m.a": a, "m.b": b})
    columns = (
        Column("m.a", "category", "metadata", "have {value}", ""),
        Column("m.b", "flag", "metadata", "have|have no", ""),
    )
    return indicators.build(Measures(frame, columns), ()), rng.integers(-1, 5, n).astype(np.int32)


@pytest.mark.parametrize("n", [1, 63, 64, 65, 5000])
def test_counts_of_two_values_are_those_of_masks(n):
    table, labels = built(n, n)
    tallies = Tallies(table, labels)
    for v in range(len(table)):
        for w in range(len(table)):
            one, other = tallies.column(v), tallies.column(w)
            both = table.values[:, v] & table.known[:, w] & ~table.values[:, w]
            expected = [int((both & (labels == c)).sum()) for c in tallies.classes]
            assert tallies.by_class(one[0] & other[1] & ~other[0]).tolist() == expected


def test_a_class_against_the_rest_leaves_out_images_without_a_label():
    table, labels = built(300, 1)
    tallies = Tallies(table, labels)
    has, _ = tallies.column(0)
    inside, outside = tallies.split(has, 2)
    assert inside == int(table.values[labels == 2, 0].sum()) > 0
    assert outside == int(table.values[(labels >= 0) & (labels != 2), 0].sum())


def test_without_any_label_there_is_nothing_to_count():
    table, _ = built(20, 0)
    tallies = Tallies(table, np.full(20, -1, np.int32))
    assert tallies.split(tallies.column(0)[0], 0) == (0, 0)
