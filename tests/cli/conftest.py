"""The fixtures of these tests; what they are made of is in cli_kit.py."""

from cli_kit import audited, before, cache, few, fresh, recommended, run, validated

__all__ = ["audited", "before", "cache", "few", "fresh", "recommended", "run", "validated"]
