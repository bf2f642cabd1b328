"""Prepare the candidates of a pool: its images with labels, without repeats of the data set and without other classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.commands._steps import closeups, pool_labels
from curator.commands._steps.gains import penalty
from curator.commands._steps.targets import as_embedded, is_measured, training
from curator.commands.session import Session
from curator.errors import DataError, nearest
from curator.probe import linear
from curator.report.wording import notes as words
from curator.selection.choice import Pool
from curator.selection.plan import Target
from curator.similarity import duplicates
from curator.similarity.vectors import unit
from curator.types import AuditRun, DuplicateGroup, Embedded, Floats, Ints, Mask, Measures

_MOST = 4000
"""Most images that labels are learnt from: each is decoded again for a close-up."""
_POOR = 0.5
"""An image counts as poor if a measure is below this fraction of the data set's 1st percentile."""


def candidates_of(
    pool: Embedded, run: AuditRun, targets: Sequence[Target], session: Session, measures: Measures
) -> tuple[Pool, tuple[str, ...]]:
    """The pool with labels, without repeats and images of other classes. A label that is not given is predicted.

    Raises:
        DataError: no image of the pool has a label, and with a single class no labels can be learnt.
    """
    names = np.array(pool.dataset.label_names(), dtype=np.str_)
    classes = run.dataset.classes
    labels, blank = class_indices(names, classes), names == ""
    if len(classes) < 2 and len(names) and blank.all():
        # Similarity to the one class was tried: of the 20 most similar sample images without grass, 6 are bunnies.
        raise DataError(
            f"the data has one class only, {classes[0]}, so the pool's labels cannot be predicted; give a labelled pool: "
            "class folders, or a table with the columns path and label."
        )
    again = repeats(pool, run, session) if len(names) else np.zeros(0, np.bool_)
    notes = _notes(names, classes, again)
    rows = training(run)
    vectors, known = run.embeddings.vectors[rows], run.dataset.labels[rows]
    confidence, doubt = np.ones(len(names)), np.zeros(len(names))
    if len(classes) > 1 and len(names):
        if blank.any():
            found = _label(pool, run, targets[0].has, session)
            labels = np.where(blank, found.labels, labels).astype(np.int32)
            confidence = np.where(blank, found.confidence, 1.0)
            # With two classes, 0.5 is what an image unlike both gets. A low setting may let it be chosen all the same.
            unlike = (found.belongs <= 0.5) & (found.confidence < session.settings.recommend.confidence)
            strangers = int((blank & ~again & unlike).sum())
            if strangers:
                notes.append(words.unlike_any_class(strangers))
        c = penalty(vectors, known, len(classes), session, targets[0].has[rows])
        biased = linear.Probe.fit(vectors, known, len(classes), c).probabilities(pool.embeddings.vectors)
        doubt = 1 - biased[np.arange(len(labels)), np.maximum(labels, 0)]
    caveats = _caveats(measures, run, rows)
    caveats = np.where(
        (caveats == "") & (confidence < session.settings.recommend.doubtful), "a doubtful label", caveats
    )
    source = np.where(blank, "predicted", "given")
    usable = ~again & (labels >= 0)
    return Pool(pool.dataset.ids, pool.embeddings.vectors, labels, source, confidence, doubt, usable, caveats), tuple(
        notes
    )


def _label(pool: Embedded, run: AuditRun, run_has: Mask, session: Session) -> pool_labels.Labelling:
    """Labels for the pool, predicted from the whole image and, if there are patch features, from the object alone."""
    rows = training(run)
    rows = np.sort(rows[session.rng("label").permutation(len(rows))[:_MOST]])
    has = run_has[rows]
    ours, theirs = [run.embeddings.vectors[rows]], [pool.embeddings.vectors]
    alone = _alone(as_embedded(run).take(rows), session), _alone(pool, session)
    if alone[0] is not None and alone[1] is not None:
        ours.append(alone[0])
        theirs.append(alone[1])
    known = run.dataset.labels[rows]
    # Without weights the images that are wanted most, such as bunnies without grass, would get another class.
    weights = linear.group_weights(known, has)
    return pool_labels.label(
        ours, known, weights, len(run.dataset.classes), theirs, c=session.settings.recommend.c, seed=session.seed
    )


def _alone(embedded: Embedded, session: Session) -> Floats | None:
    """Vectors (n, d) of the objects alone: the close-up, concatenated with the object's places in the whole image."""
    near = closeups.closeups(embedded, session)
    if near is None or embedded.patches is None:
        return None
    return unit(np.concatenate([near, pool_labels.object_view(embedded.patches)], axis=1))


def _caveats(pool: Measures, run: AuditRun, rows: NDArray[np.intp]) -> NDArray[np.str_]:
    """The defect of each pool image (p,), "" for none: far blurrier, darker or lower in contrast than the data's own."""
    out = np.full(len(pool.frame), "", dtype="<U32")
    for name, word in ((c.name, c.defect) for c in pool.columns if c.defect):
        if is_measured(pool, name) and is_measured(run.measures, name):
            ours = pd.to_numeric(run.measures.frame[name], errors="coerce").to_numpy(float)[rows]
            theirs = pd.to_numeric(pool.frame[name], errors="coerce").to_numpy(float)
            out[theirs < _POOR * np.nanquantile(ours, 0.01)] = word
    return out


def _notes(names: NDArray[np.str_], classes: Sequence[str], again: Mask) -> list[str]:
    n_again, n_blank = int(again.sum()), int((names == "").sum())
    again_note = words.repeated_in_pool(n_again) if n_again else ""
    blank_note = words.unlabelled_pool(n_blank, len(names), len(classes))
    return [note for note in (again_note, *strange(names, classes, "pool"), blank_note) if note]


def strange(names: NDArray[np.str_], classes: Sequence[str], where: str) -> list[str]:
    """Notes on labels that are not a class of the data set: number of images, up to three names, the likely class."""
    odd = names[(names != "") & ~np.isin(names, np.array(classes, dtype=np.str_))]
    if not len(odd):
        return []
    found = sorted(set(odd.tolist()), key=lambda name: (-int((odd == name).sum()), name))
    near = ((nearest(name, classes, cutoff=0.75), name) for name in found)
    meant = next(((close[0], name) for close, name in near if close), None)
    return [words.other_labels(len(odd), where, found, meant)]


def class_indices(names: NDArray[np.str_], classes: Sequence[str]) -> Ints:
    """Labels as indices of the data set's classes; -1 for none and for any other name."""
    index = {name: k for k, name in enumerate(classes)}
    return np.array([index.get(str(name), -1) for name in names], np.int32).reshape(-1)


def twins(first: Embedded, second: Embedded, session: Session) -> tuple[DuplicateGroup, ...]:
    """Groups of duplicates across two data sets. The ids get the prefix "first/" or "second/", so that none collide."""
    ids = np.concatenate([np.char.add("first/", first.dataset.ids), np.char.add("second/", second.dataset.ids)])
    facts = pd.concat([first.facts, second.facts])
    vectors = np.concatenate([first.embeddings.vectors, second.embeddings.vectors])
    both = replace(first.embeddings, ids=ids, vectors=vectors, surround=None)
    phash = facts["phash"].to_numpy(np.uint64)
    return duplicates.groups(ids, list(facts["sha256"]), phash, both, session.settings.duplicates)


def repeats(pool: Embedded, run: AuditRun, session: Session) -> Mask:
    """Which pool images are duplicates of the data set or of an earlier pool image."""
    groups = twins(as_embedded(run), pool, session)
    again = {i for g in groups for i in sorted(g.ids)[1:] if i.startswith("second/")}
    return np.isin(np.char.add("second/", pool.dataset.ids), np.array(sorted(again), dtype=np.str_))
