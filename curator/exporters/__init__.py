"""Exports of a data set, one plug-in file per format. The protection of the user's files is shared by all formats."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from curator.errors import CuratorError, DataError, InputError
from curator.exporters._placing import check_destination, put_in_place
from curator.exporters._placing import image_folders as image_folders
from curator.io.atomic import sweep, unfinished
from curator.registry import Registry
from curator.types import Dataset, Measures, SplitPlan

Link = Literal["copy", "hardlink", "symlink", "bare"]
LINKS: tuple[Link, ...] = ("copy", "hardlink", "symlink", "bare")
"""How files are put into an export. `bare` copies without EXIF, XMP and comments; see `curator.io.decoding.stripping`."""
SHARD_SIZE = 1000
"""Number of images per shard, for formats with shards."""


@dataclass(frozen=True, slots=True)
class Job:
    """What to write: the images of `plan`, into `destination`, an empty folder that gets its final name later.

    Some formats ignore `link` and `shard_size`. `link` is "bare" only for exporters whose attribute `bare` is true.
    `plan.weights`, if any, are written with the labels.
    """

    dataset: Dataset
    plan: SplitPlan
    destination: Path
    format: str
    measures: Measures | None = None
    link: Link = "copy"
    shard_size: int = SHARD_SIZE


class Exporter(Protocol):
    """Writes a data set in one or more formats."""

    @property
    def formats(self) -> tuple[str, ...]:
        """The names of this exporter's formats for `--format`."""
        ...

    def write(self, job: Job) -> int:
        """Write the job. Returns the number of images written.

        The exporter must not touch anything outside `job.destination`, and its result must not depend on the current name
        of that folder.
        """
        ...


EXPORTERS: Registry[Exporter] = Registry("curator.exporters", "EXPORTER", "export format")


def formats() -> tuple[str, ...]:
    """All values of `format` that `export` accepts, in alphabetical order."""
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
        raise DataError("the split plan has no images; at least one is needed to export; change the plan.")
    unknown = set(plan.assignment) - set(dataset.ids.tolist())
    if unknown:
        raise DataError(
            f"{len(unknown)} images of the split plan are not in the data set ({min(unknown)!r}, ...); use its own plan."
        )


def _without_exif(measures: Measures) -> Measures:
    """The measures without those taken from file metadata, because the metadata is removed from the files too."""
    kept = tuple(c for c in measures.columns if not c.in_header)
    names = [c.name for c in kept]
    return Measures(measures.frame[names], kept, {k: r for k, r in measures.readings.items() if k in names})


def check(
    dataset: Dataset, destination: str | Path, *, format: str, link: Link = "copy", force: bool = False,
    roots: Sequence[str] = (), sources: Sequence[str] = (),
) -> None:  # fmt: skip
    """Check format and destination before any work. Raises: the InputError that `export` would raise for them."""
    _check_link(format, link)
    check_destination(dataset, Path(destination), force, roots, sources)


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
    sources: Sequence[str] = (),
) -> int:
    """Write the images of `plan` to the new folder `destination`, all of them or none. Returns their number.

    `format` is one of `formats()`. `measures` (rows = the data set's) adds its columns if the format has a table.
    `extra_files` (file name -> UTF-8 text) are written beside the result. With `force` an existing folder is replaced, after
    the new one is complete. `roots` are the folders of the images, by default the data set's root; they are not written to.
    `sources` are the files that list the images; they are not replaced.

    Raises:
        InputError: the format or link is unknown, or the destination conflicts with the user's files or cannot be written.
        DataError: the plan and the data set do not fit, or a file changed or disappeared during the export.
    """
    exporter = _check_link(format, link)
    if shard_size < 1:
        raise InputError(f"--shard-size {shard_size} is too small; at least 1 image per shard is needed.")
    _check_plan(dataset, plan)
    target = check_destination(dataset, Path(destination), force, roots, sources)
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)  # removes what a killed export left
        staging = target.with_name(unfinished())
        staged = staging / "export"
        staged.mkdir(parents=True)
        if link == "bare" and measures is not None:
            measures = _without_exif(measures)
        n_written = exporter.write(Job(dataset, plan, staged, format, measures, link, shard_size))
        if n_written != len(plan.assignment):
            raise DataError(
                f"only {n_written} of {len(plan.assignment)} images were written; nothing was kept; run again."
            )
        for name, text in (extra_files or {}).items():
            (staged / name).write_text(text, encoding="utf-8")
        put_in_place(staged, target, force)
    except CuratorError:
        raise
    except OSError as error:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        raise InputError(f"cannot export to {destination}: {what}; nothing was kept; choose another place.") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
    return n_written
