"""`curator audit`: the findings, and the files of the contract."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from curator.cli._support import review
from curator.cli._support.options import Common, common, emit
from curator.cli.main import MET


@click.command()
@click.argument("data")
@click.option("--pool", metavar="POOL", help="Images to compare with where DATA has one class only.")
@click.option(
    "--fail-on",
    type=click.Choice(["low", "medium", "high", "leak", "any"]),
    help="Exit with 3 if a finding is this severe, or on a leak. audit.junit.xml fails with it; without it, at medium.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An earlier audit.json: --fail-on counts only what is new.",
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An earlier audit.json, of another version of DATA: say what changed, in comparison.json and the report.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    metavar="N",
    help="Look at N images closely, drawn at random, and count in all: for more than fit in memory. 0: look at all.",
)
@click.option(
    "--concepts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own vocabulary of prompts, one a line.",
)
@click.option(
    "--from-app",
    is_flag=True,
    help="Accept the findings that are tagged `intended` in the FiftyOne App, as `intended` settings do.",
)
@click.option("--name", metavar="NAME", help="Name of the FiftyOne data set  [default: curator-NAME].")
@common
@click.pass_context
def command(
    ctx: click.Context,
    common: Common,
    data: str,
    pool: str | None,
    fail_on: str | None,
    baseline: Path | None,
    compare: Path | None,
    sample: int | None,
    concepts: Path | None,
    from_app: bool,
    name: str | None,
) -> None:
    """Find the shortcuts in DATA.

    Embeds every image, measures its surroundings, light, shape and file, tests every class against every value, and
    writes audit.json, report.html, measures.parquet and run.json, and for CI audit.junit.xml and audit.sarif.

    \b
    Example:
      curator audit sample_data/bunnies/train
    """
    from curator.commands._steps import vectors_only
    from curator.commands._steps.audit_files import Earlier, audit_into
    from curator.io.documents import read_audit
    from curator.readers import clip_retrieval
    from curator.report import comparison, terminal
    from curator.report.ci import gate
    from curator.types.documents.audit import Source

    common.keep_out_of(data, pool)
    before = None if baseline is None else read_audit(baseline, "the baseline")[0]
    previous = None if compare is None else Earlier.read(compare)
    said: tuple[str, ...] = ()
    if from_app:
        review.need_database(has_table=False)
    # Where no encoder is named, embeddings that are there need none, and none is fetched.
    is_embedded = clip_retrieval.is_folder(data)
    flags = replace(common, model=vectors_only.NO_ENCODER) if common.model == "auto" and is_embedded else common
    with flags.session(audit={"concepts": str(concepts) if concepts else None, "sample": sample}) as session:
        if from_app:
            settings, said = review.with_intended(session.settings, review.title(session.scan(data), name))
            session = replace(session, settings=settings)
        source = Source(
            data=_absolute(data), pool=None if pool is None else _absolute(pool), model=common.model,
            path_column=common.path_column, label_column=common.label_column, allow_outside=common.allow_outside,
            max_skipped=common.max_skipped,
            # What `auto` meant here, which another machine may not mean.
            precision=getattr(session.encoder, "precision", None) or None,
            embeddings=clip_retrieval.stamp(data) if is_embedded else None,
        )  # fmt: skip
        done = audit_into(
            data, session, common.folder_of, source,
            pool=pool, previous=previous, fail_on=fail_on, before=before, notes=said,
        )  # fmt: skip
    console = common.console()
    terminal.print_audit(done.document, console)
    if done.changes is not None:
        terminal.print_lines(["", "Since the earlier audit:", *comparison.lines(done.changes)], console)
    if done.said and not common.quiet:
        click.echo(done.said, err=True)
    console.print(f"\nReport: {(done.out / 'report.html').resolve()}", soft_wrap=True, markup=False)
    emit(comparison.with_changes(done.document, done.changes), common)
    if fail_on and gate.is_met(done.document, fail_on, before):
        ctx.exit(MET)


def _absolute(data: str) -> str:
    """The path of what lies on this machine, as the data set's root has it; anything else is left as it is."""
    path = os.path.abspath(os.path.expanduser(data))
    return path if os.path.exists(path) else data
