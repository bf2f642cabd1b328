"""Flags that several commands share, and the session, settings and folders made from them."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curator.cli._support.progress import progress_bars as progress_bars

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from curator.commands.session import Session
    from curator.config import Settings
    from curator.types import Dataset

Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Common:
    """The common flags of one call."""

    model: str
    out: Path | None
    cache: Path | None
    config: Path | None
    seed: int
    jobs: int
    device: str
    precision: str
    engine: str
    ray_address: str
    as_json: bool
    max_skipped: float
    quiet: bool
    verbose: int
    path_column: str
    label_column: str
    allow_outside: bool

    def settings(self, **overrides: Any) -> Settings:
        """The settings of the file, overridden by the flags. A flag that is not given (None) changes nothing."""
        from curator.config import read_settings, updated

        settings = read_settings(self.config)
        for stage, values in overrides.items():
            given = {key: value for key, value in values.items() if value is not None}
            settings = replace(settings, **{stage: updated(getattr(settings, stage), given, "--")})
        return settings

    @contextmanager
    def session(self, **overrides: Any) -> Iterator[Session]:
        """The session, with a progress bar if stderr is a terminal."""
        from curator.commands.session import Session

        if self.ray_address and self.engine != "ray":
            raise click.UsageError("--ray-address needs --engine ray; add it.")
        settings = self.settings(**overrides)
        # Log messages of libraries are shown with -v only; curator's own warnings are notes.
        logging.basicConfig(
            level=[logging.WARNING, logging.INFO, logging.DEBUG][min(self.verbose, 2)], format="%(message)s"
        )
        with progress_bars(self.quiet) as progress:
            yield Session.open(
                self.model, cache=self.cache, device=self.device, jobs=self.jobs, precision=self.precision,
                settings=settings, seed=self.seed, max_skipped=self.max_skipped, path_column=self.path_column,
                label_column=self.label_column, allow_outside=self.allow_outside, progress=progress,
                engine=self.engine, ray_address=self.ray_address,
            )  # fmt: skip

    def keep_out_of(self, *data: str | Path | None) -> None:
        """Refuse, before any work is done, to write results or the cache into a folder that images are read from.

        Raises:
            InputError: --out, its default, or --cache is inside one of the folders in `data`.
        """
        from curator.commands._steps.output_folder import keep_out_of_folder

        for source in data:
            keep_out_of_folder(self.out or Path("curator-out"), source, "--out")
            if self.cache is not None:
                keep_out_of_folder(self.cache, source, "--cache")

    def out_of(self, dataset: Dataset, *others: Dataset) -> Path:
        """The result folder: --out, or curator-out/NAME. It may not exist yet. `others` are a pool or a test set.

        Raises:
            InputError: it is in a folder of the images.
        """
        from curator.commands._steps.output_folder import keep_out_of_images

        out = self.out or Path("curator-out") / dataset.name
        keep_out_of_images(out, dataset, *others, flag="--out")
        return out

    def folder_of(self, dataset: Dataset, *others: Dataset) -> Path:
        """The result folder (see `out_of`), which is created if needed.

        Raises:
            InputError: it is in a folder of the images, or it cannot be created.
        """
        from curator.commands._steps.output_folder import made

        return made(self.out_of(dataset, *others), "--out")

    def console(self, *, record: bool = False) -> Console:
        """The console for results. It prints nothing with -q and --json. `record`: also keep the text."""
        from rich.console import Console

        return Console(quiet=self.quiet or self.as_json, highlight=False, soft_wrap=False, record=record)


def common(command: Command) -> Command:
    """Add the common flags; the command gets them as `common: Common`."""

    @click.option(
        "--model",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="auto, embedded, pixels, ARCH/PRETRAINED, hf-hub:..., or ARCH:/path/to/checkpoint.",
    )
    @click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for results  [default: curator-out/NAME].",
    )
    @click.option(
        "--cache",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for embeddings and models  [default: the user's cache].",
    )
    @click.option("--config", type=click.Path(path_type=Path, dir_okay=False), help="A settings file in TOML.")
    @click.option(
        "--seed",
        default=0,
        show_default=True,
        type=click.IntRange(0, 2**32 - 1),
        metavar="N",
        help="Seed of all random draws: the same seed gives the same result.",
    )
    @click.option(
        "--jobs", default=0, type=click.IntRange(min=0), metavar="N", help="Threads  [default: one per core]."
    )
    @click.option(
        "--device",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "cpu", "cuda"]),
        help="Where the encoder runs.",
    )
    @click.option(
        "--precision",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
        help="Number format of the encoder: auto is fp32 on a CPU and half precision on a GPU. int8 may be refused.",
    )
    @click.option(
        "--engine",
        default="local",
        show_default=True,
        type=click.Choice(["local", "ray"]),
        help="Embed on this machine, or on a Ray cluster (needs the extra 'ray').",
    )
    @click.option(
        "--ray-address",
        default="",
        metavar="HOST:PORT",
        help="Address of a running Ray cluster, or auto  [default: a cluster of this machine alone].",
    )
    @click.option(
        "--max-skipped",
        default=0.05,
        show_default=True,
        type=click.FloatRange(0, 1),
        metavar="FRACTION",
        help="Stop with an error if more than this fraction of the images is unreadable.",
    )
    @click.option(
        "--path-column",
        default="path",
        show_default=True,
        metavar="NAME",
        help="Column of a table with the image paths.",
    )
    @click.option(
        "--label-column", default="label", show_default=True, metavar="NAME", help="Column of a table with the labels."
    )
    @click.option("--allow-outside", is_flag=True, help="Allow a table to list images outside its own folder.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, alone, on stdout.")
    @click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
    @click.option("-v", "--verbose", count=True, help="Print more; twice for debugging.")
    @functools.wraps(command)
    def wrapped(**kwargs: Any) -> Any:
        names = Common.__dataclass_fields__
        flags = Common(**{name: kwargs.pop(name) for name in names})
        return command(common=flags, **kwargs)

    return wrapped


def emit(content: Any, common: Common) -> None:
    """With --json, print only the result on stdout."""
    if common.as_json:
        from curator.report.serialise import dumps

        click.echo(dumps(content), nl=False)


def tell(line: str, common: Common) -> None:
    """Print a line for the user on stderr, if there is one."""
    if line and not common.quiet:
        click.echo(line, err=True)
