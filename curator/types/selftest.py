"""Types for the result of a self-test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Plant = Literal["tint", "border", "patch", "recompress"]
"""The kinds of shortcut that the self-test plants."""


@dataclass(frozen=True, slots=True)
class Planted:
    """In how many of `draws` audits a planted shortcut was `found`.

    `effect` is the share of the class that has it minus the share of the others (a fraction).
    """

    kind: Plant
    effect: float
    found: int
    draws: int


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What was planted and what was found.

    Of `n_null` audits without a planted shortcut, `alarms` had a finding of severity medium or high outside the object.
    `elsewhere` is the share of the other classes' images that have the planted edit too.
    """

    planted: tuple[Planted, ...]
    alarms: int
    n_null: int
    n_images: int
    classes: Mapping[str, int]
    encoder: str
    elsewhere: float
    seconds: float
    notes: tuple[str, ...] = ()
