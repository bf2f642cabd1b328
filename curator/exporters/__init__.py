"""Writing a data set out: one plug-in file per format; what keeps the user's files safe is here, once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from curator.errors import CuratorError, DataError, InputError
from curator.registry import Registry
from curator.types import Dataset, Measures, SplitPlan

Link = Literal["copy", "hardlink", "symlink"]
LINKS: tuple[Link, ...] = ("copy", "hardlink", "symlink")
SHARD_SIZE = 1000
"""Images in one shard, where a format has shards."""


class Exporter(Protocol):
    """What writes a data set in some formats."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The names `--format` takes for this exporter."""
        ...

    def write(
        self,
        dataset: Dataset,
        plan: SplitPlan,
        destination: Path,
        *,
        measures: Measures | None,
        format: str,
        link: Link,
        shard_size: int,
    ) -> int:
        """Write the images of `plan` into `destination`, an empty folder that takes its final name later.

        `link` and `shard_size` mean something to some formats only; `plan.weights`, where there are any, are written with the
        labels. Returns how many images were written. Nothing outside `destination` may be touched, and nothing in it may depend
        on what it is called now.
        """
        ...


EXPORTERS: Registry[Exporter] = Registry("curator.exporters", "EXPORTER", "export format")


def formats() -> tuple[str, ...]:
    """Every name that `export` takes as `format`, in alphabetical order."""
    return tuple(sorted(name for _, exporter in EXPORTERS for name in exporter.formats))


def _exporter(format: str) -> Exporter:
    for _, exporter in EXPORTERS:
        if format in exporter.formats:
            return exporter
    raise InputError(f"no export format is called {format!r}; choose one of: {', '.join(formats())}.")


def _inside(inner: Path, outer: Path) -> bool:
    return inner == outer or outer in inner.parents


def _check_destination(dataset: Dataset, destination: Path, force: bool, roots: Sequence[str] = ()) -> Path:
    """The resolved destination, once it is certain that nothing of the user's is in its way.

    `roots` are the folders that hold the images, where these are not all below one that is the data set's own.
    """
    if destination.is_symlink():
        raise InputError(f"{destination} is a symbolic link; give the folder it should lead to.")
    target = destination.resolve()
    for place in roots or (dataset.root,):
        if "://" in place:
            continue
        root = Path(place).resolve()
        if _inside(target, root):
            raise InputError(f"{destination} lies inside the data ({root}), which is never written to; choose another.")
        if _inside(root, target):
            raise InputError(f"the data ({root}) lie inside {destination}, which would replace them; choose another.")
    if target.exists():
        if not force:
            raise InputError(f"{destination} is there already; choose another name, or replace it with --force.")
        if not target.is_dir():
            raise InputError(f"{destination} is a file; an export is a folder, so choose another name.")
        for keep, what in ((Path.cwd(), "the current folder"), (Path.home(), "the home folder")):
            if _inside(keep.resolve(), target):
                raise InputError(f"{destination} holds {what}; --force would replace it, so choose another name.")
    return target


def _check_plan(dataset: Dataset, plan: SplitPlan) -> None:
    if not plan.assignment:
        raise DataError("the split plan holds no image; there is nothing to export.")
    unknown = set(plan.assignment) - set(dataset.ids.tolist())
    if unknown:
        raise DataError(f"{len(unknown)} images of the split plan are not in the data set ({min(unknown)!r}, ...).")


def _put_in_place(staged: Path, target: Path, force: bool) -> None:
    """Give the finished folder its name; what had that name goes only once the new folder is there."""
    if not force or not target.exists():
        os.replace(staged, target)  # fails, as it should, on a folder that someone filled meanwhile
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.replaced-", dir=target.parent))
    os.replace(target, old / target.name)
    try:
        os.replace(staged, target)
    except BaseException:
        os.replace(old / target.name, target)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)


def check(
    dataset: Dataset, destination: str | Path, *, format: str, force: bool = False, roots: Sequence[str] = ()
) -> None:
    """Raises, before any work is done, the InputError that `export` would for this format and destination."""
    _exporter(format)
    _check_destination(dataset, Path(destination), force, roots)


def export(
    dataset: Dataset,
    plan: SplitPlan,
    destination: str | Path,
    *,
    format: str,
    measures: Measures | None = None,
    link: Link = "copy",
    shard_size: int = SHARD_SIZE,
    force: bool = False,
    extra_files: Mapping[str, str] | None = None,
    roots: Sequence[str] = (),
) -> int:
    """Write the images of `plan` to the new folder `destination`, all of them or nothing; returns how many.

    `format` is one of `formats()`; `measures` (rows = the data set's) adds its columns where the format has a table;
    `extra_files` (file name -> UTF-8 text) go beside the result. With `force` an existing folder is replaced, after the
    new one is complete. `roots` are the folders that hold the images, by default the data set's root: none is written to.

    Raises:
        InputError: unknown format or link, a destination in the way of the user's files, or one that cannot be written.
        DataError: the plan and the data set do not belong together, or a file changed or vanished meanwhile.
    """
    exporter = _exporter(format)
    if link not in LINKS:
        raise InputError(f"no way of linking is called {link!r}; choose one of: {', '.join(LINKS)}.")
    if shard_size < 1:
        raise InputError(f"a shard of {shard_size} images cannot be; ask for at least 1.")
    _check_plan(dataset, plan)
    target = _check_destination(dataset, Path(destination), force, roots)
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.unfinished-", dir=target.parent))
        staged = staging / "export"  # a folder made by mkdtemp is closed to other users; this one is not
        staged.mkdir()
        n_written = exporter.write(
            dataset, plan, staged, measures=measures, format=format, link=link, shard_size=shard_size
        )
        if n_written != len(plan.assignment):
            raise DataError(f"only {n_written} of {len(plan.assignment)} images were written; nothing was kept.")
        for name, text in (extra_files or {}).items():
            (staged / name).write_text(text, encoding="utf-8")
        _put_in_place(staged, target, force)
    except CuratorError:
        raise
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        raise InputError(f"cannot export to {destination}: {what}; nothing was kept.") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return n_written
