"""`curator browse`: the FiftyOne App on the audited set."""

from __future__ import annotations

from collections.abc import Iterable

import click

from curator.cli.options import Common, common, emit


@click.command()
@click.argument("data")
@click.option("--pool", metavar="POOL", help="Recommend from this pool, and show the recommended images too.")
@click.option(
    "--budget", type=click.IntRange(min=1), metavar="N", help="How many images to recommend at most  [default: 30]."
)
@click.option("--port", default=5151, metavar="N", show_default=True, help="Port of the App.")
@click.option(
    "--address",
    default="127.0.0.1",
    metavar="IP",
    show_default=True,
    help="Who may connect; anything else shows the images to the network.",
)
@click.option("--name", metavar="NAME", help="Name of the FiftyOne data set  [default: curator-NAME].")
@click.option("--no-wait", is_flag=True, help="Build the data set and its views, do not open the App.")
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
) -> None:
    """Open the FiftyOne App on the audited set: one saved view per finding, the images that break it first.

    \b
    Example:
      curator browse sample_data/bunnies/train --pool sample_data/bunnies/pool
    """
    from curator import app, pipeline
    from curator.report import terminal
    from curator.report.wording import count

    common.keep_out_of(data, pool)
    app.find_database()  # before any work is done for an App that cannot open
    shown: dict[str, object] = {}
    with common.bench(recommend={"budget": budget}) as bench:
        if pool is None:
            run = pipeline.audit(data, bench)
        else:
            advice = pipeline.recommend(data, pool, bench)
            run = advice.run
            shown = {
                "recommendation": advice.recommendation,
                "pool": advice.pool.dataset,
                "pool_measures": advice.pool_measures,
            }
    console = common.console()
    terminal.print_notes(run.notes, console)

    def tell(built_name: str, n_images: int, views: Iterable[str], url: str | None) -> None:
        saved = list(views)
        line = f"FiftyOne data set {built_name!r}: {count(n_images, 'image')}, {count(len(saved), 'saved view')}."
        terminal.print_lines([line], console)
        content = {"name": built_name, "n_images": n_images, "views": saved, "url": url, "notes": list(run.notes)}
        emit({"schema": "curator.browse/1", **content}, common)

    title = name or f"curator-{run.dataset.name}"
    if no_wait:
        from curator.exporters.fiftyone import to_fiftyone

        built = to_fiftyone(run, title, **shown)  # type: ignore[arg-type]
        tell(built.name, len(built), built.list_saved_views(), None)
        return
    with app.browse(run, name=title, port=port, address=address, wait=False, **shown) as session:  # type: ignore[arg-type]
        tell(session.dataset_name, session.n_images, session.views, session.url)
        console.print(f"The App is at {session.url} ; stop it with Ctrl-C.", soft_wrap=True, markup=False)
        if not app.has_browser():
            hint = f"From another machine: {app.ssh_hint(port)}, then open http://localhost:{port}"
            console.print(hint, soft_wrap=True, markup=False)
        session.wait()
