"""Tables that curator wrote and that come back after a person or a spreadsheet had them: plans, reviews, manifests."""

from __future__ import annotations

import warnings
from pathlib import Path

import pandas as pd

from curator.report.serialise import unguarded

Row = dict[str, str]


def read_rows(path: str | Path) -> tuple[list[str], list[Row]]:
    """The columns and the rows of a CSV file, all text, without the ' that keeps a cell from being run as a formula.

    Raises:
        OSError: it cannot be read. ValueError: it is no table of text, with the reason.
    """
    with warnings.catch_warnings():
        # Rows with more fields than the header would be cut, or move under another column.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            # A spreadsheet may put a byte order mark before what it saves.
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
