"""`curator audit`: the findings, and the files of the contract."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from curator.cli import uptodate
from curator.cli.main import MET
from curator.cli.options import Common, common, emit, save, write_report

if TYPE_CHECKING:
    from curator.types import AuditRun

_LEVELS = ("low", "medium", "high")


@click.command()
@click.argument("data")
@click.option("--pool", metavar="POOL", help="Images to compare with where DATA has one class only.")
@click.option(
    "--fail-on",
    type=click.Choice([*_LEVELS, "leak", "any"]),
    help="Exit with 3 if a finding is this severe, or on a leak.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An earlier audit.json: --fail-on counts only what is new.",
)
@click.option(
    "--concepts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Your own vocabulary of prompts, one a line.",
)
@common
@click.pass_context
def command(
    ctx: click.Context,
    common: Common,
    data: str,
    pool: str | None,
    fail_on: str | None,
    baseline: Path | None,
    concepts: Path | None,
) -> None:
    """Find the shortcuts in DATA.

    Embeds every image, measures its surroundings, light, shape and file, tests every class against every value, and
    writes audit.json, report.html, measures.parquet and run.json.

    \b
    Example:
      curator audit sample_data/bunnies/train
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    common.keep_out_of(data, pool)
    before = _read_baseline(baseline)
    with common.bench(audit={"concepts": str(concepts) if concepts else None}) as bench:
        sources = [bench.scan(source) for source in (data, pool) if source is not None]
        inputs = uptodate.fingerprint(bench, *sources)
        out = common.folder_of(sources[0])
        earlier = uptodate.finished(inputs, out, needs_text=not (common.quiet or common.as_json))
        if earlier is None:
            # Not above: with nothing new, nothing waits for scikit-learn.
            from curator import pipeline
            from curator.report import json as files

            run = pipeline.audit(data, bench, pool=pool)
            content = files.audit_json(run, run.sizes())
    if earlier is None:
        _write(run, content, common, out, started, inputs)
    else:
        from rich.text import Text

        content, this = earlier
        save("run.json", {**this, "started": started}, out)
        common.console().print(Text.from_ansi(this["printed"].rstrip("\n")), soft_wrap=True)
    emit(content, common)
    if fail_on and _is_met(content, fail_on, before):
        ctx.exit(MET)


def _write(run: AuditRun, content: dict[str, Any], common: Common, out: Path, started: str, inputs: str) -> None:
    """The files of the contract; run.json last, since it says that the others are there."""
    from curator.report import json as files
    from curator.report import terminal

    names = ("audit.json", "report.html", "measures.parquet")
    save("audit.json", content, out)
    run.measures.frame.to_parquet(out / "measures.parquet")
    report = write_report(run, out)
    console = common.console(record=True)
    terminal.print_audit(run, console)
    console.print(f"\nReport: {report.resolve()}", soft_wrap=True, markup=False)
    kept = uptodate.record(inputs, out, names, console.export_text(styles=True))
    save("run.json", {**files.run_json(run, command="audit", started=started, out=str(out), files=names), **kept}, out)


def _read_baseline(path: Path | None) -> dict[str, Any]:
    from curator.errors import InputError

    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise InputError(
            f"cannot read the baseline {path} ({e}); give an audit.json that `curator audit` wrote."
        ) from e
    if not isinstance(content, dict) or content.get("schema") != "curator.audit/1":
        raise InputError(
            f"{path} is no audit.json (its schema is not curator.audit/1); give one that `curator audit` wrote."
        )
    return content


def _is_met(content: dict[str, Any], level: str, before: dict[str, Any]) -> bool:
    """Whether something as bad as `level` is there that the baseline does not have at that severity already."""
    known = {f["id"]: f["severity"] for f in before.get("findings", [])}
    old_leaks = {tuple(leak["ids"]) for leak in before.get("duplicates", {}).get("leaks", [])}
    leaks = any(tuple(leak["ids"]) not in old_leaks for leak in content["duplicates"]["leaks"])
    if level == "leak":
        return leaks
    lowest = 0 if level == "any" else _LEVELS.index(level)
    worse = any(
        f["effect"] is not None and f["p"] is not None and _LEVELS.index(f["severity"]) >= lowest
        and (f["id"] not in known or _LEVELS.index(known[f["id"]]) < lowest)
        for f in content["findings"]
    )  # fmt: skip
    return worse or (level == "any" and leaks)
