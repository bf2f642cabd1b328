"""The one place where stages, store and progress meet: what each command does, as a function."""

from __future__ import annotations

from curator.pipeline.audit import audit
from curator.pipeline.export import export
from curator.pipeline.forecast import forecast
from curator.pipeline.recommend import Advice, recommend
from curator.pipeline.synthesize import synthesize
from curator.pipeline.validate import validate
from curator.workbench import Workbench

__all__ = ["Advice", "Workbench", "audit", "export", "forecast", "recommend", "synthesize", "validate"]
