"""The audit: tests for every class and every value whether the value predicts the class, one class against the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from curator import stats
from curator.config import AuditSettings
from curator.shortcuts.adjustment import adjust
from curator.shortcuts.association import Hit, Table, Tests, count, exact_tests, hits
from curator.shortcuts.confirmation import confirm
from curator.shortcuts.indicators import Indicators, plain_phrase
from curator.shortcuts.measurement_error import widened
from curator.shortcuts.permutation import expected_false_findings
from curator.shortcuts.redundancy import fold, mirrored
from curator.shortcuts.shared_patterns import shared_patterns
from curator.types import (
    Adjusted,
    Audit,
    Column,
    Confirmation,
    Coverage,
    Finding,
    Ints,
    Kind,
    Mask,
    Severity,
    Untested,
    Verdict,
)
from curator.types.findings import Against, Reason, is_shortcut

_FEW = 12
"""A single class with fewer images than this gets descriptions if its tests find nothing. Also the maximum of descriptions."""
_MOST_OF_FEW = 0.75
"""A description names a value that at least this share of the class's images have."""


_EXCLUSIVE, _SURELY, _OF_MEDIUM = 10, 4, 0.75
"""If a value is at least the first number of times as frequent in the class as elsewhere, and the second number of times the
upper limit of the share elsewhere, the third fraction of `medium` is enough: a quarter of the dogs on grass and one cat in a
hundred teach a network that grass means dog."""


def severity(low: float, kind: str, settings: AuditSettings, exclusive: bool = False) -> Severity:
    """Severity by the lower end of the effect's interval. Findings about the object are low, unless `objects` is set, and so
    are those that may be about the object.

    `exclusive`: the value is hardly found elsewhere (see `_EXCLUSIVE`).
    """
    if not is_shortcut(kind, settings.objects):
        return "low"
    medium = settings.medium * (_OF_MEDIUM if exclusive else 1)
    return "high" if low >= settings.high else "medium" if low >= medium else "low"


def _is_exclusive(here: float, there: float, at_most_there: float) -> bool:
    return here >= max(_EXCLUSIVE * there, _SURELY * at_most_there)


def _finding(
    hit: Hit,
    same: list[Hit],
    table: Table,
    indicators: Indicators,
    classes: tuple[str, ...],
    settings: AuditSettings,
    against: Against,
    unclear: Mask,
) -> Finding:
    c, v = hit.class_idx, hit.indicator
    k, n = int(table.with_[c, v]), int(table.known[c, v])
    other_with, other_known = (int(x[c, v]) for x in table.elsewhere)
    here, there = _share(k, n), _share(other_with, other_known)
    column = indicators.columns[v]
    kind: Kind = "unclear" if unclear[c, v] else column.kind
    return Finding(
        class_name=classes[c],
        attribute=column.name,
        value=indicators.value_names[v],
        kind=kind,
        n_class=n,
        n_with=k,
        share_in_class=here[0],
        share_in_class_ci=here[1:],
        share_elsewhere=there[0],
        share_elsewhere_ci=there[1:],
        effect=hit.effect,
        effect_ci=hit.effect_ci,
        times=here[0] / there[0] if there[0] else None,
        p=hit.p,
        q=hit.q,
        severity=severity(hit.effect_ci[0] - column.bias, kind, settings, _is_exclusive(here[0], there[0], there[2])),
        phrase=plain_phrase(column, indicators.value_names[v]),
        against=against,
        coverage=_coverage(table, c, n, other_known),
        **_of_column(column),
        same_as=tuple(dict.fromkeys(_name_of(h, hit, indicators, classes) for h in same)),
        also=tuple(dict.fromkeys(_phrase_of(h, hit, indicators, classes) for h in same)),
    )


def _of_column(column: Column) -> dict[str, Any]:
    """The fields that a finding copies from its column, because later readers of the finding do not have the column."""
    kept = ("bias", "learnt", "nth", "needs_text", "brought")
    return {name: getattr(column, name) for name in kept}


def _coverage(table: Table, c: int, n: int, n_elsewhere: int) -> Coverage | None:
    """The number of images where the attribute is known; None if it is known for all. EXIF and columns can have gaps."""
    inside, outside = int(table.sizes[c]), int(table.sizes.sum() - table.sizes[c])
    found = Coverage(n, inside, n_elsewhere, outside)
    return None if found.is_whole else found


def _share(k: int, n: int) -> tuple[float, float, float]:
    low, high = stats.wilson(k, n)
    return k / max(n, 1), float(low), float(high)


def _name_of(hit: Hit, leader: Hit, indicators: Indicators, classes: tuple[str, ...]) -> str:
    name = f"{indicators.attribute[hit.indicator]}={indicators.value_names[hit.indicator]}"
    return name if hit.class_idx == leader.class_idx else f"{classes[hit.class_idx]}:{name}"


def _phrase_of(hit: Hit, leader: Hit, indicators: Indicators, classes: tuple[str, ...]) -> str:
    """What the images of a hit have, as words: "have a green background", "NORMAL: have sharpness below 0.4"."""
    phrase = plain_phrase(indicators.columns[hit.indicator], indicators.value_names[hit.indicator])
    return phrase if hit.class_idx == leader.class_idx else f"{classes[hit.class_idx]}: {phrase}"


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, the most severe first. Findings that are, or may be, about the object come last.

    Within one severity the strongest finding of every class comes first, then the second of every class, and so on, so that
    a class with many patterns does not hide the others. Low findings that no random half confirms come last.
    """
    ranked = sorted(findings, key=_rank)
    turns: Counter[tuple[object, ...]] = Counter()
    turn = []
    for finding in ranked:
        place = (*_rank(finding)[:3], finding.class_name)
        turn.append(turns[place])
        turns[place] += 1
    order = sorted(range(len(ranked)), key=lambda k: (*_rank(ranked[k])[:3], turn[k], *_rank(ranked[k])[3:]))
    return [ranked[k] for k in order]


def _rank(finding: Finding) -> tuple[bool, int, bool, float, str]:
    low = (finding.effect_ci or (0.0, 0.0))[0] - finding.bias
    return (
        finding.kind in ("object", "unclear"),
        _SEVERITY_ORDER[finding.severity],
        not finding.is_confirmed,
        -low,
        finding.id,
    )


def judged(finding: Finding, settings: AuditSettings) -> Finding:
    """The finding with its final severity, from association and reliance.

    Association gives the first severity (`severity`). The rules for reliance are:

    - The severity rises from medium to high if the interval of the reliance gap, or of the intervention, lies above `leans`.
      An intervention counts only if the edit by itself surely lowers the probability of the right class.
    - The severity falls by one step if both intervals lie below `leans`: a probe on these images does not use the attribute.
    - The severity rises from low to medium only if more than half of the random halves confirm the finding and the interval
      of the intervention lies above twice `leans`: a rare value that decides.
    - Evidence that could not be measured changes nothing.
    """
    there, there_ci = finding.share_elsewhere, finding.share_elsewhere_ci
    known = there is not None and there_ci is not None
    exclusive = known and _is_exclusive(finding.share_in_class, there or 0.0, (there_ci or (0.0, 1.0))[1])
    plain = severity((finding.effect_ci or (0.0, 0.0))[0] - finding.bias, finding.kind, settings, exclusive)
    r = finding.reliance
    if r is None or finding.p is None:
        return finding
    intervals = [ci for ci in (r.gap_ci, r.excess_ci) if ci is not None]
    raising = [ci for ci in (r.gap_ci, r.excess_ci if r.is_moved else None) if ci is not None]
    # A probe that relies on the image cannot rule out the measure's own error (`bias`).
    if plain == "medium" and not finding.bias and any(low >= settings.leans for low, _ in raising):
        return replace(finding, severity="high")
    sure = finding.confirmation is not None and 2 * finding.confirmation.confirmed > finding.confirmation.n_splits
    decides = r.is_moved and r.excess_ci is not None and r.excess_ci[0] >= 2 * settings.leans
    if plain == "low" and sure and decides and not finding.bias and is_shortcut(finding.kind, settings.objects):
        return replace(finding, severity="medium")
    if len(intervals) == 2 and all(high < settings.leans for _, high in intervals):
        return replace(finding, severity="medium" if plain == "high" else "low")
    return replace(finding, severity=plain)


def any_counts(findings: Sequence[Finding], settings: AuditSettings) -> bool:
    """Whether the verdict is "shortcuts found". Findings about the object do not count, because classes differ in looks
    anyway. Low findings that no random half of the images confirms do not count either."""
    return any(f.is_confirmed and is_shortcut(f.kind, settings.objects) for f in findings)


_SEVERITY_ORDER = {"high": 0, "medium": 1, "low": 2}


def audit(
    indicators: Indicators,
    labels: Ints,
    classes: tuple[str, ...],
    settings: AuditSettings,
    rng: np.random.Generator,
    *,
    against: Against = "others",
    contents: Ints | None = None,
    counts: Table | None = None,
    unclear: Mask | None = None,
) -> Audit:
    """Test every class x value and return the significant findings, the most severe first.

    `labels` (n,) index `classes`. Images with -1 are ignored. A label equal to len(classes) marks the pool, which is compared
    with but not reported. `contents` (n,) numbers the images by content, so that a duplicate cannot confirm a finding. The
    caller adds example and counter-example ids, because it has the vectors. `counts` are the counts of all images if `labels`
    belong to a sample. Shares, effects and tests then describe all images. The sample provides what needs single images:
    correlations of values (folding, adjusted effects), random halves and shuffles. `unclear` (k, v) are the
    classes and values of which it cannot be told whether they are about the object.

    Error: p is exact given the margins. q holds for independent or positively dependent tests. The effect of a number's best
    cut is a little too high, because the cut was chosen among `cuts`; the interval allows for that. Shares describe the
    values as measured, which may contain errors.
    Source: Fisher (1935), Newcombe (1998), Benjamini and Hochberg (1995), Mantel and Haenszel (1959).
    """
    if unclear is None:
        unclear = np.zeros((len(classes), len(indicators.columns)), np.bool_)
    unclear = unclear | np.array([c.kind == "unclear" for c in indicators.columns], np.bool_)
    n_rows = max(int(labels.max(initial=-1)) + 1, len(classes))
    table = counts or count(indicators, labels, n_rows)
    present = int((table.sizes > 0).sum())
    shared = shared_patterns(indicators, labels, classes, table)
    if present < 2:
        return Audit(
            _descriptions(indicators, table, classes, against, unclear), "too few images to tell", None, 0, shared
        )
    tests = exact_tests(table, len(classes), indicators, settings)
    found = [widened(hit, indicators, labels) for hit in hits(table, tests, settings)]
    strong = sorted((h for h in found if h.effect_ci[0] > settings.min_effect), key=lambda h: -round(h.effect_ci[0], 9))
    unclear = mirrored(strong, indicators, labels, settings, unclear)
    groups = fold(strong, indicators, labels, settings, unclear)
    leaders = [g[0] for g in groups]
    confirmed = confirm(leaders, indicators, labels, len(classes), settings, rng.spawn(1)[0], contents)
    evidence = zip(groups, confirmed, adjust(leaders, indicators, labels), strict=True)
    findings = tuple(
        _with_evidence(
            _finding(g[0], g[1:], table, indicators, classes, settings, against, unclear), confirmation, left
        )
        for g, confirmation, left in evidence
    )
    ordered = worst_first(findings)
    verdict: Verdict = "shortcuts found" if any_counts(findings, settings) else "none found"
    untested = _untested(indicators, table, tests)
    nothing_testable = not tests.n_tests and bool(untested)
    if not findings and (nothing_testable or not _could_tell(table.sizes, len(classes), tests.n_tests, settings)):
        verdict = "too few images to tell"
    if not findings and len(classes) == 1 and int(table.sizes[0]) < _FEW:
        # A handful of images is seldom significantly different from a pool. What they share is still reported.
        verdict, ordered = "too few images to tell", list(_descriptions(indicators, table, classes, against, unclear))
    expected = expected_false_findings(indicators, labels, n_rows, len(classes), settings, rng)
    return Audit(tuple(ordered), verdict, expected, tests.n_tests, shared, untested)


def _with_evidence(finding: Finding, confirmation: Confirmation | None, left: Adjusted | None) -> Finding:
    """The finding with its confirmation and its adjusted effect."""
    if left is None:
        return replace(finding, confirmation=confirmation)
    return replace(
        finding,
        confirmation=confirmation,
        adjusted_for=left.held,
        adjusted_phrases=left.phrases,
        adjusted_effect=left.effect,
        adjusted_ci=left.effect_ci,
        adjusted_p=left.p,
    )


def _untested(indicators: Indicators, table: Table, tests: Tests) -> tuple[Untested, ...]:
    """Attributes that vary between the images but could not be significant in any test, each with the reason."""
    names = np.array(indicators.attribute)
    tested = {
        names[members[0]]
        for members, testable in zip(indicators.tests(), tests.testable.T, strict=True)
        if testable.any()
    }
    k_all, n_all = table.with_.sum(0), table.known.sum(0)
    out = []
    for name, column in {c.name: c for c in indicators.columns}.items():
        mine = np.flatnonzero(names == name)
        most, n = int(k_all[mine].max()), int(n_all[mine].max())
        if name in tested or most in (0, n):
            continue
        reason: Reason = "few differ" if 2 * most > n else "no value is common"
        rare = n - most if reason == "few differ" else most
        out.append(Untested(attribute=name, reason=reason, n=rare, n_known=n, brought=column.brought))
    return tuple(out)


def _could_tell(sizes: NDArray[np.int64], n_classes: int, n_tests: int, settings: AuditSettings) -> bool:
    """Whether a perfect shortcut (all images of a class, no others) would be significant in the best class."""
    n = int(sizes.sum())
    best = min((float(stats.exact_greater(k, k, k, n)) for k in sizes[:n_classes] if k), default=1.0)
    return best * max(n_tests, 1) <= settings.alpha


def _descriptions(
    indicators: Indicators, table: Table, classes: tuple[str, ...], against: Against, unclear: Mask
) -> tuple[Finding, ...]:
    """Values of the surroundings that most images of a class share, without p-values, for data that cannot be tested.

    If there is a pool to compare with, its share and the difference are included.
    """
    out = []
    other_with, other_known = table.elsewhere
    for c, name in enumerate(classes):
        for v, column in enumerate(indicators.columns):
            k, n = int(table.with_[c, v]), int(table.known[c, v])
            k2, n2 = int(other_with[c, v]), int(other_known[c, v])
            if column.kind != "context" or unclear[c, v] or column.form == "number" or n < 2 or k < _MOST_OF_FEW * n:
                continue
            if indicators.value_names[v] in ("no", "none"):
                continue  # what an image lacks describes it badly
            here, there = _share(k, n), _share(k2, n2)
            low, high = stats.newcombe(k, n, k2, n2)
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
                    phrase=plain_phrase(column, indicators.value_names[v]),
                    against=against,
                    **_of_column(column),
                )
            )
    # The sort is stable: equal findings keep the order of the indicators, which is by weight.
    ordered = sorted(out, key=lambda f: -(f.effect if f.effect is not None else f.share_in_class))
    # One lawn gives a dozen visual words. They are listed only if no named value is. The shared patterns list them too.
    plainer = [f for f in ordered if not f.learnt]
    return tuple((plainer or ordered)[:_FEW])


def with_examples(finding: Finding, examples: tuple[str, ...], counterexamples: tuple[str, ...]) -> Finding:
    """The finding with example and counter-example ids."""
    return replace(finding, example_ids=examples, counterexample_ids=counterexamples)


def members(finding: Finding, indicators: Indicators, labels: Ints, classes: tuple[str, ...]) -> tuple[Mask, Mask]:
    """Masks (n,) of the class's images that have the finding's value, and of those that were measured and lack it."""
    v = indicators.index(finding.attribute, finding.value)
    inside = labels == classes.index(finding.class_name)
    return inside & indicators.values[:, v], inside & ~indicators.values[:, v] & indicators.known[:, v]
