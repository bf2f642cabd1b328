"""How to choose images within a cell. One file per strategy; a module joins by defining `STRATEGY`."""

from __future__ import annotations

from curator.recommending import Strategy
from curator.registry import Registry

STRATEGIES: Registry[Strategy] = Registry("curator.recommenders", "STRATEGY", "strategy")
