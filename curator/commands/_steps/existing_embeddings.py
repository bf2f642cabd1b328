"""Use embeddings that a FiftyOne data set already has, if they were made by the same encoder."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from curator.readers import Data
from curator.similarity.vectors import unit
from curator.types import Embedded

AGREES = 0.999
"""Smallest cosine similarity at which two vectors count as the same: half precision and another machine change it by less
than 0.0001."""
MOST = 50_000_000
"""Most numbers (images x vector length) for which the fields are read: FiftyOne loads them all at once."""


def with_given(embedded: Embedded, data: Data) -> tuple[Embedded, list[str]]:
    """`embedded` with the vectors of DATA's own fields, if it is `fiftyone:NAME`, and a note on each such field.

    How a field was made is ignored. A vector is used if it points in the same direction as the encoder's own, so vectors
    of another encoder or of an image that has changed are never used.

    Error: this saves no time, because every image is read anyway to be measured.
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
