"""Folding: finds which significant tests describe the same shortcut, so that each shortcut is one finding."""

from __future__ import annotations

import numpy as np

from curator import config, stats
from curator.config import AuditSettings
from curator.shortcuts.association import Hit
from curator.shortcuts.bitcounts import Tallies
from curator.shortcuts.indicators import Indicators, is_below
from curator.types import Column, Ints, Mask

KIND_ORDER = {"context": 0, "metadata": 1, "file": 2, "image": 3, "object": 4, "unclear": 5}
"""Order in which kinds are preferred for naming a finding: the easiest to read first."""
_FORM_ORDER = {"tags": 0, "category": 0, "flag": 1, "number": 2}
_SAME = 0.25
"""Hits count as equally strong if their effects' lower limits differ by less than this fraction of the strongest one's."""
_AS_MUCH = 0.1
"""The effects that remain of two hits, each with the other held constant, count as equal if they differ by less than this."""
_PLAINLY = 0.15
"""A plain name leads its group instead of a pattern or a number if it is as strong (`_SAME`) and the lower limit of its effect
is at most this much smaller."""
_MISREAD = 0.1
"""A value with a larger bias is no plain name: such prompts are too often wrong."""
_MOST_RIVALS = 8
_NOTHING = ("no", "none")
"""Values that mean that something is absent."""
_PIXELS = ("context", "image", "object", "unclear")
"""Kinds that are measured on the pixels of the same image, so several attributes may describe one thing."""
_AGREE = 0.98
"""Two columns that agree on this fraction of the images are the same column under two names."""
_AT_ONCE = config.LARGE
"""Up to this many images, the correlations of all values are one matrix product. Above it, each is counted on request."""
_TRAVELS = 0.3
"""Minimum correlation within the classes at which two values count as tied. It is low on purpose: a tie only leads to the
second question, whether an effect remains without the class of the stronger hit."""


def _left_given(hit: Hit, other: Hit, tallies: Tallies, level: float = stats.LEVEL) -> float | None:
    """Lower bound of the hit's effect with the other hit's value held constant (Mantel-Haenszel over with / without it).

    None if no stratum (with or without the other's value) has images both of the class and of the rest.
    """
    (v, v_known), (w, w_known) = tallies.column(hit.indicator), tallies.column(other.indicator)
    with_, all_ = (tallies.split(bits, hit.class_idx) for bits in (v & w, v_known & w))
    either, known = (tallies.split(bits, hit.class_idx) for bits in (v & w_known, v_known & w_known))
    k1, k2 = ([with_[side], either[side] - with_[side]] for side in (0, 1))
    n1, n2 = ([all_[side], known[side] - all_[side]] for side in (0, 1))
    difference, low, _ = stats.stratified_difference(k1, n1, k2, n2, level)
    return None if np.isnan(difference) else low


def _left_without(hit: Hit, others: set[int], tallies: Tallies) -> float | None:
    """Lower bound of the hit's effect without the images of the `others` classes; None if nothing remains to compare."""
    v, known = (tallies.by_class(bits) for bits in tallies.column(hit.indicator))
    inside = tallies.classes == hit.class_idx
    outside = ~inside & ~np.isin(tallies.classes, list(others))
    if hit.class_idx in others or not known[inside].sum() or not known[outside].sum():
        return None
    return float(stats.newcombe(v[inside].sum(), known[inside].sum(), v[outside].sum(), known[outside].sum())[0])


class Ties:
    """Correlations of the values of all hits inside the classes, for every pair."""

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
        # A value that never varies inside a class has correlation 0 with everything.
        unit = centred / np.where(norm > 1e-6 * len(labels) ** 0.5, norm, np.inf)
        self.correlation = unit.T @ unit

    def of(self, hit: Hit, other: Hit) -> float:
        """Correlation of the two values after removing each class's own mean: -1..1 (see `stats.association_within`)."""
        if self._tallies is not None:
            return _within_classes(hit.indicator, other.indicator, self._tallies)
        return float(self.correlation[self.column[hit.indicator], self.column[other.indicator]])


def _within_classes(v: int, w: int, tallies: Tallies) -> float:
    """The correlation of `Ties.of`, computed from counts: per class, the sum of products about the class's own means."""
    (a, a_known), (b, b_known) = tallies.column(v), tallies.column(w)
    ka, na, kb, nb = (tallies.by_class(bits).astype(float) for bits in (a, a_known, b, b_known))
    mean_a, mean_b = ka / np.maximum(na, 1), kb / np.maximum(nb, 1)
    both, only_a, only_b, known = (
        tallies.by_class(bits).astype(float) for bits in (a & b, a & b_known, b & a_known, a_known & b_known)
    )
    covariance = float((both - mean_b * only_a - mean_a * only_b + mean_a * mean_b * known).sum())
    variances = [float((ka - ka * mean_a).sum()), float((kb - kb * mean_b).sum())]
    # A value that never varies inside a class has correlation 0 with everything.
    return covariance / float(np.sqrt(variances[0] * variances[1])) if min(variances) > 1e-9 else 0.0


def _is_tied(hit: Hit, group: list[Hit], indicators: Indicators, ties: Ties) -> bool:
    """Whether the hit's value is correlated with the group's inside the classes.

    Values of one attribute are always tied. Their correlation cannot be measured inside a class in which all images have
    one value.
    """
    attribute = indicators.attribute[hit.indicator]
    if any(attribute == indicators.attribute[h.indicator] for h in group):
        return True
    return abs(ties.of(hit, group[0])) >= _TRAVELS


def _repeats(
    hit: Hit, leader: Hit, indicators: Indicators, tallies: Tallies, settings: AuditSettings, n_asked: int
) -> bool:
    """Whether nothing remains of the hit's effect with the value of its class's leader held constant.

    Of the `n_asked` values some keep an effect by chance, so the limit is Bonferroni-corrected over all of them.

    If the leader is perfect, no images remain for this test. The hit then counts as a repeat only if it is measured on the
    same pixels or agrees with the leader image by image: a hospital's name is not the lawn, even if the lawn is perfect.
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
    """The groups whose leader (their strongest hit) already says what the hit says.

    If the leader has the same class, nothing of the hit may remain with the leader's value held constant. If the leader has
    another class, the values must be tied, and nothing may remain without the leader's class ("hens are not on grass" because
    the bunnies are). If no single leader explains the hit, all tied leaders' classes are left out together, provided that
    images remain to compare with.
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


def mirrored(hits: list[Hit], indicators: Indicators, labels: Ints, settings: AuditSettings, unclear: Mask) -> Mask:
    """`unclear` (k, v) with the hits added that only mirror an unclear one of the same attribute: "cats are not brown" because
    the cardboard is, which fills its frames.
    """
    out, tallies = unclear.copy(), Tallies(indicators, labels)
    of: dict[str, set[int]] = {}
    for hit in hits:
        if unclear[hit.class_idx, hit.indicator]:
            of.setdefault(indicators.attribute[hit.indicator], set()).add(hit.class_idx)
    for hit in hits:
        others = of.get(indicators.attribute[hit.indicator], set()) - {hit.class_idx}
        if others and not out[hit.class_idx, hit.indicator]:
            left = _left_without(hit, others, tallies)
            out[hit.class_idx, hit.indicator] = left is None or left <= settings.min_effect
    return out


def fold(
    hits: list[Hit], indicators: Indicators, labels: Ints, settings: AuditSettings, unclear: Mask | None = None
) -> list[list[Hit]]:
    """Groups of hits (strongest first), one group per shortcut. The first hit of a group names it.

    A hit that several groups could explain joins the group that contains its attribute. Findings about the object are folded
    separately: fur predicts the class better than any lawn and would otherwise absorb the lawn. So are those that may be about
    the object: `unclear` (k, v), by class and value.
    """
    groups: list[list[Hit]] = []
    tallies = Tallies(indicators, labels)

    def about(hit: Hit) -> str:
        if unclear is not None and unclear[hit.class_idx, hit.indicator]:
            return "unclear"
        return "object" if indicators.columns[hit.indicator].kind == "object" else "shortcut"

    for subject in ("shortcut", "object", "unclear"):
        mine = [h for h in hits if about(h) == subject]
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
    """The hit that names the group: among the strongest hits, one that leaves least effect to the others.

    For example, blur makes lawns smooth, so "smooth green" predicts the class as well as sharpness does. With sharpness held
    constant nothing remains of smooth green, but with smooth green held constant some of sharpness remains. Among equals,
    the one that reads best is taken.
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
    leader = min(causes, key=lambda h: (*_reads(h.indicator, indicators), -h.effect_ci[0], h.indicator))
    named = indicators.columns[leader.indicator]
    if not named.learnt and named.form != "number":
        return leader
    # A pattern has no name of its own, and a number says little. A plain name leads if it says nearly as much.
    least = max((1 - _SAME) * leader.effect_ci[0], leader.effect_ci[0] - _PLAINLY)
    plain = [h for h in mine if _is_plain(h, indicators) and h.effect_ci[0] >= least]
    if not named.learnt:  # dark images are grey and black, which says less than that they are dark
        plain = [h for h in plain if indicators.value_names[h.indicator] not in _column_of(h, indicators).reported_late]
    return min(plain, key=lambda h: (-h.effect_ci[0], h.indicator), default=leader)


def _column_of(hit: Hit, indicators: Indicators) -> Column:
    return indicators.columns[hit.indicator]


def _is_plain(hit: Hit, indicators: Indicators) -> bool:
    """Whether the value is a plain name: a colour, a frame, a format, a column's value, a prompt; not a number or a pattern."""
    column = indicators.columns[hit.indicator]
    return column.form != "number" and not column.learnt and column.bias <= _MISREAD


def _better_side(leader: Hit, group: list[Hit], indicators: Indicators, tallies: Tallies) -> Hit:
    """The leader or its mirror image: with two classes, "hens have no frame" is the same fact as "sheep have a frame".

    The preferred side is, in this order: a presence or the marked side of a number (`Column.marked`); a value that most of
    the other images lack; the class with fewer images against the rule, because those are the images that a model gets wrong.
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
    # `known` is never 0 here, because a hit has images on both sides.
    return is_absence, has[1] / known[1] >= 0.5, float(1 - has[0] / known[0])


def _reads(indicator: int, indicators: Indicators) -> tuple[int, int, int]:
    column = indicators.columns[indicator]
    # A value that may be named wrongly (see `Column.bias`) is the last choice.
    rank = 3 if column.bias else column.rank + (indicators.value_names[indicator] in column.reported_late)
    return rank, KIND_ORDER[column.kind], _FORM_ORDER[column.form]
