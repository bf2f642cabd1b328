"""What is left of a finding once the other findings of its class, which it travels with, are held still."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curator import stats
from curator.shortcuts.association import Hit
from curator.shortcuts.bitcounts import Tallies
from curator.shortcuts.indicators import Indicators
from curator.shortcuts.redundancy import Ties
from curator.types import Adjusted, Ints

_TIED = 0.1
"""Correlation inside the classes from which two findings travel together. Below, one cannot move the other's effect by more
than a tenth of its own; holding it still would only cost precision."""
_MOST = 2
"""Values held still at once: three would be eight strata, and few of them with images of both sides."""


def adjust(found: Sequence[Hit], indicators: Indicators, labels: Ints) -> list[Adjusted | None]:
    """For each finding its effect and p within the strata of the findings of the same class it is most tied to.

    `found` are the findings' own values, one each: what was folded is not held still, since it says the same. At most two
    others, the most tied first; None where no other finding of the class travels with it. Without a stratum that has images
    of the class and of the rest, effect and p are None: the data cannot tell the two apart.

    Error: as `stats.stratified_difference` and `stats.cochran_mantel_haenszel`; what no attribute measures is not held
    still. Source: Mantel and Haenszel (1959); Greenland and Robins (1985); Sato (1989).
    """
    tallies = Tallies(indicators, labels)
    ties = Ties(list(found), indicators, labels, tallies) if found else None
    out: list[Adjusted | None] = []
    for hit in found:
        others = [h for h in found if h.class_idx == hit.class_idx and h.indicator != hit.indicator]
        strength = {h.indicator: abs(ties.of(hit, h)) if ties else 0.0 for h in others}
        tied = sorted((v for v in strength if strength[v] >= _TIED), key=lambda v: (-round(strength[v], 9), v))[:_MOST]
        out.append(_within(hit, tied, indicators, tallies) if tied else None)
    return out


def _within(hit: Hit, held: list[int], indicators: Indicators, tallies: Tallies) -> Adjusted:
    value, known = tallies.column(hit.indicator)
    strata = [(value, known)]
    for v in held:
        has, measured = tallies.column(v)
        strata = [(k & of & measured, n & of & measured) for of in (~has, has) for k, n in strata]
    with_, all_ = ([tallies.split(bits, hit.class_idx) for bits in column] for column in zip(*strata, strict=True))
    (k1, k2), (n1, n2) = (np.array(counts).T for counts in (with_, all_))
    names = tuple(f"{indicators.attribute[v]}={indicators.value_names[v]}" for v in held)
    effect, low, high = stats.stratified_difference(k1, n1, k2, n2)
    if np.isnan(effect):
        return Adjusted(names, None, None, None)
    return Adjusted(names, effect, (low, high), stats.cochran_mantel_haenszel(k1, n1, k2, n2))
