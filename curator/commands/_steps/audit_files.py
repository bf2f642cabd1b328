"""Write the result files of `curator audit`, or reuse them if nothing has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from msgspec import structs

from curator.commands._steps import up_to_date
from curator.commands.session import Session, silent
from curator.io.documents import ids_beside, read_audit
from curator.readers import clip_retrieval
from curator.report import comparison as compared
from curator.report.ci import junit, sarif
from curator.report.serialise import dump, write_text
from curator.shortcuts.comparison import Comparison, compare
from curator.types import AuditRun, Dataset
from curator.types.documents import AuditDocument
from curator.types.documents.audit import Source

FILES = ("audit.json", "report.html", "measures.parquet", junit.NAME, sarif.NAME)
"""The files that an audit writes in addition to run.json."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier audit, the ids of its images if they are known, and a digest of both."""

    audit: AuditDocument
    ids: list[str] | None
    digest: str

    @classmethod
    def read(cls, path: Path) -> Earlier:
        """Read it now, because the new results may overwrite it. Raises InputError if it is not an audit.json."""
        (audit, _), ids = read_audit(path, "the earlier audit"), ids_beside(path)
        digest = hashlib.sha256(path.read_bytes() + repr(ids).encode("utf-8", "surrogateescape"))
        return cls(audit, ids, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Audited:
    """An audit and the folder of its files. `said` is a line for the user, "" for none; `reused`: nothing had changed."""

    document: AuditDocument
    out: Path
    changes: Comparison | None
    reused: bool = False
    said: str = ""


def source_of(session: Session, model: str, data: str, pool: str | None = None) -> Source:
    """How DATA is read: what audit.json records so that `curator verify` can read it again. `model` is as the user gave it."""
    return Source(
        data=_absolute(data), pool=None if pool is None else _absolute(pool), model=model,
        path_column=session.path_column, label_column=session.label_column, allow_outside=session.allow_outside,
        max_skipped=session.max_skipped,
        # What `auto` meant here, which another machine may not mean.
        precision=getattr(session.encoder, "precision", None) or None,
        embeddings=clip_retrieval.stamp(data) if clip_retrieval.is_folder(data) else None,
    )  # fmt: skip


def _absolute(data: str) -> str:
    """The path of local data in the form of the data set's root; anything else is unchanged."""
    path = os.path.abspath(os.path.expanduser(data))
    return path if os.path.exists(path) else data


def audit_into(
    data: str,
    session: Session,
    folder: Callable[[Dataset], Path],
    source: Source,
    *,
    pool: str | None = None,
    previous: Earlier | None = None,
    fail_on: str | None = None,
    before: AuditDocument | None = None,
    notes: Sequence[str] = (),
) -> Audited:
    """Audit `data` and write the result files, unless they exist already and nothing has changed since.

    `folder` returns the result folder of a data set, `source` is how DATA is read, and `previous` is an earlier audit to
    compare with. `fail_on` and the baseline `before` decide what fails in audit.junit.xml. `notes` are added to those of
    the audit.
    """
    started = datetime.now(UTC).isoformat(timespec="seconds")
    sources = [session.scan(place) for place in (data, pool) if place is not None]
    inputs = up_to_date.fingerprint(session, *sources, source=source)
    if previous is not None:
        inputs = f"{inputs} compared with sha256:{previous.digest}"
    out = folder(sources[0])
    kept = up_to_date.finished(inputs, out)
    if kept is not None:
        document, run_document = kept
        changes = _changes(previous, document, ids_beside(out / "audit.json"), out)
        _for_ci(document, out, fail_on, before)
        outputs = up_to_date.digests(out, FILES)
        dump(structs.replace(run_document, started=started, outputs=outputs), out / "run.json")
        return Audited(document, out, changes, reused=True)
    # Imported here, so that a run in which nothing has changed does not wait for scikit-learn.
    from curator.commands.audit import audit
    from curator.report.json import audit_document
    from curator.report.json import run_document as about_run

    run = audit(data, session, pool=pool)
    run = replace(run, notes=(*run.notes, *notes))
    document = audit_document(run, source)
    _for_ci(document, out, fail_on, before)
    changes = _changes(previous, document, run.dataset.ids.tolist(), out)
    said = _write(run, document, out, changes, session)
    # The comparison is computed on every call, so run.json does not record what was compared.
    names = (*FILES, *([] if changes is None else [compared.NAME]), "run.json")
    more = {"inputs": inputs, "outputs": up_to_date.digests(out, FILES)}
    dump(about_run(run, command="audit", started=started, out=str(out), files=names, **more), out / "run.json")
    return Audited(document, out, changes, said=said)


def write_audit(run: AuditRun, document: AuditDocument, out: Path, changes: Comparison | None = None) -> str:
    """Write the files of an audit except run.json. Returns a line for the user, "" for none."""
    _for_ci(document, out, None, None)
    _write_changes(changes, out)
    return _write(run, document, out, changes, None)


def changes_since(previous: Earlier, now: AuditDocument, ids: Sequence[str] | None) -> Comparison:
    """What changed since an earlier audit. `ids` are the images of `now`, if they are known."""
    return compare(previous.audit, now, previous.ids, ids)


def _write(
    run: AuditRun, document: AuditDocument, out: Path, changes: Comparison | None, session: Session | None
) -> str:
    from curator.commands._steps.results import save, write_report
    from curator.io.atomic import write_whole

    save("audit.json", document, out)
    write_whole(out / "measures.parquet", run.measures.frame.to_parquet)
    return write_report(run, out, comparison=changes, progress=session.progress if session else silent)[1]


def _changes(previous: Earlier | None, now: AuditDocument, ids: Sequence[str] | None, out: Path) -> Comparison | None:
    """What changed, saved as comparison.json."""
    ids = None if ids is None else [str(i) for i in ids]
    found = None if previous is None else changes_since(previous, now, ids)
    _write_changes(found, out)
    return found


def _write_changes(found: Comparison | None, out: Path) -> None:
    """Write comparison.json. Without `found`, the one of an earlier run is removed."""
    if found is None:
        (out / compared.NAME).unlink(missing_ok=True)
    else:
        dump(compared.comparison_document(found), out / compared.NAME)


def _for_ci(audit: AuditDocument, out: Path, fail_on: str | None, before: AuditDocument | None) -> None:
    """Write the audit in the formats of CI systems, on every call, because they depend on this call's flags."""
    write_text(junit.audit_junit(audit, fail_on, before), out / junit.NAME)
    dump(sarif.audit_sarif(audit, before), out / sarif.NAME)
