"""The images among which examples are looked for and pictures edited: all of a small set, a seeded part of a large one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from curator import config
from curator.config import AppSettings
from curator.errors import InputError
from curator.probe.linear import CrossFit
from curator.shortcuts import detection, indicators
from curator.shortcuts.indicators import Indicators
from curator.types import AuditRun, Embedded, Finding, Ints, Mask, Measures

LARGE = config.LARGE
"""Images above which only a part is looked at closely, and about how many that part has."""
_LEAST = 50
"""Images of every class, and on each side of every finding, that are in the part at least, where there are as many."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the images with all that is known of them; row i is the same image in each. `whole` is the set they are of."""

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
    """Everything up to `LARGE` images; of more, some of every class, and of every finding some of the class with the value and
    without it, and of the others with and without: what is rare is all in it."""
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
    """The run of no more images than the App takes (`AppSettings.most_images`), if that is fewer: every flagged image, and of
    the others as large a part of each class, and of those that follow or break its worst finding.

    Flagged are the examples and counter-examples of findings, duplicates, leaks and doubtful labels; where these alone are
    more, they are all there is. A note says how many of how many are shown.
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
    # Dealt out by strata, each in its own share: the first of every stratum come before the second.
    rest = rest[np.argsort(stratum[rest], kind="stable")]
    _, first, sizes = np.unique(stratum[rest], return_index=True, return_counts=True)
    turn = (np.arange(len(rest)) - np.repeat(first, sizes) + 0.5) / np.repeat(sizes, sizes)
    taken[rest[np.argsort(turn, kind="stable")[: max(0, most - n_flagged)]]] = True
    rows = np.flatnonzero(taken)
    note = (
        f"The App shows {len(rows):,} of {len(data):,} images: all {n_flagged:,} flagged images (examples, duplicates, "
        "doubtful labels) and a sample of the others, with the same fraction of every class."
    )
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
    """A number (n,) for the class of each image and whether it follows, breaks or is not told of the worst finding of it."""
    out = run.dataset.labels.astype(np.int64) * 3
    done: set[str] = set()
    for f in run.audit.findings:
        if f.class_name in done or f.attribute not in run.measures.frame:
            continue
        done.add(f.class_name)
        try:
            has, known = indicators.read(run.measures, f.attribute, f.value)
        except InputError:  # a value that only a pool's numbers have
            continue
        inside = run.dataset.labels == run.dataset.classes.index(f.class_name)
        out[inside & known] += np.where(has[inside & known], 1, 2)
    return out


def _take(taken: Mask, cell: Mask, most: int, rng: np.random.Generator) -> None:
    """Mark up to `most` images of a cell, drawn at random."""
    rows: NDArray[np.intp] = np.flatnonzero(cell)
    taken[rows if len(rows) <= most else rng.choice(rows, most, replace=False, shuffle=False)] = True
