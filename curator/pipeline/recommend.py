"""`curator recommend`: which images of a pool to add."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator import duplicates, indicators, probing, recommending
from curator.errors import DataError, InputError
from curator.pipeline.audit import audit_embedded
from curator.recommenders import STRATEGIES
from curator.recommending import Pool, Target
from curator.types import AuditRun, DuplicateGroup, Embedded, Finding, Ints, Mask, Measures, Recommendation
from curator.workbench import Workbench, one_class


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation and what it was made of: `findings` it undoes, as `targets` on the rows of `run`, `candidates`."""

    run: AuditRun
    recommendation: Recommendation
    pool: Embedded
    pool_measures: Measures
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    targets: tuple[Target, ...]
    candidates: Pool


def recommend(
    data: str | Path, pool: str | Path, bench: Workbench | None = None, *, budget: int | None = None,
    strategy: str | None = None, attribute: str | None = None,
) -> Advice:  # fmt: skip
    """Choose up to `budget` images of `pool` that undo the findings of `data`.

    `attribute` "CLASS:ATTRIBUTE=VALUE" names the one shortcut to undo, whether or not it is a finding; by default the
    worst findings of severity medium or high are undone together.

    Raises:
        DataError: there is nothing to undo.
        InputError: an unknown strategy or attribute.
    """
    bench = bench or Workbench.open()
    STRATEGIES.get(strategy or bench.settings.recommend.strategy)  # before the work, not after it
    embedded = bench.embed(one_class(bench.scan(data)))
    theirs = bench.embed(bench.scan(pool))
    run = audit_embedded(embedded, bench, theirs)
    return advise(run, theirs, bench, to_undo(run, attribute), budget=budget, strategy=strategy)


def advise(
    run: AuditRun, theirs: Embedded, bench: Workbench, findings: Sequence[Finding], *, measures: Measures | None = None,
    budget: int | None = None, strategy: str | None = None,
) -> Advice:  # fmt: skip
    """Undo the first few of `findings` that the pool can be read for. Nothing is learned of rows outside the train split.

    `measures` are the pool's, by default read by the thresholds of `run`.

    Raises:
        DataError: the pool can be read for none of them, or it has no labels and `run` one class.
    """
    if measures is None:
        measures = bench.measures(theirs, as_embedded(run))
    findings, notes = readable(findings, {"pool": measures})
    findings = findings[: bench.settings.recommend.max_findings]
    targets = [target(f, run, measures) for f in findings]
    candidates, said = candidates_of(theirs, run, targets, bench)
    rows = training(run)
    recommendation = recommending.recommend(
        run.dataset.labels[rows], run.dataset.classes, [replace(t, has=t.has[rows]) for t in targets], candidates,
        STRATEGIES.get(strategy or bench.settings.recommend.strategy),
        bench.settings.recommend.budget if budget is None else budget, bench.rng("recommend"),
        confidence=bench.settings.recommend.confidence,
    )  # fmt: skip
    return Advice(run, recommendation, theirs, measures, (*notes, *said), tuple(findings), tuple(targets), candidates)


def training(run: AuditRun) -> NDArray[np.intp]:
    """The rows a network would be trained on: labelled, and of the train split where there is one."""
    train = run.dataset.labels >= 0
    if "train" in run.dataset.splits:
        train = train & (run.dataset.splits == "train")
    return np.flatnonzero(train)


def as_embedded(run: AuditRun) -> Embedded:
    """The data set of a run, to be measured or compared again."""
    return Embedded(run.dataset, run.embeddings, run.measures.frame, run.facts, 0, 0.0, run.patches)


def readable(findings: Sequence[Finding], sets: Mapping[str, Measures]) -> tuple[list[Finding], list[str]]:
    """The findings whose attribute was measured in every set (by what it is called), and notes on the others.

    Raises:
        DataError: there is none; the message is of the first.
    """
    kept, notes = [], []
    for finding in findings:
        lacking = [name for name, measures in sets.items() if not _measured(measures, finding.attribute)]
        if not lacking:
            kept.append(finding)
            continue
        family, _, column = finding.attribute.partition(".")
        what = f"no column {column}" if family == "metadata" else f"no image with a measured {finding.attribute}"
        notes.append(f"The {lacking[0]} has {what}, so {finding.id} is left out.")
    if findings and not kept:
        raise DataError(
            f"{notes[0][0].lower()}{notes[0][1:].partition(', so ')[0]}, which {findings[0].id} is about; "
            "add it, or name another shortcut with --attribute CLASS:ATTRIBUTE=VALUE."
        )
    return kept, notes


def _measured(measures: Measures, attribute: str) -> bool:
    return attribute in measures.frame and bool(measures.frame[attribute].notna().any())


def to_undo(run: AuditRun, attribute: str | None) -> list[Finding]:
    """The findings to act on, worst first. Raises DataError where there is none and InputError for a malformed `attribute`."""
    if attribute is not None:
        for finding in run.audit.findings:
            if finding.id == attribute:
                return [finding]
        return [named(attribute, run)]
    found = [f for f in run.audit.findings if f.severity != "low" and f.effect is not None and not f.intended]
    if not found:
        raise DataError(
            f"nothing to undo: the audit says {run.audit.verdict!r}; name a shortcut to plan for it all the same, "
            f"such as --attribute {shlex.quote(run.audit.findings[0].id)}."
            if run.audit.findings
            else f"nothing to undo: the audit says {run.audit.verdict!r}; "
            "name a shortcut with --attribute CLASS:ATTRIBUTE=VALUE to plan for it all the same."
        )
    return found


def named(text: str, run: AuditRun) -> Finding:
    """A shortcut the user named himself, with the shares only."""
    class_name, _, rest = text.partition(":")
    name, equals, value = rest.partition("=")
    if class_name not in run.dataset.classes or not equals:
        raise InputError(
            f"--attribute {text!r} is not CLASS:ATTRIBUTE=VALUE with a class of {', '.join(run.dataset.classes)}."
        )
    column = run.measures.column(name)
    table = indicators.build(run.measures, run.settings["audit"]["cuts"])
    if column.form != "number":
        table.index(name, value)  # a name that no image has is a slip of the pen
    has, known = indicators.read(run.measures, name, value)
    inside = run.dataset.labels == run.dataset.classes.index(class_name)
    n, k = int((inside & known).sum()), int((inside & has & known).sum())
    return Finding(
        class_name, name, value, column.kind, n, k, k / max(n, 1), (0.0, 1.0), None, None, None, None, None, None, "low",
        text,
    )  # fmt: skip


def target(finding: Finding, run: AuditRun, pool: Measures) -> Target:
    """Who has the finding's value, in the data set and in the pool, by the cut that the value is named after."""
    name, value = finding.attribute, finding.value
    has, known = indicators.read(run.measures, name, value)
    theirs, measured = indicators.read(pool, name, value)
    class_idx = run.dataset.classes.index(finding.class_name)
    return Target(class_idx, run.measures.column(name), value, has & known, theirs & measured, measured)


def twins(first: Embedded, second: Embedded, bench: Workbench) -> tuple[DuplicateGroup, ...]:
    """Groups of the same picture over two sets; ids get "first/" or "second/" before them, so that none collide."""
    ids = np.concatenate([np.char.add("first/", first.dataset.ids), np.char.add("second/", second.dataset.ids)])
    facts = pd.concat([first.facts, second.facts])
    vectors = np.concatenate([first.embeddings.vectors, second.embeddings.vectors])
    both = replace(first.embeddings, ids=ids, vectors=vectors, surround=None)
    phash = facts["phash"].to_numpy(np.uint64)
    return duplicates.groups(ids, list(facts["sha256"]), phash, both, bench.settings.duplicates)


def repeats(pool: Embedded, run: AuditRun, bench: Workbench) -> Mask:
    """Which pool images show what the data set, or an earlier pool image, shows already."""
    groups = twins(as_embedded(run), pool, bench)
    again = {i for g in groups for i in sorted(g.ids)[1:] if i.startswith("second/")}
    return np.isin(np.char.add("second/", pool.dataset.ids), np.array(sorted(again), dtype=np.str_))


def candidates_of(
    pool: Embedded, run: AuditRun, targets: Sequence[Target], bench: Workbench
) -> tuple[Pool, tuple[str, ...]]:
    """The pool with labels, given or row by row predicted, and without repeats and images of other classes.

    Raises:
        DataError: no image of the pool has a label, and one class has nothing to learn labels from.
    """
    names = np.array(pool.dataset.label_names(), dtype=np.str_)
    classes = run.dataset.classes
    labels, blank = class_indices(names, classes), names == ""
    if len(classes) < 2 and blank.all():
        # Likeness to the one class was tried: among sample pictures off the grass 6 of the 20 likest are bunnies.
        raise DataError(
            f"with one class, {classes[0]}, what the pool's images show cannot be predicted; give a labelled pool: "
            "class folders, or a table with the columns path and label."
        )
    again = repeats(pool, run, bench)
    notes = _notes(names, classes, again)
    rows = training(run)
    vectors, known = run.embeddings.vectors[rows], run.dataset.labels[rows]
    biased = fair = np.ones((len(names), len(classes)))
    if len(classes) > 1:
        c = bench.settings.recommend.c
        biased = probing.Probe.fit(vectors, known, len(classes), c).probabilities(pool.embeddings.vectors)
        # Reweighted, or bunnies off the grass, the very images that are wanted, would be read as something else.
        weights = probing.group_weights(known, targets[0].has[rows])
        fair = probing.Probe.fit(vectors, known, len(classes), c, weights).probabilities(pool.embeddings.vectors)
        labels = np.where(blank, fair.argmax(1), labels).astype(np.int32)
    confidence = np.where(blank, fair.max(1), 1.0)
    doubt = 1 - biased[np.arange(len(labels)), np.maximum(labels, 0)]
    source = np.where(blank, "predicted", "given")
    usable = ~again & (labels >= 0)
    return Pool(pool.dataset.ids, pool.embeddings.vectors, labels, source, confidence, doubt, usable), tuple(notes)


def _notes(names: NDArray[np.str_], classes: Sequence[str], again: Mask) -> list[str]:
    n_again, n_blank = int(again.sum()), int((names == "").sum())
    notes = []
    if n_again:
        notes.append(
            "1 image of the pool repeats one that is there already; it is not recommended."
            if n_again == 1
            else f"{n_again} images of the pool repeat one that is there already; they are not recommended."
        )
    notes += strange(names, classes, "pool")
    if n_blank and len(classes) < 2:
        notes.append(f"Images of the pool without a label, which one class cannot predict and are left out: {n_blank}.")
    elif n_blank == len(names):
        notes.append("The pool has no labels: those given here are predicted. Look at each image before you add it.")
    elif n_blank:
        notes.append(
            f"Images of the pool without a label, for which it is predicted: {n_blank}. Look at each before you add it."
        )
    return notes


def strange(names: NDArray[np.str_], classes: Sequence[str], where: str) -> list[str]:
    """What to say of labels that are no class of the data set: how many images, up to three names, what was meant."""
    odd = names[(names != "") & ~np.isin(names, np.array(classes, dtype=np.str_))]
    if not len(odd):
        return []
    found = sorted(set(odd.tolist()), key=lambda name: (-int((odd == name).sum()), name))
    more = ", ..." if len(found) > 3 else ""
    said = (
        f"Images of the {where} of no class of the data ({', '.join(found[:3])}{more}), which are left out: {len(odd)}."
    )
    folded = {c.casefold(): c for c in reversed(classes)}
    for name in found:
        near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.75)
        if near:
            return [f"{said} Did you mean {folded[near[0]]} by {name}?"]
    return [said]


def class_indices(names: NDArray[np.str_], classes: Sequence[str]) -> Ints:
    """Labels as indices of the data set's classes; -1 for none and for any other name."""
    index = {name: k for k, name in enumerate(classes)}
    return np.array([index.get(str(name), -1) for name in names], np.int32).reshape(-1)
