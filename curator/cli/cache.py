"""`curator cache`: list the stored embeddings and remove those that are not needed."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from curator.io.store.cache import Kept
    from curator.types.documents.commands import StoreSummary

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Parse a number of bytes: 500M, 20GB, 1.5T."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,6})?) ?([kMGT]?)B?", value.strip(), re.IGNORECASE)
    if match is None:
        raise click.BadParameter(f"{value!r} is not a size; write 500M, 20G or 1.5T.", ctx, param)
    return int(float(match[1]) * _UNITS[match[2].upper()])


@click.command()
@click.argument("action", type=click.Choice(["list", "prune"]))
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="prune: remove stores that were not used for this many days.",
)
@click.option(
    "--max-size",
    callback=_bytes,
    metavar="SIZE",
    help="prune: remove the stores used longest ago until this much is left (500M, 20G).",
)
@click.option(
    "--encoder", metavar="NAME", help="prune: remove only stores of this encoder; without another flag, all of them."
)
@click.option("--dry-run", is_flag=True, help="prune: list what would be removed, and remove nothing.")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for embeddings and models  [default: the user's cache].",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, alone, on stdout.")
def command(
    action: str,
    older_than: float | None,
    max_size: int | None,
    encoder: str | None,
    dry_run: bool,
    cache: Path | None,
    as_json: bool,
) -> None:
    """List the stored embeddings by encoder, or remove those that you do not need.

    Images whose embeddings were removed are embedded again when they are next read. Only files that curator wrote are ever
    removed. Every prune also removes what an earlier version of curator left.

    \b
    Example:
      curator cache list
      curator cache prune --older-than 90 --max-size 20G --dry-run
    """
    from curator.commands.session import default_cache
    from curator.io.store.cache import chosen, remove, stores
    from curator.report.serialise import dumps
    from curator.types.documents import CacheDocument

    given = {"--older-than": older_than, "--max-size": max_size, "--encoder": encoder}
    if action == "list" and (dry_run or any(v is not None for v in given.values())):
        raise click.UsageError("list takes only --cache and --json; the other flags are for prune.")
    if action == "prune" and all(v is None for v in given.values()):
        raise click.UsageError(f"name what to prune: {', '.join(given)}.")
    place = cache or default_cache()
    found = stores(place)
    going = (
        chosen(found, time.time(), older_than=older_than, max_bytes=max_size, encoder=encoder)
        if action == "prune"
        else []
    )
    shown = [
        _row(kept, None if action == "list" else sum(s.n_images for s in some), sum(s.n_bytes for s in some))
        for kept, some in ([(k, k.shards) for k in found] if action == "list" else going)
    ]
    if not dry_run:
        for kept, some in going:
            remove(kept, some)
    if as_json:
        document = CacheDocument(action=action, dry_run=dry_run, cache=str(place), stores=tuple(shown))  # type: ignore[arg-type]
        click.echo(dumps(document), nl=False)
        return
    for line in _lines(shown):
        click.echo(line)
    n_bytes = sum(row.bytes for row in shown)
    verb = "kept" if action == "list" else "would go" if dry_run else "removed"
    click.echo(f"{_size(n_bytes)} {verb}; cache: {place.resolve()}")


def _row(kept: Kept, n_images: int | None, n_bytes: int) -> StoreSummary:
    from curator.types.documents.commands import StoreSummary

    return StoreSummary(
        kind=kept.kind,
        encoder=kept.encoder,
        images=(kept.n_images if n_images is None else n_images) if kept.is_read else None,
        bytes=n_bytes,
        last_used=datetime.fromtimestamp(kept.last_used, UTC).isoformat(timespec="seconds"),
        is_read=kept.is_read,
        folder=str(kept.folder),
    )


def _lines(rows: list[StoreSummary]) -> list[str]:
    from curator.report.wording import visible

    if not rows:
        return []
    table = [("encoder", "holds", "images", "size", "last used")]
    for row in rows:
        encoder = visible(row.encoder) if row.is_read else "(an earlier version's)"
        images = "?" if row.images is None else f"{row.images:,}"
        table.append((encoder or "?", row.kind, images, _size(row.bytes), row.last_used[:10]))
    widths = [max(len(line[i]) for line in table) for i in range(5)]
    return [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d:>{widths[3]}}  {e}" for a, b, c, d, e in table]


def _size(n_bytes: int) -> str:
    """A number of bytes in words: 1,234,567 is 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 999.5:
            return f"{n_bytes:.0f} {unit}" if unit == "B" or n_bytes >= 99.5 else f"{n_bytes:.1f} {unit}"
        n_bytes = n_bytes / 1000  # type: ignore[assignment]
    return f"{n_bytes:,.1f} TB"
