"""Convert curator's values to plain JSON and write files atomically. Equal values give equal files."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from curator.io.atomic import write_whole

# A spreadsheet runs a cell that begins with one of these. A cell that already looks guarded is guarded once more, so
# that `unguarded` gives back exactly the original.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
# Printed raw, these would move a terminal's cursor or reorder the line. In a JSON string their escape means the same.
_UNSAFE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def plain(value: Any) -> Any:
    """The value in JSON types: numpy, dataclasses, paths and dates are converted; NaN, infinities and NA become None."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (set, frozenset)):
        return [plain(v) for v in sorted(value, key=str)]
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.to_builtins(value, enc_hook=plain))
    if isinstance(value, date):
        return value.isoformat()
    return value.as_posix() if isinstance(value, Path) else str(value)


def dumps(obj: Any) -> str:
    """The object as indented JSON text that ends with a newline; equal objects give equal text.

    Non-Latin text stays readable. Lone surrogates, control and direction characters are escaped, so that the text can be
    encoded as UTF-8 and printed, and is read back unchanged.
    """
    text = json.dumps(plain(obj), ensure_ascii=False, indent=1, allow_nan=False)
    text = _UNSAFE_IN_JSON.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def dump(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write the object as JSON in UTF-8, atomically and with the same bytes each time. Makes the folder."""
    write_text(dumps(obj), path)


def write_text(text: str, path: str | os.PathLike[str]) -> None:
    """Write the text as UTF-8, atomically: a reader never sees half a file. Makes the folder."""
    content = text.encode("utf-8", "backslashreplace")
    write_whole(path, lambda part: part.write_bytes(content))


def guarded(cell: str) -> str:
    """The cell with a ' before it if a spreadsheet could read it as a formula. `unguarded` removes the '.

    >>> guarded("=1+1"), guarded("bunny/1.jpg")
    ("'=1+1", 'bunny/1.jpg')
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The original of a cell that `guarded` returned, for readers of `recommendation.csv`.

    >>> unguarded(guarded("-1.jpg")), unguarded("'tis.jpg")
    ('-1.jpg', "'tis.jpg")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
