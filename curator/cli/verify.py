"""`curator verify`: does an old audit still hold?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from curator.pipeline.verifying import Verification


@click.command()
@click.argument("audit", metavar="AUDIT_JSON", type=click.Path(path_type=Path))
@click.option("--data", metavar="DATA", help="Where DATA lies now  [default: where audit.json says].")
@click.option("--pool", metavar="POOL", help="Where the pool lies now  [default: where audit.json says].")
@click.option("--model", metavar="NAME", help="The encoder, as for audit  [default: what audit.json says].")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for embeddings and models  [default: the user's cache].",
)
@click.option("--jobs", default=0, type=click.IntRange(min=0), metavar="N", help="Threads  [default: one per core].")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Where the encoder runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, alone, on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    audit: Path, data: str | None, pool: str | None, model: str | None, cache: Path | None, jobs: int, device: str,
    as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Audit again what audit.json is about, with its settings, seed and encoder, and say what is different now.

    Compares the data (images, labels, splits, metadata), the encoder, and every finding with its effect. Other versions of
    libraries are noted, and are no difference as long as the findings agree. Nothing is written but the cache. The paths
    and the encoder that audit.json names are read: verify files that you trust, or give --data and --model.

    Exit code 0 if all is the same, 1 if not.

    \b
    Example:
      curator verify curator-out/train/audit.json
    """
    from curator.errors import DataError
    from curator.io.audits import read_audit

    content = read_audit(audit, "the audit")
    done = _verify(content, audit, data, pool, model, cache, jobs, device, quiet or as_json)
    if as_json:
        from curator.report.json import dumps

        result = {
            "schema": "curator.verify/1",
            "audit": str(audit),
            "same": not done.differences,
            "differences": list(done.differences),
            "notes": list(done.notes),
        }
        click.echo(dumps(result), nl=False)
    elif not quiet:
        _print(content, done)
    if done.differences:
        from curator.report.wording import visible

        n = len(done.differences)
        raise DataError(
            f"{audit} does not hold any more: {n} difference{'s' if n > 1 else ''}, the first: "
            f"{visible(done.differences[0], 300)}. Audit again, or restore what changed."
        )


def _verify(
    content: dict[str, Any], audit: Path, data: str | None, pool: str | None, model: str | None, cache: Path | None,
    jobs: int, device: str, silent: bool,
) -> Verification:  # fmt: skip
    from curator.cli.options import progress_bars
    from curator.errors import InputError
    from curator.io.audits import source_of
    from curator.workbench import Workbench, default_cache

    source = source_of(content, audit)
    data = data or source.get("data")
    pool = pool or source.get("pool")
    if not data:
        raise InputError(f"{audit} does not say how DATA was read; say where it lies with --data.")
    if not 0 <= content["seed"] < 2**32:
        raise InputError(f"{audit} is a damaged audit.json (the seed {content['seed']} is none that --seed takes).")
    folder = (cache or default_cache()).resolve()
    for kept in (audit.parent, *(Path(d).expanduser() for d in (data, pool) if d and Path(d).expanduser().is_dir())):
        if folder.is_relative_to(kept.resolve()):
            raise InputError(f"{folder} lies inside {kept}, which verify never writes to; choose another --cache.")
    # Not above: the heavy libraries wait until it is clear that there is work.
    from curator.pipeline import verifying

    settings = verifying.old_settings(content, str(audit))
    how = {key: source[key] for key in ("path_column", "label_column", "allow_outside", "max_skipped") if key in source}
    with progress_bars(silent) as progress:
        bench = Workbench.open(
            model or verifying.model_of(content, source), cache=cache, device=device, jobs=jobs, settings=settings,
            seed=content["seed"], progress=progress, **how,
        )  # fmt: skip
        return verifying.verify(content, data, bench, pool=pool)


def _print(content: dict[str, Any], done: Verification) -> None:
    from rich.console import Console

    from curator.report import terminal, wording

    console = Console(highlight=False, soft_wrap=False)
    if not done.differences:
        counts = (
            f"{wording.count(content['dataset']['n_images'], 'image')}, {wording.count(done.n_findings, 'finding')}"
        )
        terminal.print_lines([f"The same: {counts}, encoder {content['encoder']['name']}."], console)
    terminal.print_lines(done.differences, console)
    terminal.print_notes(done.notes, console)
