"""`curator audit`: the findings, and the files of the contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from curator.cli._support import review
from curator.cli._support.options import Common, common, emit, tell
from curator.cli.main import MET


@click.command()
@click.argument("data")
@click.option("--pool", metavar="POOL", help="Images to compare with if DATA has only one class.")
@click.option(
    "--fail-on",
    type=click.Choice(["low", "medium", "high", "leak", "any"]),
    help="Exit with code 3 if a finding is at least this severe, or on a leak. audit.junit.xml uses the same level "
    "[default there: medium].",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An earlier audit.json: --fail-on counts only findings and leaks that are not in it.",
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An audit.json of an earlier version of DATA: write what changed to comparison.json and the report.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    metavar="N",
    help="For very large sets: learn attributes from a random sample of N images, then count them in all images. "
    "0 uses every image.",
)
@click.option(
    "--concepts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file with your own prompts, one per line.",
)
@click.option(
    "--from-app",
    is_flag=True,
    help="Accept the findings that you tagged `intended` in the FiftyOne App, as the setting `intended` does.",
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
    from curator.commands._steps import app_decisions, vectors_only
    from curator.commands._steps.audit_files import Earlier, audit_into, source_of
    from curator.io.documents import read_audit
    from curator.report import comparison, terminal
    from curator.report.ci import gate
    from curator.report.wording import comparison as changes

    common.keep_out_of(data, pool)
    before = None if baseline is None else read_audit(baseline, "the baseline")[0]
    previous = None if compare is None else Earlier.read(compare)
    notes: tuple[str, ...] = ()
    if from_app:
        review.need_database(has_table=False)
    flags = replace(common, model=vectors_only.model_for(common.model, data))
    with flags.session(audit={"concepts": str(concepts) if concepts else None, "sample": sample}) as session:
        if from_app:
            settings, notes = app_decisions.with_intended(session.settings, review.title(session.scan(data), name))
            session = replace(session, settings=settings)
        done = audit_into(
            data, session, common.folder_of, source_of(session, common.model, data, pool),
            pool=pool, previous=previous, fail_on=fail_on, before=before, notes=notes,
        )  # fmt: skip
    console = common.console()
    terminal.print_audit(done.document, console)
    if done.changes is not None:
        terminal.print_lines(["", "Since the earlier audit:", *changes.lines(done.changes)], console)
    tell(done.said, common)
    console.print(f"\nReport: {(done.out / 'report.html').resolve()}", soft_wrap=True, markup=False)
    emit(comparison.with_changes(done.document, done.changes), common)
    if fail_on and gate.is_met(done.document, fail_on, before):
        ctx.exit(MET)
