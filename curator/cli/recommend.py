"""`curator recommend`: which images to add, and what the pool lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from curator.cli._support import review as reviewing
from curator.cli._support.options import Common, common, draw_report, emit


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
    from curator.commands._steps.results import save
    from curator.errors import InputError
    from curator.report import json as files
    from curator.report import terminal, without_pool
    from curator.report.wording import plans
    from curator.selection.synthesis import FOLDER
    from curator.types.documents.plans import ReviewSummary, SyntheticImages

    common.keep_out_of(data, *([pool] if pool else []))
    if (confirm or from_app or table) and pool is None:
        raise InputError("a review needs the pool that its images come from; add --pool.")
    if from_app and table:
        raise InputError("--from-app and --review cannot be used together; drop one of them.")
    if confirm and dry_run:
        raise InputError("--confirm and --dry-run cannot be used together; drop one of them.")
    made: tuple[object, ...] = ()
    if confirm or from_app:
        reviewing.need_database(has_table=True)
    with common.session(recommend={"budget": budget, "strategy": strategy}) as session:
        dataset = session.scan(data)
        title = reviewing.title(dataset, name)
        review, said = reviewing.of_pool(reviewing.results(common, dataset), title, from_app=from_app, table=table)
        advice = commands.recommend(data, pool, session, attribute=attribute, mode=mode, review=review)
        if synthesize and not dry_run:
            folder = common.folder(advice.run, advice.pool.dataset) / FOLDER
            made, lacking = commands.synthesize(advice, synthesize, folder, session)
            said = [*said, *lacking]
    rec, root, data_root = advice.recommendation, advice.pool.dataset.root, advice.run.dataset.root
    notes = list(dict.fromkeys((*advice.run.notes, *advice.notes, *said)))
    more: dict[str, Any] = {}
    if review is not None:
        more["review"] = ReviewSummary(
            source=review.source, accepted=len(review.accepted), rejected=len(review.rejected)
        )
    if advice.unaided is not None:
        more["without_new_images"] = without_pool.summary(advice.unaided)
    if made:
        more["synthetic"] = SyntheticImages(folder=FOLDER, manifest=f"{FOLDER}/manifest.csv", n=len(made))
    content = files.recommend_document(rec, root, run=advice.run, seed=common.seed, notes=notes, **more)
    console = common.console()
    terminal.print_plan(rec, console)
    if not dry_run:
        out = common.folder(advice.run, advice.pool.dataset)
        reviewing.keep(out, None if from_app else review)
        save("recommend.json", content, out)
        files.recommendation_csv(rec, root, out / "recommendation.csv", data_root=data_root, decisions=True)
        if rec.shopping_list:
            files.shopping_csv(rec, out / "shopping_list.csv")
        else:
            (out / "shopping_list.csv").unlink(
                missing_ok=True
            )  # the file of an earlier run could be mistaken for this run's
        if advice.unaided is not None:
            without_pool.write_unaided(advice.unaided, data_root, out)
        draw_report(advice.run, out, common, recommendation=rec, pool=advice.pool.dataset)
    terminal.print_recommendation(rec, console)
    if advice.unaided is not None:
        terminal.print_lines(["", plans.WITHOUT_NEW_IMAGES], console)
        terminal.print_lines(without_pool.unaided_lines(advice.unaided), console, indent=2)
    if made:
        terminal.print_lines(["", plans.synthetic(len(made), FOLDER)], console)
    terminal.print_notes(notes, console)
    if not dry_run:
        console.print(f"\nWritten: {(out / 'recommendation.csv').resolve()}", soft_wrap=True, markup=False)
    if confirm:
        n = reviewing.write(advice, title)
        terminal.print_lines(["", plans.to_review(n, title, data, pool)], console)
    emit(content, common)
