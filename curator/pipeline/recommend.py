"""`curator recommend`: which images of a pool to add."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from curator import duplicates, indicators, probing, recommending
from curator.errors import DataError, InputError
from curator.pipeline.audit import audit_embedded
from curator.pipeline.workbench import Workbench, one_class
from curator.recommenders import STRATEGIES
from curator.recommending import Pool, Target
from curator.types import AuditRun, DuplicateGroup, Embedded, Finding, Ints, Mask, Measures, Recommendation


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation and what it was made of."""

    run: AuditRun
    recommendation: Recommendation
    pool: Embedded
    pool_measures: Measures
    notes: tuple[str, ...]


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
    chosen = STRATEGIES.get(strategy or bench.settings.recommend.strategy)
    embedded = bench.embed(one_class(bench.scan(data)))
    theirs = bench.embed(bench.scan(pool))
    run = audit_embedded(embedded, bench, theirs)
    measures = bench.measures(theirs, embedded)
    targets = [target(f, run, measures) for f in to_undo(run, attribute, bench.settings.recommend.max_findings)]
    candidates, notes = candidates_of(theirs, run, targets, bench)
    training = _training(run)
    advice = recommending.recommend(
        run.dataset.labels[training], run.dataset.classes, [_on(t, training) for t in targets], candidates, chosen,
        bench.settings.recommend.budget if budget is None else budget, bench.rng("recommend"),
        confidence=bench.settings.recommend.confidence,
    )  # fmt: skip
    return Advice(run, advice, theirs, measures, notes)


def _training(run: AuditRun) -> np.ndarray:
    """The rows a network would be trained on: labelled, and of the train split where there is one."""
    train = run.dataset.labels >= 0
    if "train" in run.dataset.splits:
        train = train & (run.dataset.splits == "train")
    return np.flatnonzero(train)


def _on(target: Target, rows: np.ndarray) -> Target:
    return replace(target, has=target.has[rows])


def to_undo(run: AuditRun, attribute: str | None, most: int) -> list[Finding]:
    """The findings to act on. Raises DataError where there is none and InputError for a malformed `attribute`."""
    if attribute is not None:
        for finding in run.audit.findings:
            if finding.id == attribute:
                return [finding]
        return [_named(attribute, run)]
    found = [f for f in run.audit.findings if f.severity != "low" and f.effect is not None][:most]
    if not found:
        raise DataError(
            f"nothing to undo: the audit says {run.audit.verdict!r}; name a shortcut to plan for it all the same, "
            f"such as --attribute {shlex.quote(run.audit.findings[0].id)}."
            if run.audit.findings
            else f"nothing to undo: the audit says {run.audit.verdict!r}; "
            "name a shortcut with --attribute CLASS:ATTRIBUTE=VALUE to plan for it all the same."
        )
    return found


def _named(text: str, run: AuditRun) -> Finding:
    """A shortcut the user named himself, with the shares only."""
    class_name, _, rest = text.partition(":")
    name, equals, value = rest.partition("=")
    if class_name not in run.dataset.classes or not equals:
        raise InputError(
            f"--attribute {text!r} is not CLASS:ATTRIBUTE=VALUE with a class of {', '.join(run.dataset.classes)}."
        )
    run.measures.column(name)
    table = indicators.build(run.measures, run.settings["audit"]["cuts"])
    v = table.index(name, value)
    inside = run.dataset.labels == run.dataset.classes.index(class_name)
    n, k = int((inside & table.known[:, v]).sum()), int((inside & table.values[:, v]).sum())
    column = table.columns[v]
    return Finding(
        class_name,
        name,
        value,
        column.kind,
        n,
        k,
        k / max(n, 1),
        (0.0, 1.0),
        None,
        None,
        None,
        None,
        None,
        None,
        "low",
        text,
    )


def target(finding: Finding, run: AuditRun, pool: Measures) -> Target:
    """Who has the finding's value, in the data set and in the pool, by the data set's own cut."""
    table = indicators.build(run.measures, run.settings["audit"]["cuts"])
    v = table.index(finding.attribute, finding.value)
    has, known = indicators.read(pool, finding.attribute, finding.value, table.cuts[v])
    class_idx = run.dataset.classes.index(finding.class_name)
    return Target(class_idx, table.columns[v], finding.value, table.values[:, v], has & known, known)


def repeats(pool: Embedded, run: AuditRun, bench: Workbench) -> tuple[Mask, tuple[DuplicateGroup, ...]]:
    """Which pool images show what the data set, or an earlier pool image, shows already."""
    ids = np.concatenate([np.char.add("data/", run.dataset.ids), np.char.add("pool/", pool.dataset.ids)])
    facts = pd.concat([run.facts, pool.facts])
    vectors = np.concatenate([run.embeddings.vectors, pool.embeddings.vectors])
    both = replace(run.embeddings, ids=ids, vectors=vectors)
    groups = duplicates.groups(
        ids, list(facts["sha256"]), facts["phash"].to_numpy(np.uint64), both, bench.settings.duplicates
    )
    again = {i for g in groups for i in sorted(g.ids)[1:] if i.startswith("pool/")}
    return np.isin(np.char.add("pool/", pool.dataset.ids), np.array(sorted(again), dtype=np.str_)), groups


def candidates_of(
    pool: Embedded, run: AuditRun, targets: list[Target], bench: Workbench
) -> tuple[Pool, tuple[str, ...]]:
    """The pool with labels, given or predicted, and without repeats."""
    given = _labels_as(pool, run.dataset.classes)
    again, _ = repeats(pool, run, bench)
    notes = (
        [
            "1 image of the pool repeats one that is there already; it is not recommended."
            if again.sum() == 1
            else f"{int(again.sum())} images of the pool repeat one that is there already; they are not recommended."
        ]
        if again.any()
        else []
    )
    rows = _training(run)
    vectors, labels = run.embeddings.vectors[rows], run.dataset.labels[rows]
    n_classes = len(run.dataset.classes)
    if n_classes < 2:
        biased = fair = np.ones((len(pool.dataset), 1))
    else:
        c = bench.settings.recommend.c
        biased = probing.Probe.fit(vectors, labels, n_classes, c).probabilities(pool.embeddings.vectors)
        # Reweighted, or bunnies off the grass, the very images that are wanted, would be read as something else.
        weights = probing.group_weights(labels, targets[0].has[rows])
        fair = probing.Probe.fit(vectors, labels, n_classes, c, weights).probabilities(pool.embeddings.vectors)
    if (given >= 0).any():
        labels_, confidence, usable = given, np.ones(len(given)), (given >= 0) & ~again
    else:
        labels_, confidence, usable = fair.argmax(1).astype(np.int32), fair.max(1), ~again
        notes.append("The pool has no labels: those given here are predicted. Look at each image before you add it.")
    doubt = 1 - biased[np.arange(len(labels_)), np.maximum(labels_, 0)]
    source = "given" if (given >= 0).any() else "predicted"
    return Pool(pool.dataset.ids, pool.embeddings.vectors, labels_, source, confidence, doubt, usable), tuple(notes)  # type: ignore[arg-type]


def _labels_as(pool: Embedded, classes: tuple[str, ...]) -> Ints:
    """The pool's labels as indices of the data set's classes; -1 where it has none of these."""
    index = {name: k for k, name in enumerate(classes)}
    return np.array([index.get(name, -1) for name in pool.dataset.label_names()], np.int32).reshape(-1)
