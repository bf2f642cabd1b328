"""`curator audit`: read, embed, measure, cluster, test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from curator import intended, stats
from curator.attributes import concepts
from curator.commands._steps import (
    doubtful_labels,
    evidence,
    inspected_sample,
    pattern_places,
    sampled_counts,
    surroundings_alone,
    unclear,
    vectors_only,
)
from curator.commands._steps.existing_embeddings import with_given
from curator.commands._steps.sampled_counts import Drawn
from curator.commands.session import Session, one_class, versions
from curator.errors import InputError
from curator.io.fingerprint import fingerprint
from curator.probe import linear
from curator.readers import Data
from curator.report import wording
from curator.selection.synthesis import is_synthetic
from curator.shortcuts import detection, indicators
from curator.shortcuts.association import Table
from curator.shortcuts.indicators import Indicators
from curator.similarity import duplicates
from curator.similarity.clusters import cluster, name_clusters
from curator.types import (
    Audit,
    AuditRun,
    Clusters,
    Dataset,
    DuplicateGroup,
    Embedded,
    Ids,
    Ints,
    Mask,
    Measures,
)
from curator.types.results import Recall, Whole

_FITS = 0.15
"""Minimum mean probability at which a cluster gets one of an encoder's thousand names."""


def audit(data: Data, session: Session | None = None, *, pool: Data | None = None) -> AuditRun:
    """Find attributes that predict a class but are not part of it.

    If `data` has one class only, it is compared with `pool`. With named splits, findings describe the images of the train
    split; duplicates and leaks are searched in all splits. With `sample` in the settings, shares and tests use all images,
    and steps that need single images use a random sample of that size. `session` defaults to `Session.open()`.
    """
    session = session or Session.open()
    dataset = session.scan(data)
    sampled = 0 < session.settings.audit.sample < len(dataset)
    if sampled and pool is not None:
        raise InputError("--sample and --pool cannot be used together; drop one of them.")
    if vectors_only.is_given(dataset):
        if pool is not None:
            raise InputError("a folder of embeddings and --pool cannot be used together; drop --pool.")
        ready, session = vectors_only.read(dataset, session)
        ready = replace(ready, dataset=one_class(ready.dataset))
        if sampled:
            session = replace(session, engine="local")  # nothing is left to compute on the cluster
            drawn = sampled_counts.of_embeddings(ready, session)
            return audit_embedded(drawn.sample, session, drawn=drawn)
        return audit_embedded(ready, session)
    if sampled:
        if isinstance(data, str) and data.startswith("fiftyone:"):
            session = replace(session, notes=(*session.notes, wording.notes.FIFTYONE_SAMPLED))
        drawn = sampled_counts.of_images(one_class(dataset), session)
        return audit_embedded(drawn.sample, session, drawn=drawn)
    embedded, of_fields = with_given(session.embed(one_class(dataset)), data)
    other = session.embed(session.scan(pool)) if pool is not None else None
    return audit_embedded(embedded, replace(session, notes=(*session.notes, *of_fields)), other)


def audit_embedded(
    embedded: Embedded, session: Session, pool: Embedded | None = None, drawn: Drawn | None = None
) -> AuditRun:
    """Audit images that are already embedded. If they are `drawn` from more, the counts are of all images."""
    settings = session.settings
    session.progress("auditing", 0, 1)
    embedded = session.looked_at(embedded)
    if drawn is not None:
        drawn = replace(drawn, sample=embedded)
    measures = session.measures(embedded)
    data = embedded.dataset
    notes = list(session.notes)
    n_made = int(is_synthetic(embedded.dataset.ids, embedded.dataset.metadata).sum())
    if n_made:
        notes.append(wording.notes.synthetic_audited(n_made))
    if settings.audit.concepts and not session.encoder.info.text:
        notes.append(wording.notes.concepts_unused(settings.audit.concepts, session.encoder.info.name))
    elif silent := concepts.unanswered(measures, settings):
        notes.append(wording.notes.prompts_unanswered(silent))
    labels = data.train_labels()
    if labels is not data.labels:
        notes.append(wording.notes.only_train(int((labels >= 0).sum())))
    table = indicators.build(measures, settings.audit.cuts)
    # Embeddings without images have neither; see `readers.clip_retrieval`.
    hashes = embedded.facts["phash"].to_numpy(np.uint64) if "phash" in embedded.facts else None
    keys = next((list(embedded.facts[c]) for c in ("sha256", "key") if c in embedded.facts), [])
    groups = duplicates.groups(data.ids, keys, hashes, embedded.embeddings, settings.duplicates, seed=session.seed)
    leaks = duplicates.leaks(groups, data.ids, data.splits)
    notes = [*_leaked(leaks, data), *notes]
    recall = duplicates.recall(groups, data.ids, hashes, embedded.embeddings, settings.duplicates, session.seed)
    notes += _indexed(len(data), recall)
    counts: Table | None = None
    whole: Whole | None = None
    if drawn is not None:
        counts, whole, of_all = sampled_counts.count(drawn, table, session)
        notes += of_all
    elif 0 < settings.audit.sample < len(data):
        notes.append(wording.notes.not_sampled(len(data)))
    not_located = unclear.classes(embedded, labels)
    doubtful = unclear.mask(embedded, labels, table, not_located)
    contents = _contents(data.ids, groups)
    found = _test(embedded, labels, measures, table, session, pool, contents, doubtful, counts)
    found = replace(found, findings=wording.worded(found.findings))
    cross = evidence.cross_fit(embedded, labels, session, contents)
    sizes = linear.distinct_groups(labels, contents, len(data.classes))
    small = [name for name, size in zip(data.classes, sizes, strict=True) if 0 < size < evidence.SMALLEST]
    if small and len(data.classes) > 1:
        notes.append(wording.notes.without_probe(evidence.SMALLEST, small))
    part = inspected_sample.part(found.findings, embedded, labels, table, measures, cross, session.rng("part"))
    found = evidence.gather(found, embedded, labels, table, measures, cross, session, part)
    shared = pattern_places.illustrate(found.shared_patterns, part.embedded, part.labels, part.table, embedded)
    found = replace(found, shared_patterns=shared)
    label_errors, unchecked = doubtful_labels.doubtful(embedded, labels, cross, found.findings, table)
    notes += unchecked
    found, unmatched = intended.accept(found, settings.audit.intended, settings.audit.objects)
    notes += unmatched
    alone = surroundings_alone.measure(embedded, labels, contents, not_located, session)
    if alone is None and len(data.classes) > 1:
        notes.append(wording.notes.alone_unmeasured(surroundings_alone.FEWEST))
    session.progress("auditing", 1, 1)
    return AuditRun(
        dataset=data,
        encoder=session.encoder.info,
        embeddings=embedded.embeddings,
        measures=measures,
        clusters=_clusters(embedded, table, session),
        duplicates=groups,
        leaks=leaks,
        label_errors=label_errors,
        audit=found,
        settings=settings.as_dict(),
        seed=session.seed,
        versions=versions(),
        fingerprint=fingerprint(embedded),
        n_new=embedded.n_new,
        seconds=embedded.seconds,
        notes=tuple(notes),
        facts=embedded.facts,
        patches=embedded.patches,
        recall=recall,
        whole=whole,
        surroundings_alone=alone,
    )


def _indexed(n: int, recall: Recall | None) -> list[str]:
    """Notes for a data set that is too large to compare every pair of images."""
    if recall is None:
        return []
    low, high = stats.wilson(recall.n_found, recall.n_pairs) if recall.n_pairs else (0.0, 1.0)
    ci = float(low), float(high)
    return [
        wording.notes.duplicate_index(n, recall.n_sampled, recall.n_pairs, recall.n_found, ci),
        wording.notes.COUNTS_OF_ALL,
    ]


def _contents(ids: Ids, groups: tuple[DuplicateGroup, ...]) -> Ints:
    """A number for each image (n,), equal for images that are linked by any group of duplicates."""
    at = {str(i): k for k, i in enumerate(ids)}
    links = [(at[group.ids[0]], at[i]) for group in groups for i in group.ids[1:]]
    one, other = np.array(links, np.intp).reshape(-1, 2).T
    linked = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(len(ids), len(ids)))
    return np.asarray(connected_components(linked, directed=False)[1], np.int32)


def _test(
    embedded: Embedded,
    labels: Ints,
    measures: Measures,
    table: Indicators,
    session: Session,
    pool: Embedded | None,
    contents: Ints,
    doubtful: Mask,
    counts: Table | None = None,
) -> Audit:
    classes = embedded.dataset.classes
    rng = session.rng("audit")
    if pool is None or len(classes) > 1:
        return detection.audit(
            table, labels, classes, session.settings.audit, rng, contents=contents, counts=counts, unclear=doubtful
        )
    # The pool replaces the missing other class. It has the same columns, measured with the data set's thresholds.
    theirs = session.measures(pool, embedded)
    frame = pd.concat([measures.frame, theirs.frame.rename(index=lambda i: f"(pool) {i}")])
    joined = indicators.build(
        Measures(frame[[c.name for c in measures.columns]], measures.columns), session.settings.audit.cuts
    )
    both = np.concatenate([labels, np.full(len(pool.dataset), len(classes), np.int32)])
    shown = np.concatenate([contents, len(contents) + np.arange(len(pool.dataset), dtype=np.int32)])
    # The pool's numbers may add cuts, so the values of the data set are looked up by attribute.
    doubt = {name for name, is_doubt in zip(table.attribute, np.asarray(doubtful.all(0)), strict=True) if is_doubt}
    unsure = np.array([[name in doubt for name in joined.attribute]] * len(classes))
    return detection.audit(
        joined, both, classes, session.settings.audit, rng, against="pool", contents=shown, unclear=unsure
    )


def _leaked(leaks: tuple[DuplicateGroup, ...], data: Dataset) -> list[str]:
    """For each split but train, how many of its images are also in another split."""
    split_of = dict(zip(map(str, data.ids), map(str, data.splits), strict=True))
    shared = {i for leak in leaks for i in leak.ids}
    out = []
    for name in sorted(set(split_of.values()) - {"train", ""}):
        n_leaked = sum(split_of[i] == name for i in shared)
        if n_leaked:
            out.append(wording.notes.leaked(name, n_leaked, sum(s == name for s in split_of.values())))
    return out


def _clusters(embedded: Embedded, table: Indicators, session: Session) -> Clusters:
    """Clusters, each named after what the encoder can name and after its distinctive surroundings."""
    found = cluster(embedded.embeddings, session.settings.audit.clusters, session.seed)
    things, scores = session.encoder.concepts(embedded.embeddings.vectors)
    columns = [
        j
        for j, c in enumerate(table.columns)
        if c.kind in ("context", "object") and (c.form == "tags" or table.value_names[j] == "yes")
    ]
    places = [table.phrase(j).removeprefix("have a ").removeprefix("show ") for j in columns]
    named = name_clusters(found, places, table.values[:, columns].astype(float)) if columns else found
    if not things or not len(scores):
        return named
    # A name must fit the cluster's images by itself, because the best of 1000 names always fits better than the others.
    fits = [
        j
        for j in range(len(things))
        if any(scores[found.assignment == c, j].mean() >= _FITS for c in range(len(found.names)))
    ]
    by_thing = name_clusters(found, [things[j] for j in fits], scores[:, fits])
    names = (
        ", ".join(filter(None, (a.split(", ")[0], b.partition(" (")[0].split(", ")[0])))
        for a, b in zip(by_thing.names, named.names, strict=True)
    )
    return replace(found, names=tuple(names))
