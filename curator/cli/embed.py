"""`curator embed`: embeddings only."""

from __future__ import annotations

import click

from curator.cli.options import Common, common, emit


@click.command()
@click.argument("data")
@common
def command(common: Common, data: str) -> None:
    """Embed DATA into the cache, so that later commands start from there. A second run goes on where this one stopped.

    \b
    Example:
      curator embed sample_data/bunnies/train
    """
    with common.bench() as bench:
        embedded = bench.embed(bench.scan(data))
    info = bench.encoder.info
    rate = embedded.n_new / embedded.seconds if embedded.n_new and embedded.seconds else None
    console = common.console()
    speed = f" ({rate:.0f} images/s)" if rate else ""
    console.print(
        f"{len(embedded.dataset)} images, {embedded.n_new} of them new{speed}, by {info.name} into {bench.cache}",
        markup=False,
    )
    for skipped in embedded.dataset.skipped:
        console.print(f"skipped {skipped.id}: {skipped.reason}", markup=False)
    for note in bench.notes:
        console.print(f"Note: {note}", markup=False)
    emit(
        {
            "schema": "curator.embed/1",
            "n_images": len(embedded.dataset),
            "n_new": embedded.n_new,
            "images_per_second": rate,
            "encoder": {
                "name": info.name,
                "kind": info.kind,
                "dim": info.dim,
                "text": info.text,
                "fingerprint": info.fingerprint,
            },
            "skipped": [{"id": s.id, "reason": s.reason} for s in embedded.dataset.skipped],
            "cache": str(bench.cache),
        },
        common,
    )
