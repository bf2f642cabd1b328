"""Exports folders of images, `<split>/<class>/<file>`, which torchvision's ImageFolder and most trainers read."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from curator.errors import DataError, InputError
from curator.exporters import Job, Link
from curator.io.decoding.stripping import without_metadata
from curator.types import Dataset, SplitPlan

# Characters that some file systems or terminals do not allow in names: reserved, control and direction characters.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069/\\:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_MAX_NAME_BYTES = 200  # most file systems allow 255; the rest is for a suffix
_MAX_SUFFIX = 16
_CHUNK_BYTES = 1 << 20


def folder_name(name: str) -> str:
    """A name that is valid for one folder on every system and cannot lead out of its parent.

    >>> folder_name("bunny"), folder_name("../etc"), folder_name(".."), folder_name("a/b"), folder_name("nul")
    ('bunny', '.._etc', '_', 'a_b', 'nul_')
    """
    safe = _UNSAFE.sub("_", name).rstrip(". ").lstrip(" ") or "_"
    if _RESERVED.fullmatch(safe):
        safe += "_"
    if len(safe.encode()) > _MAX_NAME_BYTES:
        safe = safe.encode()[:_MAX_NAME_BYTES].decode(errors="ignore") + "-" + _short_hash(name)
    return safe


def file_name(name: str) -> str:
    """A file name that is valid on every system, with the same ending.

    >>> file_name("a b.jpg"), file_name("a\\\\b:c.jpg"), file_name("con.jpg"), file_name("x\\x1b[2J.png")
    ('a b.jpg', 'a_b_c.jpg', 'con_.jpg', 'x_[2J.png')
    """
    path = PurePosixPath(name)
    suffix = _UNSAFE.sub("_", path.suffix) if len(path.suffix) <= _MAX_SUFFIX else ""
    stem = _UNSAFE.sub("_", path.stem if suffix else path.name)
    if _RESERVED.fullmatch(stem):
        stem += "_"
    if len((stem + suffix).encode(errors="surrogateescape")) > _MAX_NAME_BYTES:
        stem = stem.encode(errors="surrogateescape")[:_MAX_NAME_BYTES].decode(errors="ignore") + "-" + _short_hash(name)
    return (stem + suffix).rstrip(". ") or "_"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:8]


def folder_names(names: Iterable[str]) -> dict[str, str]:
    """Name -> folder name. All folder names differ, even if upper and lower case are not distinguished."""
    safe = {name: folder_name(name) for name in names}
    counts = Counter(folder.casefold() for folder in safe.values())
    return {
        name: folder if counts[folder.casefold()] == 1 else f"{folder}-{_short_hash(name)}"
        for name, folder in safe.items()
    }


def file_names(ids: list[str], *, by_stem: bool = False) -> dict[str, str]:
    """Id -> file name within one folder: the file's own name, made valid for every system. Equal names get a hash of the id.

    `by_stem`: all names differ even without their endings.
    """
    own = {}
    for id in ids:
        name = PurePosixPath(id).name
        if name in {"", ".", ".."}:
            raise DataError(f"{id!r} is not the path of a file; remove it from the plan.")
        own[id] = file_name(name)

    def key(name: str) -> str:
        return (PurePosixPath(name).stem if by_stem else name).casefold()

    counts = Counter(key(name) for name in own.values())
    names = {}
    for id, name in own.items():
        path = PurePosixPath(name)
        names[id] = name if counts[key(name)] == 1 else f"{path.stem}-{_short_hash(id)}{path.suffix}"
    if len({key(name) for name in names.values()}) != len(names):
        raise DataError(
            f"two files of one folder would get the same name in the export, near {min(names)!r}; rename one of them."
        )
    return names


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(source: Path, target: Path) -> None:
    """Copy the bytes and read them back. The sha256 of what was read and of the copy must be equal."""
    digest = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            writing.write(chunk)
    if _sha256(target) != digest.hexdigest():
        raise DataError(f"the copy of {source} differs from the original; the disk may be failing; check it.")


def content_of(source: Path, link: Link) -> bytes:
    """The content of a file's copy. Raises: DataError if the file is missing, or its metadata cannot be removed."""
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{source} no longer exists; nothing was exported; run again.") from None
    try:
        return without_metadata(content) if link == "bare" else content
    except DataError as error:
        raise DataError(f"{source}: {error}; nothing was exported.") from None


def _write_bare(source: Path, target: Path) -> None:
    content = content_of(source, "bare")
    with target.open("xb") as writing:
        writing.write(content)
    if _sha256(target) != hashlib.sha256(content).hexdigest():
        raise DataError(f"the copy of {source} differs from the original; the disk may be failing; check it.")


def place(source: Path, target: Path, link: Link) -> None:
    """Copy or link one file. A copy is read back and compared."""
    if not source.is_file():
        raise DataError(f"{source} no longer exists; nothing was exported; run again.")
    if link == "bare":
        _write_bare(source, target)
    elif link == "copy":
        _copy(source, target)
    elif link == "symlink":
        target.symlink_to(source)
    else:
        try:
            os.link(source, target)
        except OSError as error:
            raise InputError(f"cannot hard-link {source} ({error.strerror}); use --link copy or symlink.") from error


class ImageFolder:
    """Copies of the files, or links to them, in `<split>/<class>/`. A class whose name cannot be a folder gets a safe folder
    name, and `classes.json` then lists folder -> class."""

    formats = ("imagefolder",)
    bare = True

    def write(self, job: Job) -> int:
        """See `Exporter`. Raises DataError for an image without a label, because it would have no folder."""
        write_folders(job.dataset, job.plan, job.destination, job.link)
        return len(job.plan.assignment)


EXPORTER = ImageFolder()


def labels_of(dataset: Dataset, plan: SplitPlan) -> dict[str, str]:
    """The label of every image of the plan.

    Raises: DataError for an image without a label; InputError for images that are not local files.
    """
    if "://" in dataset.root:
        raise InputError("the images are remote, but copies need local files; export a csv, jsonl or parquet manifest.")
    labels = dict(zip(dataset.ids.tolist(), dataset.label_names(), strict=True))
    for id in plan.assignment:
        if not labels[id]:
            raise DataError(f"{id!r} has no label, and this format needs one; leave it out of the split plan.")
    return {id: labels[id] for id in plan.assignment}


def write_folders(dataset: Dataset, plan: SplitPlan, destination: Path, link: Link) -> dict[str, tuple[str, str]]:
    """Place every image at `<split>/<class>/<file>`. Returns id -> (split folder, path in it), sorted by split and class."""
    labels = labels_of(dataset, plan)
    root = Path(dataset.root).resolve()
    cells: dict[tuple[str, str], list[str]] = {}
    for id, split in plan.assignment.items():
        cells.setdefault((split, labels[id]), []).append(id)
    split_dirs = folder_names({split for split, _ in cells})
    class_dirs = folder_names({label for _, label in cells})
    placed: dict[str, tuple[str, str]] = {}
    for (split, label), ids in sorted(cells.items()):
        folder = destination / split_dirs[split] / class_dirs[label]
        folder.mkdir(parents=True)
        for id, name in file_names(sorted(ids)).items():
            place(root / id, folder / name, link)
            placed[id] = split_dirs[split], f"{class_dirs[label]}/{name}"
    renamed = {folder: label for label, folder in sorted(class_dirs.items()) if folder != label}
    if renamed:
        text = json.dumps(renamed, ensure_ascii=False, indent=1, sort_keys=True)
        (destination / "classes.json").write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    return placed
