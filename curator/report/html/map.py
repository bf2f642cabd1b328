"""The embedding map: a few hundred images in two dimensions. Images that the encoder sees as similar are near each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curator.errors import InputError
from curator.report import wording
from curator.report.html.album import Album, Thumbnails
from curator.shortcuts import indicators
from curator.types import AuditRun, Finding, Floats

SHAPES = 7
"""The largest classes have a colour and a shape of their own. With more classes, the last one represents all the others."""
NO_CLASS = SHAPES
MOST_MARKS = 12
"""Maximum number of findings that the map can mark."""
_EDGE = 3.0
"""Per cent of the width and height kept free on each side."""


@dataclass(frozen=True, slots=True)
class Dot:
    """An image on the map.

    `x` and `y` are in per cent, `kind` is the position of its class in the legend, and `ref` is the element id of its
    thumbnail. `has` has one character per finding that the map can highlight: 1 if the image has the value, 0 if it does
    not, - if it is not of the finding's class.
    """

    id: str
    x: float
    y: float
    kind: int
    class_name: str
    ref: str
    has: str


@dataclass(frozen=True, slots=True)
class Map:
    """The embedding map and its legend.

    `kinds` is the legend: number, name, and how many images of the kind are shown. `marks` are the findings that the map
    can highlight. `share` is the fraction of the variance of the images shown that the two axes explain.
    """

    dots: tuple[Dot, ...]
    kinds: tuple[tuple[int, str, int], ...]
    marks: tuple[Finding, ...]
    n_all: int
    share: float


def embedding_map(
    run: AuditRun,
    findings: Sequence[Finding],
    album: Album,
    thumbnails: Thumbnails | None,
    smaller: Thumbnails | None,
    limit: int,
) -> Map | None:
    """The map of at most `limit` images: those of the findings, then equally many of every class. None for fewer than three.

    Error: the map shows two of hundreds of axes. Images far apart on it do differ; images that touch may differ on the rest.
    Source: Pearson (1901), the first two principal components.
    """
    marks = [
        f for f in findings[:MOST_MARKS] if f.attribute in run.measures.frame and f.class_name in run.dataset.classes
    ]
    rows = chosen(run, findings, limit)
    if len(rows) < 3:
        return None
    at, share = positions(run.embeddings.vectors[rows])
    counts = run.dataset.class_counts()
    order = sorted(counts, key=lambda c: (-counts[c], c))
    own = order[: SHAPES if len(order) <= SHAPES else SHAPES - 1]
    has = _marked(run, marks, rows)
    dots = []
    for k, row in enumerate(rows):
        id, label = str(run.dataset.ids[row]), int(run.dataset.labels[row])
        name = run.dataset.classes[label] if label >= 0 else ""
        kind = NO_CLASS if not name else own.index(name) if name in own else SHAPES - 1
        x, y = at[k].tolist()
        dots.append(Dot(id, x, y, kind, name, album.small(id, thumbnails, smaller).ref, "".join(h[k] for h in has)))
    names = dict(enumerate(own))
    if len(order) > len(own):
        names[SHAPES - 1] = wording.count(len(order) - len(own), "other class", "other classes")
    names[NO_CLASS] = "no class"
    shown = Counter(dot.kind for dot in dots)
    kinds = tuple((k, name, shown[k]) for k, name in names.items() if shown[k])
    return Map(tuple(dots), kinds, tuple(marks), len(run.dataset), share)


def _marked(run: AuditRun, marks: Sequence[Finding], rows: NDArray[np.intp]) -> list[NDArray[np.str_]]:
    """For each finding one character per row, as in `Dot.has`."""
    measures, labels = run.measures.take(rows), run.dataset.labels[rows]
    out = []
    for f in marks:
        try:
            values = indicators.read(measures, f.attribute, f.value)[0]
        except InputError:
            values = np.zeros(len(rows), np.bool_)
        inside = labels == run.dataset.classes.index(f.class_name)
        out.append(np.where(inside, np.where(values, "1", "0"), "-"))
    return out


def chosen(run: AuditRun, findings: Sequence[Finding], limit: int) -> NDArray[np.intp]:
    """Rows for the map, in order: up to half of them are images of findings, the rest are drawn evenly from every class."""
    wanted = {i for f in findings[:MOST_MARKS] for i in (*f.counterexample_ids[:12], *f.example_ids[:4])}
    ids = run.dataset.ids
    if len(ids) <= limit:
        return np.arange(len(ids))
    shown = np.flatnonzero(np.isin(ids, np.array(sorted(wanted), dtype=ids.dtype)))[: limit // 2]
    taken = np.zeros(len(ids), np.bool_)
    taken[shown] = True
    groups = [np.flatnonzero((run.dataset.labels == k) & ~taken) for k in np.unique(run.dataset.labels)]
    room = limit - len(shown)
    while room > 0 and groups:
        groups.sort(key=len)
        n = min(len(groups[0]), max(1, room // len(groups)))
        pick = groups[0][np.linspace(0, len(groups[0]) - 1, n).round().astype(np.intp)] if n else groups[0]
        taken[pick] = True
        room -= n
        groups = groups[1:]
    return np.flatnonzero(taken)


def positions(vectors: Floats) -> tuple[NDArray[np.float64], float]:
    """Positions (n, 2) of the (n, d) vectors on the first two principal components, in per cent of the map.

    The second result is the fraction of the variance that these components explain. The image farthest from the centre
    on an axis sets its direction, so that the map is not mirrored from one run to the next.

    >>> positions(np.array([[0.0, 0], [2, 0], [4, 0], [2, 2]]))[0].tolist()
    [[97.0, 73.5], [50.0, 73.5], [3.0, 73.5], [50.0, 26.5]]
    """
    centred = np.asarray(vectors, np.float64) - np.mean(vectors, axis=0, dtype=np.float64)
    # With hundreds of images in thousands of dimensions, the matrix of products between images is the smaller one.
    values, axes = np.linalg.eigh(centred @ centred.T)
    values = np.maximum(values[::-1], 0)
    at = axes[:, ::-1][:, :2] * np.sqrt(values[:2])
    at = at * np.where(at[np.abs(at).round(9).argmax(0), [0, 1]] < 0, -1.0, 1.0)
    low, high = at.min(0), at.max(0)
    # Both axes have one scale, so that distances are comparable; the shorter axis is centred.
    at = (at - (low + high) / 2) / max(float((high - low).max()), 1e-12)
    at[:, 1] = -at[:, 1]  # larger values at the top
    total = float(values.sum())
    # Rounded to tenths, because the last bits of a product depend on the number of threads.
    return np.round(50 + at * (100 - 2 * _EDGE), 1) + 0.0, float(values[:2].sum()) / total if total > 0 else 0.0
