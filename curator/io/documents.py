"""JSON files that curator wrote, read back: a baseline, an audit to verify, a forecast. They may come from anywhere."""

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
    """An audit.json, and its content as it stands; `what` it is wanted for begins the error: "the baseline".

    An older file may lack what a newer one has.

    Raises:
        InputError: it cannot be read, is no JSON, or is no audit.json.
    """
    try:
        content = read_json(path)
    except (OSError, ValueError) as e:
        why = e.strerror if isinstance(e, OSError) else str(e)
        raise InputError(f"cannot read {what} {path} ({why}); give an audit.json that `curator audit` wrote.") from e
    if not isinstance(content, dict) or content.get("schema") != "curator.audit/1":
        raise InputError(
            f"{path} is no audit.json (its schema is not curator.audit/1); give one that `curator audit` wrote."
        )
    try:
        document = as_document(content, AuditDocument)
    except ValueError as e:
        raise InputError(f"{path} is a damaged audit.json ({e}); give one that `curator audit` wrote.") from e
    for raw, finding in zip(content["findings"], document.findings, strict=True):
        raw["id"] = finding.id  # it follows from class, attribute and value, whatever the file says
    return document, content


def as_document(content: Any, kind: type[D]) -> D:
    """The content of a JSON file as the document that it should be.

    Raises:
        ValueError: it is not; the message names the first thing that is wrong: "findings[1].p: expected `float`, got `str`".
    """
    try:
        return msgspec.convert(content, kind)
    except msgspec.ValidationError as e:
        said, _, place = str(e).partition(" - at ")
        where = place.strip("`").removeprefix("$").removeprefix(".")
        said = f"{said[:1].lower()}{said[1:]}"
        raise ValueError(f"{where}: {said}" if where else re.sub(r"^object ", "", said)) from e


def ids_beside(path: Path) -> list[str] | None:
    """The images of an audit.json, from the measures.parquet that was written with it; None where that is gone or damaged."""
    import pandas as pd

    try:
        frame = pd.read_parquet(path.with_name("measures.parquet"), columns=[])
        return [str(i) for i in frame.index]  # here: text that is no UTF-8 is noticed only when it is taken out
    except Exception:  # pandas takes the types of columns from text in the file, and raises whatever that leads to
        return None
