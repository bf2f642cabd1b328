"""Repeat the audit that an audit.json records, and check who signed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curator.commands._steps.audit_files import FILES
from curator.commands.session import Progress, Session, default_cache, silent
from curator.errors import InputError
from curator.io import signatures
from curator.report.wording import verification as words
from curator.types.documents import AuditDocument
from curator.types.documents.audit import Source
from curator.types.documents.commands import Signature

if TYPE_CHECKING:
    from curator.commands.verify import Verification

_COLUMNS = ("path_column", "label_column", "allow_outside", "max_skipped")


def signature_of(audit: Path, public_key: str | None) -> tuple[Signature | None, list[str]]:
    """The signer of an audit.json and the signed files, and notes. The signature is None if none was asked for.

    Raises:
        DataError: a signature is missing or wrong. InputError: `public_key` is not a key.
    """
    beside = audit.with_name(audit.name + signatures.SUFFIX)
    if public_key is None:
        return None, [words.unchecked(beside.name)] if beside.exists() else []
    key = signatures.read_key(public_key)
    if not audit.exists():
        return None, []  # reading the missing file gives a better error
    comment = signatures.check(audit, key)
    others = [audit.with_name(name) for name in (*FILES, "run.json") if name != audit.name]
    signed = [path for path in others if path.with_name(path.name + signatures.SUFFIX).exists()]
    for path in signed:
        signatures.check(path, key)
    bare = [path.name for path in others if path.exists() and path not in signed]
    names = [audit.name, *(path.name for path in signed)]
    return (
        Signature(key=key.id, trusted_comment=comment, files=tuple(names)),
        [words.unsigned(bare)] if bare else [],
    )


def repeat(
    document: AuditDocument, content: Mapping[str, Any], audit: Path, *, data: str | None = None, pool: str | None = None,
    model: str | None = None, cache: Path | None = None, jobs: int = 0, device: str = "auto",
    precision: str | None = None, progress: Progress = silent,
) -> Verification:  # fmt: skip
    """Audit again as the `document` in the file `audit` says, and compare. Arguments that are given replace what it says.

    Raises:
        InputError: the file does not say enough, or the cache lies in the data. DataError: DATA can no longer be read.
    """
    source = document.source if isinstance(document.source, Source) else None
    data = data or (source.data if source else None)
    pool = pool or (source.pool if source else None)
    if not data:
        raise InputError(f"{audit} does not say how DATA was read; give its path with --data.")
    if not 0 <= document.seed < 2**32:
        raise InputError(f"{audit} is a damaged audit.json (--seed does not accept its seed {content['seed']}).")
    folder = (cache or default_cache()).resolve()
    for kept in (audit.parent, *(Path(d).expanduser() for d in (data, pool) if d and Path(d).expanduser().is_dir())):
        if folder.is_relative_to(kept.resolve()):
            raise InputError(f"{folder} lies inside {kept}, which verify never writes to; choose another --cache.")
    # Imported here, so that scikit-learn is only loaded when there is work to do.
    from curator.commands import verify

    settings = verify.old_settings(document, str(audit))
    # The precision in the file is only valid for the file's own encoder.
    precision = precision or (source.precision if source and model is None else None) or "auto"
    how: dict[str, Any] = {name: getattr(source, name) for name in _COLUMNS} if source else {}
    session = Session.open(
        model or verify.model_of(document), cache=cache, device=device, jobs=jobs, settings=settings,
        precision=precision, seed=document.seed, progress=progress, **how,
    )  # fmt: skip
    return verify.verify(content, data, session, pool=pool)
