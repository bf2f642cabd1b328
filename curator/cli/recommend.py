"""`curator recommend`: which images to add, and what the pool lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from curator.cli._support import review as reviewing
from curator.cli._support.options import Common, common, emit, tell


@click.command()
@click.argument("data")
@click.option(
    "--pool",
    metavar="POOL",
    help="Candidate images, in any form of DATA, labelled or not  [default: none; list the images to look for].",
)
@click.option(
    "--budget", type=click.IntRange(min=1), metavar="N", help="How many images to add at most  [default: 30]."
)
@click.option(
    "--strategy", metavar="NAME", help="coverage, counterexample, uncertainty or uniform  [default: counterexample]."
)
@click.option(
    "--attribute", metavar="CLASS:ATTRIBUTE=VALUE", help="The shortcut to counteract  [default: the worst findings]."
)
@click.option(
    "--mode",
    type=click.Choice(["add", "drop", "swap"]),
    default="add",
    show_default=True,
    help="Add images, leave images of DATA out (drop), or both in equal numbers (swap).",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and write nothing.")
@click.option(
    "--confirm", is_flag=True, help="Also open a review in the FiftyOne App, where you tag images accept or reject."
)
@click.option(
    "--from-app",
    is_flag=True,
    help="Use the tags accept and reject from the App. Other images replace rejected ones.",
)
@click.option(
    "--review",
    "table",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Use a recommendation.csv whose column decision holds accept or reject.",
)
@click.option(
    "--synthesize",
    type=click.IntRange(min=1),
    metavar="N",
    help="Compose N counter-examples from DATA: objects on backgrounds of other images, marked as synthetic.",
)
@click.option("--name", metavar="NAME", help="Name of the FiftyOne data set  [default: curator-NAME].")
@common
def command(
    common: Common, data: str, pool: str | None, budget: int | None, strategy: str | None, attribute: str | None,
    mode: Literal["add", "drop", "swap"], dry_run: bool, confirm: bool, from_app: bool, table: Path | None,
    synthesize: int | None, name: str | None,
) -> None:  # fmt: skip
    """Choose images of a pool to add to DATA, so that the shortcut no longer gives the class away.

    Prints the plan, then writes recommendation.csv, recommend.json and report.html, and shopping_list.csv if the pool lacks
    something. --from-app and --review bring your decisions back: rejected images are never chosen again, accepted images
    come first, and their labels count as confirmed. Without --pool curator also writes a group-balanced subset (subset.csv)
    and sample weights (weights.csv), and says what a probe gains from each.

    \b
    Example:
      curator recommend sample_data/bunnies/train --pool sample_data/bunnies/pool --budget 30
      curator recommend sample_data/bunnies/train --pool sample_data/bunnies/pool --review curator-out/train/recommendation.csv
    """
    from curator import commands
    from curator.commands._steps import app_decisions
    from curator.commands._steps.output_folder import made
    from curator.commands._steps.recommend_files import plan_document, write_recommendation
    from curator.commands._steps.results import Written
    from curator.errors import InputError
    from curator.report import terminal, without_pool
    from curator.report.wording import plans
    from curator.selection.synthesis import FOLDER

    common.keep_out_of(data, *([pool] if pool else []))
    if (confirm or from_app or table) and pool is None:
        raise InputError("a review needs the pool that its images come from; add --pool.")
    if from_app and table:
        raise InputError("--from-app and --review cannot be used together; drop one of them.")
    if confirm and dry_run:
        raise InputError("--confirm and --dry-run cannot be used together; drop one of them.")
    synthetic: tuple[object, ...] = ()
    written = Written(())
    if confirm or from_app:
        reviewing.need_database(has_table=True)
    with common.session(recommend={"budget": budget, "strategy": strategy}) as session:
        dataset = session.scan(data)
        # Refused before any work: a table may name images in any folder.
        out = common.out_of(dataset, *([session.scan(pool)] if pool else []))
        title = reviewing.title(dataset, name)
        review, notes = app_decisions.of_pool(out, title, from_app=from_app, table=table)
        advice = commands.recommend(data, pool, session, attribute=attribute, mode=mode, review=review)
        if synthesize and not dry_run:
            synthetic, lacking = commands.synthesize(advice, synthesize, made(out, "--out") / FOLDER, session)
            notes = [*notes, *lacking]
        content = plan_document(advice, session, notes=notes, review=review, n_synthetic=len(synthetic))
        if not dry_run:
            kept = None if from_app else review
            written = write_recommendation(advice, content, made(out, "--out"), session, table=kept)
    rec, console = advice.recommendation, common.console()
    terminal.print_plan(rec, console)
    tell(written.said, common)
    terminal.print_recommendation(rec, console)
    if advice.unaided is not None:
        terminal.print_lines(["", plans.WITHOUT_NEW_IMAGES], console)
        terminal.print_lines(without_pool.unaided_lines(advice.unaided), console, indent=2)
    if synthetic:
        terminal.print_lines(["", plans.synthetic(len(synthetic), FOLDER)], console)
    terminal.print_notes(content.notes, console)
    if not dry_run:
        console.print(f"\nWritten: {(out / 'recommendation.csv').resolve()}", soft_wrap=True, markup=False)
    if confirm:
        n = app_decisions.offer(advice, title)
        terminal.print_lines(["", plans.to_review(n, title, data, pool)], console)
    emit(content, common)
