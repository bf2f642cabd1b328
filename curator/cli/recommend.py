"""`curator recommend`: which images to add, and what the pool lacks."""

from __future__ import annotations

import click

from curator.cli.options import Common, common, emit, pool_pictures, save, write_report


@click.command()
@click.argument("data")
@click.option("--pool", required=True, metavar="POOL", help="Candidate images: a folder or a table, labelled or not.")
@click.option(
    "--budget", type=click.IntRange(min=1), metavar="N", help="How many images to add at most  [default: 30]."
)
@click.option(
    "--strategy", metavar="NAME", help="coverage, counterexample, uncertainty or uniform  [default: coverage]."
)
@click.option(
    "--attribute", metavar="CLASS:ATTRIBUTE=VALUE", help="The shortcut to undo  [default: the worst findings]."
)
@common
def command(
    common: Common, data: str, pool: str, budget: int | None, strategy: str | None, attribute: str | None
) -> None:
    """Say which images of a pool to add to DATA so that the shortcut stops telling the class.

    Writes recommendation.csv and recommend.json, and report.html with the plan in it.

    \b
    Example:
      curator recommend sample_data/bunnies/train --pool sample_data/bunnies/pool --budget 30
    """
    from curator import pipeline
    from curator.report import json as files
    from curator.report import terminal

    common.keep_out_of(data, pool)
    with common.bench(recommend={"budget": budget, "strategy": strategy}) as bench:
        advice = pipeline.recommend(data, pool, bench, attribute=attribute)
    out = common.folder(advice.run)
    root = advice.pool.dataset.root
    notes = list(dict.fromkeys((*advice.run.notes, *advice.notes)))
    content = {**files.recommend_json(advice.recommendation, root, seed=common.seed), "notes": notes}
    save("recommend.json", content, out)
    files.recommendation_csv(advice.recommendation, root, out / "recommendation.csv")
    write_report(
        advice.run, out, recommendation=advice.recommendation, pool_thumbnails=pool_pictures(advice.pool.dataset)
    )
    console = common.console()
    terminal.print_recommendation(advice.recommendation, console)
    terminal.print_notes(notes, console)
    console.print(f"\nWritten: {(out / 'recommendation.csv').resolve()}", soft_wrap=True, markup=False)
    emit(content, common)
