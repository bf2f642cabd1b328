"""What a probe can tell of the class from the surroundings, the corners, the colours or the file alone.

This bounds what no attribute names: if the surroundings alone tell little, a linear probe finds little to rely on in them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.commands.session import Session
from curator.errors import DataError
from curator.probe import linear
from curator.probe import surroundings_alone as probe
from curator.types import Embedded, Floats, Ints, Mask, Patches
from curator.types.surroundings_alone import Source, SourceAccuracy, SurroundingsAlone

FEWEST = probe.FEWEST
MOST = 5_000
"""Maximum number of images. With ten classes all five sources then take 4 s on one core, with fifty 9 s."""
MOST_CLASSES = 50
"""Maximum number of classes, for the same reason."""
CORNER = 1 / 7
"""Side of a corner as a fraction of the input: two of fourteen places, as wide as the ring that counts as surroundings."""
VECTORS_C, NUMBERS_C = 0.1, 1.0
"""Inverse regularisation for embeddings, as for reliance, and for the few numbers of the other sources."""
RARE = 10
"""A format or mode of fewer images than this is not told apart from the other rare ones."""
_BLOCK = 256
_NUMBERS = ("width", "height", "n_bytes")

Row = NDArray[np.intp]


def measure(
    embedded: Embedded, labels: Ints, contents: Ints, unclear: Mask, session: Session
) -> SurroundingsAlone | None:
    """Measure every source on the same images and folds; None if fewer than two classes have enough different images.

    `labels` (n,) are -1 for images that do not count; `contents` (n,) is equal for copies, which share a fold; `unclear`
    (k,) are the classes whose object cannot be located.
    """
    names = embedded.dataset.classes
    left_out, chosen = _classes(labels, contents, names)
    if len(chosen) < 2:
        return None
    rng = session.rng("surroundings alone")
    rows = np.flatnonzero(np.isin(labels, chosen))
    rows = rows[linear.sampled(labels[rows], rng, MOST)]
    y = np.searchsorted(chosen, labels[rows]).astype(np.int32)
    groups = np.unique(contents[rows], return_inverse=True)[1].astype(np.int32)
    try:
        fold = probe.folds(y, groups, rng)
    except DataError:
        return None
    classes = tuple(names[k] for k in chosen)
    sources: dict[Source, Callable[[Embedded, Row], Floats | str]] = {
        "whole image": _whole,
        "surroundings": _surroundings,
        "corners": _corners,
        "mean colours": _colours,
        "file facts": _facts,
    }
    found = []
    for source, collect in sources.items():
        x = collect(embedded, rows)
        if isinstance(x, str):
            found.append(SourceAccuracy(source=source, reason=x))
            continue
        c = VECTORS_C if source in ("whole image", "surroundings") else NUMBERS_C
        told = probe.told(x, y, fold, groups, c)
        auc = {name: float(a) for name, a in zip(classes, told.auc, strict=True) if np.isfinite(a)}
        found.append(SourceAccuracy(source=source, accuracy=told.accuracy, ci=told.ci, auc=auc))
    return SurroundingsAlone(
        n_images=len(rows),
        classes=classes,
        chance=1 / len(classes),
        sources=tuple(found),
        left_out_classes=left_out,
        not_located=tuple(names[k] for k in chosen if unclear[k]),
    )


def _classes(labels: Ints, contents: Ints, names: tuple[str, ...]) -> tuple[dict[str, str], Row]:
    """The classes that are left out, with the reason, and the numbers of the others."""
    sizes = np.bincount(labels[labels >= 0], minlength=len(names))
    different = np.array([len(np.unique(contents[labels == k])) for k in range(len(names))], int)
    left_out = {
        name: f"fewer than {probe.FEWEST} different images"
        for name, size, n in zip(names, sizes, different, strict=True)
        if size > 0 and n < probe.FEWEST
    }
    chosen = np.flatnonzero(different >= probe.FEWEST)
    largest = chosen[np.argsort(-different[chosen], kind="stable")][:MOST_CLASSES]
    left_out |= {names[k]: f"not one of the {MOST_CLASSES} largest classes" for k in chosen if k not in largest}
    return left_out, np.sort(largest)


def _whole(embedded: Embedded, rows: Row) -> Floats:
    return probe.directions(embedded.embeddings.vectors[rows])


def _surroundings(embedded: Embedded, rows: Row) -> Floats | str:
    covered = embedded.embeddings.surround
    return "this encoder locates no objects" if covered is None else probe.directions(covered[rows])


def _corners(embedded: Embedded, rows: Row) -> Floats | str:
    """Mean and spread of colour and texture in each of the four corners, and the mean features of all."""
    patches = embedded.patches
    if patches is None:
        return "no features of places were computed"
    return probe.standardised(
        np.concatenate([_cornered(patches, rows[i : i + _BLOCK]) for i in range(0, len(rows), _BLOCK)]), squares=False
    )


def _cornered(patches: Patches, rows: Row) -> NDArray[np.float64]:
    """(m, 32 + d): what the corners of these images show."""
    side = max(1, round(patches.grid * CORNER))
    ends = slice(None, side), slice(-side, None)
    seen = np.concatenate([patches.colour[rows], patches.texture[rows][..., None]], axis=3).astype(float)
    features = patches.features[rows]
    out, pooled = [], []
    for at in product(ends, ends):
        corner = seen[:, *at]
        out += [corner.mean((1, 2)), corner.std((1, 2))]
        pooled.append(features[:, *at].mean((1, 2), dtype=float))
    return np.column_stack([*out, np.mean(pooled, axis=0)])


def _colours(embedded: Embedded, rows: Row) -> Floats | str:
    """The mean red, green and blue of the whole image, and their squares."""
    patches = embedded.patches
    if patches is None:
        return "no features of places were computed"
    return probe.standardised(patches.colour[rows].astype(float).mean((1, 2)), squares=True)


def _facts(embedded: Embedded, rows: Row) -> Floats | str:
    """Sizes on a logarithmic scale, JPEG quality, format, mode, and what is missing."""
    facts = embedded.facts.iloc[rows]
    if any(name not in facts for name in (*_NUMBERS, "format", "mode")):
        return "there are no files"
    sizes = facts[[*_NUMBERS]].to_numpy(float)
    per_pixel = sizes[:, 2] / np.maximum(sizes[:, 0] * sizes[:, 1], 1)
    quality = pd.to_numeric(_column(facts, "jpeg_quality"), errors="coerce").to_numpy(float)
    numbers = np.column_stack([np.log(np.maximum(sizes, 1)), np.log(np.maximum(per_pixel, 1e-9)), quality])
    camera = _column(facts, "camera")
    missing = np.column_stack([np.isnan(quality), (camera.isna() | (camera == "")).to_numpy(bool)])
    kinds = np.column_stack([missing, _one_hot(facts["format"]), _one_hot(facts["mode"])])
    return np.column_stack(
        [probe.standardised(numbers, squares=True), probe.standardised(kinds.astype(float), squares=False)]
    )


def _column(facts: pd.DataFrame, name: str) -> pd.Series:
    return facts[name] if name in facts else pd.Series(None, index=facts.index, dtype=object)


def _one_hot(names: pd.Series) -> Mask:
    """One column for each name of at least `RARE` images; the other images have none."""
    counts = names.value_counts()
    usual = sorted(counts.index[counts >= RARE].astype(str))
    return np.asarray(names.astype(str).to_numpy()[:, None] == np.array(usual, object), np.bool_).reshape(
        len(names), len(usual)
    )
