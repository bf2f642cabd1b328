"""`curator browse`: the FiftyOne App on the audited set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from curator.cli._support.options import Common, common, emit

if TYPE_CHECKING:
    from curator.app.browse import Show


@click.command()
@click.argument("data")
@click.option("--pool", metavar="POOL", help="Also recommend images from this pool, and show them.")
@click.option(
    "--budget", type=click.IntRange(min=1), metavar="N", help="How many images to recommend at most  [default: 30]."
)
@click.option("--port", default=5151, metavar="N", show_default=True, help="Port of the App.")
@click.option(
    "--address",
    default="127.0.0.1",
    metavar="IP",
    show_default=True,
    help="Address to listen on. Any other address shows your images to the network.",
)
@click.option("--name", metavar="NAME", help="Name of the FiftyOne data set  [default: curator-NAME].")
@click.option("--no-wait", is_flag=True, help="Build the FiftyOne data set and its views without opening the App.")
@click.option("--findings", "show", flag_value="findings", help="Open at the images of the worst finding.")
@click.option("--recommended", "show", flag_value="recommended", help="Open at the recommended images.")
@click.option("--duplicates", "show", flag_value="duplicates", help="Open at the duplicates.")
@click.option("--label-errors", "show", flag_value="label errors", help="Open at the doubtful labels.")
@common
def command(
    common: Common,
    data: str,
    pool: str | None,
    budget: int | None,
    port: int,
    address: str,
    name: str | None,
    no_wait: bool,
    show: Show | None,
) -> None:
    """Audit DATA and open it in the FiftyOne App: images, findings, the embedding map, and a saved view per finding.

    \b
    Example:
      curator browse sample_data/bunnies/train --pool sample_data/bunnies/pool
    """
    from curator import commands
    from curator.app import browse
    from curator.commands._steps import inspected_sample
    from curator.report import terminal
    from curator.report.wording import count
    from curator.types.documents import BrowseDocument

    common.keep_out_of(data, pool)
    browse.find_database()  # before the work, so that a missing database is reported at once
    with common.session(recommend={"budget": budget}) as session:
        found: Any = commands.audit(data, session) if pool is None else commands.recommend(data, pool, session)
    run = found if pool is None else found.run
    origin = browse.plain_origin(
        data, pool, budget, model=common.model, cache=str(common.cache.resolve()) if common.cache else "",
        config=str(common.config.resolve()) if common.config else "", seed=common.seed, jobs=common.jobs,
        device=common.device, max_skipped=common.max_skipped, path_column=common.path_column,
        label_column=common.label_column, allow_outside=common.allow_outside,
    )  # fmt: skip
    console = common.console()
    # The note on how many images the App shows is printed before they are written.
    notes = inspected_sample.for_app(run).notes
    terminal.print_notes(notes, console)

    def tell(built_name: str, n_images: int, views: Iterable[str], url: str | None) -> None:
        saved = list(views)
        line = f"FiftyOne data set {built_name!r}: {count(n_images, 'image')}, {count(len(saved), 'saved view')}."
        terminal.print_lines([line], console)
        document = BrowseDocument(name=built_name, n_images=n_images, views=tuple(saved), url=url, notes=notes)
        emit(document, common)

    title = name or f"curator-{run.dataset.name}"
    if no_wait:
        built = browse.build(found, title, origin)
        browse.first_view(built, show)
        tell(built.name, len(built), built.list_saved_views(), None)
        return
    with browse.browse(found, name=title, port=port, address=address, wait=False, show=show, origin=origin) as window:
        tell(window.dataset_name, window.n_images, window.views, window.url)
        console.print(f"The App is at {window.url} ; stop it with Ctrl-C.", soft_wrap=True, markup=False)
        if not browse.has_browser():
            hint = f"From another machine: {browse.ssh_hint(port)}, then open http://localhost:{port}"
            console.print(hint, soft_wrap=True, markup=False)
        window.wait()
