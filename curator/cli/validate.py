"""`curator validate`: test a linear probe before and after adding images, with controls."""

from __future__ import annotations

from pathlib import Path

import click

from curator.cli._support.options import Common, common, emit, tell


@click.command()
@click.argument("data")
@click.option(
    "--pool",
    required=True,
    metavar="POOL",
    help="The pool that the added images come from; with labels, if you have them.",
)
@click.option(
    "--plan",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The recommendation.csv to test  [default: choose images again].",
)
@click.option(
    "--test",
    metavar="TEST",
    help="Labelled images to test the probe on  [default: a test split, or a held-out part of DATA].",
)
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="N",
    help="Without --plan: how many images to add at most  [default: 30].",
)
@click.option("--strategy", metavar="NAME", help="Without --plan: how to choose images  [default: counterexample].")
@click.option(
    "--attribute",
    metavar="CLASS:ATTRIBUTE=VALUE",
    help="The shortcut that defines the groups  [default: the worst finding].",
)
@click.option(
    "--synthetic",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The manifest.csv of recommend --synthesize: adds an arm with its images.",
)
@common
def command(
    common: Common, data: str, pool: str, plan: Path | None, test: str | None, budget: int | None, strategy: str | None,
    attribute: str | None, synthetic: Path | None,
) -> None:  # fmt: skip
    """Test with a linear probe whether adding the recommended images helps.

    Arms: before; with the recommended images; with as many random images of the same pool; reweighted without new images;
    and, if the pool has labels, an oracle that fills the emptiest groups. Writes validation.json, and report.html with the
    result in it.

    \b
    Example:
      curator validate sample_data/bunnies/train --pool sample_data/bunnies/pool_labels.csv \\
        --plan curator-out/train/recommendation.csv --test sample_data/bunnies/test
    """
    from curator import commands
    from curator.commands._steps.output_folder import made
    from curator.commands._steps.validate_files import proof_document, write_validation
    from curator.report import terminal
    from curator.report.wording import spelt_out

    common.keep_out_of(data, pool, test)
    with common.session(recommend={"budget": budget, "strategy": strategy}) as session:
        # Refused before any work: a table may name images in any folder.
        out = common.out_of(*(session.scan(place) for place in (data, pool, test) if place is not None))
        done = commands.validate(data, pool, session, plan=plan, test=test, attribute=attribute, synthetic=synthetic)
        made(out, "--out")
        content = proof_document(done, out, session, plan)
        written = write_validation(done, content, out, session, plan)
    tell(written.said, common)
    advice, report = done
    about = spelt_out(advice.run.measures.column(report.attribute), report.value)
    terminal.print_validation(report, common.console(), about)
    common.console().print(f"\nReport: {written.paths[-1].resolve()}", soft_wrap=True, markup=False)
    emit(content, common)
