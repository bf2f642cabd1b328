"""DATA -> Dataset: find the images of a folder or a table, without opening one."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from urllib.request import url2pathname

import numpy as np
import pandas as pd

from curator.errors import DataError, InputError
from curator.io import remote
from curator.io.decoding.images import IMAGE_SUFFIXES
from curator.readers import clip_retrieval
from curator.readers import table as tables
from curator.types import UNLABELLED, Dataset, Skipped

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Folder names (lower case) that are splits, and what they are called from here on."""

MAX_VISITS = 16
"""How often one folder may be reached through links: folders that link to each other would else never end."""

_MOST_TABLE = 4 << 30
"""Bytes of a remote table that are read, at most."""
Subfolders = Callable[[str], list[str]]
"""Names of the folders in a folder, which is given relative to DATA, "" for DATA itself."""

# What lies beside images in most data sets and is no image anyone misses.
_CLUTTER_NAMES = frozenset(
    ("thumbs.db", "desktop.ini", "license", "licence", "readme", "credits", "makefile", "@eadir")
)
_CLUTTER_SUFFIXES = frozenset(
    (".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".log", ".parquet")
)


def scan(data: str, *, path_column: str = "path", label_column: str = "label", allow_outside: bool = False) -> Dataset:
    """The images of DATA and what is known of them; no image is opened.

    DATA is a folder of class folders (whatever lies deeper belongs to the class), the same under train/ val/ test/
    (also valid, validation; any of them, any case), a flat folder of images (unlabelled), a .csv, .parquet or .jsonl
    table (see `curator.readers.table`), any of these at a URL that fsspec knows, `fiftyone:NAME` (see
    `curator.readers.fiftyone`), or a folder of embeddings (see `curator.readers.clip_retrieval`). An image beside the class
    folders is unlabelled. `ids` are sorted, so the order on disk or in the table does not matter; `classes` are sorted. A
    class folder without images is no class: it is named in `skipped`, as is whatever is neither an image by its name nor
    a usual companion of images (hidden files, .txt, ...). `allow_outside` lets a table name files outside its own folder.

    Raises: InputError if DATA is not one of these or does not exist; DataError if it holds no image; MissingExtraError for a
    URL whose library is not installed.
    """
    if data.lower().startswith("fiftyone:"):
        return _fiftyone(data.partition(":")[2].strip(), label_column)
    if data.lower().startswith("file://"):
        data = url2pathname(data[len("file://") :])
    if remote.is_url(data):
        return _remote(data.rstrip("/"), path_column, label_column)
    if not data.strip():
        raise InputError("DATA is empty: give a folder of class folders, or a .csv, .parquet or .jsonl table.")
    path = os.path.abspath(os.path.expanduser(data))
    if os.path.isdir(path):
        if clip_retrieval.is_folder(path):
            return clip_retrieval.scan(path, label_column=label_column)
        return _folder(path)
    if not os.path.lexists(path):
        raise InputError(
            f"no such file or folder: {data}. Give a folder of class folders, or a .csv, .parquet or .jsonl table."
        )
    if not os.path.isfile(path):
        raise InputError(f"{data} is neither a folder nor a readable file. Check the link or the disk it is on.")
    table = tables.read(path, path_column=path_column, label_column=label_column, allow_outside=allow_outside)
    name = os.path.splitext(os.path.basename(path))[0]
    return _dataset(name, os.path.dirname(path), table.rows, table.skipped, table.metadata)


def _fiftyone(name: str, label_field: str) -> Dataset:
    from curator.readers import fiftyone  # pymongo and FiftyOne take seconds to load

    root, table = fiftyone.read(name, label_field=label_field)
    return _dataset(name.replace("/", "-"), root, table.rows, table.skipped, table.metadata)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


@dataclass(slots=True)
class _Walk:
    """Everything found below a folder: ids and the reasons for what was left out."""

    root: str
    images: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    visits: Counter[tuple[int, int]] = field(default_factory=Counter)

    def skip(self, id: str, reason: str) -> None:
        # Names that are not UTF-8 could not be written to any report; shown with their bytes escaped.
        self.skipped.append(Skipped(id.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), reason))

    def folder(self, rel: str, above: frozenset[tuple[int, int]] = frozenset()) -> None:
        """Collect what lies below `rel` ("" = root); `above` are the folders on the way here (device, inode)."""
        try:
            status = os.stat(os.path.join(self.root, rel))
            here = (status.st_dev, status.st_ino)
            with os.scandir(os.path.join(self.root, rel)) as found:
                entries = sorted(found, key=lambda e: e.name)
        except OSError as error:
            reason = "no permission" if isinstance(error, PermissionError) else error.strerror or type(error).__name__
            self.skip(rel or ".", f"a folder that cannot be read ({reason})")
            return
        self.visits[here] += 1
        if here in above or self.visits[here] > MAX_VISITS:
            self.skip(rel, "a link back to a folder above it" if here in above else "a folder linked to too often")
            return
        for entry in entries:
            self._entry(f"{rel}/{entry.name}" if rel else entry.name, entry, above | {here})

    def _entry(self, rel: str, entry: os.DirEntry[str], above: frozenset[tuple[int, int]]) -> None:
        if _is_clutter(entry.name):
            return
        try:
            is_dir, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:
            self.skip(rel, f"cannot be reached ({error.strerror})")  # a link to itself
            return
        if _is_utf8(entry.name) and is_dir:
            self.folder(rel, above)
        elif is_file or not _is_utf8(entry.name) or not _is_image(entry.name):
            self.file(rel)
        else:
            self.skip(rel, "a link to nothing" if entry.is_symlink() else "not a regular file")

    def file(self, rel: str) -> None:
        """A file, taken for an image if it is called like one."""
        name = rel.rpartition("/")[2]
        if not _is_utf8(name):
            self.skip(rel, "the name is not valid UTF-8 (rename it)")
        elif not _is_image(name):
            self.skip(rel, f"not an image file name: {name}")
        else:
            self.images.append(rel)


def _is_clutter(name: str) -> bool:
    low = name.lower()
    return low[0] == "." or low in _CLUTTER_NAMES or low == "__macosx" or os.path.splitext(low)[1] in _CLUTTER_SUFFIXES


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _folder(root: str) -> Dataset:
    walk = _Walk(root)
    walk.folder("")
    return _arranged(os.path.basename(root) or "data", walk, lambda rel: _subfolders(os.path.join(root, rel)))


def _remote(url: str, path_column: str, label_column: str) -> Dataset:
    """Folder or table at a URL. Of a folder the names are listed; of a table, which is copied here first, the files are not
    looked for before they are read."""
    name = url.rpartition("/")[2]
    if not remote.is_folder(url):
        root = url.rpartition("/")[0]
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, name)
            with open(copy, "wb") as file:
                file.write(remote.read(url, _MOST_TABLE))
            find = partial(remote.below, root)
            table = tables.read(
                copy, path_column=path_column, label_column=label_column, allow_outside=False, find=find
            )
        return _dataset(os.path.splitext(name)[0], root, table.rows, table.skipped, table.metadata)
    files = remote.files(url)
    if any(f.startswith("img_emb/") for f in files) and any(f.startswith("metadata/") for f in files):
        raise InputError(f"{url} is a clip-retrieval folder; copy it here, that kind is read from a disk.")
    walk, folders = _Walk(url), set[str]()
    for rel in files:
        parts = rel.split("/")
        folders.update("/".join(parts[:k]) for k in range(1, len(parts)))
        if not any(map(_is_clutter, parts)):
            walk.file(rel)
    return _arranged(name or "data", walk, lambda rel: [n for n in _below(rel, folders) if not _is_clutter(n)])


def _below(rel: str, folders: Iterable[str]) -> list[str]:
    return [f.rpartition("/")[2] for f in folders if f.rpartition("/")[0] == rel.rstrip("/")]


def _arranged(name: str, walk: _Walk, subfolders: Subfolders) -> Dataset:
    """The data set of what a walk found: folders are classes, or splits of them."""
    split_folders = _split_folders(subfolders)
    rows: list[tables.Row] = []
    for id in walk.images:
        parts, split = id.split("/"), ""
        if split_folders:
            if parts[0] not in split_folders:
                walk.skip(id, f"beside the split folders {', '.join(sorted(split_folders))}, so in none of them")
                continue
            split = SPLITS[parts[0].lower()]
            parts = parts[1:]
        # The same letters can be stored composed or not: one class all the same.
        label = unicodedata.normalize("NFC", parts[0]) if len(parts) > 1 else None
        rows.append(tables.Row(id, label, split))
    _note_empty(walk, split_folders, subfolders)
    return _dataset(name, walk.root, rows, walk.skipped, None)


def _subfolders(folder: str) -> list[str]:
    return [n for n in _names(folder) if not _is_clutter(n) and os.path.isdir(os.path.join(folder, n))]


def _split_folders(subfolders: Subfolders) -> set[str]:
    """The folders that are splits; none if they are classes that happen to be called so.

    They are splits if all folders are called so, or if one of them holds folders (the classes) itself.
    """
    folders = subfolders("")
    named = {n for n in folders if n.lower() in SPLITS}
    if len(named) == len(folders) or any(subfolders(n) for n in named):
        return named
    return set()


def _note_empty(walk: _Walk, split_folders: set[str], subfolders: Subfolders) -> None:
    parents = [f"{s}/" for s in sorted(split_folders)] or [""]
    told = tuple(s.id for s in walk.skipped)
    for parent in parents:
        for name in sorted(subfolders(parent)):
            below = f"{parent}{name}"
            if not any(id == below or id.startswith(f"{below}/") for id in (*walk.images, *told)):
                walk.skip(below, "a class folder without images")


def _dataset(
    name: str, root: str, rows: Iterable[tables.Row], skipped: Iterable[Skipped], metadata: pd.DataFrame | None
) -> Dataset:
    """Rows in any order (ids unique; `metadata` indexed by id) -> the data set, sorted by id."""
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
