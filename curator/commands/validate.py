"""`curator validate`: a linear probe without and with the recommended images, compared with as many random images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curator.commands._steps import evaluation_set
from curator.commands._steps.candidates import class_indices, strange
from curator.commands._steps.joined_data import refuse_synthetic
from curator.commands._steps.plan_file import Wanted, findings_of, read_plan
from curator.commands._steps.targets import readable, to_undo, training
from curator.commands.audit import audit_embedded
from curator.commands.recommend import Advice, advise
from curator.commands.session import Session, one_class
from curator.errors import DataError, InputError
from curator.probe import validation
from curator.probe.groups import Holdout, TrainingSet
from curator.readers import Data
from curator.recommenders import STRATEGIES
from curator.report.wording import notes as words
from curator.selection import choice
from curator.selection.plan import Target
from curator.shortcuts import indicators
from curator.types import AuditRun, Dataset, Embedded, Finding, Ints, Mask, ProbeReport, Recommendation

_BATCHES = 5
"""Number of points of the curve after the first, enough to show where it flattens."""


class Validation(NamedTuple):
    """A validation: the `report` of the linear probe, and the `advice` whose images it tests."""

    advice: Advice
    report: ProbeReport


def validate(
    data: Data, pool: Data, session: Session | None = None, *, plan: Path | None = None,
    test: Data | None = None, budget: int | None = None, strategy: str | None = None, attribute: str | None = None,
    synthetic: Path | None = None,
) -> Validation:  # fmt: skip
    """Train the probe on `data`, on `data` with the recommended images, and on `data` with as many random pool images.

    The images to add are those of `plan` (a recommendation.csv, which may have been edited), or they are chosen now. The
    label of an image is the pool's own if it has one, otherwise the plan's. The shortcut examined is `attribute`, or else
    the plan's first, or else the worst finding.

    The test set is `test`, or else the test split of `data`, or else its val split, or else a leak-free held-out part of
    `data` with the same number of images from every class x value group. In the last case everything is learnt from the
    rest. Test images that are duplicates of a training image are left out, and pool images that are duplicates of a test
    image are not added.

    `synthetic` is the manifest.csv of `curator recommend --synthesize`. Its images are a separate arm, without those made
    from a test image. Synthetic images in any other input are an error.

    The advice is for the run over all of `data`; its recommendation is the images that were added.

    Raises:
        DataError: a group that must be tested is too small, or no image of the plan can be added.
        InputError: the plan is not a recommendation, or it names images that are not in the pool.
    """
    session = session or Session.open()
    STRATEGIES.get(strategy or session.settings.recommend.strategy)  # checked before any work is done
    embedded = session.embed(one_class(_photographs(data, "the data", session)))
    theirs = session.embed(_photographs(pool, "the pool", session))
    if test is not None:
        _photographs(test, "the test set", session)
    wanted = read_plan(plan, theirs) if plan is not None else None
    run = audit_embedded(embedded, session, theirs)
    findings = findings_of(wanted, run) if wanted and attribute is None else []
    findings = findings or to_undo(run, attribute)
    measures = session.measures(theirs, embedded)
    sets = {"pool": measures}
    given = evaluation_set.read_test(test, run, session) if test is not None else None
    if given is not None:
        sets["test set"] = given.measures
    findings, notes = readable(findings, sets)
    findings, exam, held = _examined(run, findings, given, session)
    fitted = run
    if exam.held_out:
        # No model may learn from the test set. Attributes are measured the same way in training and test images.
        rest = audit_embedded(embedded.take(exam.train), session, theirs)
        fitted = replace(rest, measures=run.measures.take(exam.train))
        if wanted is None and attribute is None:
            findings = [findings[0], *(f for f in _medium(fitted) if f.id != findings[0].id)]
    advice = advise(fitted, theirs, session, findings, measures=measures, budget=budget, strategy=strategy)
    notes += [*held, *strange(np.array(theirs.dataset.label_names(), np.str_), run.dataset.classes, "pool")]
    leaked = evaluation_set.repeats_between(theirs, exam.embedded, session)
    if leaked.any():
        notes.append(words.repeats_test(int(leaked.sum())))
    rows, labels, said = _added(advice, wanted, leaked)
    first, mine = advice.targets[0], training(fitted)
    pool_vectors = theirs.embeddings.vectors
    before = TrainingSet(fitted.embeddings.vectors[mine], fitted.dataset.labels[mine], first.has[mine])
    others = {}
    if synthetic is not None:
        others["synthetic"], told = _synthetic(synthetic, fitted, first, embedded, session)
        said = [*said, *told]
    offered, is_true, more = _offered(advice, leaked, len(rows), session)
    report = validation.compare(
        before,
        TrainingSet(pool_vectors[rows], labels, first.pool_has[rows]),
        offered,
        Holdout(exam.embedded.embeddings.vectors, exam.labels, exam.groups),
        run.dataset.classes,
        class_idx=first.class_idx, attribute=first.column.name, value=first.value, settings=session.settings.validate,
        rng=session.rng("validate"), seed=session.seed, notes=list(dict.fromkeys([*notes, *said, *more])),
        batches=sorted({round(len(rows) * k / _BATCHES) for k in range(_BATCHES + 1)}), oracle=is_true,
        others=others, progress=lambda done, n: session.progress("fitting probes", done, n),
    )  # fmt: skip
    # A note that another encoder was used belongs to the validation as much as to the audit.
    report = replace(report, notes=tuple(dict.fromkeys((*run.notes, *report.notes))))
    recommendation = advice.recommendation if wanted is None else _as_recommendation(wanted, advice)
    return Validation(replace(advice, run=run, recommendation=recommendation), report)


def _examined(
    run: AuditRun, findings: Sequence[Finding], given: evaluation_set.Given | None, session: Session
) -> tuple[list[Finding], evaluation_set.Exam, list[str]]:
    """The findings with the first one that can be examined in front, its test set, and notes on those before it.

    Raises:
        DataError: none can be examined; the message is about the first one.
    """
    passed_over, first_error = list[str](), None
    for k, finding in enumerate(findings):
        try:
            exam, notes = evaluation_set.examine(run, finding, given, session)
        except DataError as error:
            first_error = first_error or error
            passed_over.append(_said(finding))
            continue
        rest = [f for f in findings if f is not finding]
        return [finding, *rest], exam, [*notes, *([words.not_examined(passed_over, _said(finding))] if k else [])]
    raise first_error or DataError("there is no finding to examine; name one with --attribute CLASS:ATTRIBUTE=VALUE.")


def _said(finding: Finding) -> str:
    return f'"{finding.class_name} images {finding.phrase}"' if finding.phrase else finding.id


def _photographs(data: Data, what: str, session: Session) -> Dataset:
    found = session.scan(data)
    refuse_synthetic(found, what)
    return found


def _synthetic(
    manifest: Path, run: AuditRun, target: Target, reference: Embedded, session: Session
) -> tuple[TrainingSet, list[str]]:
    """The images of a manifest made from training images only. Their values are measured like those of other images."""
    theirs = session.embed(session.scan(manifest))
    parts = [c for c in ("object_of", "background_of") if c in theirs.dataset.metadata.columns]
    if len(parts) < 2:
        raise InputError(f"{manifest} does not say what its images are made of; give the manifest.csv of --synthesize.")
    learnt = set(run.dataset.ids[training(run)].tolist())
    made_of = theirs.dataset.metadata[parts].astype(str)
    labels = class_indices(np.array(theirs.dataset.label_names(), np.str_), run.dataset.classes)
    safe = np.flatnonzero(made_of.isin(learnt).all(axis=1).to_numpy(bool) & (labels >= 0))
    measures = session.measures(theirs, reference)
    has = indicators.read(measures, target.column.name, target.value)[0]
    notes = [words.synthetic_arm(len(safe))]
    if len(safe) < len(labels):
        notes.append(words.synthetic_of_test(len(labels) - len(safe)))
    return TrainingSet(theirs.embeddings.vectors[safe], labels[safe], has[safe]), notes


def _medium(run: AuditRun) -> list[Finding]:
    return [f for f in run.audit.findings if f.severity != "low" and f.effect is not None and not f.intended]


def _added(advice: Advice, wanted: Wanted | None, leaked: Mask) -> tuple[NDArray[np.intp], Ints, list[str]]:
    """Pool rows to add and their labels, in the plan's order, without duplicates of test images; and notes."""
    pool, classes = advice.candidates, advice.run.dataset.classes
    if wanted is None:
        position = {str(i): k for k, i in enumerate(pool.ids)}
        named = [
            (position[i], label)
            for i, label in zip(advice.recommendation.ids, advice.recommendation.labels, strict=True)
        ]
    else:
        named = [(line.row, line.label) for line in wanted]
    index = {name: k for k, name in enumerate(classes)}
    rows, labels, n_odd = [], [], 0
    for row, label in dict(named).items():
        k = int(pool.labels[row]) if pool.label_source[row] == "given" else index.get(label, -1)
        n_odd += k < 0
        if k >= 0 and not leaked[row]:
            rows.append(row)
            labels.append(k)
    notes = [words.recommended_of_other_class(n_odd)] if n_odd else []
    if not rows and wanted is not None:
        raise DataError(
            f"no image of the plan can be added: {n_odd} of {len(dict(named))} have a label that is not a class of the data "
            f"({', '.join(classes)}), the others repeat test images; correct the plan's labels or make a new plan."
        )
    if not rows:
        notes.append(words.NOTHING_ADDED)
    # A label that a person has confirmed is not counted as predicted.
    confirmed = {line.row for line in wanted or () if line.source == "confirmed"}
    n_predicted = sum(pool.label_source[row] == "predicted" and row not in confirmed for row in rows)
    if n_predicted:
        notes.append(words.predicted_labels("recommended images", n_predicted, len(rows)))
    return np.array(rows, np.intp), np.array(labels, np.int32), notes


def _offered(advice: Advice, leaked: Mask, n: int, session: Session) -> tuple[TrainingSet, bool, list[str]]:
    """The images that the random arm draws from: all that a recommendation could choose, so that the control is fair.

    The second result says whether there is an oracle arm. It needs given labels for all of them, and at least `n` images.
    The third is notes.
    """
    pool, first = advice.candidates, advice.targets[0]
    open_ = np.flatnonzero(pool.trusted(session.settings.recommend.confidence) & ~leaked)
    notes = []
    if len(open_) < n:
        notes.append(words.few_random(len(open_), n))
    n_predicted = int((pool.label_source[open_] == "predicted").sum())
    if n and n_predicted:
        notes.append(words.predicted_labels("the random arm's pool", n_predicted, len(open_)))
    offered = TrainingSet(advice.pool.embeddings.vectors[open_], pool.labels[open_], first.pool_has[open_])
    return offered, not n_predicted and len(open_) >= n, notes


def _as_recommendation(wanted: Wanted, advice: Advice) -> Recommendation:
    """The plan's rows that fill a cell of the advice, for the report. What the pool lacks is taken from the advice."""
    cells = {(c.class_name, c.attribute, c.value_name): k for k, c in enumerate(advice.recommendation.plan)}
    lines = [line for line in wanted if line.cell in cells]
    filled = tuple(cells[line.cell] for line in lines)
    got = np.bincount(filled, minlength=len(cells)) if filled else np.zeros(len(cells), int)
    plan = tuple(
        replace(c, want=int(n) + c.missing, got=int(n)) for c, n in zip(advice.recommendation.plan, got, strict=True)
    )
    return Recommendation(
        ids=tuple(str(advice.candidates.ids[line.row]) for line in lines),
        labels=tuple(line.label for line in lines),
        label_sources=tuple(choice.SOURCES.get(line.source, "predicted") for line in lines),
        cells=filled,
        reasons=tuple(line.reason for line in lines),
        plan=plan,
        shopping_list=choice.shopping_list(plan),
    )
