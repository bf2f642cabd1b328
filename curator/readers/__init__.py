"""Read DATA in its different forms. Each module reads one form; a new module registers by defining `READER`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.request import url2pathname

import pandas as pd

from curator.errors import InputError
from curator.io import remote
from curator.registry import Registry
from curator.types import Dataset

Data = str | Path | pd.DataFrame
"""The types of DATA: a path, a URL, the name of a data set, or a DataFrame."""


@dataclass(frozen=True, slots=True)
class Request:
    """DATA as the user gave it, with its options.

    `path` is the absolute path of local data, or the URL without a slash at its end; "" for a DataFrame.
    """

    data: str | pd.DataFrame
    path: str
    path_column: str = "path"
    label_column: str = "label"
    allow_outside: bool = False


@dataclass(frozen=True, slots=True)
class Reader:
    """One form of DATA. Readers are asked in their `order`; the first whose `reads` returns True reads it.

    `reads` is cheap: it looks at names and imports nothing heavy. `form` names the form in a few words, for the error if no
    reader fits; "" leaves it out of that error. `read` returns the images, sorted by id, without opening any.
    """

    order: int
    reads: Callable[[Request], bool]
    read: Callable[[Request], Dataset]
    form: str = ""


READERS: Registry[Reader] = Registry("curator.readers", "READER", "reader")


def scan(
    data: str | Path | pd.DataFrame,
    *,
    path_column: str = "path",
    label_column: str = "label",
    allow_outside: bool = False,
) -> Dataset:
    """The images of DATA and their metadata. No image is opened.

    `ids` and `classes` are sorted, so the order on disk or in a table does not matter. `allow_outside` lets a table name
    files outside its own folder.

    Raises:
        InputError: no reader fits, or DATA does not exist. DataError: DATA has no images.
        MissingExtraError: the library for a URL is not installed.
    """
    request = Request(
        data if isinstance(data, pd.DataFrame) else str(data), path_of(data), path_column, label_column, allow_outside
    )
    readers = sorted((reader for _, reader in READERS), key=lambda r: r.order)
    for reader in readers:
        if reader.reads(request):
            return reader.read(request)
    forms = [r.form for r in readers if r.form]
    needed = f"Give {', '.join(forms[:-1])}, or {forms[-1]}."
    if isinstance(data, str) and not data.strip():
        raise InputError(f"DATA is empty. {needed}")
    if not os.path.lexists(request.path):
        raise InputError(f"no such file or folder: {data}. {needed}")
    raise InputError(f"{data} is neither a folder nor a readable file. Check the link or the disk it is on.")


def path_of(data: Data) -> str:
    """The absolute path of local data, the URL of remote data without a slash at its end, "" for a DataFrame."""
    if isinstance(data, pd.DataFrame):
        return ""
    text = str(data)
    if text.lower().startswith("file://"):
        text = url2pathname(text[len("file://") :])
    if remote.is_url(text):
        return text.rstrip("/")
    return os.path.abspath(os.path.expanduser(text)) if text.strip() else ""
