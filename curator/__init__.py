"""curator: find the shortcuts in an image data set, say what to add, and prove that it worked."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Audit": "curator.types",
    "Clusters": "curator.types",
    "CuratorError": "curator.errors",
    "Dataset": "curator.types",
    "Embeddings": "curator.types",
    "Finding": "curator.types",
    "Measures": "curator.types",
    "ProbeReport": "curator.types",
    "Recommendation": "curator.types",
    "SplitPlan": "curator.types",
    "audit": "curator.pipeline",
    "browse": "curator.app",
    "export": "curator.pipeline",
    "forecast": "curator.pipeline",
    "recommend": "curator.pipeline",
    "validate": "curator.pipeline",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import curator` stays light (PEP 562)."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'curator' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
