"""What a self-test finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Plant = Literal["tint", "border", "patch", "recompress"]
"""What the self-test plants."""


@dataclass(frozen=True, slots=True)
class Planted:
    """In how many of `draws` audits a planted shortcut was `found`; `effect` is the share of the class that has it less that of
    the others (a fraction)."""

    kind: Plant
    effect: float
    found: int
    draws: int


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What was planted and found. `alarms` of `n_null` audits with nothing planted had a finding of severity medium or high
    that is not on the object; `elsewhere` is the share of the other classes' images that carry the planted thing too."""

    planted: tuple[Planted, ...]
    alarms: int
    n_null: int
    n_images: int
    classes: Mapping[str, int]
    encoder: str
    elsewhere: float
    seconds: float
    notes: tuple[str, ...] = ()
