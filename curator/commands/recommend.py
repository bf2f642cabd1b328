"""`curator recommend`: which images of a pool to add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from curator.commands._steps.candidates import candidates_of
from curator.commands._steps.gains import ease_of, expected
from curator.commands._steps.pool_values import reread
from curator.commands._steps.review import as_added, decided, kept_first
from curator.commands._steps.targets import as_embedded, distinct, readable, to_undo, training, with_images
from curator.commands._steps.without_pool import unaided
from curator.commands.audit import audit_embedded
from curator.commands.session import Session, one_class
from curator.errors import InputError
from curator.readers import Data
from curator.recommenders import STRATEGIES
from curator.report.wording import notes as words
from curator.selection import choice, removal
from curator.selection.choice import Pool
from curator.selection.decisions import Review
from curator.selection.plan import Target
from curator.types import AuditRun, Embedded, Finding, Measures, Recommendation
from curator.types.without_pool import Unaided

Mode = Literal["add", "drop", "swap"]
MODES: tuple[Mode, ...] = ("add", "drop", "swap")


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation and its basis: the `findings` it counteracts, as `targets` on the rows of `run`, and `candidates`.

    `unaided` says what can be done with the present images if there is no pool.
    """

    run: AuditRun
    recommendation: Recommendation
    pool: Embedded
    pool_measures: Measures
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    targets: tuple[Target, ...]
    candidates: Pool
    unaided: Unaided | None = None


def recommend(
    data: Data, pool: Data | None, session: Session | None = None, *, budget: int | None = None,
    strategy: str | None = None, attribute: str | None = None, mode: Mode = "add", review: Review | None = None,
) -> Advice:  # fmt: skip
    """Choose up to `budget` images of `pool` that counteract the findings of `data`.

    With `mode` drop or swap, as many images are chosen to leave out. `attribute` "CLASS:ATTRIBUTE=VALUE" names the only
    shortcut to counteract, whether or not it is a finding. By default the plan counteracts the worst findings of severity
    medium or high together. Without a pool the result is the shopping list. After a `review`, rejected images are never
    chosen, accepted images come first, and other images replace the rejected ones.

    Raises:
        DataError: the audit found no shortcut to act on.
        InputError: the strategy, mode or attribute is unknown.
    """
    session = session or Session.open()
    STRATEGIES.get(strategy or session.settings.recommend.strategy)  # checked before any work is done
    if mode not in MODES:
        raise InputError(f"the mode {mode!r} is unknown; use one of {', '.join(MODES)}.")
    if pool is None and mode == "swap":
        raise InputError(
            "--mode swap adds as many images as it drops; a pool is needed; give --pool, or use --mode drop."
        )
    if pool is None and review is not None:
        raise InputError("a review needs the pool that its images come from; give --pool.")
    embedded = session.embed(one_class(session.scan(data)))
    theirs = session.embed(session.scan(pool)) if pool is not None else None
    run = audit_embedded(embedded, session, theirs)
    measures = run.measures.take([]) if theirs is None else None
    theirs = theirs or as_embedded(run).take(np.array([], np.intp))
    chosen, of_files = to_undo(run, attribute), list[str]()
    if attribute is None:
        chosen, of_files = with_images(chosen)
    advice = advise(
        run, theirs, session, chosen, measures=measures, budget=budget, strategy=strategy, mode=mode, review=review
    )
    advice = replace(advice, notes=(*of_files, *advice.notes))
    if pool is None and mode == "add":
        advice = replace(advice, unaided=unaided(run, advice.findings[0], advice.targets[0], session))
    return advice


def advise(
    run: AuditRun, theirs: Embedded, session: Session, findings: Sequence[Finding], *, measures: Measures | None = None,
    budget: int | None = None, strategy: str | None = None, mode: Mode = "add", review: Review | None = None,
) -> Advice:  # fmt: skip
    """Counteract the first few of `findings` whose attribute is measured in the pool. Only the train split is learned from.

    `measures` are the pool's, by default with the thresholds of `run`.

    Raises:
        DataError: no attribute of the findings is measured in the pool, or the pool has no labels and `run` one class.
    """
    settings = session.settings.recommend
    if measures is None:
        measures = session.measures(theirs, as_embedded(run))
    notes: list[str] = []
    if len(theirs.dataset):
        findings, notes = readable(findings, {"pool": measures})
    rows = training(run)
    findings, targets, folded = distinct(findings, run, measures, rows)
    findings, targets = findings[: settings.max_findings], targets[: settings.max_findings]
    targets = [reread(t, f, run, theirs, session) for t, f in zip(targets, findings, strict=True)]
    notes += folded
    candidates, of_pool = candidates_of(theirs, run, targets, session, measures)
    labels, classes = run.dataset.labels[rows], run.dataset.classes
    here = [replace(t, has=t.has[rows]) for t in targets]
    needs = None
    if len(classes) > 1 and len(theirs.dataset):
        needs = choice.errors_by_cell(here, classes, candidates, settings.confidence)
    n = settings.budget if budget is None else budget
    reviewed = decided(candidates, theirs.dataset, classes, review or Review())
    candidates = reviewed.pool
    n_new = 0 if mode == "drop" else max(0, n - len(reviewed.kept))
    recommendation = choice.recommend(
        *as_added(labels, here, reviewed, classes), reviewed.open, STRATEGIES.get(strategy or settings.strategy), n_new,
        session.rng("recommend"), confidence=settings.confidence, needs=needs,
    )  # fmt: skip
    if len(reviewed.kept) and mode != "drop":
        recommendation = kept_first(recommendation, reviewed, targets, classes)
    if mode != "add":
        ease = ease_of(run, rows, session)
        n_out = n if mode == "drop" else len(recommendation.ids)
        gone = removal.removals(run.dataset.ids[rows], labels, classes, here, ease, n_out)
        recommendation = replace(recommendation, removals=gone, plan=() if mode == "drop" else recommendation.plan)
    recommendation = expected(recommendation, run, rows, here[0], candidates, session)
    notes += [*of_pool, *reviewed.notes]
    if mode != "drop" and len(theirs.dataset) and not recommendation.ids:
        notes.insert(0, _why_none(reviewed.open, here, classes, settings.confidence))
    return Advice(run, recommendation, theirs, measures, tuple(notes), tuple(findings), tuple(targets), candidates)


def _why_none(pool: Pool, targets: Sequence[Target], classes: Sequence[str], confidence: float) -> str:
    """Why no image of the pool was chosen, and what to do."""
    if not pool.usable.any():
        return words.NONE_USABLE
    if not pool.trusted(confidence).any():
        return words.none_certain(confidence)
    if not any(len(rows) for rows in choice.eligible_rows(targets, classes, pool, confidence).values()):
        return words.NONE_BREAKS
    return words.NONE_LACKING
