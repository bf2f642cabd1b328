"""Choose which shortcuts to undo, and find which images of the data set and of the pool have their value."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from curator.errors import DataError, InputError
from curator.report.wording import notes as words
from curator.selection.plan import Target
from curator.shortcuts import indicators
from curator.types import AuditRun, Embedded, Finding, Mask, Measures

_SAME = 0.5
"""Correlation from which on the values of two findings of a class count as one shortcut, which is planned for once."""


def to_undo(run: AuditRun, attribute: str | None) -> list[Finding]:
    """The findings to act on, worst first, but patterns without a name after all others, because nobody can look for their
    images, and those about the files last, because no added image mends them.

    Raises DataError if there are none, InputError for a malformed `attribute`.
    """
    if attribute is not None:
        for finding in run.audit.findings:
            if finding.id == attribute:
                return [finding]
        return [named(attribute, run)]
    found = [f for f in run.audit.findings if f.severity != "low" and f.effect is not None and not f.intended]
    if not found:
        raise DataError(
            f"the audit found no shortcut to act on ({run.audit.verdict}); to plan anyway, name a shortcut, "
            f"such as --attribute {shlex.quote(run.audit.findings[0].id)}."
            if run.audit.findings
            else f"the audit found no shortcut to act on ({run.audit.verdict}); "
            "to plan anyway, name a shortcut with --attribute CLASS:ATTRIBUTE=VALUE."
        )
    return sorted(found, key=lambda f: (f.kind == "file", not f.has_name))


def with_images(findings: Sequence[Finding]) -> tuple[list[Finding], list[str]]:
    """The findings that added images can mend, and notes on those about the files. Raises: DataError if there are none."""
    kept, files = ([f for f in findings if (f.kind == "file") == is_file] for is_file in (False, True))
    if not kept:
        raise DataError(words.of_files([f.id for f in files]) + " To plan anyway, name a shortcut with --attribute.")
    return kept, [words.of_files([f.id for f in files])] if files else []


def named(text: str, run: AuditRun) -> Finding:
    """A shortcut that the user named, with its shares only (no tests)."""
    class_name, _, rest = text.partition(":")
    name, equals, value = rest.partition("=")
    if class_name not in run.dataset.classes or not equals:
        raise InputError(
            f"--attribute {text!r} is not CLASS:ATTRIBUTE=VALUE with a class of {', '.join(run.dataset.classes)}."
        )
    column = run.measures.column(name)
    table = indicators.build(run.measures, run.settings["audit"]["cuts"])
    if column.form != "number":
        table.index(name, value)  # raises if no image has this value, which is probably a typing error
    has, known = indicators.read(run.measures, name, value)
    inside = run.dataset.labels == run.dataset.classes.index(class_name)
    n, k = int((inside & known).sum()), int((inside & has & known).sum())
    return Finding(
        class_name=class_name,
        attribute=name,
        value=value,
        kind=column.kind,
        severity="low",
        sentence=text,
        phrase=indicators.plain_phrase(column, value),
        n_class=n,
        n_with=k,
        share_in_class=k / max(n, 1),
        effect=None,
        p=None,
        q=None,
        learnt=column.learnt,
        nth=column.nth,
        brought=column.brought,
    )


def readable(findings: Sequence[Finding], sets: Mapping[str, Measures]) -> tuple[list[Finding], list[str]]:
    """The findings with an attribute that was measured in every one of the named `sets`, and notes on the others.

    Raises:
        DataError: there is no such finding; the message is about the first one.
    """
    kept: list[Finding] = []
    left_out: list[tuple[str, Finding]] = []
    for finding in findings:
        lacking = [name for name, measures in sets.items() if not is_measured(measures, finding.attribute)]
        if not lacking:
            kept.append(finding)
            continue
        left_out.append((lacking[0], finding))
    if findings and not kept:
        name, first = left_out[0]
        raise DataError(
            f"the {name} has {words.lacks(first.attribute, first.brought)}, which {first.id} is about; "
            "add it, or name another shortcut with --attribute CLASS:ATTRIBUTE=VALUE."
        )
    return kept, [words.unmeasured(name, f.id, f.attribute, f.brought) for name, f in left_out]


def is_measured(measures: Measures, attribute: str) -> bool:
    return attribute in measures.frame and bool(measures.frame[attribute].notna().any())


def distinct(
    findings: Sequence[Finding], run: AuditRun, pool: Measures, rows: NDArray[np.intp]
) -> tuple[list[Finding], list[Target], list[str]]:
    """The findings without those correlated with an earlier finding of their class: the same images break both."""
    kept: list[Finding] = []
    targets: list[Target] = []
    notes = []
    for finding in findings:
        this = target(finding, run, pool)
        lead = next(
            (
                f
                for f, t in zip(kept, targets, strict=True)
                if f.class_name == finding.class_name and _correlation(t.has[rows], this.has[rows]) >= _SAME
            ),
            None,
        )
        if lead is None:
            kept.append(finding)
            targets.append(this)
        else:
            notes.append(words.planned_once(finding.id, lead.id))
    return kept, targets, notes


def _correlation(one: Mask, other: Mask) -> float:
    if one.all() or other.all() or not one.any() or not other.any():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def target(finding: Finding, run: AuditRun, pool: Measures) -> Target:
    """Which images of the data set and of the pool have the finding's value, by the cut in the name of the value."""
    name, value = finding.attribute, finding.value
    has, known = indicators.read(run.measures, name, value)
    theirs, measured = indicators.read(pool, name, value)
    class_idx = run.dataset.classes.index(finding.class_name)
    return Target(class_idx, run.measures.column(name), value, has & known, theirs & measured, measured)


def training(run: AuditRun) -> NDArray[np.intp]:
    """The rows that a network would be trained on: labelled, and in the train split if there is one."""
    train = run.dataset.labels >= 0
    if "train" in run.dataset.splits:
        train = train & (run.dataset.splits == "train")
    return np.flatnonzero(train)


def as_embedded(run: AuditRun) -> Embedded:
    """The data set of a run in the form that can be measured or compared again."""
    return Embedded(run.dataset, run.embeddings, run.measures.frame, run.facts, 0, 0.0, run.patches)
