"""Find where in its images each finding is seen, for the report."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.attributes import lettering, words
from curator.attributes.colour import NAMES
from curator.commands._steps.pattern_places import shown
from curator.report.html.places import Sight
from curator.types import LETTERING, AuditRun, Column, Embedded, Finding, Patches

MOST_IMAGES = 500
"""Most images of the class, and of the others, that a share is computed on: its error is 4 %, and it is drawn in steps of
20 %."""
MOST_FINDINGS = 30


def sights(run: AuditRun, findings: Iterable[Finding]) -> dict[str, Sight]:
    """Where findings about a part of the image are seen, by finding id; empty if there are no patch features.

    Shares are computed on `MOST_IMAGES` images of the class and as many others, evenly spaced.
    """
    patches = run.patches
    wanted = [f for f in findings if f.kind in ("object", "context", "unclear") and f.value != "no"][:MOST_FINDINGS]
    if patches is None or not len(patches) or not wanted:
        return {}
    spelt = None
    columns = {c.name: c for c in run.measures.columns}
    if any(f.attribute in columns and columns[f.attribute].place == "word" for f in wanted):
        whole = Embedded(run.dataset, run.embeddings, pd.DataFrame(), run.facts, 0, 0.0, patches)
        spelt = words.spelling(whole, whole)
    position = {str(i): k for k, i in enumerate(run.dataset.ids)}
    found = ((f.id, _sight(f, run, patches, spelt, position)) for f in wanted)
    return {id: sight for id, sight in found if sight is not None}


def _sight(
    f: Finding, run: AuditRun, patches: Patches, spelt: NDArray[np.uint8] | None, position: dict[str, int]
) -> Sight | None:
    labels, classes = run.dataset.labels, run.dataset.classes
    if f.class_name not in classes or f.attribute not in run.measures.frame:
        return None
    column = run.measures.column(f.attribute)
    inside = labels == classes.index(f.class_name)
    own, other = (_spread(np.flatnonzero(m)) for m in (inside, (labels >= 0) & ~inside))
    # For a word on the object the rest of the object is included; the places of the word itself count double.
    least = 2 if f.kind == "object" and column.place == "word" else 1
    sizes = run.sizes()
    ids = [i for i in f.example_ids if i in position and i in sizes]
    rows = own, other, np.array([position[i] for i in ids], np.intp)
    whole = column.place == "lettering"  # its edges are outside the part of an image that the encoder sees
    weights = [
        _lettering(column, f.value, r, run, patches.grid) if whole else shown(column, f.value, r, patches, spelt)
        for r in rows
    ]
    mine, theirs, examples = (None if w is None else w >= least for w in weights)
    if mine is None or theirs is None or examples is None:
        return None
    grid, view = patches.grid, run.encoder.preprocessing.view
    nowhere = np.zeros((grid, grid), np.float32)
    return Sight(
        exact=column.place in ("word", "lettering") or (column.place == "colour" and f.value in NAMES),
        share=mine.mean(0, dtype=np.float32) if len(own) else nowhere,
        n=len(own),
        elsewhere=theirs.mean(0, dtype=np.float32) if len(other) else nowhere,
        n_elsewhere=len(other),
        places=dict(zip(ids, examples, strict=True)),
        views={i: (0.0, 0.0, 1.0, 1.0) if whole else view(*sizes[i]) for i in ids},
        sizes={i: sizes[i] for i in ids},
    )


def _lettering(
    column: Column, value: str, rows: NDArray[np.intp], run: AuditRun, grid: int
) -> NDArray[np.int64] | None:
    """The places (r, grid, grid) of the whole images that hold lettering by the edge (at the place `value`, if it is one)."""
    if LETTERING not in run.facts:
        return None
    out = np.zeros((len(rows), grid, grid), np.int64)
    for k, text in enumerate(run.facts[LETTERING].iloc[rows]):
        for line in lettering.marks(text if isinstance(text, str) else ""):
            if column.form == "tags" and lettering.place(line) != value:
                continue
            x0, y0, x1, y1 = (int(min(grid - 1, at * grid)) for at in line)
            out[k, y0 : y1 + 1, x0 : x1 + 1] = 1
    return out


def _spread(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """At most `MOST_IMAGES` of the rows, evenly spaced from the first to the last."""
    if len(rows) <= MOST_IMAGES:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_IMAGES).round().astype(np.intp)]
