"""Measure reliance by intervention: edit the attribute in images, embed them again, and compare a probe's predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from curator.commands._steps.edits import Make, Plan, References, plan
from curator.commands.session import Session
from curator.errors import DataError
from curator.io import editing
from curator.io.decoding import images
from curator.io.editing import Pixels
from curator.probe import reliance
from curator.probe.linear import CrossFit
from curator.probe.reliance import Intervention
from curator.types import Column, Embedded, Encoder, Finding, Floats, Ints, Mask, Reliance

MOST = 30
"""Images edited for one finding. With 30 the interval of a drop is about 0.1 wide on each side. Embedding them again takes
most of the time of an intervention."""
FEWEST = 5
"""Fewest images to edit: two or three say nothing about a class."""
_DONORS = 24
"""Reference images on each side that edits are made from."""
_PIXELS = 80_000_000
"""Most pixels decoded at full size for one finding: edits of the file are made on images as stored."""
Judge = Callable[[Floats], NDArray[np.float64]]
"""Vectors (m, d) of the images -> the probability (m,) of the right class, from probes not trained on image i."""


def intervene(
    pictures: Iterable[Pixels], closed: Floats, make: Make, encoder: Encoder, judge: Judge, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The probability (m,) of the right class for each of the two versions of every image that `make` returns.

    `pictures` are m encoder inputs (size, size, 3), or images as stored if `make` prepares them itself. `closed` (m, g, g),
    0..1, is where the object is.
    """
    pairs = [make(picture, places, rng) for picture, places in zip(pictures, closed, strict=True)]
    first, second = (judge(encoder.encode(np.stack(side))) for side in zip(*pairs, strict=True))
    return first, second


def by_editing(
    finding: Finding, column: Column, embedded: Embedded, labels: Ints, has: Mask, known: Mask, cross: CrossFit,
    session: Session, regions: Floats | None = None, n_most: int = MOST,
) -> Reliance:  # fmt: skip
    """The finding's reliance with the drop in probability caused by editing, or the reason why nothing was edited.

    `labels`, `has` and `known` (n,) are class or -1, has the value, and was measured; `cross` is over the same rows.
    `regions` (n, g, g), 0..1, says where on each encoder input the attribute is, if that is not simply everywhere outside
    the object; these places count as surroundings. Images are edited in memory, and nothing is written.

    Error: an exchange replaces the whole surroundings, with everything else that occurs together with the attribute there.
    The interval covers the choice of images, not the probe. A probe trained on 80 images relies a little on anything, so a
    difference below 0.1 says nothing.
    """
    so_far = finding.reliance or Reliance(None, None, 0)
    chosen = plan(column, finding.value)
    if isinstance(chosen, str):
        return replace(so_far, edit=chosen)
    if chosen.exchanges and embedded.patches is None:
        # If the object mask is just a square, its visible edge changes the prediction as much as the surroundings do.
        return replace(so_far, edit="this encoder cannot separate the object from its surroundings")
    sample = _sample(finding, chosen, embedded, labels, has, known & (cross.fold >= 0), session, n_most)
    if isinstance(sample, str):
        return replace(so_far, edit=sample)
    try:
        found = _run(sample, chosen, embedded, labels, cross, session, regions)
    except DataError as error:  # a file was changed or removed since it was embedded
        return replace(so_far, edit=f"an image could not be read again ({error})")
    return replace(
        so_far,
        intervention_drop=found.drop,
        intervention_ci=found.drop_ci,
        control_drop=found.control,
        control_ci=found.control_ci,
        excess_ci=found.excess_ci,
        n_edited=found.n,
        edit=chosen.words,
        control_edit=chosen.control,
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    """Rows of the images for an intervention.

    They are the images to edit and the images that have what the edit leads to. For an exchange there are also images
    with the same value as the edited ones, and images of other classes for the control.
    """

    edited: NDArray[np.intp]
    away: NDArray[np.intp]
    same: NDArray[np.intp]
    control: NDArray[np.intp]
    quality: int


def _sample(
    finding: Finding, chosen: Plan, embedded: Embedded, labels: Ints, has: Mask, usable: Mask, session: Session, most: int
) -> _Sample | str:  # fmt: skip
    rng = session.rng(f"intervention {finding.id}")
    inside = labels == embedded.dataset.classes.index(finding.class_name)
    others = (labels >= 0) & ~inside
    with_, without = np.flatnonzero(inside & has & usable), np.flatnonzero(others & ~has & usable)
    if min(len(with_), len(without)) < 2 * FEWEST:
        return f"fewer than {2 * FEWEST} images of the class have the value, or fewer of the others lack it"
    edited, away = (without, with_) if chosen.plants else (with_, without)
    same = control = with_[:0]
    quality = _quality(embedded, edited, away) if chosen.needs_quality else 0
    if isinstance(quality, str):
        return quality
    if chosen.exchanges:
        # If possible, donors of both kinds come from other classes, so that they differ in nothing else. An image is never
        # its own donor.
        same = np.flatnonzero(others & has & usable)
        if len(same) < FEWEST:
            edited, same = _shared(edited, rng)
        control, away = _shared(away, rng)
    if chosen.whole:
        size = embedded.facts["width"].to_numpy(float) * embedded.facts["height"].to_numpy(float)
        most = min(most, max(FEWEST, int(_PIXELS / max(np.median(size), 1))))
    edited, away, same, control = (
        np.sort(rng.permutation(rows)[:n])
        for rows, n in ((edited, most), (away, _DONORS), (same, _DONORS), (control, most))
    )
    return _Sample(edited, away, same, control, quality)


def _shared(rows: NDArray[np.intp], rng: np.random.Generator) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to edit, and rows to take surroundings from: a third of all, up to the number that is used."""
    shuffled = rng.permutation(rows)
    n = min(_DONORS, len(rows) // 3)
    return shuffled[n:], shuffled[:n]


def _quality(embedded: Embedded, here: NDArray[np.intp], there: NDArray[np.intp]) -> int | str:
    """The JPEG quality to save with: the usual one on the other side."""
    values = embedded.facts["jpeg_quality"].to_numpy(float)
    usual = [float(np.nanmedian(values[m])) if np.isfinite(values[m]).any() else np.nan for m in (here, there)]
    if not np.isfinite(usual).all():
        return "only JPEG files have a quality to change"
    if usual[1] >= usual[0]:
        return "the files do not differ in JPEG quality"
    return int(usual[1])


def _run(
    sample: _Sample, chosen: Plan, embedded: Embedded, labels: Ints, cross: CrossFit, session: Session, regions: Floats | None
) -> Intervention:  # fmt: skip
    preprocessing = session.encoder.info.preprocessing
    closed = _closed(embedded)
    if regions is not None:
        closed = np.minimum(closed, 1 - regions)

    def inputs(rows: NDArray[np.intp]) -> Pixels:
        with ThreadPoolExecutor() as pool:
            made = list(pool.map(lambda i: images.decode(embedded.dataset.path(i), preprocessing).input, rows))
        return np.stack(made) if made else np.zeros((0, preprocessing.size, preprocessing.size, 3), np.uint8)

    make = chosen.build(
        References(
            away=inputs(sample.away),
            away_closed=closed[sample.away],
            same=inputs(sample.same),
            same_closed=closed[sample.same],
            quality=sample.quality,
            prepare=lambda pixels: editing.as_input(pixels, preprocessing),
        )
    )

    def versions(rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        pictures = (images.whole(embedded.dataset.path(i)) for i in rows) if chosen.whole else iter(inputs(rows))

        def judge(vectors: Floats) -> NDArray[np.float64]:
            return cross.predict_rows(vectors, rows)[np.arange(len(rows)), labels[rows]]

        return intervene(pictures, closed[rows], make, session.encoder, judge, session.rng("edits"))

    rng = session.rng("intervention")
    first, second = versions(sample.edited)
    if chosen.exchanges:
        own, other = versions(sample.control)
        return reliance.intervention(first - second, own - other, rng, paired=False)
    before = cross.probabilities[sample.edited, labels[sample.edited]]
    return reliance.intervention(before - first, before - second, rng, paired=True)


def _closed(embedded: Embedded) -> Floats:
    """Where the object is, (n, g, g), 0..1; all 0 if there are no patch features."""
    if embedded.patches is None:
        return np.zeros((len(embedded.dataset), 1, 1), np.float32)
    return np.asarray(embedded.patches.foreground / np.float32(255), np.float32)
