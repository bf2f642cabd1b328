"""The JSON files that curator writes. One class per file defines the file, its schema in docs/schema and its reader."""

from curator.types.document import Document
from curator.types.documents.audit import AuditDocument, RunDocument
from curator.types.documents.commands import (
    BrowseDocument,
    CacheDocument,
    DoctorDocument,
    EmbedDocument,
    SelfTestDocument,
    VerifyDocument,
)
from curator.types.documents.comparison import ComparisonDocument
from curator.types.documents.plans import RecommendDocument, SplitsDocument, ValidationDocument
from curator.types.forecast import Forecast

DOCUMENTS: dict[str, type[Document]] = {
    "audit": AuditDocument,
    "browse": BrowseDocument,
    "cache": CacheDocument,
    "comparison": ComparisonDocument,
    "doctor": DoctorDocument,
    "embed": EmbedDocument,
    "forecast": Forecast,
    "recommend": RecommendDocument,
    "run": RunDocument,
    "selftest": SelfTestDocument,
    "splits": SplitsDocument,
    "validation": ValidationDocument,
    "verify": VerifyDocument,
}
"""Every kind of file by the name of its schema."""

__all__ = [
    "DOCUMENTS", "AuditDocument", "BrowseDocument", "CacheDocument", "ComparisonDocument", "DoctorDocument", "Document",
    "EmbedDocument", "Forecast", "RecommendDocument", "RunDocument", "SelfTestDocument", "SplitsDocument",
    "ValidationDocument", "VerifyDocument",
]  # fmt: skip
