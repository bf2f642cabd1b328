"""Per class, the values that most of its images have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from curator import config
from curator.shortcuts.association import Table, count
from curator.shortcuts.indicators import Indicators, plain_phrase
from curator.types import Column, Ints, Mask, SharedPattern

MOST = 0.6
"""A class shares a pattern if at least this fraction of its images have it."""
LIFT = 0.1
"""A pattern must be this much more common than elsewhere; otherwise it does not characterise the class ("are JPEG files")."""
PER_SIDE = 4
"""Maximum number of patterns on the object, and around it. Half as many are kept for the image as a whole."""
AS_ELSEWHERE = 1
"""Number of patterns kept for a side if none is more common than elsewhere."""
_SAME = 0.95
"""Two patterns are the same if they agree on this fraction of the class's images and also pass `_TIED`."""
_TIED = 0.5
"""Minimum correlation within the class. Without it, two patterns that nearly all images have would always agree."""
_LARGEST = config.LARGE
"""Maximum number of a class's images, evenly spaced, on which two patterns are compared. Agreement is then known to 0.003."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One value of a class. `lift` is its share minus the share elsewhere minus the measure's own error."""

    position: int
    column: Column
    side: str
    share: float
    elsewhere: float | None
    lift: float

    @property
    def rank(self) -> tuple[float, bool, int]:
        # Among equal lifts, a colour or a prompt reads better than a visual word without a name.
        return -round(self.lift, 1), self.column.learnt, self.position


def shared_patterns(
    indicators: Indicators, labels: Ints, classes: tuple[str, ...], table: Table | None = None
) -> Mapping[str, tuple[SharedPattern, ...]]:
    """Per class, the values that most of its images share: on the object, around it, then of the image as a whole.

    On each side the values that set the class apart come first. If two patterns belong to the same images or have the same
    name, the stronger one is kept. If nothing on the object or around it sets the class apart, the most common pattern is
    named anyway. The caller adds examples and boxes, because it has the images. `table` are the counts, if the caller has
    them.

    Error: shares describe the values as measured. With few images a share of 60 % can be due to chance.
    """
    out: dict[str, tuple[SharedPattern, ...]] = {}
    table = table or count(indicators, labels, max(int(labels.max(initial=-1)) + 1, len(classes)))
    for c, name in enumerate(classes):
        found = _candidates(indicators, table, c)
        kept = [
            *_pick([x for x in found if x.side == "object"], indicators, labels == c, PER_SIDE, AS_ELSEWHERE),
            *_pick([x for x in found if x.side == "context"], indicators, labels == c, PER_SIDE, AS_ELSEWHERE),
        ]
        others = [x for x in found if x.side == "whole" and not any(_same(x, k, indicators, labels == c) for k in kept)]
        kept += _pick(others, indicators, labels == c, PER_SIDE // 2, 0)
        out[name] = tuple(
            SharedPattern(
                name=plain_phrase(x.column, indicators.value_names[x.position]),
                attribute=x.column.name,
                value=indicators.value_names[x.position],
                kind=x.column.kind,
                learnt=x.column.learnt,
                share=x.share,
                share_elsewhere=x.elsewhere,
            )
            for x in kept
        )
    return out


def _candidates(indicators: Indicators, table: Table, c: int) -> list[_Candidate]:
    out = []
    other_with, other_known = table.elsewhere
    for v, column in enumerate(indicators.columns):
        n, n_others = int(table.known[c, v]), int(other_known[c, v])
        in_place = column.kind in ("object", "context")
        # An absence has no place in an image. The cut of a number covers half of all images by construction.
        lack = column.form == "flag" and indicators.value_names[v] == "no"
        if column.form == "number" or (in_place and lack) or not n:
            continue
        share = int(table.with_[c, v]) / n
        if share < MOST:
            continue
        elsewhere = int(other_with[c, v]) / n_others if n_others else None
        lift = share - (elsewhere or 0.0) - column.bias
        out.append(_Candidate(v, column, column.kind if in_place else "whole", share, elsewhere, lift))
    return sorted(out, key=lambda x: x.rank)


def _pick(found: list[_Candidate], indicators: Indicators, inside: Mask, most: int, at_least: int) -> list[_Candidate]:
    kept: list[_Candidate] = []
    for x in found:
        if len(kept) < most and x.lift >= LIFT and not any(_same(x, k, indicators, inside) for k in kept):
            kept.append(x)
    return kept or sorted(found, key=lambda x: (-round(x.share, 9), x.position))[:at_least]


def _same(one: _Candidate, other: _Candidate, indicators: Indicators, inside: Mask) -> bool:
    if plain_phrase(one.column, indicators.value_names[one.position]) == plain_phrase(
        other.column, indicators.value_names[other.position]
    ):
        return True
    usable = np.flatnonzero(inside & indicators.known[:, one.position] & indicators.known[:, other.position])
    usable = usable[:: -(-len(usable) // _LARGEST)] if len(usable) > _LARGEST else usable
    a, b = indicators.values[usable, one.position], indicators.values[usable, other.position]
    if not len(a) or (a == b).mean() < _SAME or a.all() or b.all():
        return False
    return bool(np.corrcoef(a, b)[0, 1] >= _TIED)
