"""Prepare the contents of the App: the audit, a probe's predictions with and without added images, and pattern boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.attributes import words
from curator.commands._steps import inspected_sample
from curator.commands._steps.evidence import PROBE_C, SMALLEST
from curator.commands._steps.pattern_places import shown
from curator.commands._steps.targets import as_embedded, training
from curator.commands.recommend import Advice
from curator.exporters.fiftyone import to_fiftyone
from curator.exporters.marks import MAX_FINDINGS, Extras, Guess, Spot, short_name
from curator.probe import linear
from curator.types import (
    AuditRun,
    Dataset,
    Embedded,
    Finding,
    Floats,
    Ints,
    Mask,
    Measures,
    Recommendation,
    SharedPattern,
)

MAX_PATTERNS = 12
"""Most patterns that get boxes: more boxes would hide the image."""
MAX_BOXED = 5000
"""Most images for which every image gets boxes; beyond that only examples of findings do. A box takes FiftyOne 1 ms."""


def build(
    run: AuditRun,
    name: str,
    *,
    recommendation: Recommendation | None = None,
    pool: Embedded | Dataset | None = None,
    pool_measures: Measures | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Any:
    """Build the FiftyOne data set `name` with everything that can be shown of a run; `to_fiftyone` says what it keeps.

    A pool without vectors (a `Dataset`) has no predictions and is not on the map. Of a very large data set only a part is
    shown, see `inspected_sample.for_app`.
    """
    run = inspected_sample.for_app(run)
    embedded = pool if isinstance(pool, Embedded) else None
    shown_too = extras(run, recommendation, embedded, origin=origin)
    return to_fiftyone(
        run,
        name,
        recommendation=recommendation,
        pool=pool.dataset if isinstance(pool, Embedded) else pool,
        pool_measures=pool_measures,
        extras=shown_too,
    )


def build_advice(advice: Advice, name: str, *, origin: Mapping[str, Any] | None = None) -> Any:
    """Build the same for an advice, with its pool and the recommended images."""
    return build(
        advice.run,
        name,
        recommendation=advice.recommendation,
        pool=advice.pool,
        pool_measures=advice.pool_measures,
        origin=origin,
    )


def extras(
    run: AuditRun,
    recommendation: Recommendation | None = None,
    pool: Embedded | None = None,
    *,
    origin: Mapping[str, Any] | None = None,
) -> Extras:
    """Everything that the App shows of one run, with the vectors of the pool.

    `origin` is kept with the data set, so that it can be audited again.
    """
    before, pool_before = guesses(run, None, pool)
    after: dict[str, Guess] = {}
    pool_after: dict[str, Guess] = {}
    if recommendation is not None and pool is not None and recommendation.ids:
        after, pool_after = guesses(run, recommendation, pool)
    return Extras(
        before=before,
        after=after,
        pool_before=pool_before,
        pool_after=pool_after,
        spots=spots(run),
        pool_vectors=None if pool is None else pool.embeddings.vectors,
        text=_text(run, origin or {}),
        origin=origin or {},
    )


def _text(run: AuditRun, origin: Mapping[str, Any]) -> dict[str, str] | None:
    """How to load the run's encoder again for text search; None if the encoder cannot read text."""
    if not run.encoder.text:
        return None
    usual = "embedded" if run.encoder.kind == "embedded" else run.encoder.name
    name, cache = str(origin.get("model") or usual), str(origin.get("cache") or "")
    return {"encoder": name, "cache": cache, "fingerprint": run.encoder.fingerprint}


def guesses(
    run: AuditRun, added: Recommendation | None, pool: Embedded | None
) -> tuple[dict[str, Guess], dict[str, Guess]]:
    """Predict each image of the data and of the pool with a probe that was not trained on it; `added` are trained on too.

    For a training image or an added image, the probe comes from the cross-validation fold that left it out. For all
    other images, the probe is trained on all of these. Returns nothing if fewer than two classes have `SMALLEST` images.
    """
    data, classes = run.dataset, run.dataset.classes
    rows = training(run)
    sizes = np.bincount(data.labels[rows], minlength=len(classes))
    large = np.flatnonzero(sizes >= SMALLEST)
    rows = rows[np.isin(data.labels[rows], large)]
    if len(large) < 2:
        return {}, {}
    vectors, labels = run.embeddings.vectors[rows], data.labels[rows]
    new = np.zeros(0, np.intp)
    if added is not None and pool is not None:
        new, theirs = _added(added, pool, classes, large)
        vectors, labels = np.concatenate([vectors, pool.embeddings.vectors[new]]), np.concatenate([labels, theirs])
    cross = linear.cross_fit(vectors, labels, len(classes), PROBE_C, run.seed)
    whole = linear.Probe.fit(vectors, labels, len(classes), PROBE_C)

    def told(
        ids: Iterable[str], all_vectors: Floats, seen: NDArray[np.intp], unseen: NDArray[np.float64]
    ) -> dict[str, Guess]:
        chances = whole.probabilities(all_vectors)
        chances[seen] = unseen
        best = chances.argmax(1)
        return {
            str(i): (classes[k], float(p))
            for i, k, p in zip(ids, best, chances[np.arange(len(best)), best], strict=True)
        }

    n = len(rows)
    mine = told(data.ids, run.embeddings.vectors, rows, cross.probabilities[:n])
    if pool is None or not len(pool.dataset):
        return mine, {}
    return mine, told(pool.dataset.ids, pool.embeddings.vectors, new, cross.probabilities[n:])


def _added(
    added: Recommendation, pool: Embedded, classes: tuple[str, ...], large: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Ints]:
    """Rows of the pool that are added, and their labels, without images whose class the probe does not know."""
    at = {str(i): k for k, i in enumerate(pool.dataset.ids)}
    number = {name: k for k, name in enumerate(classes)}
    pairs = [(at[i], number.get(label, -1)) for i, label in zip(added.ids, added.labels, strict=True) if i in at]
    pairs = [(row, k) for row, k in pairs if k in large]
    rows, labels = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(rows, np.intp), np.array(labels, np.int32)


def spots(run: AuditRun) -> dict[str, tuple[Spot, ...]]:
    """Where in each image the patterns of the findings and their visual words are, by image id.

    A pattern of the whole image or of its file has no box. Returns nothing if there are no patch features.

    Error: a place is a fourteenth of the encoder's input, and its features contain some of its neighbours. A box is
    sometimes off by one place.
    """
    patches, sizes = run.patches, run.sizes()
    if patches is None or not len(patches) or not sizes:
        return {}
    wanted = _patterns(run)
    if not wanted:
        return {}
    whole = as_embedded(run)
    spelt = words.spelling(whole, whole)
    ids = run.dataset.ids
    few = {i for f in run.audit.findings[:MAX_FINDINGS] for i in (*f.example_ids, *f.counterexample_ids)}
    boxed = np.arange(len(ids)) if len(ids) <= MAX_BOXED else np.flatnonzero(np.isin(ids, sorted(few)))
    view = run.encoder.preprocessing.view
    views = {k: view(*sizes[str(ids[k])]) for k in boxed.tolist() if str(ids[k]) in sizes}
    out: dict[str, list[Spot]] = {}
    for pattern in wanted:
        column = run.measures.column(pattern.attribute)
        label = short_name(column, pattern.value)
        rows = np.array([k for k in views if _has(run, pattern, k)], np.intp)
        weights = shown(column, pattern.value, rows, patches, spelt)
        if weights is None:
            continue
        # For a word on the object the rest of the object is included; the places of the word itself count double.
        least = max(1, int(weights.max(initial=0)))
        for k, places in zip(rows.tolist(), weights >= least, strict=True):
            if (spot := _spot(label, places, views[k])) is not None:
                out.setdefault(str(ids[k]), []).append(spot)
    return {id: tuple(found) for id, found in out.items()}


def _patterns(run: AuditRun) -> list[Finding | SharedPattern]:
    """Findings about a part of the image, then the visual words that most images of a class share, each once."""
    shared = [p for patterns in run.audit.shared_patterns.values() for p in patterns if p.learnt]
    every: list[Finding | SharedPattern] = [*run.audit.findings[:MAX_FINDINGS], *shared]
    once = {
        (p.attribute, p.value): p
        for p in reversed(every)
        if p.kind in ("object", "context") and p.value != "no" and p.attribute in run.measures.frame
    }
    return list(reversed(once.values()))[:MAX_PATTERNS]


def _has(run: AuditRun, pattern: Finding | SharedPattern, row: int) -> bool:
    value = run.measures.frame[pattern.attribute].iloc[row]
    if run.measures.column(pattern.attribute).form == "flag":
        return value is True or bool(value == True)  # noqa: E712  (numpy's own, and missing values)
    return pattern.value in str(value).split("|")


def _spot(label: str, places: Mask, view: tuple[float, float, float, float]) -> Spot | None:
    """The places (g, g) of the encoder's input as a box on the image with its mask; None if no place is marked."""
    g = len(places)
    left, top, right, bottom = view
    # Places in the padding show nothing of the image.
    x = left + (right - left) * (np.arange(g) + 0.5) / g
    y = top + (bottom - top) * (np.arange(g) + 0.5) / g
    places = places & ((x > 0) & (x < 1))[None, :] & ((y > 0) & (y < 1))[:, None]
    if not places.any():
        return None
    columns, rows = np.flatnonzero(places.any(0)), np.flatnonzero(places.any(1))
    x0, x1, y0, y1 = int(columns[0]), int(columns[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
    edges = [
        min(max(v, 0.0), 1.0)
        for v in (
            left + (right - left) * x0 / g,
            top + (bottom - top) * y0 / g,
            left + (right - left) * x1 / g,
            top + (bottom - top) * y1 / g,
        )
    ]
    box = edges[0], edges[1], edges[2] - edges[0], edges[3] - edges[1]
    return Spot(label, box, np.ascontiguousarray(places[y0:y1, x0:x1]))
