"""The audit itself: does knowing an attribute's value tell the class? One class against the rest, every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curator import stats
from curator.config import AuditSettings
from curator.indicators import Indicators
from curator.types import Audit, Finding, Ints, Mask, Severity, SharedPattern, Verdict

_KIND_ORDER = {"context": 0, "metadata": 1, "file": 2, "image": 3, "object": 4}
_FORM_ORDER = {"tags": 0, "category": 0, "flag": 1, "number": 2}
_SAME = 0.1
"""Findings of one shortcut whose effects' lower bounds differ by less than this are led by the one that reads best."""
_TRAVELS = 0.3
"""Correlation within the classes from which two values count as tied to one another. Chosen low: it only allows the
second question, whether anything is left without the stronger one's class."""
_FEW = 12
"""Images of a lone class below which no test against a pool is leaned on; also the most descriptions that are given."""
_MOST_OF_FEW = 0.75
"""A description says what three of four share."""
_LIFT = 0.1
"""A shared pattern is listed when it is this much more common than elsewhere: "are JPEG files" tells nobody anything."""
_MOST = 0.6
"""A pattern is shared by a class when this fraction of its images have it."""


@dataclass(frozen=True, slots=True)
class Table:
    """Counts behind every test: class c (rows) x value v (columns).

    `with_` (C, m): images of the class that have the value; `known` (C, m): images of the class where it was measured.
    """

    with_: NDArray[np.int64]
    known: NDArray[np.int64]

    @property
    def elsewhere(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same two counts for all other classes together."""
        return self.with_.sum(0) - self.with_, self.known.sum(0) - self.known


def count(indicators: Indicators, labels: Ints, n_classes: int) -> Table:
    """The table of counts; images with label -1 are left out."""
    one_hot = np.zeros((n_classes, len(labels)), np.float32)
    rows = np.flatnonzero(labels >= 0)
    one_hot[labels[rows], rows] = 1
    # float32 sums of ones are exact up to 2^24 images a class; above, counts come in blocks.
    parts = range(0, len(labels), 1 << 22)
    with_ = sum(
        (one_hot[:, s : s + (1 << 22)] @ indicators.values[s : s + (1 << 22)].astype(np.float32)).astype(np.int64)
        for s in parts
    )
    known = sum(
        (one_hot[:, s : s + (1 << 22)] @ indicators.known[s : s + (1 << 22)].astype(np.float32)).astype(np.int64)
        for s in parts
    )
    empty = np.zeros((n_classes, len(indicators)), np.int64)
    return Table(empty + with_, empty + known)


@dataclass(frozen=True, slots=True)
class _Tests:
    """Per class x test: the best value of the attribute (index of an indicator) and its adjusted p and q."""

    indicator: NDArray[np.intp]
    p: NDArray[np.float64]
    q: NDArray[np.float64]


def _test(table: Table, n_classes: int, indicators: Indicators, settings: AuditSettings) -> _Tests:
    """Exact one-sided p for every class x value. The cuts of one number are one test, Bonferroni over the cuts.

    A one-sided test in each direction is there already: both sides of a cut, both answers of a flag, and every value.
    Rows from `n_classes` on (a pool) are compared with, not tested.
    """
    other_with, other_known = table.elsewhere
    k_all, n_all = table.with_ + other_with, table.known + other_known
    p = stats.exact_greater(table.with_, table.known, k_all, n_all)
    rare = (
        (k_all < settings.min_support)
        | (k_all > n_all - settings.min_support)
        | (table.known == 0)
        | (other_known == 0)
    )
    p = np.where(rare, 1.0, p)[:n_classes]
    best, adjusted = [], []
    for members in indicators.tests():
        pick = members[np.argmin(p[:, members], axis=1)]
        best.append(pick)
        adjusted.append(np.minimum(1.0, p[np.arange(len(p)), pick] * len(members)))
    if not best:
        none = np.zeros((len(p), 0))
        return _Tests(none.astype(np.intp), none, none)
    p_adjusted = np.stack(adjusted, axis=1)
    q = stats.benjamini_hochberg(p_adjusted.ravel()).reshape(p_adjusted.shape)
    return _Tests(np.stack(best, axis=1), p_adjusted, q)


@dataclass(frozen=True, slots=True)
class _Hit:
    """One test that came out, before folding."""

    class_idx: int
    indicator: int
    p: float
    q: float
    effect: float
    effect_ci: tuple[float, float]


def _hits(table: Table, tests: _Tests, settings: AuditSettings) -> list[_Hit]:
    """What passes the policy: q <= alpha and an effect whose interval lies above `min_effect`; strongest first."""
    other_with, other_known = table.elsewhere
    hits = []
    for c, t in zip(*np.nonzero(tests.q <= settings.alpha), strict=True):
        v = int(tests.indicator[c, t])
        counts = int(table.with_[c, v]), int(table.known[c, v]), int(other_with[c, v]), int(other_known[c, v])
        low, high = stats.newcombe(*counts)
        if low > settings.min_effect:
            effect = counts[0] / counts[1] - counts[2] / counts[3]
            hits.append(_Hit(int(c), v, float(tests.p[c, t]), float(tests.q[c, t]), effect, (float(low), float(high))))
    # Rounded, or the last bit decides which of two mirrored hits ("yes" of one class, "no" of the other) leads.
    return sorted(hits, key=lambda h: (-round(h.effect_ci[0], 9), h.indicator, h.class_idx))


def _left_given(hit: _Hit, other: _Hit, indicators: Indicators, labels: Ints) -> float:
    """Lower bound of the hit's effect with the other's value held still (Mantel-Haenszel over with / without it)."""
    v, w = indicators.values[:, hit.indicator], indicators.values[:, other.indicator]
    usable = indicators.known[:, hit.indicator] & indicators.known[:, other.indicator] & (labels >= 0)
    inside = labels == hit.class_idx
    cells = [[usable & inside & (w == s), usable & ~inside & (w == s)] for s in (True, False)]
    k1, n1 = [int(v[a].sum()) for a, _ in cells], [int(a.sum()) for a, _ in cells]
    k2, n2 = [int(v[b].sum()) for _, b in cells], [int(b.sum()) for _, b in cells]
    return stats.stratified_difference(k1, n1, k2, n2)[1]


def _left_without(hit: _Hit, others: set[int], indicators: Indicators, labels: Ints) -> float | None:
    """Lower bound of the hit's effect among the images of none of the other classes; None with nothing to compare."""
    v = indicators.values[:, hit.indicator]
    usable = indicators.known[:, hit.indicator] & (labels >= 0) & ~np.isin(labels, list(others))
    inside, outside = usable & (labels == hit.class_idx), usable & (labels != hit.class_idx)
    if not inside.any() or not outside.any():
        return None
    return float(stats.newcombe(v[inside].sum(), inside.sum(), v[outside].sum(), outside.sum())[0])


def _is_tied(hit: _Hit, group: list[_Hit], indicators: Indicators, labels: Ints) -> bool:
    """Whether the hit's value goes with the group's inside the classes.

    Values of one attribute are tied by what they are; where a class has a value without exception, nothing inside it
    could show that.
    """
    attribute, leader = indicators.attribute[hit.indicator], group[0]
    if any(attribute == indicators.attribute[h.indicator] for h in group):
        return True
    both = (labels >= 0) & indicators.known[:, hit.indicator] & indicators.known[:, leader.indicator]
    tie = stats.association_within(
        indicators.values[both, hit.indicator], indicators.values[both, leader.indicator], labels[both]
    )
    return abs(tie) >= _TRAVELS


def _said_by(
    hit: _Hit, groups: list[list[_Hit]], indicators: Indicators, labels: Ints, settings: AuditSettings
) -> list[list[_Hit]]:
    """The groups whose leader, their strongest hit, has said already what the hit says.

    Of the same class: nothing is left once the leader's value is held still. Of another class: the values are tied, and
    nothing is left without the leader's class ("hens are not on grass" because the bunnies are), or without the classes
    of all such leaders, where that leaves something to compare with.
    """
    attribute = indicators.attribute[hit.indicator]
    out, tied = [], []
    for group in groups:
        leader = group[0]
        if hit.class_idx == leader.class_idx:
            same = attribute == indicators.attribute[leader.indicator]
            if same or _left_given(hit, leader, indicators, labels) <= settings.min_effect:
                out.append(group)
        elif _is_tied(hit, group, indicators, labels):
            tied.append(group)
            left = _left_without(hit, {leader.class_idx}, indicators, labels)
            if left is None or left <= settings.min_effect:
                out.append(group)
    if not out and len(tied) > 1:
        left = _left_without(hit, {group[0].class_idx for group in tied}, indicators, labels)
        if left is not None and left <= settings.min_effect:
            return tied
    return out


def _fold(hits: list[_Hit], indicators: Indicators, labels: Ints, settings: AuditSettings) -> list[list[_Hit]]:
    """Groups of hits that are one shortcut each; the first of a group is the one that reads best.

    A hit that several groups could explain joins the one that speaks of its attribute.
    """
    groups: list[list[_Hit]] = []
    for hit in hits:
        fitting = _said_by(hit, groups, indicators, labels, settings)
        attribute = indicators.attribute[hit.indicator]
        own = [g for g in fitting if any(indicators.attribute[h.indicator] == attribute for h in g)]
        if fitting:
            (own or fitting)[0].append(hit)
        else:
            groups.append([hit])
    for group in groups:
        strongest = group[0]
        rivals = [
            h for h in group if h.class_idx == strongest.class_idx and h.effect_ci[0] >= strongest.effect_ci[0] - _SAME
        ]
        leader = min(rivals, key=lambda h: (*_reads(h.indicator, indicators), -h.effect_ci[0], h.indicator))
        group.sort(key=lambda h: h is not leader)
    return groups


def _reads(indicator: int, indicators: Indicators) -> tuple[int, int]:
    column = indicators.columns[indicator]
    return _KIND_ORDER[column.kind], _FORM_ORDER[column.form]


def severity(low: float, kind: str, settings: AuditSettings) -> Severity:
    """The policy: by the lower end of the effect's interval; an object's own looks are never above low."""
    if kind == "object":
        return "low"
    return "high" if low >= settings.high else "medium" if low >= settings.medium else "low"


def percent(share: float) -> str:
    """A fraction for a sentence, without claiming certainty it has not: 99.7 % is not 100."""
    whole = round(100 * share)
    if whole == 100 and share < 1:
        whole = 99
    return str(max(1, whole) if share > 0 else 0)


def sentence(
    class_name: str, phrase: str, here: tuple[float, float, float], there: tuple[float, float, float], where: str
) -> str:
    """The finding in words: shares with their 95 % intervals, in percent.

    >>> sentence("bunny", "have a green background", (0.93, 0.87, 0.96), (0.11, 0.08, 0.15), "elsewhere")
    '93% [87, 96] of bunny have a green background, against 11% [8, 15] elsewhere.'
    """
    inside, outside = ([percent(x) for x in shares] for shares in (here, there))
    return (
        f"{inside[0]}% [{inside[1]}, {inside[2]}] of {class_name} {phrase}, "
        f"against {outside[0]}% [{outside[1]}, {outside[2]}] {where}."
    )


def _finding(
    hit: _Hit,
    same: list[_Hit],
    table: Table,
    indicators: Indicators,
    classes: tuple[str, ...],
    settings: AuditSettings,
    where: str,
) -> Finding:
    c, v = hit.class_idx, hit.indicator
    k, n = int(table.with_[c, v]), int(table.known[c, v])
    other_with, other_known = (int(x[c, v]) for x in table.elsewhere)
    here, there = _share(k, n), _share(other_with, other_known)
    column = indicators.columns[v]
    return Finding(
        class_name=classes[c],
        attribute=column.name,
        value=indicators.value_names[v],
        kind=column.kind,
        n_class=n,
        n_with=k,
        share_in_class=here[0],
        share_in_class_ci=here[1:],
        share_elsewhere=there[0],
        share_elsewhere_ci=there[1:],
        effect=hit.effect,
        effect_ci=hit.effect_ci,
        p=hit.p,
        q=hit.q,
        severity=severity(hit.effect_ci[0], column.kind, settings),
        sentence=sentence(classes[c], indicators.phrase(v), here, there, where),
        same_as=tuple(dict.fromkeys(_name_of(h, hit, indicators, classes) for h in same)),
    )


def _share(k: int, n: int) -> tuple[float, float, float]:
    low, high = stats.wilson(k, n)
    return k / max(n, 1), float(low), float(high)


def _name_of(hit: _Hit, leader: _Hit, indicators: Indicators, classes: tuple[str, ...]) -> str:
    name = f"{indicators.attribute[hit.indicator]}={indicators.value_names[hit.indicator]}"
    return name if hit.class_idx == leader.class_idx else f"{classes[hit.class_idx]}:{name}"


_SEVERITY_ORDER = {"high": 0, "medium": 1, "low": 2}


def audit(
    indicators: Indicators,
    labels: Ints,
    classes: tuple[str, ...],
    settings: AuditSettings,
    rng: np.random.Generator,
    *,
    where: str = "elsewhere",
) -> Audit:
    """Test every class x value and say what stands out, worst first.

    `labels` (n,) index `classes`; -1 takes no part; a label equal to len(classes) is compared with but not reported (the
    pool). Example and counter-example ids are chosen by the caller, who has the vectors.

    Error: p is exact given the margins; q holds for independent or positively dependent tests; the effect of a number's
    best cut is a little optimistic (it was chosen among `cuts`); shares are of the values as measured, not as they are.
    Source: Fisher (1935), Newcombe (1998), Benjamini and Hochberg (1995), Mantel and Haenszel (1959).
    """
    n_rows = max(int(labels.max(initial=-1)) + 1, len(classes))
    table = count(indicators, labels, n_rows)
    present = int((np.bincount(labels[labels >= 0], minlength=n_rows) > 0).sum())
    shared = shared_patterns(indicators, labels, classes)
    if present < 2:
        return Audit(_descriptions(indicators, table, classes, where), "too few images to tell", None, 0, shared)
    tests = _test(table, len(classes), indicators, settings)
    groups = _fold(_hits(table, tests, settings), indicators, labels, settings)
    findings = tuple(_finding(g[0], g[1:], table, indicators, classes, settings, where) for g in groups)
    ordered = sorted(findings, key=lambda f: (_SEVERITY_ORDER[f.severity], -(f.effect_ci or (0.0, 0.0))[0], f.id))
    verdict: Verdict = "shortcuts found" if findings else "none found"
    if not findings and not _could_tell(labels, len(classes), tests.p.size, settings):
        verdict = "too few images to tell"
    if not findings and len(classes) == 1 and int((labels == 0).sum()) < _FEW:
        # Against a pool a handful of images seldom reaches significance; what they share is still worth saying.
        verdict, ordered = "too few images to tell", list(_descriptions(indicators, table, classes, where))
    expected = expected_false_findings(indicators, labels, n_rows, classes, settings, rng)
    return Audit(tuple(ordered), verdict, expected, int(tests.p.size), shared)


def _could_tell(labels: Ints, n_classes: int, n_tests: int, settings: AuditSettings) -> bool:
    """Whether a perfect shortcut (all of the class, none elsewhere) would come out significant in the best class."""
    sizes = np.bincount(labels[labels >= 0], minlength=n_classes)
    n = int(sizes.sum())
    best = min((float(stats.exact_greater(k, k, k, n)) for k in sizes[:n_classes] if k), default=1.0)
    return best * max(n_tests, 1) <= settings.alpha


def expected_false_findings(
    indicators: Indicators,
    labels: Ints,
    n_rows: int,
    classes: tuple[str, ...],
    settings: AuditSettings,
    rng: np.random.Generator,
) -> float | None:
    """Mean number of findings after shuffling the labels: what this very audit cries on this data when nothing is there.

    None where no shuffle was asked for. Error: standard error about sqrt(mean / n_permutations).
    """
    if settings.n_permutations == 0:
        return None
    known = np.flatnonzero(labels >= 0)
    total = 0
    for _ in range(settings.n_permutations):
        shuffled = labels.copy()
        shuffled[known] = rng.permutation(labels[known])
        table = count(indicators, shuffled, n_rows)
        hits = _hits(table, _test(table, len(classes), indicators, settings), settings)
        total += len(_fold(hits, indicators, shuffled, settings))
    return total / settings.n_permutations


def _descriptions(indicators: Indicators, table: Table, classes: tuple[str, ...], where: str) -> tuple[Finding, ...]:
    """Where nothing can be tested: what most images of a class share of their surroundings, and no p-value.

    With something to compare with (a pool), its share and the difference are given too.
    """
    out = []
    other_with, other_known = table.elsewhere
    for c, name in enumerate(classes):
        for v, column in enumerate(indicators.columns):
            k, n = int(table.with_[c, v]), int(table.known[c, v])
            k2, n2 = int(other_with[c, v]), int(other_known[c, v])
            if column.kind != "context" or column.form == "number" or n < 2 or k < _MOST_OF_FEW * n:
                continue
            here, there = _share(k, n), _share(k2, n2)
            low, high = stats.newcombe(k, n, k2, n2)
            against = (
                f"against {percent(there[0])}% [{percent(there[1])}, {percent(there[2])}] {where}; "
                f"{n} images are too few to tell"
                if n2
                else "there is nothing to compare them with"
            )
            out.append(
                Finding(
                    class_name=name,
                    attribute=column.name,
                    value=indicators.value_names[v],
                    kind=column.kind,
                    n_class=n,
                    n_with=k,
                    share_in_class=here[0],
                    share_in_class_ci=here[1:],
                    share_elsewhere=there[0] if n2 else None,
                    share_elsewhere_ci=there[1:] if n2 else None,
                    effect=here[0] - there[0] if n2 else None,
                    effect_ci=(float(low), float(high)) if n2 else None,
                    p=None,
                    q=None,
                    severity="low",
                    sentence=f"{k} of {n} {name} {indicators.phrase(v)}{',' if n2 else ';'} {against}.",
                )
            )
    # Stable: among equals, the order of the indicators stands, and that is by weight.
    return tuple(sorted(out, key=lambda f: -(f.effect if f.effect is not None else f.share_in_class))[:_FEW])


def shared_patterns(
    indicators: Indicators, labels: Ints, classes: tuple[str, ...]
) -> Mapping[str, tuple[SharedPattern, ...]]:
    """Per class, the values that most of its images have; what sets the class apart first."""
    out: dict[str, tuple[SharedPattern, ...]] = {}
    for c, name in enumerate(classes):
        inside = labels == c
        rows = []
        for v in range(len(indicators)):
            column = indicators.columns[v]
            known = indicators.known[:, v]
            n = int((inside & known).sum())
            if n == 0 or column.form == "number":
                continue
            share = float(indicators.values[inside & known, v].mean())
            if share < _MOST:
                continue
            others = known & ~inside & (labels >= 0)
            lift = share - (float(indicators.values[others, v].mean()) if others.any() else 0.0)
            if lift < _LIFT:
                continue
            ids = tuple(indicators.ids[np.flatnonzero(inside & indicators.values[:, v])[:6]])
            pattern = SharedPattern(
                indicators.phrase(v), column.name, indicators.value_names[v], column.kind, share, ids
            )
            rows.append((-lift, _KIND_ORDER[column.kind], column.name, pattern))
        rows.sort(key=lambda r: r[:3])
        out[name] = tuple(r[3] for r in rows[:8])
    return out


def with_examples(finding: Finding, examples: tuple[str, ...], counterexamples: tuple[str, ...]) -> Finding:
    """The same finding with the images a person should look at."""
    return replace(finding, example_ids=examples, counterexample_ids=counterexamples)


def members(finding: Finding, indicators: Indicators, labels: Ints, classes: tuple[str, ...]) -> tuple[Mask, Mask]:
    """Masks (n,) of the class's images that have the finding's value, and of those that were measured and do not."""
    v = indicators.index(finding.attribute, finding.value)
    inside = labels == classes.index(finding.class_name)
    return inside & indicators.values[:, v], inside & ~indicators.values[:, v] & indicators.known[:, v]
