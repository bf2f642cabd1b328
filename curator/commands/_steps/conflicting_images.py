"""Conflicting images, the surest first: which images of a class break its rule beyond doubt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.attributes import words
from curator.commands.session import Session
from curator.probe import linear
from curator.regions import visual_words
from curator.shortcuts import indicators
from curator.shortcuts.indicators import Indicators
from curator.types import Embedded, Finding, Floats, Ints, Mask, Measures

SMALLEST = 5
"""Images with the value, and without it, from which a probe learns its looks: one in each fold."""
_RANK_C = 0.1
_LARGEST = 4000
"""Images that the looks are learnt from, at most."""


def surest(
    finding: Finding,
    rows: NDArray[np.intp],
    embedded: Embedded,
    labels: Ints,
    table: Indicators,
    measures: Measures,
    around: Floats,
    session: Session,
) -> NDArray[np.intp]:
    """`rows`, images that lack the finding's value, ordered by how surely they do; equals by id.

    A number says it itself: the further from the cut. Any other measure misses some: a lawn that no word of grass was read
    off. So what is seen around the object is ordered by its looks: images come first that look least like those that have
    the value, by a probe that has seen neither them nor their class's label. A camera's name cannot be seen.
    `around` is what `seen` returns.
    """
    column = measures.column(finding.attribute)
    cut = indicators.cut_of(column, finding.value) if column.form == "number" else float("nan")
    doubt = np.zeros(len(labels))
    if not np.isnan(cut):
        beyond = measures.frame[finding.attribute].to_numpy(float, na_value=np.nan) - cut
        doubt = -beyond if indicators.is_below(finding.value) else beyond
    elif finding.kind in ("context", "image"):
        v = table.index(finding.attribute, finding.value)
        doubt = _looks_like(around, table.values[:, v], table.known[:, v] & (labels >= 0), session)
    order = np.lexsort((embedded.dataset.ids[rows], np.round(doubt[rows], 6)))
    return rows[order]


def seen(embedded: Embedded, whole: Embedded | None = None) -> Floats:
    """What the surroundings look like (n, d): the vector of the picture without its object, and beside it, weighing as much,
    the square roots of the shares that the visual words have in them (a mark in the corner leaves the vector nearly as it
    was, but not the words). The vector of the whole picture where nothing tells the object from its surroundings.
    The words are those of `whole`, which these images are a part of."""
    vectors, around = embedded.embeddings.vectors, embedded.embeddings.surround
    spelt = words.spelling(embedded, whole or embedded)
    if around is None or spelt is None or embedded.patches is None:
        return vectors if around is None else around
    counts = visual_words.counts(spelt, ~embedded.patches.on_object, int(spelt.max(initial=0)) + 1)
    shares = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    return np.concatenate([_even(around), _even(shares)], axis=1).astype(np.float32)


def _even(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """Centred, with a mean square length of one."""
    centred = x - x.mean(0)
    return np.asarray(centred / max(float(np.sqrt((centred**2).sum(1).mean())), 1e-12))


def _looks_like(vectors: Floats, value: Mask, usable: Mask, session: Session) -> NDArray[np.float64]:
    """Probability (n,) that an image has the value, by its looks, from a probe that has not seen it; 0 where that cannot be
    learnt. Of images beyond `_LARGEST` no probe has seen any, and all are asked."""
    learnt = np.zeros(len(value), np.bool_)
    learnt[session.rng("looks").permutation(np.flatnonzero(usable))[:_LARGEST]] = True
    if min((value & learnt).sum(), (~value & learnt).sum()) < SMALLEST:
        return np.zeros(len(value))
    cross = linear.cross_fit(vectors, value.astype(np.int32), 2, _RANK_C, session.seed, rows=learnt)
    out = cross.probabilities[:, 1].copy()
    rest = usable & ~learnt
    if rest.any():
        out[rest] = np.mean([probe.probabilities(vectors[rest])[:, 1] for probe in cross.probes], axis=0)
    return out
