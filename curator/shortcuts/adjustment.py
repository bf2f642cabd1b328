"""The effect of a finding while correlated findings of the same class are held constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from curator import stats
from curator.shortcuts.association import Hit
from curator.shortcuts.bitcounts import Tallies
from curator.shortcuts.indicators import Indicators, plain_phrase
from curator.shortcuts.redundancy import Ties
from curator.types import Adjusted, Ints

_TIED = 0.1
"""Minimum correlation inside the classes at which one finding is adjusted for another. Below it, one finding can change the
other's effect by at most a tenth; adjusting would only cost precision."""
_MOST = 2
"""Maximum number of values held constant together. Three would give eight strata, and few of them have images on both sides."""


def adjust(found: Sequence[Hit], indicators: Indicators, labels: Ints) -> list[Adjusted | None]:
    """Compute the effect and p of each finding within strata of the most correlated findings of its class.

    `found` holds one value per finding. Folded values are not held constant, because they say the same thing. At most two
    other findings are held constant, the most correlated first. The result is None if no other finding of the class is
    correlated with this one. If no stratum has images of the class and of the rest, effect and p are None: the data cannot
    separate the two findings.

    Error: as `stats.stratified_difference` and `stats.cochran_mantel_haenszel`. Only measured attributes are held constant.
    Source: Mantel and Haenszel (1959); Greenland and Robins (1985); Sato (1989).
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
    phrases = tuple(plain_phrase(indicators.columns[v], indicators.value_names[v]) for v in held)
    effect, low, high = stats.stratified_difference(k1, n1, k2, n2)
    if np.isnan(effect):
        return Adjusted(names, None, None, None, phrases)
    return Adjusted(names, effect, (low, high), stats.cochran_mantel_haenszel(k1, n1, k2, n2), phrases)
