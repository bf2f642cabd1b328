"""Strategies for choosing images within a cell, one module each. A module joins by defining `STRATEGY`."""

from __future__ import annotations

from curator.registry import Registry
from curator.selection.choice import Strategy

STRATEGIES: Registry[Strategy] = Registry("curator.recommenders", "STRATEGY", "strategy")
