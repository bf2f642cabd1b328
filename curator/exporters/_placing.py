"""Checks the destination of an export and gives the finished folder its name, without risk to the user's files."""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from curator.errors import InputError
from curator.types import Dataset

_RENAME_EXCHANGE, _AT_FDCWD = 2, -100


def check_destination(
    dataset: Dataset, destination: Path, force: bool, roots: Sequence[str] = (), sources: Sequence[str] = ()
) -> Path:
    """The resolved destination, after checking that it does not conflict with the user's files.

    `roots` are the folders of the images, if these are not all below the data set's root. Images elsewhere that a link or a
    table refers to are protected in the same way. `sources` are the files that list the images; they are not replaced.

    Raises:
        InputError: the destination is in or around the images, exists without `force`, or cannot be a folder.
    """
    try:
        is_link = destination.is_symlink()
        target = destination.resolve()
        there = target.exists()
    except (OSError, ValueError, RuntimeError) as error:  # the name is too long or has a NUL, or links form a ring
        raise InputError(f"{destination} cannot be a folder ({error}); choose another name.") from None
    if is_link:
        raise InputError(f"{destination} is a symbolic link; give the folder it should lead to.")
    for root in sorted({*_resolved(roots or (dataset.root,)), *image_folders(dataset)}):
        if _inside(target, root):
            raise InputError(f"{destination} lies inside the data ({root}), which is never written to; choose another.")
        if _inside(root, target):
            raise InputError(f"{destination} contains the data ({root}) and would replace them; choose another.")
    for source in sorted(_resolved(sources)):
        if _inside(source, target):
            raise InputError(f"{destination} contains {source}, which is read, and would replace it; choose another.")
    if there:
        if not force:
            raise InputError(f"{destination} exists already; choose another name, or replace it with --force.")
        if not target.is_dir():
            raise InputError(f"{destination} is a file, but an export is a folder; choose another name.")
        for keep, what in ((Path.cwd(), "the current folder"), (Path.home(), "the home folder")):
            if _inside(keep.resolve(), target):
                raise InputError(f"{destination} contains {what}, which --force would replace; choose another name.")
    return target


def image_folders(dataset: Dataset) -> set[Path]:
    """The real folders of the images, after resolving links and paths with `..`."""
    if "://" in dataset.root:
        return set()
    folders: set[str] = set()
    links: set[str] = set()
    for id in dataset.ids.tolist():
        path = os.path.join(dataset.root, id)
        folders.add(os.path.dirname(path))
        if os.path.islink(path):
            links.add(os.path.dirname(os.path.realpath(path)))
    return {Path(os.path.realpath(folder)) for folder in folders} | set(map(Path, links))


def put_in_place(staged: Path, target: Path, force: bool) -> None:
    """Give the finished folder its name. A folder with that name is removed only after the new folder is in place.

    On Linux the two folders exchange names in one step, and the old one then has the name of `staged`. On other systems there
    is a moment with neither. A process killed in that moment leaves the old folder beside the place as NAME.replaced-*.
    """
    if not force or not target.exists():
        os.replace(staged, target)  # fails, on purpose, if another process has filled the folder
        return
    if _exchanged(staged, target):
        return
    old = target.with_name(f"{target.name}.replaced-{secrets.token_hex(4)}")
    os.replace(target, old)
    try:
        os.replace(staged, target)
    except BaseException:
        os.replace(old, target)
        raise
    os.replace(old, staged)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange the names of two folders in one step. Returns False if the system or its disk does not support this."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):  # not Linux, or an old version
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _resolved(places: Sequence[str]) -> set[Path]:
    return {Path(place).resolve() for place in places if "://" not in place}


def _inside(inner: Path, outer: Path) -> bool:
    return inner == outer or outer in inner.parents
