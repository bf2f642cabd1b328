"""Find the images of a folder or a table, without opening any."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from curator.errors import InputError
from curator.io import remote
from curator.io.decoding.images import IMAGE_SUFFIXES
from curator.readers import Reader, Request
from curator.readers._rows import Row, dataset
from curator.types import Dataset, Skipped

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Folder names (lower case) that are splits -> name of the split."""

MAX_VISITS = 16
"""How often links may lead to the same folder. Without a limit, folders that link to each other would never end."""

Subfolders = Callable[[str], list[str]]
"""Relative path of a folder ("" for DATA itself) -> names of the folders in it."""

# Files that many data sets have beside images; they are not reported as skipped.
_CLUTTER_NAMES = frozenset(
    ("thumbs.db", "desktop.ini", "license", "licence", "readme", "credits", "makefile", "@eadir")
)
_CLUTTER_SUFFIXES = frozenset(
    (".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".html", ".log", ".parquet")
)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


@dataclass(slots=True)
class _Walk:
    """Everything found below a folder: ids, and skipped files with reasons."""

    root: str
    images: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    visits: Counter[tuple[int, int]] = field(default_factory=Counter)

    def skip(self, id: str, reason: str) -> None:
        # A name that is not UTF-8 cannot be written to a report, so its bytes are escaped.
        self.skipped.append(Skipped(id.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), reason))

    def folder(self, rel: str, above: frozenset[tuple[int, int]] = frozenset()) -> None:
        """Collect the files below `rel` ("" = root). `above` are the parent folders as (device, inode)."""
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
        """Add a file; it counts as an image if its name has the extension of an image."""
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


def _remote(url: str) -> Dataset:
    """Read a folder at a URL by listing its file names."""
    files = remote.files(url)
    if any(f.startswith("img_emb/") for f in files) and any(f.startswith("metadata/") for f in files):
        raise InputError(f"{url} is a remote clip-retrieval folder; a local folder is needed; copy it here.")
    walk, folders = _Walk(url), set[str]()
    for rel in files:
        parts = rel.split("/")
        folders.update("/".join(parts[:k]) for k in range(1, len(parts)))
        if not any(map(_is_clutter, parts)):
            walk.file(rel)
    name = url.rpartition("/")[2] or "data"
    return _arranged(name, walk, lambda rel: [n for n in _below(rel, folders) if not _is_clutter(n)])


def _below(rel: str, folders: Iterable[str]) -> list[str]:
    return [f.rpartition("/")[2] for f in folders if f.rpartition("/")[0] == rel.rstrip("/")]


def _arranged(name: str, walk: _Walk, subfolders: Subfolders) -> Dataset:
    """The data set of what a walk found: folders are classes, or splits that contain class folders."""
    split_folders = _split_folders(subfolders)
    rows: list[Row] = []
    for id in walk.images:
        parts, split = id.split("/"), ""
        if split_folders:
            if parts[0] not in split_folders:
                walk.skip(id, f"not in one of the split folders {', '.join(sorted(split_folders))}")
                continue
            split = SPLITS[parts[0].lower()]
            parts = parts[1:]
        # Unicode can store the same letters composed or decomposed; both are the same class.
        label = unicodedata.normalize("NFC", parts[0]) if len(parts) > 1 else None
        rows.append(Row(id, label, split))
    _note_empty(walk, split_folders, subfolders)
    return dataset(name, walk.root, rows, walk.skipped, None)


def _subfolders(folder: str) -> list[str]:
    return [n for n in _names(folder) if not _is_clutter(n) and os.path.isdir(os.path.join(folder, n))]


def _split_folders(subfolders: Subfolders) -> set[str]:
    """The folders that are splits; empty if they are classes that happen to have such names.

    They are splits if all folders have such names, or if one of them contains folders (the classes).
    """
    folders = subfolders("")
    named = {n for n in folders if n.lower() in SPLITS}
    if len(named) == len(folders) or any(subfolders(n) for n in named):
        return named
    return set()


def _note_empty(walk: _Walk, split_folders: set[str], subfolders: Subfolders) -> None:
    parents = [f"{s}/" for s in sorted(split_folders)] or [""]
    skipped = tuple(s.id for s in walk.skipped)
    for parent in parents:
        for name in sorted(subfolders(parent)):
            below = f"{parent}{name}"
            if not any(id == below or id.startswith(f"{below}/") for id in (*walk.images, *skipped)):
                walk.skip(below, "a class folder without images")


def _is_folder(request: Request) -> bool:
    return os.path.isdir(request.path) or (remote.is_url(request.path) and remote.is_folder(request.path))


def _read(request: Request) -> Dataset:
    """Read class folders with images at any depth, class folders under split folders, or a flat folder without labels.

    Split folders are called train, val, test (also valid, validation), in upper or lower case. An image next to the class
    folders is unlabelled. A class folder without images is not a class and is listed in `skipped`. Other files are listed
    there too, except files that are common next to images (hidden files, .txt, ...).
    """
    return _remote(request.path) if remote.is_url(request.path) else _folder(request.path)


READER = Reader(order=40, form="a folder of class folders", reads=_is_folder, read=_read)
