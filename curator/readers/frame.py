"""Read a pandas DataFrame, from Python: a path column, and optionally a label, a split and metadata."""

from __future__ import annotations

import os

import pandas as pd

from curator.readers import Reader, Request
from curator.readers._rows import dataset
from curator.readers.table import rows_of
from curator.types import Dataset


def _read(request: Request) -> Dataset:
    """Read the rows. Relative paths start at the working folder. Images may be anywhere, as the user names each of them."""
    assert isinstance(request.data, pd.DataFrame)
    root = os.getcwd()
    table = rows_of(
        request.data.reset_index(drop=True), "the DataFrame", root, path_column=request.path_column,
        label_column=request.label_column, allow_outside=True,
    )  # fmt: skip
    return dataset("data", root, table.rows, table.skipped, table.metadata)


READER = Reader(order=5, reads=lambda request: isinstance(request.data, pd.DataFrame), read=_read)
