"""Use embeddings that a FiftyOne data set already has, if they were made by the same encoder."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from curator.readers import Data
from curator.report.wording import notes as words
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
        return embedded, [words.FIFTYONE_UNUSED]
    from curator.readers import fiftyone  # FiftyOne takes seconds to load

    name = str(data).partition(":")[2].strip()
    own, encoder = embedded.embeddings.vectors, embedded.embeddings.encoder.name
    vectors, notes = own.copy(), []
    paths = {os.path.join(embedded.dataset.root, id): k for k, id in enumerate(embedded.dataset.ids.tolist())}
    for field, by_path in fiftyone.vectors(name):
        found = {paths[path]: vector for path, vector in by_path.items() if path in paths}
        lengths = {len(vector) for vector in found.values()}
        if lengths and lengths != {own.shape[1]}:
            notes.append(words.field_unused(field, min(lengths), encoder, own.shape[1]))
        if lengths != {own.shape[1]}:
            continue
        rows = np.array(sorted(found), np.intp)
        theirs = unit(np.stack([found[k] for k in rows.tolist()]))
        agrees = (theirs * own[rows]).sum(1) >= AGREES
        vectors[rows[agrees]] = theirs[agrees]
        notes.append(
            words.field_used(field, int(agrees.sum()), len(own), int((~agrees).sum()))
            if agrees.any()
            else words.field_unused(field, own.shape[1], encoder, own.shape[1])
        )
    return replace(embedded, embeddings=replace(embedded.embeddings, vectors=vectors)), notes
