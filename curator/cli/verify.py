"""`curator verify`: does an old audit still hold?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from curator.commands.verify import Verification
    from curator.types.documents import AuditDocument
    from curator.types.documents.commands import Signature


@click.command()
@click.argument("audit", metavar="AUDIT_JSON", type=click.Path(path_type=Path))
@click.option("--data", metavar="DATA", help="Path of DATA now  [default: the path in audit.json].")
@click.option("--pool", metavar="POOL", help="Path of the pool now  [default: the path in audit.json].")
@click.option("--model", metavar="NAME", help="The encoder, as for audit  [default: that of audit.json].")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for embeddings and models  [default: the user's cache].",
)
@click.option("--jobs", default=0, type=click.IntRange(min=0), metavar="N", help="Threads  [default: one per core].")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="Where the encoder runs.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16", "int8"]),
    help="Number format of the encoder, as for audit  [default: that of audit.json].",
)
@click.option(
    "--public-key",
    metavar="KEY",
    help="The signer's minisign key (RW..., or its file). A file without its valid signature is not read.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, alone, on stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def command(
    audit: Path, data: str | None, pool: str | None, model: str | None, cache: Path | None, jobs: int, device: str,
    precision: str | None, public_key: str | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Repeat the audit of an audit.json with its settings, seed and encoder, and say what is different now.

    curator compares the data (images, labels, splits, metadata), the encoder, and every finding with its effect. It notes
    other versions of libraries, which do not matter as long as the findings agree. It writes only to the cache. It reads the
    paths and the encoder that audit.json names: verify files that you trust, or give --data and --model.

    With --public-key, audit.json must be signed: `minisign -Sm audit.json report.html`. Signed files beside it are checked
    too; unsigned ones are named.

    The exit code is 0 if everything is the same, and signed if asked for; otherwise it is 1.

    \b
    Example:
      curator verify curator-out/train/audit.json
      curator verify audit.json --data data/train --public-key minisign.pub
    """
    from curator.cli._support.options import progress_bars
    from curator.commands._steps import recorded_audit
    from curator.errors import DataError
    from curator.io.documents import read_audit

    signature, notes = recorded_audit.signature_of(audit, public_key)
    document, content = read_audit(audit, "the audit")
    with progress_bars(quiet or as_json) as progress:
        done = recorded_audit.repeat(
            document, content, audit, data=data, pool=pool, model=model, cache=cache, jobs=jobs, device=device,
            precision=precision, progress=progress,
        )  # fmt: skip
    if as_json:
        from curator.report.serialise import dumps
        from curator.types.documents import VerifyDocument

        result = VerifyDocument(
            audit=str(audit),
            same=not done.differences,
            differences=done.differences,
            notes=(*done.notes, *notes),
            signature=signature,
        )
        click.echo(dumps(result), nl=False)
    elif not quiet:
        _print(document, done, signature, notes)
    if done.differences:
        from curator.report.wording import visible

        n = len(done.differences)
        raise DataError(
            f"{audit} does not hold any more: {n} difference{'s' if n > 1 else ''}, the first: "
            f"{visible(done.differences[0], 300)}. Audit again, or restore what changed."
        )


def _print(audit: AuditDocument, done: Verification, signature: Signature | None, notes: Iterable[str]) -> None:
    from rich.console import Console

    from curator.report import terminal
    from curator.report.wording import verification as words

    console = Console(highlight=False, soft_wrap=False)
    if signature is not None:
        signed_by = words.signed_by(signature.key, signature.files, signature.trusted_comment)
        terminal.print_lines([signed_by], console)
    if not done.differences:
        same = words.same(audit.dataset.n_images, done.n_findings, audit.encoder.name)
        terminal.print_lines([same], console)
    terminal.print_lines(done.differences, console)
    terminal.print_notes((*done.notes, *notes), console)
