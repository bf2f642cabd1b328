"""`curator selftest`: would a shortcut be found in these images?"""

from __future__ import annotations

import click

from curator.cli._support.options import Common, common, emit


@click.command()
@click.argument("data")
@click.option(
    "--draws",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of audits for each shortcut.",
)
@click.option(
    "--per-class",
    default=60,
    show_default=True,
    type=click.IntRange(min=10),
    metavar="N",
    help="Images of each class to use.",
)
@click.option(
    "--effect",
    "effects",
    multiple=True,
    default=(0.3, 0.6),
    show_default=True,
    type=click.FloatRange(0, 0.9, min_open=True),
    metavar="FRACTION",
    help="Size of the shortcut: share of the class that has it minus share of the others. May be repeated.",
)
@common
def command(common: Common, data: str, draws: int, per_class: int, effects: tuple[float, ...]) -> None:
    """Plant shortcuts of known size in copies of DATA's images, and count how many an audit finds.

    The labels are shuffled. Then a tint, a border, a patch or low JPEG quality is planted more often in one class than in
    the others; or nothing, to count false alarms. Writes selftest.json. curator never writes to DATA.

    \b
    Example:
      curator selftest sample_data/bunnies/train
    """
    common.keep_out_of(data)
    with common.session() as session:
        from curator.commands._steps.results import save
        from curator.commands.selftest import selftest
        from curator.report.selftest import selftest_document
        from curator.report.wording.selftest import lines

        out = common.folder_of(session.scan(data))
        done = selftest(data, session, draws=draws, per_class=per_class, effects=sorted(set(effects)))
    content = selftest_document(done, session.seed)
    path = save("selftest.json", content, out)
    console = common.console()
    for line in [*lines(done), "", f"Written: {path.resolve()}"]:
        console.print(line, soft_wrap=True, markup=False)
    emit(content, common)
