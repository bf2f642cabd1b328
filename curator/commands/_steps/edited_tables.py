"""Read tables that curator wrote and that a person or a spreadsheet may have changed: plans, reviews, manifests."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from curator.report.serialise import unguarded

Row = dict[str, str]


def read_rows(path: str | Path) -> tuple[list[str], list[Row]]:
    """The columns and the rows of a CSV file, all text, without the ' that keeps a cell from being run as a formula.

    Raises:
        OSError: it cannot be read. ValueError: it is not a table of text; the message says why.
    """
    with warnings.catch_warnings():
        # pandas would cut rows with more fields than the header, or move them under another column.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            # A spreadsheet may write a byte order mark at the start of the file.
            table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
        except pd.errors.ParserWarning as error:
            raise ValueError(" ".join(str(error).split())) from None
        except OverflowError:
            raise ValueError("a cell is too long") from None
    columns = [str(name) for name in table.columns]
    rows = [{name: unguarded(str(cell)) for name, cell in zip(columns, row, strict=True)} for row in table.to_numpy()]
    for k, row in enumerate(rows, start=2):
        if any("\0" in cell for cell in row.values()):
            raise ValueError(f"line {k} holds a NUL character")  # which no path and no label has
    return columns, rows
