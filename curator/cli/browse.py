"""`curator browse`: the FiftyOne App on the audited set."""

from __future__ import annotations

import click

from curator.cli.options import Common, common


@click.command()
@click.argument("data")
@click.option("--pool", help="Recommend from this pool, and show the recommended images too.")
@click.option("--budget", type=click.IntRange(min=1), help="How many images to recommend at most  [default: 30].")
@click.option("--port", default=5151, show_default=True, help="Port of the App.")
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="Who may connect; anything else shows the images to the network.",
)
@click.option("--name", help="Name of the FiftyOne data set  [default: curator-NAME].")
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
    title = name or f"curator-{run.dataset.name}"
    if no_wait:
        from curator.exporters.fiftyone import to_fiftyone

        built = to_fiftyone(run, title, **shown)  # type: ignore[arg-type]
        click.echo(
            f"FiftyOne data set {built.name!r}: {len(built)} images, {len(built.list_saved_views())} saved views"
        )
        return
    with app.browse(run, name=title, port=port, address=address, wait=False, **shown) as session:  # type: ignore[arg-type]
        click.echo(
            f"FiftyOne data set {session.dataset_name!r}: {session.n_images} images, {len(session.views)} saved views"
        )
        click.echo(f"The App is at {session.url}. Stop it with Ctrl-C.")
        if not app.has_browser():
            click.echo(f"From another machine: {app.ssh_hint(port)}, then open http://localhost:{port}")
        session.wait()
