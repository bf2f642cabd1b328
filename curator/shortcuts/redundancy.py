"""One shortcut, one finding: which of the tests that came out say the same thing."""

from __future__ import annotations

import numpy as np

from curator import stats
from curator.config import AuditSettings
from curator.shortcuts.association import Hit
from curator.shortcuts.bitcounts import Tallies
from curator.shortcuts.indicators import Indicators, is_below
from curator.types import Ints

KIND_ORDER = {"context": 0, "metadata": 1, "file": 2, "image": 3, "object": 4}
"""Which kind reads best, and is worth a person's first look."""
_FORM_ORDER = {"tags": 0, "category": 0, "flag": 1, "number": 2}
_SAME = 0.25
"""Hits of one shortcut whose effects' lower limits differ by less than this fraction of the strongest's are as strong."""
_AS_MUCH = 0.1
"""What is left of two hits, each with the other held still, is alike when it differs by less."""
_MOST_RIVALS = 8
_NOTHING = ("no", "none")
"""Values that say that something is not there."""
_PIXELS = ("context", "image", "object")
"""Kinds that are read off the same picture, and so may be one thing under several names."""
_AGREE = 0.98
"""Two columns that agree on this fraction of the images are one column under two names."""
_AT_ONCE = 30_000
"""Images up to which the ties of all values are one product of matrices; of more, each is counted when it is asked for."""
_TRAVELS = 0.3
"""Correlation within the classes from which two values count as tied to one another. Chosen low: it only allows the
second question, whether anything is left without the stronger one's class."""


def _left_given(hit: Hit, other: Hit, tallies: Tallies, level: float = stats.LEVEL) -> float | None:
    """Lower bound of the hit's effect with the other's value held still (Mantel-Haenszel over with / without it).

    None where no image of the class shares the other's value, or its lack, with an image of the rest.
    """
    (v, v_known), (w, w_known) = tallies.column(hit.indicator), tallies.column(other.indicator)
    with_, all_ = (tallies.split(bits, hit.class_idx) for bits in (v & w, v_known & w))
    either, known = (tallies.split(bits, hit.class_idx) for bits in (v & w_known, v_known & w_known))
    k1, k2 = ([with_[side], either[side] - with_[side]] for side in (0, 1))
    n1, n2 = ([all_[side], known[side] - all_[side]] for side in (0, 1))
    difference, low, _ = stats.stratified_difference(k1, n1, k2, n2, level)
    return None if np.isnan(difference) else low


def _left_without(hit: Hit, others: set[int], tallies: Tallies) -> float | None:
    """Lower bound of the hit's effect among the images of none of the other classes; None with nothing to compare."""
    v, known = (tallies.by_class(bits) for bits in tallies.column(hit.indicator))
    inside = tallies.classes == hit.class_idx
    outside = ~inside & ~np.isin(tallies.classes, list(others))
    if hit.class_idx in others or not known[inside].sum() or not known[outside].sum():
        return None
    return float(stats.newcombe(v[inside].sum(), known[inside].sum(), v[outside].sum(), known[outside].sum())[0])


class Ties:
    """How the values of all hits go together inside the classes, for every pair at once."""

    def __init__(self, hits: list[Hit], indicators: Indicators, labels: Ints, tallies: Tallies | None = None) -> None:
        self.column = {v: k for k, v in enumerate(dict.fromkeys(h.indicator for h in hits))}
        self._tallies: Tallies | None = None
        if len(labels) > _AT_ONCE:
            self._tallies = tallies or Tallies(indicators, labels)
            return
        picked = list(self.column)
        known = indicators.known[:, picked] & (labels >= 0)[:, None]
        centred = np.where(known, indicators.values[:, picked], 0).astype(np.float32)
        for c in np.unique(labels[labels >= 0]):
            inside = labels == c
            count = np.maximum(known[inside].sum(0), 1)
            centred[inside] -= np.where(known[inside], centred[inside].sum(0) / count, 0).astype(np.float32)
        norm = np.sqrt((centred**2).sum(0))
        # A value that never varies inside a class shows no tie to anything.
        unit = centred / np.where(norm > 1e-6 * len(labels) ** 0.5, norm, np.inf)
        self.correlation = unit.T @ unit

    def of(self, hit: Hit, other: Hit) -> float:
        """Correlation of the two values after removing each class's own mean: -1..1 (see `stats.association_within`)."""
        if self._tallies is not None:
            return _within_classes(hit.indicator, other.indicator, self._tallies)
        return float(self.correlation[self.column[hit.indicator], self.column[other.indicator]])


def _within_classes(v: int, w: int, tallies: Tallies) -> float:
    """The same correlation from counts alone: every class's sum of products about its own means."""
    (a, a_known), (b, b_known) = tallies.column(v), tallies.column(w)
    ka, na, kb, nb = (tallies.by_class(bits).astype(float) for bits in (a, a_known, b, b_known))
    mean_a, mean_b = ka / np.maximum(na, 1), kb / np.maximum(nb, 1)
    both, only_a, only_b, known = (
        tallies.by_class(bits).astype(float) for bits in (a & b, a & b_known, b & a_known, a_known & b_known)
    )
    covariance = float((both - mean_b * only_a - mean_a * only_b + mean_a * mean_b * known).sum())
    variances = [float((ka - ka * mean_a).sum()), float((kb - kb * mean_b).sum())]
    # A value that never varies inside a class shows no tie to anything.
    return covariance / float(np.sqrt(variances[0] * variances[1])) if min(variances) > 1e-9 else 0.0


def _is_tied(hit: Hit, group: list[Hit], indicators: Indicators, ties: Ties) -> bool:
    """Whether the hit's value goes with the group's inside the classes.

    Values of one attribute are tied by what they are; where a class has a value without exception, nothing inside it
    could show that.
    """
    attribute = indicators.attribute[hit.indicator]
    if any(attribute == indicators.attribute[h.indicator] for h in group):
        return True
    return abs(ties.of(hit, group[0])) >= _TRAVELS


def _repeats(
    hit: Hit, leader: Hit, indicators: Indicators, tallies: Tallies, settings: AuditSettings, n_asked: int
) -> bool:
    """Whether the hit, of the leader's class, says nothing the leader has not said: nothing is left once it is held still.

    Of the `n_asked` values some have something left by chance, so the limit is Bonferroni's over all of them.

    A flawless leader leaves nothing to hold still. Then only what is measured on the same pixels, or agrees with it image
    by image, is taken for the same: a hospital's name is not the lawn, however perfect the lawn.
    """
    if indicators.attribute[hit.indicator] == indicators.attribute[leader.indicator]:
        return True
    left = _left_given(hit, leader, tallies, 1 - (1 - stats.LEVEL) / n_asked)
    if left is not None:
        return left <= settings.min_effect
    kinds = [indicators.columns[h.indicator].kind for h in (hit, leader)]
    if all(kind in _PIXELS for kind in kinds):
        return True
    (v, v_known), (w, w_known) = tallies.column(hit.indicator), tallies.column(leader.indicator)
    n = int(tallies.by_class(v_known & w_known).sum())
    differ = int(tallies.by_class((v ^ w) & v_known & w_known).sum())
    return n > 0 and (n - differ) / n >= _AGREE


def _said_by(
    hit: Hit, groups: list[list[Hit]], indicators: Indicators, tallies: Tallies, settings: AuditSettings, ties: Ties
) -> list[list[Hit]]:
    """The groups whose leader, their strongest hit, has said already what the hit says.

    Of the same class: nothing is left once the leader's value is held still. Of another class: the values are tied, and
    nothing is left without the leader's class ("hens are not on grass" because the bunnies are), or without the classes
    of all such leaders, where that leaves something to compare with.
    """
    out, tied = [], []
    for group in groups:
        leader = group[0]
        if hit.class_idx == leader.class_idx:
            if _repeats(hit, leader, indicators, tallies, settings, len(ties.column)):
                out.append(group)
        elif _is_tied(hit, group, indicators, ties):
            tied.append(group)
            left = _left_without(hit, {leader.class_idx}, tallies)
            if left is None or left <= settings.min_effect:
                out.append(group)
    if not out and len(tied) > 1:
        left = _left_without(hit, {group[0].class_idx for group in tied}, tallies)
        if left is not None and left <= settings.min_effect:
            return tied
    return out


def fold(hits: list[Hit], indicators: Indicators, labels: Ints, settings: AuditSettings) -> list[list[Hit]]:
    """Groups of hits (strongest first) that are one shortcut each; the first of a group is the one to name it by.

    A hit that several groups could explain joins the one that speaks of its attribute. What describes the object itself is
    folded apart: fur tells the class better than any lawn does, and must not take the lawn for itself.
    """
    groups: list[list[Hit]] = []
    tallies = Tallies(indicators, labels)
    for of_object in (False, True):
        mine = [h for h in hits if (indicators.columns[h.indicator].kind == "object") == of_object]
        groups += _fold(mine, indicators, tallies, settings, Ties(mine, indicators, labels, tallies))
    return groups


def _fold(
    hits: list[Hit], indicators: Indicators, tallies: Tallies, settings: AuditSettings, ties: Ties
) -> list[list[Hit]]:
    groups: list[list[Hit]] = []
    for hit in hits:
        fitting = _said_by(hit, groups, indicators, tallies, settings, ties)
        attribute = indicators.attribute[hit.indicator]
        own = [g for g in fitting if any(indicators.attribute[h.indicator] == attribute for h in g)]
        if fitting:
            (own or fitting)[0].append(hit)
        else:
            groups.append([hit])
    for group in groups:
        leader = _better_side(_leader(group, indicators, tallies), group, indicators, tallies)
        group.sort(key=lambda h: h is not leader)
    return groups


def _leader(group: list[Hit], indicators: Indicators, tallies: Tallies) -> Hit:
    """The hit that names the group: of those about as strong as the strongest, the ones that leave least to the others.

    Blur makes lawns smooth, so "smooth green" goes with the class as well as sharpness does. But with sharpness held still
    nothing is left of the smooth green, and with the smooth green held still something is left of the sharpness. Of equals,
    the one that reads best.
    """
    mine = [h for h in group if h.class_idx == group[0].class_idx]
    mine = [h for h in mine if not indicators.columns[h.indicator].follows] or mine
    strongest = mine[0]
    as_strong = (1 - _SAME) * strongest.effect_ci[0]
    rivals = [h for h in mine if h.effect_ci[0] >= as_strong][:_MOST_RIVALS]
    remains = {}
    for h in rivals:
        left = [_left_given(h, other, tallies) for other in rivals if other is not h]
        remains[h] = min((x for x in left if x is not None), default=h.effect_ci[0])
    most = max(remains.values())
    causes = [h for h in rivals if remains[h] >= most - _AS_MUCH]
    return min(causes, key=lambda h: (*_reads(h.indicator, indicators), -h.effect_ci[0], h.indicator))


def _better_side(leader: Hit, group: list[Hit], indicators: Indicators, tallies: Tallies) -> Hit:
    """The leader, or its mirror: of two classes, "hens have no frame" is the fact that sheep have one.

    What is there is said rather than what is not, and what is remarked on (`Column.marked`) rather than what is usual; then
    what most of the others have not, rather than what most of all have; then it is said of the class with the smaller part
    against it, for those are the images that a model gets wrong.
    """
    v, known = tallies.column(leader.indicator)
    counts = tallies.by_class(known)
    name = indicators.attribute[leader.indicator]
    for other in group:
        if other.class_idx == leader.class_idx or indicators.attribute[other.indicator] != name:
            continue
        w, w_known = tallies.column(other.indicator)
        opposite = bool((known == w_known).all()) and bool(((v ^ w) == known).all())
        if opposite and int((counts > 0).sum()) == 2:
            return min(leader, other, key=lambda h: _told_second(h, indicators, tallies))
    return leader


def _told_second(hit: Hit, indicators: Indicators, tallies: Tallies) -> tuple[bool, bool, float]:
    has, known = (tallies.split(bits, hit.class_idx) for bits in tallies.column(hit.indicator))
    value, marked = indicators.value_names[hit.indicator], indicators.columns[hit.indicator].marked
    if marked == "outer":
        marked = "below" if indicators.cuts[hit.indicator] < 0 else "above"
    is_absence = value in _NOTHING or (marked != "" and is_below(value) != (marked == "below"))
    # A hit has images on both sides, or there was nothing to test.
    return is_absence, has[1] / known[1] >= 0.5, float(1 - has[0] / known[0])


def _reads(indicator: int, indicators: Indicators) -> tuple[int, int, int]:
    column = indicators.columns[indicator]
    # A word that may be the wrong one (see `Column.bias`) is the last to be said.
    rank = 3 if column.bias else column.rank + (indicators.value_names[indicator] in column.told_late)
    return rank, KIND_ORDER[column.kind], _FORM_ORDER[column.form]
