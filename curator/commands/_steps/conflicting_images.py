"""Sort the images of a class that break a finding's rule, the most certain ones first."""

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
"""Fewest images with the value, and without it, for training a probe on it: one in each fold."""
_RANK_C = 0.1
_LARGEST = 4000
"""Most images that the probe is trained on."""


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
    """Sort `rows`, images that lack the finding's value, by how certain it is that they lack it; ties by id.

    For a number, images far from the cut come first. Other measures miss some images, for example a lawn without a visual
    word for grass. Findings about the surroundings are therefore sorted by a probe on `around`, the result of `seen`:
    images that look least like those with the value come first. The probe was trained without these images and without
    their class labels. A value that cannot be seen, such as a camera's name, is not sorted this way.
    """
    column = measures.column(finding.attribute)
    cut = indicators.cut_of(column, finding.value) if column.form == "number" else float("nan")
    doubt = np.zeros(len(labels))
    if not np.isnan(cut):
        beyond = measures.frame[finding.attribute].to_numpy(float, na_value=np.nan) - cut
        doubt = -beyond if indicators.is_below(finding.value) else beyond
    elif finding.kind in ("context", "image", "unclear"):
        v = table.index(finding.attribute, finding.value)
        doubt = _looks_like(around, table.values[:, v], table.known[:, v] & (labels >= 0), session)
    order = np.lexsort((embedded.dataset.ids[rows], np.round(doubt[rows], 6)))
    return rows[order]


def seen(embedded: Embedded, whole: Embedded | None = None) -> Floats:
    """Features (n, d) of the surroundings: the vector of the image without its object, and its visual words.

    Both have the same weight. For the words these are the square roots of their shares of the surroundings: a mark in the
    corner hardly changes the vector, but it changes the words. If objects cannot be told from surroundings, the result is
    the vector of the whole image. The words are those of `whole`, which contains these images.
    """
    vectors, around = embedded.embeddings.vectors, embedded.embeddings.surround
    spelt = words.spelling(embedded, whole or embedded)
    if around is None or spelt is None or embedded.patches is None:
        return vectors if around is None else around
    counts = visual_words.counts(spelt, ~embedded.patches.on_object, int(spelt.max(initial=0)) + 1)
    shares = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1))
    return np.concatenate([_even(around), _even(shares)], axis=1).astype(np.float32)


def _even(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """The rows, centred and scaled to a mean squared length of one."""
    centred = x - x.mean(0)
    return np.asarray(centred / max(float(np.sqrt((centred**2).sum(1).mean())), 1e-12))


def _looks_like(vectors: Floats, value: Mask, usable: Mask, session: Session) -> NDArray[np.float64]:
    """Probability (n,) that an image looks as if it has the value, from probes that were not trained on it.

    It is 0 if there are too few images to train on. At most `_LARGEST` images are used for training; for the others the
    result is the mean over all probes.
    """
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
