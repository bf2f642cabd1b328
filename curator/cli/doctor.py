"""`curator doctor`: check what works on this machine."""

from __future__ import annotations

from pathlib import Path

import click

_MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red")}


@click.command()
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for embeddings and models  [default: the user's cache].",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, alone, on stdout.")
@click.pass_context
def command(ctx: click.Context, cache: Path | None, as_json: bool) -> None:
    """Check what works on this machine (weights, MongoDB, GPU, network, versions) and say how to fix the rest.

    The exit code is 1 if a check fails.

    \b
    Example:
      curator doctor
    """
    from curator.commands import doctor
    from curator.commands.session import default_cache
    from curator.report.serialise import dumps
    from curator.types.documents import DoctorDocument
    from curator.types.documents.commands import CheckResult

    checks = doctor.diagnose(cache or default_cache())
    if as_json:
        rows = tuple(CheckResult(name=c.name, status=c.status, found=c.found, fix=c.fix) for c in checks)
        click.echo(dumps(DoctorDocument(checks=rows)), nl=False)
    else:
        for check in checks:
            mark, colour = _MARKS[check.status]
            click.echo(f"{click.style(mark, fg=colour)}  {check.name}: {check.found}")
            if check.fix:
                click.echo(f"      {check.fix}")
    if any(check.status == "fail" for check in checks):
        ctx.exit(1)
