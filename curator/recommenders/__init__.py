"""How to choose images within a cell. One file per strategy; a module joins by defining `STRATEGY`."""

from __future__ import annotations

from curator.registry import Registry
from curator.selection.choice import Strategy

STRATEGIES: Registry[Strategy] = Registry("curator.recommenders", "STRATEGY", "strategy")
