"""`curator audit`: the findings, and the files of the contract."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curator.cli._support import comparison as comparing
from curator.cli._support import review, up_to_date
from curator.cli._support.options import Common, common, emit, save, write_report
from curator.cli.main import MET

if TYPE_CHECKING:
    from curator.shortcuts.comparison import Comparison
    from curator.types import AuditRun

FILES = ("audit.json", "report.html", "measures.parquet", "audit.junit.xml", "audit.sarif")
"""What an audit writes beside run.json."""


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
    started = datetime.now(UTC).isoformat(timespec="seconds")
    common.keep_out_of(data, pool)
    before = None if baseline is None else _read_baseline(baseline)
    previous = comparing.read(compare)
    source = _source(common, data, pool)
    said: tuple[str, ...] = ()
    if from_app:
        review.need_database(has_table=False)
    from curator.readers import clip_retrieval

    # Where no encoder is named, embeddings that are there need none, and none is fetched.
    flags = common
    if common.model == "auto" and clip_retrieval.is_folder(data):
        from curator.commands._steps import vectors_only

        flags = replace(common, model=vectors_only.NO_ENCODER)
    with flags.session(audit={"concepts": str(concepts) if concepts else None, "sample": sample}) as session:
        if precision := getattr(
            session.encoder, "precision", ""
        ):  # what `auto` meant here, which another machine may not mean
            source["precision"] = precision
        sources = [session.scan(place) for place in (data, pool) if place is not None]
        if from_app:
            settings, said = review.with_intended(session.settings, review.title(sources[0], name))
            session = replace(session, settings=settings)
        inputs = comparing.inputs(up_to_date.fingerprint(session, *sources, source=source), previous)
        out = common.folder_of(sources[0])
        earlier = up_to_date.finished(inputs, out, needs_text=not (common.quiet or common.as_json))
        if earlier is None:
            # Not above: with nothing new, nothing waits for scikit-learn.
            from curator import commands
            from curator.report import json as files

            run = commands.audit(data, session, pool=pool)
            run = replace(run, notes=(*run.notes, *said))
            content = files.audit_json(run, source)
    if earlier is not None:
        content, this = earlier
    _for_ci(content, out, fail_on, before)
    ids = None if earlier is not None else run.dataset.ids.tolist()
    changes = comparing.changes(previous, content, ids, out)
    if earlier is None:
        _write(run, content, common, out, started, inputs, changes)
    else:
        from rich.text import Text

        save("run.json", {**this, "started": started, "outputs": up_to_date.digests(out, FILES)}, out)
        common.console().print(Text.from_ansi(this["printed"].rstrip("\n")), soft_wrap=True)
    emit(comparing.with_changes(content, changes), common)
    if fail_on and _is_met(content, fail_on, before):
        ctx.exit(MET)


def _read_baseline(path: Path) -> dict[str, Any]:
    from curator.io.audits import read_audit

    return read_audit(path, "the baseline")


def _source(common: Common, data: str, pool: str | None) -> dict[str, Any]:
    """How DATA is read, for `curator verify`."""
    from curator.readers import clip_retrieval

    return {
        "data": _absolute(data),
        "pool": None if pool is None else _absolute(pool),
        "model": common.model,
        "path_column": common.path_column,
        "label_column": common.label_column,
        "allow_outside": common.allow_outside,
        "max_skipped": common.max_skipped,
        **({"embeddings": clip_retrieval.stamp(data)} if clip_retrieval.is_folder(data) else {}),
    }


def _absolute(data: str) -> str:
    """The path of what lies on this machine, as the data set's root has it; anything else is left as it is."""
    path = os.path.abspath(os.path.expanduser(data))
    return path if os.path.exists(path) else data


def _write(
    run: AuditRun,
    content: dict[str, Any],
    common: Common,
    out: Path,
    started: str,
    inputs: str,
    changes: Comparison | None,
) -> None:
    """The files of the contract; run.json last, since it says that the others are there."""
    from curator.io.atomic import write_whole
    from curator.report import comparison as compared
    from curator.report import json as files
    from curator.report import terminal

    save("audit.json", content, out)
    write_whole(out / "measures.parquet", run.measures.frame.to_parquet)
    report = write_report(run, out, comparison=changes)
    console = common.console(record=True)
    terminal.print_audit(run, console)
    if changes is not None:
        terminal.print_lines(["", "Since the earlier audit:", *compared.lines(changes)], console)
    console.print(f"\nReport: {report.resolve()}", soft_wrap=True, markup=False)
    kept = up_to_date.record(inputs, out, FILES, console.export_text(styles=True))
    # What is compared is worked out anew each time, so `kept` need not say what it was.
    names = (*FILES, *([] if changes is None else [compared.NAME]), "run.json")
    save("run.json", {**files.run_json(run, command="audit", started=started, out=str(out), files=names), **kept}, out)


def _for_ci(content: dict[str, Any], out: Path, fail_on: str | None, before: dict[str, Any] | None) -> None:
    """What CI systems read: audit.json once more, in their forms. Made anew each time, for the flags of this call."""
    from curator.report.ci import junit, sarif
    from curator.report.serialise import write_text

    write_text(junit.audit_junit(content, fail_on, before), out / junit.NAME)
    save(sarif.NAME, sarif.audit_sarif(content, before), out)


def _is_met(content: dict[str, Any], level: str, before: dict[str, Any] | None) -> bool:
    """Whether something as bad as `level` is there that the baseline does not have at that severity already."""
    from curator.report.ci import gate

    return bool(gate.failing_findings(content, level, before or {}) or gate.failing_leaks(content, level, before or {}))
