"""Estimate the gain in worst-group accuracy from the recommended images, by refitting the probe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from curator.commands.session import Session
from curator.probe import linear
from curator.probe.expected_gain import Known, enough, expect
from curator.probe.groups import TrainingSet
from curator.probe.refits import choose_c
from curator.selection.choice import Pool
from curator.selection.plan import Target
from curator.types import AuditRun, Floats, Ints, Mask, Recommendation

_BATCHES = 5
"""Number of parts of the list after which the expected gain is estimated."""
_MOST = 4000
"""Most images used to choose the regularisation of the probe."""


def expected(
    rec: Recommendation, run: AuditRun, rows: NDArray[np.intp], first: Target, pool: Pool, session: Session
) -> Recommendation:
    """The recommendation with its expected gain for the worst group of the first shortcut."""
    k = len(run.dataset.classes)
    n = max(len(rec.ids), len(rec.removals))
    if k < 2 or not n:
        return rec
    known = True if first.pool_known is None else first.pool_known
    theirs = np.flatnonzero(pool.trusted(session.settings.recommend.confidence) & known)
    position = {str(pool.ids[row]): i for i, row in enumerate(theirs)}
    mine = {str(i): place for place, i in enumerate(run.dataset.ids[rows])}
    labels, vectors = run.dataset.labels[rows], run.embeddings.vectors[rows]
    points = expect(
        Known(vectors, labels, first.has),
        Known(pool.vectors[theirs], pool.labels[theirs], first.pool_has[theirs]),
        # An image chosen for another shortcut may have no measured value for this one.
        np.array([position[i] for i in rec.ids if i in position], np.intp),
        np.array([mine[r.id] for r in rec.removals], np.intp),
        sorted({round(n * step / _BATCHES) for step in range(_BATCHES + 1)}),
        k, penalty(vectors, labels, k, session, first.has), session.rng("expect"),
        min_group=session.settings.validate.min_group,
    )  # fmt: skip
    if not points:
        return rec
    gain = points[-1].gain, points[-1].ci
    return replace(rec, expected_gain=gain, expected_curve=points, enough=enough(points))


def ease_of(run: AuditRun, rows: NDArray[np.intp], session: Session) -> NDArray[np.float64]:
    """The probability (n,) of each image's own label, from a probe that was not trained on it."""
    labels, vectors, k = run.dataset.labels[rows], run.embeddings.vectors[rows], len(run.dataset.classes)
    if k < 2:
        return np.ones(len(rows))
    return linear.out_of_fold(vectors, labels, k, session.settings.recommend.c, session.seed)[
        np.arange(len(rows)), labels
    ]


def penalty(
    vectors: Floats, labels: Ints, n_classes: int, session: Session, value: Mask | None = None
) -> float:  # fmt: skip
    """The regularisation that `validate` would choose, or the default if a class is too small to choose it.

    `value` (n,) says which images have the first shortcut's value. With None the groups are the classes alone.
    """
    some = np.sort(np.random.default_rng(session.seed).permutation(len(labels))[:_MOST])
    if np.bincount(labels[some], minlength=n_classes).min() < 2:
        return session.settings.recommend.c
    has = np.zeros(len(labels), np.bool_) if value is None else value
    data = TrainingSet(vectors[some], labels[some], has[some])
    return choose_c(data, n_classes, session.settings.validate.c_grid, session.seed)
