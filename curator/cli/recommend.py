"""`curator recommend`: which images to add, and what the pool lacks."""

from __future__ import annotations

from typing import Literal

import click

from curator.cli.options import Common, common, emit, pool_pictures, save, write_report


@click.command()
@click.argument("data")
@click.option(
    "--pool",
    metavar="POOL",
    help="Candidate images: a folder or a table, labelled or not  [default: none, list what is wanted].",
)
@click.option(
    "--budget", type=click.IntRange(min=1), metavar="N", help="How many images to add at most  [default: 30]."
)
@click.option(
    "--strategy", metavar="NAME", help="coverage, counterexample, uncertainty or uniform  [default: counterexample]."
)
@click.option(
    "--attribute", metavar="CLASS:ATTRIBUTE=VALUE", help="The shortcut to undo  [default: the worst findings]."
)
@click.option(
    "--mode",
    type=click.Choice(["add", "drop", "swap"]),
    default="add",
    show_default=True,
    help="Add images, leave some of DATA out, or both, as many of each.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and write nothing.")
@common
def command(
    common: Common, data: str, pool: str | None, budget: int | None, strategy: str | None, attribute: str | None,
    mode: Literal["add", "drop", "swap"], dry_run: bool,
) -> None:  # fmt: skip
    """Say which images of a pool to add to DATA so that the shortcut stops telling the class.

    Shows the plan, then writes recommendation.csv and recommend.json, report.html with the plan in it, and shopping_list.csv
    where the pool lacks something.

    \b
    Example:
      curator recommend sample_data/bunnies/train --pool sample_data/bunnies/pool --budget 30
    """
    from curator import pipeline
    from curator.report import json as files
    from curator.report import terminal

    common.keep_out_of(data, *([pool] if pool else []))
    with common.bench(recommend={"budget": budget, "strategy": strategy}) as bench:
        advice = pipeline.recommend(data, pool, bench, attribute=attribute, mode=mode)
    rec, root, data_root = advice.recommendation, advice.pool.dataset.root, advice.run.dataset.root
    notes = list(dict.fromkeys((*advice.run.notes, *advice.notes)))
    content = {**files.recommend_json(rec, root, seed=common.seed), "notes": notes}
    console = common.console()
    terminal.print_plan(rec, console)
    if not dry_run:
        out = common.folder(advice.run)
        save("recommend.json", content, out)
        files.recommendation_csv(rec, root, out / "recommendation.csv", data_root=data_root)
        if rec.shopping_list:
            files.shopping_csv(rec, out / "shopping_list.csv")
        else:
            (out / "shopping_list.csv").unlink(missing_ok=True)  # that of an earlier run would be taken for this one's
        write_report(advice.run, out, recommendation=rec, pool_thumbnails=pool_pictures(advice.pool.dataset))
    terminal.print_recommendation(rec, console)
    terminal.print_notes(notes, console)
    if not dry_run:
        console.print(f"\nWritten: {(out / 'recommendation.csv').resolve()}", soft_wrap=True, markup=False)
    emit(content, common)
