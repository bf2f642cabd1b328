"""A sample was audited: what the same values say when they are counted in all the images it was drawn from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from curator import stats
from curator.association import Hit, Table, exact_tests
from curator.auditing import any_counts, finding_of, percent, share_of, shortcuts, worst_first
from curator.config import AuditSettings
from curator.indicators import Indicators
from curator.types import Audit, Finding, InAll, Ints


def total(tables: Iterable[Table]) -> Table:
    """The counts of parts of a data set, together. Exact: they are whole numbers. Raises: ValueError without a part."""
    whole = None
    for t in tables:
        whole = t if whole is None else Table(whole.with_ + t.with_, whole.known + t.known, whole.sizes + t.sizes)
    if whole is None:
        raise ValueError("nothing was counted")
    return whole


def with_counts(
    found: Audit,
    table: Table,
    indicators: Indicators,
    labels: Ints,
    classes: tuple[str, ...],
    settings: AuditSettings,
) -> tuple[Audit, int]:
    """The audit of a sample with what the counts `table` (C, m) of all images add, and how many tests that took.

    Each finding gets its shares in all images, which its sentence then tells, too; everything else of it stays the sample's.
    Shortcuts that come out only in all images join the findings. They are tested and judged as any other, folded by how
    values go together in the sample (`indicators`, with `labels` (n,)), and left out where a finding of the sample tells them.

    Error: a value that no image of the sample has was not counted, so what is rarer than one in the sample is not found.
    """
    standing = tuple(_standing(finding, table, indicators, classes) for finding in found.findings)
    if (table.sizes > 0).sum() < 2:
        return replace(found, findings=standing), 0
    told = {name for f in standing for name in (f.id, *f.same_as, *(f"{f.class_name}:{same}" for same in f.same_as))}
    told |= {name.rpartition("=")[0] for name in told}  # of a number, any cut
    tests = exact_tests(table, len(classes), indicators, settings)
    groups = [
        group
        for group in shortcuts(table, tests, indicators, labels, settings)
        if not any(_name(hit, indicators, classes) in told for hit in group)
        and _can_be_shown(group[0], indicators, labels)
    ]
    there = [finding_of(g[0], g[1:], table, indicators, classes, settings, "elsewhere") for g in groups]
    said = f" That is so in all {int(table.sizes.sum()):,} images; the {len(labels):,} drawn are too few to tell."
    new = [replace(f, in_all=_in_all(f, table, indicators, classes), sentence=f.sentence + said) for f in there]
    findings = tuple(sorted((*standing, *new), key=worst_first))
    verdict = "shortcuts found" if any_counts(findings, settings) else found.verdict
    return replace(found, findings=findings, verdict=verdict), tests.n_tests


def _can_be_shown(hit: Hit, indicators: Indicators, labels: Ints) -> bool:
    """Whether the sample holds images of the class with it and without it, and others: something for a person to look at."""
    inside = labels == hit.class_idx
    has, known = indicators.values[:, hit.indicator], indicators.known[:, hit.indicator]
    return bool((inside & has).any() and (inside & ~has & known).any() and (~inside & (labels >= 0) & known).any())


def _name(hit: Hit, indicators: Indicators, classes: tuple[str, ...]) -> str:
    """As `Finding.id` has it; of a number, whose cuts are one test, without the cut."""
    v = hit.indicator
    name = f"{classes[hit.class_idx]}:{indicators.attribute[v]}"
    return name if indicators.columns[v].form == "number" else f"{name}={indicators.value_names[v]}"


def _in_all(finding: Finding, table: Table, indicators: Indicators, classes: tuple[str, ...]) -> InAll | None:
    """The finding's shares by the counts of all images; None where there is nothing to compare with."""
    c, v = classes.index(finding.class_name), indicators.index(finding.attribute, finding.value)
    k, n = int(table.with_[c, v]), int(table.known[c, v])
    other_with, other_known = (int(x[c, v]) for x in table.elsewhere)
    if not n or not other_known:
        return None
    here, there = share_of(k, n), share_of(other_with, other_known)
    low, high = stats.newcombe(k, n, other_with, other_known)
    return InAll(n, k, here[0], here[1:], there[0], there[1:], here[0] - there[0], (float(low), float(high)))


def _standing(finding: Finding, table: Table, indicators: Indicators, classes: tuple[str, ...]) -> Finding:
    """A finding of the sample, which says how it stands in all images, too."""
    whole = _in_all(finding, table, indicators, classes)
    if whole is None:
        return finding
    inside, outside = (
        [percent(x) for x in shares]
        for shares in (
            (whole.share_in_class, *whole.share_in_class_ci),
            (whole.share_elsewhere, *whole.share_elsewhere_ci),
        )
    )
    said = (
        f" In all {int(table.sizes.sum()):,} images: {inside[0]}% [{inside[1]}, {inside[2]}], against "
        f"{outside[0]}% [{outside[1]}, {outside[2]}]."
    )
    return replace(finding, in_all=whole, sentence=finding.sentence + said)
