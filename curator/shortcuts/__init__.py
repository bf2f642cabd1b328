"""Tests whether an attribute gives a class away: turns yes/no columns into findings with effect, interval and severity."""
