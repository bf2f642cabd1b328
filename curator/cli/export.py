"""`curator export`: balanced, leak-free splits."""

from __future__ import annotations

import os
from math import isfinite
from pathlib import Path

import click

from curator.cli._support.options import Common, common, emit


@click.command()
@click.argument("data")
@click.argument("destination", metavar="DEST", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    default="imagefolder",
    show_default=True,
    help="imagefolder, csv, jsonl, parquet, huggingface, webdataset or fiftyone.",
)
@click.option(
    "--split",
    "fractions",
    multiple=True,
    metavar="NAME=FRACTION",
    help="Share of a split. May be repeated  [default: train=0.7 val=0.15 test=0.15].",
)
@click.option(
    "--link",
    default="copy",
    show_default=True,
    type=click.Choice(["copy", "hardlink", "symlink"]),
    help="Whether image files are copied or linked.",
)
@click.option(
    "--attribute",
    metavar="CLASS:ATTRIBUTE=VALUE",
    help="The value to balance within each class  [default: that of the worst finding].",
)
@click.option(
    "--group-column",
    "group_columns",
    multiple=True,
    metavar="NAME",
    help="Images with the same value in this column stay in one split (patient, camera, site). May be repeated.",
)
@click.option(
    "--balance",
    default="none",
    show_default=True,
    type=click.Choice(["none", "class", "group"]),
    help="Make classes, or class x value groups, equally frequent in train.",
)
@click.option(
    "--balance-by",
    type=click.Choice(["drop", "weight", "add"]),
    help="How to balance: leave images out, write weights, or list the images to add  [default: drop].",
)
@click.option(
    "--shard-size",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Images in one shard of a webdataset.",
)
@click.option(
    "--plan",
    "plans",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Add the images of a recommendation.csv, recommend.json or synthetic/manifest.csv. May be repeated.",
)
@click.option(
    "--strip-metadata",
    is_flag=True,
    help="Copy files without EXIF, GPS, XMP and comments. No pixel changes. JPEG, PNG, WebP and GIF only.",
)
@click.option("--force", is_flag=True, help="Replace DEST if it exists.")
@click.option("--dry-run", is_flag=True, help="Print what would be written, and write nothing.")
@common
def command(
    common: Common, data: str, destination: Path, format_: str, fractions: tuple[str, ...], link: str, attribute: str | None,
    group_columns: tuple[str, ...], balance: str, balance_by: str | None, shard_size: int, plans: tuple[Path, ...],
    strip_metadata: bool, force: bool, dry_run: bool,
) -> None:  # fmt: skip
    """Write DATA to DEST in splits that are balanced over class x value. Duplicates stay in one split.

    --plan adds recommended images first. Synthetic images go to train only, and only if the images that they were made from
    are in train too.

    \b
    Example:
      curator export sample_data/bunnies/train balanced --format imagefolder
    """
    from curator import commands
    from curator.errors import InputError
    from curator.report import terminal
    from curator.report.json import splits_document
    from curator.report.wording import count, spelt_out

    if balance_by and balance == "none":
        raise InputError(
            f"--balance-by {balance_by} needs something to balance; add --balance class or --balance group."
        )
    if strip_metadata and link != "copy":
        raise InputError(f"--strip-metadata and --link {link} cannot be used together; drop one of them.")
    link = "bare" if strip_metadata else link
    common.keep_out_of(data)
    settings = {"fractions": _fractions(fractions)} if fractions else {}
    with common.session(split=settings) as session:
        run, plan, n = commands.export(
            data, destination, session, format=format_, attribute=attribute, link=link, force=force, dry_run=dry_run,  # type: ignore[arg-type]
            group_columns=group_columns, balance=balance, balance_by=balance_by or "drop", shard_size=shard_size, plans=plans,  # type: ignore[arg-type]
        )  # fmt: skip
    content = splits_document(plan)
    console = common.console()
    terminal.print_lines(["Images per class, value and split:"], console)
    # A cell has a name like "words.24=yes"; the findings say which patches these are.
    names = [str(part).removeprefix("not ") for cell in plan.got.index for part in cell[1:]]
    about = [(f, spelt_out(run.measures.column(f.attribute), f.value)) for f in run.audit.findings]
    terminal.print_lines([said for f, said in about if said and f"{f.attribute}={f.value}" in names], console, indent=2)
    for cell in plan.got.index:
        counts = ", ".join(f"{int(plan.got.loc[cell, split])} {split}" for split in plan.got.columns)
        terminal.print_lines([f"{', '.join(str(part) for part in cell)}: {counts}"], console, indent=2)
    terminal.print_notes((*run.notes, *plan.notes), console)
    if plan.shopping_list:
        terminal.print_lines(["To balance train, add:"], console)
        terminal.print_lines(list(plan.shopping_list), console, indent=2)
    n_images = count(len(plan.assignment) if dry_run else n, "image")
    if dry_run and destination.exists():
        n_files = sum(len(files) for _, _, files in os.walk(destination))
        console.print(
            f"{destination} exists and would be replaced, with everything in it: {count(n_files, 'file')}.",
            markup=False,
        )
    done = f"Dry run, nothing written. {n_images} would go" if dry_run else f"Written: {n_images} and splits.json"
    console.print(f"\n{done} to {destination.resolve()} ({format_})", soft_wrap=True, markup=False)
    emit(content, common)


def _fractions(texts: tuple[str, ...]) -> dict[str, float]:
    from curator.errors import InputError

    out = {}
    for text in texts:
        name, equals, number = text.partition("=")
        try:
            out[name.strip()] = float(number)
            if not isfinite(out[name.strip()]):
                equals = ""
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise InputError(
                f"--split {text!r} is not NAME=FRACTION; write, for example, --split train=0.8 --split test=0.2."
            )
    return out
