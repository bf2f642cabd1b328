"""A self-test in words: how often planted shortcuts are found, and what that means for these images."""

from __future__ import annotations

from curator import stats
from curator.report.wording.text import count, with_interval
from curator.types import Interval
from curator.types.selftest import SelfTest

GOOD = 0.8
"""Share of draws from which a shortcut counts as found: the usual minimum power (Cohen 1988)."""
_NOUNS = {"recompress": "low JPEG quality"}


def lines(test: SelfTest) -> list[str]:
    """What the terminal shows: a line per shortcut, the false alarms, and the meaning."""
    out = [
        f"Planted in {count(test.n_images, 'image')} of {count(len(test.classes), 'class', 'classes')}, "
        f"labels shuffled; encoder {test.encoder}.",
        *(f"Note: {note}" for note in test.notes if note),
        "",
    ]
    for p in test.planted:
        share = with_interval(p.found / p.draws, interval(p.found, p.draws))
        out.append(f"  {_noun(p.kind):<17}found in {p.found} of {p.draws} draws at effect {p.effect:.2g}: {share}")
    rate = with_interval(test.alarms / test.n_null, interval(test.alarms, test.n_null))
    out.append(f"  {'nothing':<17}false alarm in {test.alarms} of {test.n_null} draws: {rate}")
    return [*out, "", meaning(test)]


def meaning(test: SelfTest) -> str:
    """The meaning for these images: a sentence for each kind of shortcut that is missed.

    >>> from curator.types.selftest import Planted
    >>> meaning(SelfTest((Planted("patch", 0.3, 5, 10), Planted("patch", 0.6, 9, 10)), 0, 9, 40, {"a": 40}, "e", 0.1, 1.0))
    'A patch of 30 points would be missed 5 of 10 times here: add images.'
    """
    missed = {p.kind: p for p in sorted(test.planted, key=lambda p: p.effect) if p.found < GOOD * p.draws}
    if not missed:
        least = min(p.effect for p in test.planted)
        return f"A shortcut of {count(round(100 * least), 'point')} or more, of each kind planted, would be found here."
    return " ".join(
        f"A {_noun(p.kind)} of {count(round(100 * p.effect), 'point')} would be missed "
        f"{p.draws - p.found} of {p.draws} times here: add images."
        for p in missed.values()
    )


def _noun(kind: str) -> str:
    return _NOUNS.get(kind, kind)


def interval(k: int, n: int) -> Interval:
    """The 95 % interval of k of n (Wilson)."""
    low, high = stats.wilson(k, n)
    return float(low), float(high)
