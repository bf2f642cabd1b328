"""The fingerprint of a data set: a digest that changes with an image, a label, a split or a metadata value."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from curator.types import Embedded

_BLOCK = 1 << 13
"""Number of images whose values are written together."""
_ALIKE = ("string", "boolean", "categorical")
"""Kinds of columns (pandas' names) in which equal values are written alike, so that each distinct value is written once. In a
column of 1 and True, equal values are written differently."""


def fingerprint(embedded: Embedded) -> str:
    """A digest that changes with an image, a label, a split or a metadata value, but not with the folder's location.

    Images are identified by the digest of their bytes, or embeddings without images by their own numbers.
    """
    data = embedded.dataset
    digest = hashlib.sha256()
    digest.update(repr((list(data.metadata.columns), data.classes)).encode("utf-8", "surrogateescape"))
    written = [_written(data.metadata[c]) for c in data.metadata.columns]
    names = [*map(repr, data.classes), repr("")]
    for start in range(0, len(data), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(data)))
        parts = [
            map(repr, data.ids[rows].tolist()),
            [names[k] for k in data.labels[rows].tolist()],  # -1 (no label) selects the last name
            map(repr, data.splits[rows].tolist()),
            map(repr, _pictures(embedded, rows)),
            *(column(rows) for column in written),
        ]
        text = "".join([f"({', '.join(row)})" for row in zip(*parts, strict=True)])
        digest.update(text.encode("utf-8", "surrogateescape"))
    return f"sha256:{digest.hexdigest()}"


def _pictures(embedded: Embedded, rows: slice) -> Sequence[str]:
    if "sha256" in embedded.facts:
        return [str(v) for v in embedded.facts["sha256"].iloc[rows]]
    return [hashlib.sha256(v.tobytes()).hexdigest() for v in embedded.embeddings.vectors[rows]]


def _written(column: pd.Series) -> Callable[[slice], Iterator[str]]:
    """A function from rows to the texts of their values in the digest, as Python writes them."""
    if pd.api.types.infer_dtype(column, skipna=False) in _ALIKE:
        code, different = pd.factorize(column, use_na_sentinel=False)
        spelt = [repr(str(v)) for v in different]
        return lambda rows: map(spelt.__getitem__, code[rows].tolist())
    return lambda rows: (repr(str(v)) for v in column.iloc[rows])
