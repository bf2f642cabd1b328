"""The rows that every reader makes of DATA, and the data set made of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from curator.errors import DataError
from curator.types import UNLABELLED, Dataset, Skipped


@dataclass(frozen=True, slots=True)
class Row:
    """One image: `id` relative to the root, class name or None, split or ""."""

    id: str
    label: str | None
    split: str


@dataclass(frozen=True, slots=True)
class Table:
    """The content of a table: rows with unique ids, skipped rows, and all other columns (index = id)."""

    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]
    metadata: pd.DataFrame


def dataset(
    name: str, root: str, rows: Iterable[Row], skipped: Iterable[Skipped], metadata: pd.DataFrame | None
) -> Dataset:
    """Make a data set, sorted by id, of rows in any order. Ids are unique; `metadata` is indexed by id."""
    ordered = sorted(rows, key=lambda r: r.id)
    left_out = tuple(sorted(skipped, key=lambda s: (s.id, s.reason)))
    if not ordered:
        why = " ".join("; ".join(f"{s.id}: {s.reason}" for s in left_out[:3]).split())
        raise DataError(
            f"no usable image in {os.path.join(root, '')}" + (f" ({why})" if why else "") + ". Needed: a folder of"
            " class folders holding images (cat/1.jpg, dog/2.jpg), a folder of images, or a table of their paths."
        )
    classes = tuple(sorted({r.label for r in ordered if r.label is not None}))
    number = {label: k for k, label in enumerate(classes)}
    ids = [r.id for r in ordered]
    return Dataset(
        name=name,
        root=root,
        ids=np.asarray(ids, dtype=np.str_),
        labels=np.asarray([UNLABELLED if r.label is None else number[r.label] for r in ordered], dtype=np.int32),
        classes=classes,
        splits=np.asarray([r.split for r in ordered], dtype=np.str_),
        metadata=pd.DataFrame(index=pd.Index(ids, name="id")) if metadata is None else metadata.loc[ids],
        skipped=left_out,
    )
