"""curator: find the shortcuts in an image data set, say what to add, and prove that it worked.

The names in `__all__` are the Python API; `docs/api.md` describes them. `__init__.pyi` says their types to checkers.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "AuditResult": "curator.api",
    "CuratorError": "curator.errors",
    "Finding": "curator.types",
    "ProbeReport": "curator.types",
    "Recommendation": "curator.types",
    "Session": "curator.commands.session",
    "audit": "curator.api",
    "browse": "curator.app.browse",
    "export": "curator.api",
    "forecast": "curator.api",
    "recommend": "curator.api",
    "validate": "curator.api",
}
_TYPES = frozenset({"Audit", "AuditRun", "Clusters", "Dataset", "Embeddings", "Measures", "SplitPlan"})
"""Types that results are made of. They live in `curator.types`, and are found here too."""
__all__ = ["__version__", *_HOMES]

# Libraries below report home unless they are told otherwise before they are imported. ONNX Runtime does from 1.29 on, also on
# Linux, by a thread of its own that no setting inside Python stops in time.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "FIFTYONE_DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}.items():
    os.environ.setdefault(_name, _value)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import curator` stays light (PEP 562)."""
    home = "curator.types" if name in _TYPES else _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'curator' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
