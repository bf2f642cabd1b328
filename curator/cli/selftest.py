"""`curator selftest`: would a shortcut be found in these images?"""

from __future__ import annotations

import click

from curator.cli._support.options import Common, common, emit


@click.command()
@click.argument("data")
@click.option(
    "--draws", default=10, show_default=True, type=click.IntRange(min=1), metavar="N", help="Audits of each shortcut."
)
@click.option(
    "--per-class", default=60, show_default=True, type=click.IntRange(min=10), metavar="N", help="Images of each class."
)
@click.option(
    "--effect",
    "effects",
    multiple=True,
    default=(0.3, 0.6),
    show_default=True,
    type=click.FloatRange(0, 0.9, min_open=True),
    metavar="FRACTION",
    help="How much more of the class has it than of the rest; may be given several times.",
)
@common
def command(common: Common, data: str, draws: int, per_class: int, effects: tuple[float, ...]) -> None:
    """Plant shortcuts of known size in copies of DATA's images, and say how many of them an audit finds.

    Tint, border, patch and low JPEG quality, each in one class more often than elsewhere, under shuffled labels; and
    nothing at all, to count false alarms. Writes selftest.json. DATA is not written to.

    \b
    Example:
      curator selftest sample_data/bunnies/train
    """
    common.keep_out_of(data)
    with common.session() as session:
        from curator.commands._steps.results import save
        from curator.commands.selftest import selftest
        from curator.report.selftest import lines, selftest_document

        out = common.folder_of(session.scan(data))
        done = selftest(data, session, draws=draws, per_class=per_class, effects=sorted(set(effects)))
    content = selftest_document(done, session.seed)
    path = save("selftest.json", content, out)
    console = common.console()
    for line in [*lines(done), "", f"Written: {path.resolve()}"]:
        console.print(line, soft_wrap=True, markup=False)
    emit(content, common)
