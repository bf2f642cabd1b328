"""Collect evidence for each finding: images that follow it, images that break it, and the reliance of a probe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from curator.commands._steps import conflicting_images, inspected_sample, interventions
from curator.commands._steps.inspected_sample import Part
from curator.commands.session import Session
from curator.probe import linear, reliance
from curator.probe.linear import CrossFit
from curator.shortcuts import detection
from curator.shortcuts.indicators import Indicators
from curator.similarity import clusters
from curator.types import Audit, Embedded, Finding, Floats, Ints, Mask, Measures

PROBE_C = 0.1
"""Inverse regularisation of the probe for reliance and label errors: the middle of the grid that `validate` tries."""
SMALLEST = 5
"""Fewest images of a class for a cross-validated probe: one in each fold."""


def cross_fit(embedded: Embedded, labels: Ints, session: Session, contents: Ints | None = None) -> CrossFit:
    """Cross-validated probes for the classes that are large enough; no probes if there are fewer than two such classes.

    `contents` (n,) numbers the images by content: copies are in one fold, and count once for the size of a class.
    """
    n_classes = len(embedded.dataset.classes)
    large = np.flatnonzero(linear.distinct_groups(labels, contents, n_classes) >= SMALLEST)
    rows = np.isin(labels, large) if len(large) > 1 else np.zeros(len(labels), np.bool_)
    return linear.cross_fit(
        embedded.embeddings.vectors, labels, n_classes, PROBE_C, session.seed, rows=rows, groups=contents
    )


def gather(
    audit: Audit,
    embedded: Embedded,
    labels: Ints,
    table: Indicators,
    measures: Measures,
    cross: CrossFit,
    session: Session,
    part: Part | None = None,
) -> Audit:
    """Add example images and reliance to the findings and judge their severity again; worst first.

    The accuracy gap is computed on all images. Examples and images to edit come from `part` (default: the images that
    `inspected_sample.part` takes).
    """
    settings = session.settings.audit
    if part is None:
        part = inspected_sample.part(audit.findings, embedded, labels, table, measures, cross, session.rng("part"))
    predicted = cross.probabilities.argmax(1)
    to_edit = [f.id for f in audit.findings if f.kind not in ("object", "unclear")][: settings.n_edited]
    found = []
    # Computed once for all findings.
    around = conflicting_images.seen(part.embedded, embedded) if audit.findings else embedded.embeddings.vectors
    for i, finding in enumerate(audit.findings):
        session.progress("testing findings", i, len(audit.findings))
        if not _is_measured(finding, table):
            found.append(finding)  # its cut exists only in the pool's numbers
            continue
        finding = _with_pictures(finding, part, around, session)
        finding = _with_gap(finding, embedded, labels, table, cross.fold >= 0, predicted, session)
        if finding.id in to_edit and finding.effect is not None:
            finding = _with_edits(finding, part, session)
        found.append(detection.judged(finding, settings))
    session.progress("testing findings", len(found), len(found))
    if audit.verdict != "too few images to tell":
        found = detection.worst_first(found)
    if audit.verdict == "shortcuts found" and not detection.any_counts(found, settings):
        audit = replace(audit, verdict="none found")  # findings of medium severity are now low
    return replace(audit, findings=tuple(found))


def _is_measured(finding: Finding, table: Indicators) -> bool:
    return (finding.attribute, finding.value) in set(zip(table.attribute, table.value_names, strict=True))


def _with_pictures(finding: Finding, part: Part, around: Floats, session: Session) -> Finding:
    """Add typical images that follow the rule, and images that break it, the most certain first."""
    embedded, labels, table = part.embedded, part.labels, part.table
    with_, without = detection.members(finding, table, labels, embedded.dataset.classes)
    ids, n = embedded.dataset.ids, session.settings.audit.n_examples
    rows = np.flatnonzero(with_)
    typical = rows[clusters.medoids(embedded.embeddings.vectors[rows], n)]
    breaking = conflicting_images.surest(
        finding, np.flatnonzero(without), embedded, labels, table, part.measures, around, session
    )[:n]
    return detection.with_examples(finding, tuple(map(str, ids[typical])), tuple(map(str, ids[breaking])))


def _with_gap(
    finding: Finding, embedded: Embedded, labels: Ints, table: Indicators, examined: Mask, predicted: NDArray[np.intp],
    session: Session,
) -> Finding:  # fmt: skip
    class_idx = embedded.dataset.classes.index(finding.class_name)
    if finding.effect is None or not examined[labels == class_idx].any():
        return finding
    v = table.index(finding.attribute, finding.value)
    used = examined & table.known[:, v]
    rng = session.rng(f"reliance {finding.id}")
    gap = reliance.gap(predicted[used], labels[used], class_idx, table.values[used, v], rng)
    return structs.replace(finding, reliance=gap)


def _with_edits(finding: Finding, part: Part, session: Session) -> Finding:
    class_idx = part.embedded.dataset.classes.index(finding.class_name)
    if not (part.cross.fold >= 0)[part.labels == class_idx].any():
        return finding
    v = part.table.index(finding.attribute, finding.value)
    values, known = part.table.values[:, v], part.table.known[:, v]
    changed = interventions.by_editing(
        finding, part.table.columns[v], part.embedded, part.labels, values, known, part.cross, session
    )
    return structs.replace(finding, reliance=changed)
