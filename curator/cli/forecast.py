"""`curator forecast`: how many images are needed?"""

from __future__ import annotations

import click

from curator.cli._support.options import Common, common, emit


@click.command()
@click.argument("data")
@click.option(
    "--target",
    default=0.95,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="FRACTION",
    help="The accuracy to reach, as the mean over classes.",
)
@common
def command(common: Common, data: str, target: float) -> None:
    """Forecast how many images of every class a linear probe needs for an accuracy.

    curator measures learning curves on growing parts of DATA and extends them by a power law with a plateau: overall, by
    class, and for the pairs of classes that are confused most. It writes forecast.json, and shows the forecast in the
    report.html of an audit of the same data.

    \b
    Example:
      curator forecast sample_data/bunnies/train --target 0.97
    """
    common.keep_out_of(data)
    with common.session() as session:
        from curator.commands._steps.forecast_files import write_forecast
        from curator.commands.forecast import forecast
        from curator.report import terminal
        from curator.report.wording.forecast import headline, lines

        out = common.folder_of(session.scan(data))
        done = forecast(data, session, target=target)
    path = write_forecast(done, out).paths[0]
    console = common.console()
    terminal.print_lines([headline(done), *lines(done), "", f"Written: {path.resolve()}"], console)
    emit(done, common)
