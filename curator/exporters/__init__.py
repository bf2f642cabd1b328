"""Writing a data set out: one plug-in file per format; what keeps the user's files safe is here, once."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from curator.errors import CuratorError, DataError, InputError
from curator.exporters._placing import check_destination, put_in_place
from curator.io.atomic import sweep, unfinished
from curator.registry import Registry
from curator.types import Dataset, Measures, SplitPlan

Link = Literal["copy", "hardlink", "symlink", "bare"]
LINKS: tuple[Link, ...] = ("copy", "hardlink", "symlink", "bare")
"""How files get into an export. `bare` is a copy without EXIF, XMP and comments; see `curator.io.decoding.stripping`."""
SHARD_SIZE = 1000
"""Images in one shard, where a format has shards."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be written: the images of `plan` into `destination`, an empty folder that takes its final name later.

    `link` and `shard_size` mean something to some formats only; `link` is "bare" only for exporters whose attribute `bare`
    is true. `plan.weights`, where there are any, are written with the labels.
    """

    dataset: Dataset
    plan: SplitPlan
    destination: Path
    format: str
    measures: Measures | None = None
    link: Link = "copy"
    shard_size: int = SHARD_SIZE


class Exporter(Protocol):
    """What writes a data set in some formats."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The names `--format` takes for this exporter."""
        ...

    def write(self, job: Job) -> int:
        """Write the job, and return how many images were written.

        Nothing outside `job.destination` may be touched, and nothing in it may depend on what it is called now.
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


def _check_link(format: str, link: Link) -> Exporter:
    exporter = _exporter(format)
    if link not in LINKS:
        raise InputError(f"no way of linking is called {link!r}; choose one of: {', '.join(LINKS)}.")
    if link == "bare" and not getattr(exporter, "bare", False):
        able = ", ".join(
            sorted(name for _, other in EXPORTERS if getattr(other, "bare", False) for name in other.formats)
        )
        raise InputError(f"--format {format} cannot strip metadata; choose one of: {able}.")
    return exporter


def _check_plan(dataset: Dataset, plan: SplitPlan) -> None:
    if not plan.assignment:
        raise DataError("the split plan holds no image; there is nothing to export.")
    unknown = set(plan.assignment) - set(dataset.ids.tolist())
    if unknown:
        raise DataError(f"{len(unknown)} images of the split plan are not in the data set ({min(unknown)!r}, ...).")


def _without_exif(measures: Measures) -> Measures:
    """What is measured, without what the metadata of the files say: they are taken out of the files, too."""
    kept = tuple(c for c in measures.columns if not c.in_header)
    names = [c.name for c in kept]
    return Measures(measures.frame[names], kept, {k: r for k, r in measures.readings.items() if k in names})


def check(
    dataset: Dataset, destination: str | Path, *, format: str, link: Link = "copy", force: bool = False,
    roots: Sequence[str] = (),
) -> None:  # fmt: skip
    """Raises, before any work is done, the InputError that `export` would for this format and destination."""
    _check_link(format, link)
    check_destination(dataset, Path(destination), force, roots)


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
    exporter = _check_link(format, link)
    if shard_size < 1:
        raise InputError(f"a shard of {shard_size} images cannot be; ask for at least 1.")
    _check_plan(dataset, plan)
    target = check_destination(dataset, Path(destination), force, roots)
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)  # what a killed export left
        staging = target.with_name(unfinished())
        staged = staging / "export"
        staged.mkdir(parents=True)
        if link == "bare" and measures is not None:
            measures = _without_exif(measures)
        n_written = exporter.write(Job(dataset, plan, staged, format, measures, link, shard_size))
        if n_written != len(plan.assignment):
            raise DataError(f"only {n_written} of {len(plan.assignment)} images were written; nothing was kept.")
        for name, text in (extra_files or {}).items():
            (staged / name).write_text(text, encoding="utf-8")
        put_in_place(staged, target, force)
    except CuratorError:
        raise
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        raise InputError(f"cannot export to {destination}: {what}; nothing was kept.") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return n_written
