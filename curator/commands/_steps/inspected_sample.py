"""Choose the images to search for examples and to edit: all of a small data set, a seeded sample of a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curator import config
from curator.config import AppSettings
from curator.errors import InputError
from curator.probe.linear import CrossFit
from curator.report.wording import notes as words
from curator.shortcuts import detection, indicators
from curator.shortcuts.indicators import Indicators
from curator.types import AuditRun, Embedded, Finding, Ints, Mask, Measures

LARGE = config.LARGE
"""Largest data set that is inspected completely, and approximate size of the sample of a larger one."""
_LEAST = 50
"""Fewest images of every class, with and without the value of every finding, in the sample, if there are that many."""


@dataclass(frozen=True, slots=True)
class Part:
    """A sample of the images with all that is known about them; row i is the same image in each field.

    `whole` is the data set that they come from.
    """

    embedded: Embedded
    labels: Ints
    table: Indicators
    measures: Measures
    cross: CrossFit
    whole: Embedded


def part(
    findings: Sequence[Finding],
    embedded: Embedded,
    labels: Ints,
    table: Indicators,
    measures: Measures,
    cross: CrossFit,
    rng: np.random.Generator,
) -> Part:
    """All images of a data set of up to `LARGE` images, otherwise a sample.

    The sample has images of every class and, for every finding, images of the class and of the others, with and without
    the value. Rare groups are included completely.
    """
    n = len(embedded.dataset)
    if n <= LARGE:
        return Part(embedded, labels, table, measures, cross, embedded)
    taken = np.zeros(n, np.bool_)
    of_class = max(_LEAST, LARGE // (2 * max(1, len(embedded.dataset.classes))))
    for c in range(len(embedded.dataset.classes)):
        _take(taken, labels == c, of_class, rng)
    of_cell = max(_LEAST, LARGE // (8 * max(1, len(findings))))
    measured = set(zip(table.attribute, table.value_names, strict=True))
    for finding in findings:
        if (finding.attribute, finding.value) not in measured:
            continue
        v = table.index(finding.attribute, finding.value)
        with_, without = detection.members(finding, table, labels, embedded.dataset.classes)
        others = (labels >= 0) & table.known[:, v] & ~with_ & ~without
        for cell in (with_, without, others & table.values[:, v], others & ~table.values[:, v]):
            _take(taken, cell, of_cell, rng)
    rows = np.flatnonzero(taken)
    return Part(
        embedded.take(rows),
        labels[rows],
        table.take(rows),
        measures.take(rows),
        replace(cross, fold=cross.fold[rows], probabilities=cross.probabilities[rows]),
        embedded,
    )


def for_app(run: AuditRun) -> AuditRun:
    """The run, reduced to the number of images that the App shows (`AppSettings.most_images`) if it has more.

    It keeps every flagged image. Of the others it keeps the same fraction of each class, and within a class of the images
    that follow and that break its worst finding. Flagged images are examples and counter-examples of findings, duplicates,
    leaks and doubtful labels; if these alone exceed the limit, only flagged images are kept. A note says how many of how
    many are shown.
    """
    data = run.dataset
    most = int(run.settings.get("app", {}).get("most_images", AppSettings().most_images))
    if len(data) <= most:
        return run
    named = {i for f in run.audit.findings for i in (*f.example_ids, *f.counterexample_ids)}
    named |= {i for group in (*run.duplicates, *run.leaks) for i in group.ids} | {e.id for e in run.label_errors}
    taken = np.fromiter((i in named for i in data.ids.tolist()), np.bool_, len(data))
    n_flagged = int(taken.sum())
    stratum = _strata(run)
    rng = np.random.default_rng(run.seed)
    rest = rng.permutation(np.flatnonzero(~taken))
    # Stratified order: the first images of all strata come before the second, so that each keeps its share.
    rest = rest[np.argsort(stratum[rest], kind="stable")]
    _, first, sizes = np.unique(stratum[rest], return_index=True, return_counts=True)
    turn = (np.arange(len(rest)) - np.repeat(first, sizes) + 0.5) / np.repeat(sizes, sizes)
    taken[rest[np.argsort(turn, kind="stable")[: max(0, most - n_flagged)]]] = True
    rows = np.flatnonzero(taken)
    note = words.shown_in_app(len(rows), len(data), n_flagged)
    return replace(
        run,
        dataset=data.take(rows),
        embeddings=run.embeddings.take(rows),
        measures=run.measures.take(rows),
        clusters=replace(run.clusters, assignment=run.clusters.assignment[rows]),
        facts=run.facts.iloc[rows] if len(run.facts) else run.facts,
        patches=run.patches and run.patches.take(rows),
        notes=(*run.notes, note),
    )


def _strata(run: AuditRun) -> NDArray[np.int64]:
    """A stratum number (n,) per image: its class, and whether it follows or breaks the worst finding of the class.

    Images for which that is unknown are a stratum of their own.
    """
    out = run.dataset.labels.astype(np.int64) * 3
    done: set[str] = set()
    for f in run.audit.findings:
        if f.class_name in done or f.attribute not in run.measures.frame:
            continue
        done.add(f.class_name)
        try:
            has, known = indicators.read(run.measures, f.attribute, f.value)
        except InputError:  # its cut exists only in a pool's numbers
            continue
        inside = run.dataset.labels == run.dataset.classes.index(f.class_name)
        out[inside & known] += np.where(has[inside & known], 1, 2)
    return out


def _take(taken: Mask, cell: Mask, most: int, rng: np.random.Generator) -> None:
    """Mark up to `most` images of a cell, drawn at random."""
    rows: NDArray[np.intp] = np.flatnonzero(cell)
    taken[rows if len(rows) <= most else rng.choice(rows, most, replace=False, shuffle=False)] = True
