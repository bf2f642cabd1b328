"""Read a table of image paths (.csv, .parquet or .jsonl) with a path column and optionally a label and a split."""

from __future__ import annotations

import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import pandas as pd

from curator.errors import DataError, InputError
from curator.io import remote
from curator.readers import Reader, Request
from curator.readers._rows import Row, Table, dataset
from curator.types import Dataset, Skipped

_URL = re.compile(r"([a-z][a-z0-9+.-]+::)*[a-z][a-z0-9+.-]+://|(https?|ftp|file|data|s3|gs|az|hf):", re.IGNORECASE)
_SPLIT_NAMES = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
_DEFAULT_LABEL = "label"
_MOST_TABLE = 4 << 30
"""Largest remote table that is read, in bytes."""


Find = Callable[[str], tuple[str, str]]
"""A function from a path in the table to (id, reason); the reason is "" if the file can be used."""


def read(path: str, *, path_column: str, label_column: str, allow_outside: bool, find: Find | None = None) -> Table:
    """The rows of the table at `path` whose files exist; relative paths start at the table's own folder.

    Files outside that folder (also through a link) are skipped unless `allow_outside`; URLs are never followed. A path
    listed twice counts once, with the label that sorts first. An empty label (or NaN) means unlabelled. `find` locates
    files that are not next to the table.

    Raises: InputError if it cannot be read or has no such column; DataError if it has no rows.
    """
    frame = _frame(path, (path_column, label_column, "split"))
    return rows_of(
        frame, os.path.basename(path), os.path.dirname(path), path_column=path_column, label_column=label_column,
        allow_outside=allow_outside, find=find,
    )  # fmt: skip


def rows_of(
    frame: pd.DataFrame, name: str, root: str, *, path_column: str, label_column: str, allow_outside: bool,
    find: Find | None = None,
) -> Table:  # fmt: skip
    """The rows of a table in memory, called `name`; relative paths start at `root`. Otherwise the same as `read`."""
    if not len(frame):
        raise DataError(f"{name} has no rows. Needed: one row per image with its path.")
    frame = frame.set_axis([str(c).strip() for c in frame.columns], axis=1)
    if not frame.columns.is_unique:
        raise InputError(f"{name} has two columns of the same name: {', '.join(frame.columns)}. Rename one.")
    has_label = _check_columns(name, list(frame.columns), path_column, label_column)
    has_split = "split" in frame and "split" not in (path_column, label_column)

    find = find or _Places(root, allow_outside).find
    found: list[tuple[Row, int]] = []
    skipped: list[Skipped] = []
    labels = map(_name, frame[label_column]) if has_label else iter([""] * len(frame))
    splits = map(_name, frame["split"]) if has_split else iter([""] * len(frame))
    for i, (raw, label, split) in enumerate(zip(frame[path_column], labels, splits, strict=True)):
        id, reason = find(str(raw)) if _name(raw) else (f"row {i + 1}", "no path in this row")
        if reason:
            skipped.append(Skipped(id, reason))
        else:
            found.append((Row(id, label or None, _SPLIT_NAMES.get(split.lower(), split)), i))

    found.sort(key=lambda f: (f[0].id, f[0].label or "\U0010ffff", f[0].split))
    kept: dict[str, tuple[Row, int]] = {}
    for row, i in found:
        first = kept.setdefault(row.id, (row, i))[0]
        if kept[row.id][1] != i:
            other = "" if row.label == first.label else f", as {first.label!r} (kept) and as {row.label!r}"
            skipped.append(Skipped(row.id, f"listed twice in the table{other}"))
    others = [c for c in frame.columns if c not in (path_column, *([label_column] if has_label else []))]
    metadata = frame[[c for c in others if not (has_split and c == "split")]].iloc[[i for _, i in kept.values()]]
    metadata.index = pd.Index(list(kept), name="id")
    return Table(tuple(row for row, _ in kept.values()), tuple(skipped), metadata)


def _check_columns(name: str, columns: list[str], path_column: str, label_column: str) -> bool:
    """Whether there are labels. Raises: InputError if a column that was asked for is missing."""
    listed = ", ".join(columns)
    if path_column not in columns:
        raise InputError(
            f"{name} has no column {path_column!r}; there are: {listed}. Name the column of paths with --path-column."
        )
    if label_column in columns:
        return True
    near = [c for c in columns if c.lower() == label_column.lower()]
    if label_column != _DEFAULT_LABEL or near:
        hint = f"--label-column {near[0]}" if near else "--label-column"
        raise InputError(
            f"{name} has no column {label_column!r}; there are: {listed}. Name the column of labels with {hint}."
        )
    return False


def _frame(path: str, as_text: tuple[str, ...]) -> pd.DataFrame:
    name, suffix = os.path.basename(path), os.path.splitext(path)[1].lower()
    if suffix not in (".csv", ".parquet", ".jsonl"):
        raise InputError(
            f"{name} is not a table that curator reads; give a .csv, .parquet or .jsonl file, or a folder."
        )
    try:
        if suffix == ".csv":
            return _csv(path, as_text)
        if suffix == ".parquet":
            stored = pd.read_parquet(path)
            for column in range(stored.shape[1]):
                stored.iloc[:, column].tolist()  # text that is not UTF-8 raises an error only when it is read
            return stored.reset_index(drop=all(n is None for n in stored.index.names))
        with open(path, encoding="utf-8-sig") as lines:
            return pd.DataFrame.from_records(list(_objects(lines)))
    except pd.errors.EmptyDataError:
        raise DataError(f"{name} is empty. Needed: a header and one row per image with its path.") from None
    except PermissionError:
        raise InputError(f"no permission to read {name}.") from None
    except MemoryError:
        raise
    except Exception as error:
        # The parsers raise many kinds of errors if the format does not match the name; the user needs one line.
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(f"{name} cannot be read as {suffix[1:]} ({why}). Save it again as UTF-8 {suffix}.") from None


def _csv(path: str, as_text: tuple[str, ...]) -> pd.DataFrame:
    with warnings.catch_warnings():
        # pandas would cut rows with more fields than the header, with only a warning, and the columns would be wrong.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(path, encoding="utf-8-sig", index_col=False)
    # Read these columns again as text, because a class may be called "NA" or "007".
    text = pd.read_csv(
        path,
        encoding="utf-8-sig",
        index_col=False,
        usecols=lambda column: str(column).strip() in as_text,
        dtype=str,
        keep_default_na=False,
    )
    return frame.assign(**{str(c): text[c] for c in text.columns})


def _objects(lines: Iterator[str]) -> Iterator[dict[str, object]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            if not isinstance(value, dict):
                raise ValueError(f"line {number} is not a JSON object")
            yield value


def _name(value: object) -> str:
    """A cell as text: "" if missing, "3" for 3.0 (a column of integers with gaps is read as floats)."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return "" if text.lower() == "nan" else text


class _Places:
    """Turns a table's paths into ids, and says why a path cannot be used."""

    def __init__(self, root: str, allow_outside: bool) -> None:
        self._root, self._real_root = root, os.path.realpath(root)
        self._allow_outside = allow_outside
        self._inside: dict[str, bool] = {}

    def find(self, raw: str) -> tuple[str, str]:
        """(id, reason); the reason is "" if the file can be used."""
        if _URL.match(raw):
            return raw, "a URL; curator reads only local files"
        try:
            raw.encode("utf-8")
            if "\0" in raw:
                raise ValueError("a NUL")
            full = os.path.normpath(os.path.join(self._root, raw))
            # Spaces around a name almost always come from the table, not the file; "\\" in it comes from Windows.
            for other in (raw.strip(), raw.strip().replace("\\", "/")):
                if not os.path.lexists(full):
                    full = os.path.normpath(os.path.join(self._root, other))
            id = os.path.relpath(full, self._root).replace(os.sep, "/")
            if not self._allow_outside and not self._is_inside(full):
                return raw, "outside the table's folder (allow it with --allow-outside)"
            if not os.path.exists(full):
                return id, "no such file"
            return id, "" if os.path.isfile(full) else "not a file"
        except ValueError:  # NUL bytes, lone surrogates
            shown = raw.replace("\0", "\\x00")
            return shown.encode("utf-8", "backslashreplace").decode(), "not a valid path"

    def _is_inside(self, full: str) -> bool:
        if os.path.islink(full):
            return self._below(os.path.realpath(full))
        folder = os.path.dirname(full)
        if folder not in self._inside:
            self._inside[folder] = self._below(os.path.join(os.path.realpath(folder), "x"))
        return self._inside[folder]

    def _below(self, real: str) -> bool:
        return os.path.commonpath([real, self._real_root]) == self._real_root


def _is_table(request: Request) -> bool:
    return os.path.isfile(request.path) or (remote.is_url(request.path) and not remote.is_folder(request.path))


def _read(request: Request) -> Dataset:
    name = os.path.basename(request.path)
    if not remote.is_url(request.path):
        found = read(
            request.path, path_column=request.path_column, label_column=request.label_column,
            allow_outside=request.allow_outside,
        )  # fmt: skip
        root = os.path.dirname(request.path)
    else:
        # A local copy of the table is read. Whether its files exist is only known when they are read.
        root = request.path.rpartition("/")[0]
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, name)
            with open(copy, "wb") as file:
                file.write(remote.read(request.path, _MOST_TABLE))
            found = read(
                copy, path_column=request.path_column, label_column=request.label_column, allow_outside=False,
                find=partial(remote.below, root),
            )  # fmt: skip
    return dataset(os.path.splitext(name)[0], root, found.rows, found.skipped, found.metadata)


READER = Reader(order=50, form="a .csv, .parquet or .jsonl table with a path column", reads=_is_table, read=_read)
