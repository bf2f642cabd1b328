"""Check whether existing results are those that this run would give. Like make, but based on content."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from curator.io import remote
from curator.io.documents import as_document
from curator.io.jsonfile import read_json
from curator.types.documents import AuditDocument, RunDocument
from curator.types.documents.audit import Source

if TYPE_CHECKING:
    from curator.commands.session import Session
    from curator.types import Dataset


def fingerprint(session: Session, *data: Dataset, source: Source) -> str:
    """A digest that changes with any image, label, split, metadata value, setting, version or file of curator.

    `source` is how DATA was read, which the results contain.
    """
    from curator import attributes
    from curator.commands.session import versions

    digest = hashlib.sha256()
    said = (
        session.encoder.info,
        session.settings.as_dict(),
        session.seed,
        session.max_skipped,
        session.notes,
        attributes.fingerprint(),
        source,
    )
    digest.update(repr((said, sorted(versions().items()), _code())).encode())
    for dataset in data:
        digest.update(
            repr((dataset.name, dataset.root, dataset.classes, dataset.skipped)).encode("utf-8", "surrogateescape")
        )
        digest.update(dataset.labels.tobytes())
        digest.update(repr((dataset.ids.tolist(), dataset.splits.tolist())).encode("utf-8", "surrogateescape"))
        digest.update(dataset.metadata.to_csv(index=False).encode("utf-8", "surrogateescape"))
        with ThreadPoolExecutor(session.jobs or None) as pool:
            for content in pool.map(_sha256, (dataset.path(i) for i in range(len(dataset)))):
                digest.update(content)
    return f"sha256:{digest.hexdigest()}"


def _sha256(path: str) -> bytes:
    if remote.is_url(path):
        # A remote file without a time or version stamp counts as changed every time.
        return (remote.stamp(path) or uuid.uuid4().hex).encode()
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as e:
        return f"unreadable {e.errno}".encode()


def _code() -> str:
    """A digest of curator's own files, so that results of a different checkout are not reused."""
    home = Path(__file__).parent.parent
    files = sorted(p for p in home.rglob("*") if p.suffix in (".py", ".j2", ".txt", ".css", ".js"))
    return hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()


def digests(out: Path, names: Sequence[str]) -> dict[str, str]:
    """SHA-256 of each written file, by name."""
    return {name: _sha256(str(out / name)).hex() for name in names}


def finished(inputs: str, out: Path) -> tuple[AuditDocument, RunDocument] | None:
    """The audit and the run of an earlier call with the same `inputs`, if all files that it wrote are unchanged.

    The run is returned with no newly embedded images, as it would be for this call.
    """
    try:
        run = as_document(read_json(out / "run.json"), RunDocument)
        if run.inputs != inputs or not run.outputs:
            return None
        if any(Path(name).name != name for name in run.outputs):
            return None  # run.json names a file outside the folder, such as /dev/zero
        if any(_sha256(str(out / name)).hex() != kept for name, kept in run.outputs.items()):
            return None
        this = replace(run, n_new=0, seconds=0.0, images_per_second=None, reused=True)
        return as_document(read_json(out / "audit.json"), AuditDocument), this
    except (OSError, ValueError):
        return None  # there is no earlier run of this version, so audit
