"""Embeddings that a FiftyOne data set has already, and whether they are those of the encoder."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from curator.readers import Data
from curator.similarity.vectors import unit
from curator.types import Embedded

AGREES = 0.999
"""Cosine from which a vector is the encoder's own: half precision and another machine move it by less than 0.0001."""
MOST = 50_000_000
"""Numbers (images x length) of a data set whose fields are looked at: FiftyOne reads them all at once."""


def with_given(embedded: Embedded, data: Data) -> tuple[Embedded, list[str]]:
    """`embedded` with the vectors of DATA's own fields, if it is `fiftyone:NAME`, and a note on each such field.

    What a field says of its making is not asked: a vector is taken if it points where the encoder's own does, so that one of
    another encoder, or of a picture that has changed since, never is.

    Error: no time is saved, for every picture is read anyway, for what is measured in it.
    """
    if not isinstance(data, str) or not data.lower().startswith("fiftyone:"):
        return embedded, []
    if embedded.embeddings.vectors.size > MOST:
        return embedded, ["FiftyOne's embeddings are not used: there are too many to check."]
    from curator.readers import fiftyone  # FiftyOne takes seconds to load

    name = str(data).partition(":")[2].strip()
    own, encoder = embedded.embeddings.vectors, embedded.embeddings.encoder.name
    vectors, notes = own.copy(), []
    paths = {os.path.join(embedded.dataset.root, id): k for k, id in enumerate(embedded.dataset.ids.tolist())}
    for field, by_path in fiftyone.vectors(name):
        found = {paths[path]: vector for path, vector in by_path.items() if path in paths}
        lengths = {len(vector) for vector in found.values()}
        if lengths and lengths != {own.shape[1]}:
            what = f"its vectors have {min(lengths)} numbers, but those of {encoder} have {own.shape[1]}"
            notes.append(f"FiftyOne's field {field!r} is not used: {what}.")
        if lengths != {own.shape[1]}:
            continue
        rows = np.array(sorted(found), np.intp)
        theirs = unit(np.stack([found[k] for k in rows.tolist()]))
        agrees = (theirs * own[rows]).sum(1) >= AGREES
        vectors[rows[agrees]] = theirs[agrees]
        others = f"; for {int((~agrees).sum())} images they are not the encoder's" if not agrees.all() else ""
        notes.append(
            f"Embeddings of FiftyOne's field {field!r} are used for {int(agrees.sum())} of {len(own)} images{others}."
            if agrees.any()
            else f"FiftyOne's field {field!r} is not used: its vectors are not those of {encoder}."
        )
    return replace(embedded, embeddings=replace(embedded.embeddings, vectors=vectors)), notes
