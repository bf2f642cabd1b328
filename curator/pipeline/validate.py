"""`curator validate`: the linear probe before and after, against as many images at random."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from curator import duplicates, indicators, probing, splitting
from curator.errors import DataError, InputError
from curator.pipeline.recommend import Advice, candidates_of, recommend, target, to_undo
from curator.pipeline.workbench import Workbench
from curator.probing import Groups, Holdout, TrainingSet
from curator.recommending import Pool, Target
from curator.report.serialise import unguarded
from curator.types import AuditRun, Embedded, Mask, Measures, ProbeReport

_BATCHES = 5
"""Points of the curve after the first: enough to see where it flattens."""


def validate(
    data: str | Path, pool: str | Path, bench: Workbench | None = None, *, plan: Path | None = None,
    test: str | Path | None = None, budget: int | None = None, strategy: str | None = None, attribute: str | None = None,
) -> tuple[Advice, ProbeReport]:  # fmt: skip
    """Train the probe on `data`, on `data` and the recommended images, and on `data` and as many random ones of the pool.

    The images to add are those of `plan` (a recommendation.csv, edited or not) or are chosen now. Their labels are the
    pool's own where it has any, else the plan's. The test set is `test`, else the test split of `data`, else a leak-free
    part of it held out. Test images that repeat a training image are left out, and pool images that repeat a test image
    are not added.

    Raises:
        DataError: no group can be examined, or nothing to add is left.
        InputError: a plan that is not a recommendation, or names images that the pool does not have.
    """
    bench = bench or Workbench.open()
    advice = recommend(data, pool, bench, budget=budget, strategy=strategy, attribute=attribute)
    run, theirs = advice.run, advice.pool
    first = _target(advice, attribute)
    candidates, _ = candidates_of(theirs, run, [first], bench)
    rows, labels, notes = _planned(advice, plan, candidates)
    train, holdout, held = _holdout(run, first, test, bench)
    notes += held
    leaked = _repeat_of_test(theirs, holdout, bench)
    notes += (
        [f"Images of the pool that repeat a test image, which no arm adds: {int(leaked.sum())}."]
        if leaked.any()
        else []
    )
    keep = ~leaked[rows]
    added = TrainingSet(theirs.embeddings.vectors[rows[keep]], labels[keep], first.pool_has[rows[keep]])
    report = probing.compare(
        TrainingSet(run.embeddings.vectors[train], run.dataset.labels[train], first.has[train]),
        added,
        _random_sets(candidates, theirs, first, leaked, len(added.labels), bench),
        Holdout(holdout.vectors, holdout.labels, holdout.groups),
        run.dataset.classes,
        class_idx=first.class_idx, attribute=first.column.name, value=first.value, settings=bench.settings.validate,
        rng=bench.rng("validate"), seed=bench.seed, notes=notes,
        batches=sorted({round(len(added.labels) * k / _BATCHES) for k in range(_BATCHES + 1)}),
    )  # fmt: skip
    return advice, report


def _target(advice: Advice, attribute: str | None) -> Target:
    return target(to_undo(advice.run, attribute, 1)[0], advice.run, advice.pool_measures)


def _planned(advice: Advice, plan: Path | None, candidates: Pool) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Pool rows to add and their labels, in the plan's order."""
    position = {str(i): k for k, i in enumerate(candidates.ids)}
    if plan is None:
        wanted = list(zip(advice.recommendation.ids, advice.recommendation.labels, strict=True))
    else:
        wanted = _read_plan(plan, advice.pool, position)
    rows, labels, dropped = [], [], 0
    classes = {name: k for k, name in enumerate(advice.run.dataset.classes)}
    given = candidates.label_source == "given"
    for id, label in wanted:
        k = int(candidates.labels[position[id]]) if given else classes.get(label, -1)
        if k < 0:
            dropped += 1
            continue
        rows.append(position[id])
        labels.append(k)
    notes = [f"Recommended images of no class of the data set, which are not added: {dropped}."] if dropped else []
    if not rows:
        notes.append("No image is added: the pool has none that is wanted. Only what is there already was examined.")
    elif not given:
        notes.append("The labels of the added images, recommended and random alike, are predicted, not given.")
    return np.array(rows, np.intp), np.array(labels, np.int32), notes


def _read_plan(plan: Path, pool: Embedded, position: dict[str, int]) -> list[tuple[str, str]]:
    try:
        table = pd.read_csv(plan, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as e:
        raise InputError(
            f"cannot read the plan {plan} ({e}); give the recommendation.csv that `curator recommend` wrote."
        ) from e
    if not {"path", "label"} <= set(table.columns):
        raise InputError(
            f"{plan} has no columns path and label; give the recommendation.csv that `curator recommend` wrote."
        )
    by_path = {os.path.realpath(pool.dataset.path(i)): str(pool.dataset.ids[i]) for i in range(len(pool.dataset))}
    wanted = []
    for path, label in zip(table["path"].map(unguarded), table["label"].map(unguarded), strict=True):
        id = by_path.get(os.path.realpath(path))
        if id is None or id not in position:
            raise InputError(
                f"{plan} names {path}, which is not in the pool; give the --pool that the plan was made from."
            )
        wanted.append((id, label))
    return wanted


class _Examined:
    """A test set with its groups and what is needed to find its repeats."""

    def __init__(self, embedded: Embedded, labels: np.ndarray, value: Mask, n_classes: int, smallest: int) -> None:
        self.embedded, self.labels = embedded, labels
        self.vectors = embedded.embeddings.vectors
        self.groups = Groups.of(labels, value, n_classes, smallest)


def _holdout(
    run: AuditRun, first: Target, test: str | Path | None, bench: Workbench
) -> tuple[np.ndarray, _Examined, list[str]]:
    """Training rows of the data set, the test set, and what to say about it."""
    smallest = bench.settings.validate.min_group
    n_classes = len(run.dataset.classes)
    labelled = run.dataset.labels >= 0
    is_train = labelled & ((run.dataset.splits == "train") | ("train" not in run.dataset.splits))
    if test is not None:
        return np.flatnonzero(is_train), *_given_test(run, first, test, is_train, bench)
    own = _as_embedded(run)
    if "test" in run.dataset.splits and "train" in run.dataset.splits:
        rows = np.flatnonzero(labelled & (run.dataset.splits == "test"))
        held = [f"The test set is the test split of the data ({len(rows)} images)."]
    else:
        known = np.flatnonzero(labelled)
        ids = run.dataset.ids[known]
        cells = pd.DataFrame({"class": run.dataset.labels[known], "value": first.has[known]}, index=ids)
        fraction = bench.settings.validate.test_frac
        dealt = splitting.split(
            ids, cells, run.duplicates, {"train": 1 - fraction, "test": fraction}, bench.rng("holdout")
        )
        side = np.full(len(labelled), "", dtype=object)
        side[known] = [dealt.assignment[str(i)] for i in ids]
        rows, is_train = np.flatnonzero(side == "test"), side == "train"
        held = [
            f"Without --test, {len(rows)} images of the data are held out, in proportion from every class and value."
        ]
    leaks = {i for g in run.duplicates for i in g.ids if any(is_train[run.dataset.ids == j].any() for j in g.ids)}
    rows = np.array([r for r in rows if str(run.dataset.ids[r]) not in leaks], np.intp)
    part = own.take(rows)
    return np.flatnonzero(is_train), _Examined(part, part.dataset.labels, first.has[rows], n_classes, smallest), held


def _given_test(
    run: AuditRun, first: Target, test: str | Path, is_train: Mask, bench: Workbench
) -> tuple[_Examined, list[str]]:
    embedded = bench.embed(bench.scan(test))
    names = embedded.dataset.label_names()
    index = {name: k for k, name in enumerate(run.dataset.classes)}
    labels = np.array([index.get(n, -1) for n in names], np.int32)
    strange = sorted({n for n in names if n not in index})
    if (labels < 0).all():
        raise DataError(f"the test set {test} has no image of a class of the data ({', '.join(run.dataset.classes)}).")
    table = indicators.build(run.measures, run.settings["audit"]["cuts"])
    cut = table.cuts[table.index(first.column.name, first.value)]
    measures: Measures = bench.measures(embedded, _as_embedded(run))
    has, known = indicators.read(measures, first.column.name, first.value, cut)
    repeated = _repeats_between(embedded, _as_embedded(run).take(np.flatnonzero(is_train)), bench)
    rows = np.flatnonzero((labels >= 0) & known & ~repeated)
    notes = (
        [f"Test images that repeat a training image, which are left out: {int(repeated.sum())}."]
        if repeated.any()
        else []
    )
    notes += (
        [f"Test images of {', '.join(n or 'no label' for n in strange)} are of no class of the data and are left out."]
        if strange
        else []
    )
    part = embedded.take(rows)
    return _Examined(part, labels[rows], has[rows], len(run.dataset.classes), bench.settings.validate.min_group), notes


def _as_embedded(run: AuditRun) -> Embedded:
    """The data set of a run, to be measured or compared again."""
    return Embedded(run.dataset, run.embeddings, run.measures.frame, run.facts, 0, 0.0)


def _repeats_between(mine: Embedded, theirs: Embedded, bench: Workbench) -> Mask:
    """Which of mine show what one of theirs shows."""
    n = len(mine.dataset)
    ids = np.concatenate([np.char.add("mine/", mine.dataset.ids), np.char.add("theirs/", theirs.dataset.ids)])
    facts = pd.concat([mine.facts, theirs.facts])
    both = type(mine.embeddings)(
        ids, np.concatenate([mine.embeddings.vectors, theirs.embeddings.vectors]), mine.embeddings.encoder
    )
    groups = duplicates.groups(
        ids, list(facts["sha256"]), facts["phash"].to_numpy(np.uint64), both, bench.settings.duplicates
    )
    shared = {i for g in groups if any(j.startswith("theirs/") for j in g.ids) for i in g.ids}
    return np.isin(ids[:n], np.array(sorted(shared), dtype=np.str_))


def _repeat_of_test(pool: Embedded, test: _Examined, bench: Workbench) -> Mask:
    return _repeats_between(pool, test.embedded, bench)


def _random_sets(
    candidates: Pool, pool: Embedded, first: Target, leaked: Mask, n: int, bench: Workbench
) -> list[TrainingSet]:
    """Random draws of n usable images of a known class: the control gets as clean a pool as the recommendation."""
    sure = candidates.usable & ~leaked & (candidates.labels >= 0)
    open_ = np.flatnonzero(sure)
    rng = bench.rng("random arm")
    sets = []
    for _ in range(bench.settings.validate.n_random):
        rows = rng.permutation(open_)[:n]
        sets.append(TrainingSet(pool.embeddings.vectors[rows], candidates.labels[rows], first.pool_has[rows]))
    return sets
