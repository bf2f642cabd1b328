"""What a person, and a probe, can check a finding by: pictures that follow it, pictures that break it, and reliance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from curator import auditing, clustering, probing, reliance
from curator.indicators import Indicators
from curator.pipeline import conflicting, intervening, sampling
from curator.pipeline.sampling import Part
from curator.probing import CrossFit
from curator.types import Audit, Embedded, Finding, Floats, Ints, Mask, Measures
from curator.workbench import Workbench

PROBE_C = 0.1
"""Inverse regularisation of the probe behind reliance and label errors: the middle of the grid that `validate` tries."""
SMALLEST = 5
"""Images of a class from which a cross-validated probe says anything about it: one in each fold."""


def cross_fit(embedded: Embedded, labels: Ints, bench: Workbench) -> CrossFit:
    """Probes that tell the classes apart, of classes of some size; with fewer than two of these, none."""
    n_classes = len(embedded.dataset.classes)
    sizes = np.bincount(labels[labels >= 0], minlength=n_classes)
    large = np.flatnonzero(sizes >= SMALLEST)
    rows = np.isin(labels, large) if len(large) > 1 else np.zeros(len(labels), np.bool_)
    return probing.cross_fit(embedded.embeddings.vectors, labels, n_classes, PROBE_C, bench.seed, rows=rows)


def gather(
    audit: Audit,
    embedded: Embedded,
    labels: Ints,
    table: Indicators,
    measures: Measures,
    cross: CrossFit,
    bench: Workbench,
    part: Part | None = None,
) -> Audit:
    """The findings with pictures to look at and with reliance, judged by both, worst first.

    The gap is that of all images; pictures to look at and to edit are of `part` (default: of the images that
    `sampling.part` takes).
    """
    settings = bench.settings.audit
    if part is None:
        part = sampling.part(audit.findings, embedded, labels, table, measures, cross, bench.rng("part"))
    predicted = cross.probabilities.argmax(1)
    to_edit = [f.id for f in audit.findings if f.kind != "object"][: settings.n_edited]
    found = []
    # Once for all findings.
    around = conflicting.seen(part.embedded, embedded) if audit.findings else embedded.embeddings.vectors
    for i, finding in enumerate(audit.findings):
        bench.progress("looking at findings", i, len(audit.findings))
        if not _is_measured(finding, table):
            found.append(finding)  # a cut that only the pool's numbers have
            continue
        finding = _with_pictures(finding, part, around, bench)
        finding = _with_gap(finding, embedded, labels, table, cross.fold >= 0, predicted, bench)
        if finding.id in to_edit and finding.effect is not None:
            finding = _with_edits(finding, part, bench)
        found.append(auditing.judged(finding, settings))
    bench.progress("looking at findings", len(found), len(found))
    if audit.verdict != "too few images to tell":
        found.sort(key=auditing.worst_first)
    if audit.verdict == "shortcuts found" and not auditing.any_counts(found, settings):
        audit = replace(audit, verdict="none found")  # what was medium has fallen to low
    return replace(audit, findings=tuple(found))


def _is_measured(finding: Finding, table: Indicators) -> bool:
    return (finding.attribute, finding.value) in set(zip(table.attribute, table.value_names, strict=True))


def _with_pictures(finding: Finding, part: Part, around: Floats, bench: Workbench) -> Finding:
    """Typical images that follow the rule; and those that break it, the surest first."""
    embedded, labels, table = part.embedded, part.labels, part.table
    with_, without = auditing.members(finding, table, labels, embedded.dataset.classes)
    ids, n = embedded.dataset.ids, bench.settings.audit.n_examples
    rows = np.flatnonzero(with_)
    typical = rows[clustering.medoids(embedded.embeddings.vectors[rows], n)]
    breaking = conflicting.surest(
        finding, np.flatnonzero(without), embedded, labels, table, part.measures, around, bench
    )[:n]
    return auditing.with_examples(finding, tuple(map(str, ids[typical])), tuple(map(str, ids[breaking])))


def _with_gap(
    finding: Finding, embedded: Embedded, labels: Ints, table: Indicators, examined: Mask, predicted: NDArray[np.intp],
    bench: Workbench,
) -> Finding:  # fmt: skip
    class_idx = embedded.dataset.classes.index(finding.class_name)
    if finding.effect is None or not examined[labels == class_idx].any():
        return finding
    v = table.index(finding.attribute, finding.value)
    used = examined & table.known[:, v]
    rng = bench.rng(f"reliance {finding.id}")
    return replace(finding, reliance=reliance.gap(predicted[used], labels[used], class_idx, table.values[used, v], rng))


def _with_edits(finding: Finding, part: Part, bench: Workbench) -> Finding:
    class_idx = part.embedded.dataset.classes.index(finding.class_name)
    if not (part.cross.fold >= 0)[part.labels == class_idx].any():
        return finding
    v = part.table.index(finding.attribute, finding.value)
    values, known = part.table.values[:, v], part.table.known[:, v]
    changed = intervening.by_editing(finding, part.embedded, part.labels, values, known, part.cross, bench)
    return replace(finding, reliance=changed)
