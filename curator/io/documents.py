"""Reads JSON files that curator wrote: a baseline, an audit to verify, a forecast. They may come from untrusted sources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from curator.errors import InputError
from curator.io.jsonfile import read_json
from curator.types.document import Document
from curator.types.documents import AuditDocument

D = TypeVar("D", bound=Document)


def read_audit(path: Path, what: str) -> tuple[AuditDocument, dict[str, Any]]:
    """Read an audit.json. Returns the document and its raw content. `what` names its purpose in the error: "the baseline".

    A file of an older version may lack newer keys.

    Raises:
        InputError: the file cannot be read, is not JSON, or is not an audit.json.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) else str(e)
        raise InputError(f"cannot read {what} {path} ({why}); give an audit.json that `curator audit` wrote.") from e
    if not isinstance(content, dict) or content.get("schema") != "curator.audit/1":
        raise InputError(
            f"{path} is not an audit.json (its schema is not curator.audit/1); give one that `curator audit` wrote."
        )
    try:
        document = as_document(content, AuditDocument)
    except ValueError as e:
        raise InputError(f"{path} is a damaged audit.json ({e}); give one that `curator audit` wrote.") from e
    for raw, finding in zip(content["findings"], document.findings, strict=True):
        raw.setdefault("id", finding.id)
    return document, content


def as_document(content: Any, kind: type[D]) -> D:
    """Convert the content of a JSON file to a document.

    Raises:
        ValueError: the content does not fit. The message names the first error: "findings[1].p: expected `float`, got `str`".
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as e:
        problem, _, place = str(e).partition(" - at ")
        where = place.strip("`").removeprefix("$").removeprefix(".")
        problem = f"{problem[:1].lower()}{problem[1:]}"
        raise ValueError(f"{where}: {problem}" if where else re.sub(r"^object ", "", problem)) from e


def ids_beside(path: Path) -> list[str] | None:
    """The ids of an audit's images, from the measures.parquet beside the audit.json. None if it is missing or damaged."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path.with_name("measures.parquet"), columns=[])
        return [str(i) for i in frame.index]  # inside `try`, because invalid UTF-8 raises only when the text is read
    except Exception:  # pandas takes column types from text in the file, which can raise almost any error
        return None
