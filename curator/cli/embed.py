"""`curator embed`: embeddings only."""

from __future__ import annotations

import click

from curator.cli._support.options import Common, common, emit


@click.command()
@click.argument("data")
@common
def command(common: Common, data: str) -> None:
    """Embed DATA into the cache, so that later commands start from there. A second run goes on where this one stopped.

    \b
    Example:
      curator embed sample_data/bunnies/train
    """
    from curator.report import terminal
    from curator.report.wording import count
    from curator.types.document import EncoderSummary, SkippedFile
    from curator.types.documents import EmbedDocument

    common.keep_out_of(data)
    with common.session() as session:
        embedded = session.fill(session.scan(data))
    info = session.encoder.info
    rate = embedded.n_new / embedded.seconds if embedded.n_new and embedded.seconds else None
    console = common.console()
    speed = f" ({rate:.0f} images/s)" if rate else ""
    device, precision = (getattr(session.encoder, name, "") for name in ("device", "precision"))
    where = f" on {device} in {precision}" if device else ""
    images = count(len(embedded.dataset), "image")
    terminal.print_lines([f"{images}, {embedded.n_new:,} newly embedded{speed}; encoder {info.name}{where}."], console)
    terminal.print_notes(session.notes, console)
    terminal.print_skipped(embedded.dataset.skipped, console)
    console.print(f"Cache: {session.cache.resolve()}", soft_wrap=True, markup=False)
    document = EmbedDocument(
        n_images=len(embedded.dataset),
        n_new=embedded.n_new,
        images_per_second=rate,
        encoder=EncoderSummary(
            name=info.name, kind=info.kind, dim=info.dim, text=info.text, fingerprint=info.fingerprint
        ),
        notes=tuple(session.notes),
        skipped=tuple(SkippedFile(s.id, s.reason) for s in embedded.dataset.skipped),
        cache=str(session.cache),
    )
    emit(document, common)
