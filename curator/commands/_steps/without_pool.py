"""Suggest remedies without a pool: a subset to train on, sample weights, and the expected effect of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.commands._steps.gains import penalty
from curator.commands._steps.targets import training
from curator.commands.session import Session
from curator.probe import linear, reweighting
from curator.probe.groups import balanced_subset
from curator.selection.plan import Target
from curator.types import AuditRun, Finding
from curator.types.without_pool import RemedyName, Unaided


def unaided(run: AuditRun, finding: Finding, target: Target, session: Session) -> Unaided | None:
    """Remedies for the first shortcut that use only the images of `run`; None with one class.

    The subset has as many images of every class x value group as the smallest group has. A group without images stays
    empty; neither a subset nor weights can replace it.
    """
    rows = training(run)
    labels, has, k = run.dataset.labels[rows], target.has[rows], len(run.dataset.classes)
    if len(np.unique(labels)) < 2:
        return None
    vectors = run.embeddings.vectors[rows]
    subset = balanced_subset(labels * 2 + has, session.rng("subset")) > 0
    weights = linear.group_weights(labels, has)
    ways: dict[RemedyName, NDArray[np.float64]] = {
        "as it is": np.ones(len(rows)),
        "subset": subset.astype(float),
        "weights": weights,
    }
    c = penalty(vectors, labels, k, session)
    remedies = reweighting.examine(
        vectors, labels, has, ways, k, c, session.rng("unaided"), min_group=session.settings.validate.min_group
    )
    return Unaided(
        finding.class_name, finding.attribute, finding.value, run.dataset.classes, run.dataset.ids[rows],
        tuple(run.dataset.classes[i] for i in labels), subset, weights, remedies,
    )  # fmt: skip
