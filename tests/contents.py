"""JSON contents that a test edits, and the documents that they are read as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from report_example import make_run

from curator.io.documents import as_document
from curator.report.json import audit_document, dumps
from curator.types.document import Document
from curator.types.documents import AuditDocument


def of(document: Document) -> dict[str, Any]:
    """What the file of a document holds."""
    content: dict[str, Any] = json.loads(dumps(document))
    return content


def example() -> dict[str, Any]:
    return of(audit_document(make_run()))


def audit(content: Mapping[str, Any] | None) -> AuditDocument | None:
    return as_document(dict(content), AuditDocument) if content else None
