"""The function behind each command. Stages, store and progress are combined only here."""

from __future__ import annotations

from curator.commands.audit import audit
from curator.commands.export import Balance, Exported, export
from curator.commands.forecast import forecast
from curator.commands.recommend import Advice, Mode, recommend
from curator.commands.session import Session
from curator.commands.synthesize import synthesize
from curator.commands.validate import Validation, validate
from curator.exporters import Link
from curator.selection.splits import Way

__all__ = [
    "Advice", "Balance", "Exported", "Link", "Mode", "Session", "Validation", "Way", "audit", "export", "forecast",
    "recommend", "synthesize", "validate",
]  # fmt: skip
