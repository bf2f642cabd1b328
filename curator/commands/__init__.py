"""The one place where stages, store and progress meet: what each command does, as a function."""

from __future__ import annotations

from curator.commands.audit import audit
from curator.commands.export import export
from curator.commands.forecast import forecast
from curator.commands.recommend import Advice, recommend
from curator.commands.session import Session
from curator.commands.synthesize import synthesize
from curator.commands.validate import validate

__all__ = ["Advice", "Session", "audit", "export", "forecast", "recommend", "synthesize", "validate"]
