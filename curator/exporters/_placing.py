"""Where an export may go, and how the finished folder gets its name: the user's files are never in the way of it."""

from __future__ import annotations

import ctypes
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from curator.errors import InputError
from curator.types import Dataset

_RENAME_EXCHANGE, _AT_FDCWD = 2, -100


def check_destination(dataset: Dataset, destination: Path, force: bool, roots: Sequence[str] = ()) -> Path:
    """The resolved destination, once it is certain that nothing of the user's is in its way.

    `roots` are the folders that hold the images, where these are not all below one that is the data set's own. Images that a
    link or a table leads to elsewhere are as safe as those below it.

    Raises:
        InputError: a destination in or around the images, one that is there without `force`, or no folder.
    """
    try:
        is_link = destination.is_symlink()
        target = destination.resolve()
        there = target.exists()
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long, a NUL in it, links in a ring
        raise InputError(f"{destination} can be no folder ({error}); choose another name.") from None
    if is_link:
        raise InputError(f"{destination} is a symbolic link; give the folder it should lead to.")
    for root in sorted({*_resolved(roots or (dataset.root,)), *homes(dataset)}):
        if _inside(target, root):
            raise InputError(f"{destination} lies inside the data ({root}), which is never written to; choose another.")
        if _inside(root, target):
            raise InputError(f"the data ({root}) lie inside {destination}, which would replace them; choose another.")
    if there:
        if not force:
            raise InputError(f"{destination} is there already; choose another name, or replace it with --force.")
        if not target.is_dir():
            raise InputError(f"{destination} is a file; an export is a folder, so choose another name.")
        for keep, what in ((Path.cwd(), "the current folder"), (Path.home(), "the home folder")):
            if _inside(keep.resolve(), target):
                raise InputError(f"{destination} holds {what}; --force would replace it, so choose another name.")
    return target


def homes(dataset: Dataset) -> set[Path]:
    """The real folders of the images: where a link or a path with .. leads, not where it begins."""
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
    """Give the finished folder its name; what had that name goes only once the new folder is there.

    On Linux the two change names in one step, and the old one lies where `staged` was. Elsewhere there is a moment without
    either; a process killed in it leaves the old folder beside the place as NAME.replaced-*.
    """
    if not force or not target.exists():
        os.replace(staged, target)  # fails, as it should, on a folder that someone filled meanwhile
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
    """Whether the two folders have changed names, in one step; False where the system or its disk cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):  # not Linux, or an old one
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _resolved(places: Sequence[str]) -> set[Path]:
    return {Path(place).resolve() for place in places if "://" not in place}


def _inside(inner: Path, outer: Path) -> bool:
    return inner == outer or outer in inner.parents
