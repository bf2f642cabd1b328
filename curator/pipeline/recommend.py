"""`curator recommend`: which images of a pool to add."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator import dropping, duplicates, expecting, indicators, probing, recommending
from curator.errors import DataError, InputError
from curator.pipeline import labelling
from curator.pipeline.audit import audit_embedded
from curator.recommenders import STRATEGIES
from curator.recommending import Pool, Target
from curator.types import AuditRun, DuplicateGroup, Embedded, Finding, Floats, Ints, Mask, Measures, Recommendation
from curator.workbench import Workbench, one_class

Mode = Literal["add", "drop", "swap"]
MODES: tuple[Mode, ...] = ("add", "drop", "swap")
_SAME = 0.5
"""Correlation from which two values of one class's findings are taken for one shortcut, to be planned for once."""
_BATCHES = 5
"""Parts of the list at which a gain is expected."""
_MOST = 4000
"""Images on which the penalty of the probe is chosen, at most."""
_POOR = 0.5
"""Times the least of what the data set's own pictures have (but for one in a hundred) below which a picture is poor."""
_QUALITIES = {"sharpness.detail": "blurred", "light.brightness": "dark", "light.contrast": "flat"}


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
    data: str | Path, pool: str | Path | None, bench: Workbench | None = None, *, budget: int | None = None,
    strategy: str | None = None, attribute: str | None = None, mode: Mode = "add",
) -> Advice:  # fmt: skip
    """Choose up to `budget` images of `pool` that undo the findings of `data`; with `mode` drop or swap, as many to leave out.

    `attribute` "CLASS:ATTRIBUTE=VALUE" names the one shortcut to undo, whether or not it is a finding; by default the
    worst findings of severity medium or high are undone together. Without a pool there is the shopping list.

    Raises:
        DataError: there is nothing to undo.
        InputError: an unknown strategy, mode or attribute.
    """
    bench = bench or Workbench.open()
    STRATEGIES.get(strategy or bench.settings.recommend.strategy)  # before the work, not after it
    if mode not in MODES:
        raise InputError(f"there is no mode {mode!r}; there are: {', '.join(MODES)}.")
    if pool is None and mode == "swap":
        raise InputError("mode swap adds as many images as it drops; give a --pool to add from, or use --mode drop.")
    embedded = bench.embed(one_class(bench.scan(data)))
    theirs = bench.embed(bench.scan(pool)) if pool is not None else None
    run = audit_embedded(embedded, bench, theirs)
    measures = run.measures.take([]) if theirs is None else None
    theirs = theirs or as_embedded(run).take(np.array([], np.intp))
    return advise(
        run, theirs, bench, to_undo(run, attribute), measures=measures, budget=budget, strategy=strategy, mode=mode
    )


def advise(
    run: AuditRun, theirs: Embedded, bench: Workbench, findings: Sequence[Finding], *, measures: Measures | None = None,
    budget: int | None = None, strategy: str | None = None, mode: Mode = "add",
) -> Advice:  # fmt: skip
    """Undo the first few of `findings` that the pool can be read for. Nothing is learned of rows outside the train split.

    `measures` are the pool's, by default read by the thresholds of `run`.

    Raises:
        DataError: the pool can be read for none of them, or it has no labels and `run` one class.
    """
    settings = bench.settings.recommend
    if measures is None:
        measures = bench.measures(theirs, as_embedded(run))
    notes: list[str] = []
    if len(theirs.dataset):
        findings, notes = readable(findings, {"pool": measures})
    rows = training(run)
    findings, targets, folded = _distinct(findings, run, measures, rows)
    findings, targets = findings[: settings.max_findings], targets[: settings.max_findings]
    notes += folded
    candidates, said = candidates_of(theirs, run, targets, bench, measures)
    labels, classes = run.dataset.labels[rows], run.dataset.classes
    here = [replace(t, has=t.has[rows]) for t in targets]
    needs = None
    if len(classes) > 1 and len(theirs.dataset):
        needs = recommending.errors_by_cell(here, classes, candidates, settings.confidence)
    n = settings.budget if budget is None else budget
    recommendation = recommending.recommend(
        labels, classes, here, candidates, STRATEGIES.get(strategy or settings.strategy), 0 if mode == "drop" else n,
        bench.rng("recommend"), confidence=settings.confidence, needs=needs,
    )  # fmt: skip
    if mode != "add":
        ease = _ease(run, rows, bench)
        n_out = n if mode == "drop" else len(recommendation.ids)
        gone = dropping.removals(run.dataset.ids[rows], labels, classes, here, ease, n_out)
        recommendation = replace(recommendation, removals=gone, plan=() if mode == "drop" else recommendation.plan)
    recommendation = _expected(recommendation, run, rows, here[0], candidates, bench)
    return Advice(run, recommendation, theirs, measures, (*notes, *said), tuple(findings), tuple(targets), candidates)


def _distinct(
    findings: Sequence[Finding], run: AuditRun, pool: Measures, rows: NDArray[np.intp]
) -> tuple[list[Finding], list[Target], list[str]]:
    """The findings without those that go with an earlier one of their class: the same images break both."""
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
            notes.append(f"{finding.id} goes with {lead.id}: the images that break the one are planned for once.")
    return kept, targets, notes


def _correlation(one: Mask, other: Mask) -> float:
    if one.all() or other.all() or not one.any() or not other.any():
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def _ease(run: AuditRun, rows: NDArray[np.intp], bench: Workbench) -> NDArray[np.float64]:
    """The probability (n,) of each image's own label by a probe that has not seen it."""
    labels, vectors, k = run.dataset.labels[rows], run.embeddings.vectors[rows], len(run.dataset.classes)
    if k < 2:
        return np.ones(len(rows))
    return probing.out_of_fold(vectors, labels, k, bench.settings.recommend.c, bench.seed)[np.arange(len(rows)), labels]


def _penalty(vectors: Floats, labels: Ints, n_classes: int, bench: Workbench) -> float:
    """The regularisation that `validate` would choose, or the usual one where a class is too small to choose by."""
    some = np.sort(np.random.default_rng(bench.seed).permutation(len(labels))[:_MOST])
    if np.bincount(labels[some], minlength=n_classes).min() < 2:
        return bench.settings.recommend.c
    return probing.choose_c(vectors[some], labels[some], n_classes, bench.settings.validate.c_grid, bench.seed)


def _expected(
    rec: Recommendation, run: AuditRun, rows: NDArray[np.intp], first: Target, pool: Pool, bench: Workbench
) -> Recommendation:
    """The recommendation with what it should do to the worst group of the first shortcut."""
    k = len(run.dataset.classes)
    n = max(len(rec.ids), len(rec.removals))
    if k < 2 or not n:
        return rec
    known = True if first.pool_known is None else first.pool_known
    theirs = np.flatnonzero(pool.trusted(bench.settings.recommend.confidence) & known)
    position = {str(pool.ids[row]): i for i, row in enumerate(theirs)}
    mine = {str(i): place for place, i in enumerate(run.dataset.ids[rows])}
    labels, vectors = run.dataset.labels[rows], run.embeddings.vectors[rows]
    points = expecting.expect(
        expecting.Known(vectors, labels, first.has),
        expecting.Known(pool.vectors[theirs], pool.labels[theirs], first.pool_has[theirs]),
        # An image that serves another shortcut only may not be readable for this one.
        np.array([position[i] for i in rec.ids if i in position], np.intp),
        np.array([mine[r.id] for r in rec.removals], np.intp),
        sorted({round(n * step / _BATCHES) for step in range(_BATCHES + 1)}),
        k, _penalty(vectors, labels, k, bench), bench.rng("expect"), min_group=bench.settings.validate.min_group,
    )  # fmt: skip
    if not points:
        return rec
    gain = points[-1].gain, points[-1].ci
    return replace(rec, expected_gain=gain, expected_curve=points, enough=expecting.enough(points))


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
    pool: Embedded, run: AuditRun, targets: Sequence[Target], bench: Workbench, measures: Measures
) -> tuple[Pool, tuple[str, ...]]:
    """The pool with labels, given or row by row predicted, and without repeats and images of other classes.

    Raises:
        DataError: no image of the pool has a label, and one class has nothing to learn labels from.
    """
    names = np.array(pool.dataset.label_names(), dtype=np.str_)
    classes = run.dataset.classes
    labels, blank = class_indices(names, classes), names == ""
    if len(classes) < 2 and len(names) and blank.all():
        # Likeness to the one class was tried: among sample pictures off the grass 6 of the 20 likest are bunnies.
        raise DataError(
            f"with one class, {classes[0]}, what the pool's images show cannot be predicted; give a labelled pool: "
            "class folders, or a table with the columns path and label."
        )
    again = repeats(pool, run, bench) if len(names) else np.zeros(0, np.bool_)
    notes = _notes(names, classes, again)
    rows = training(run)
    vectors, known = run.embeddings.vectors[rows], run.dataset.labels[rows]
    confidence, doubt = np.ones(len(names)), np.zeros(len(names))
    if len(classes) > 1 and len(names):
        if blank.any():
            found = _label(pool, run, targets[0].has[rows], bench)
            labels = np.where(blank, found.labels, labels).astype(np.int32)
            confidence = np.where(blank, found.confidence, 1.0)
            strangers = int((blank & ~again & (found.belongs < 0.5)).sum())
            if strangers:
                notes.append(
                    f"Images of the pool that look like no class of the data, which are left out: {strangers}."
                )
        c = _penalty(vectors, known, len(classes), bench)
        biased = probing.Probe.fit(vectors, known, len(classes), c).probabilities(pool.embeddings.vectors)
        doubt = 1 - biased[np.arange(len(labels)), np.maximum(labels, 0)]
    caveats = _caveats(measures, run, rows)
    caveats = np.where((caveats == "") & (confidence < bench.settings.recommend.doubtful), "a doubtful label", caveats)
    source = np.where(blank, "predicted", "given")
    usable = ~again & (labels >= 0)
    return Pool(pool.dataset.ids, pool.embeddings.vectors, labels, source, confidence, doubt, usable, caveats), tuple(
        notes
    )


def _label(pool: Embedded, run: AuditRun, has: Mask, bench: Workbench) -> labelling.Labelling:
    """Labels for the pool, by the whole picture and, where something sees places, by the object alone."""
    rows = training(run)
    ours, theirs = [run.embeddings.vectors[rows]], [pool.embeddings.vectors]
    if run.patches is not None and pool.patches is not None:
        ours.append(labelling.object_view(run.patches.take(rows)))
        theirs.append(labelling.object_view(pool.patches))
    known = run.dataset.labels[rows]
    # Without weights, bunnies off the grass, the very images that are wanted, would be read as something else.
    weights = probing.group_weights(known, has)
    return labelling.label(
        ours, known, weights, len(run.dataset.classes), theirs, c=bench.settings.recommend.c, seed=bench.seed
    )


def _caveats(pool: Measures, run: AuditRun, rows: NDArray[np.intp]) -> NDArray[np.str_]:
    """What is wrong with each pool picture (p,), "" where nothing is: far blurrier, darker or flatter than the data's own."""
    out = np.full(len(pool.frame), "", dtype="<U32")
    for name, word in _QUALITIES.items():
        if _measured(pool, name) and _measured(run.measures, name):
            ours = pd.to_numeric(run.measures.frame[name], errors="coerce").to_numpy(float)[rows]
            theirs = pd.to_numeric(pool.frame[name], errors="coerce").to_numpy(float)
            out[theirs < _POOR * np.nanquantile(ours, 0.01)] = word
    return out


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
