"""The curves of a validation as lines to draw: worst-group accuracy and reliance after each batch, recommended and random."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import floor, isfinite

from curator.report import wording
from curator.report.wording import probes
from curator.types import CurvePoint, Interval, ProbeReport

HEIGHT = 180
"""Pixels from the bottom line to the top line."""
TOP = 10
LEFT, SPAN = 11, 87
"""Position of the first point, right of the labels, and distance from it to the last point, in per cent of the width."""
_STEP = 0.25
_ASIDE = 0.7
"""Offset of the random line's marks to the right, in per cent of the width, so that whiskers do not cover each other."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its interval: `x` in per cent of the width, the `y` values in pixels from the top."""

    x: float
    y: float
    y_low: float
    y_high: float


@dataclass(frozen=True, slots=True)
class Line:
    """The marks of one arm, from left to right."""

    name: str
    main: bool
    marks: tuple[Mark, ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram: its lines, its ticks, and the same in `words` for people who cannot see it.

    `y_ticks` are (pixel, label); `x_ticks` are (per cent of the width, label). `goal` (pixel, label) is a horizontal line
    at the target. `bottom` is the lowest pixel of the plot area.
    """

    title: str
    words: str
    y_ticks: tuple[tuple[float, str], ...]
    x_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    goal: tuple[float, str] | None = None
    bottom: float = float(TOP + HEIGHT)


def panels(probe: ProbeReport) -> list[Panel]:
    """Worst-group accuracy, and reliance if the test set can show it. Empty for a curve of a single point."""
    if len(probe.curve) < 2:
        return []
    out = [_panel(probes.WORST_GROUP, probe.curve, lambda p: (p.worst_group, p.ci), wording.percent)]
    if all(isfinite(p.reliance) for p in probe.curve):
        out.append(_panel(probes.RELIANCE, probe.curve, lambda p: (p.reliance, p.reliance_ci), wording.points))
    return out


def _panel(
    title: str,
    curve: tuple[CurvePoint, ...],
    read: Callable[[CurvePoint], tuple[float, Interval | None]],
    say: Callable[[float], str],
) -> Panel:
    arms = {"recommended": list(curve), "random": [p.random for p in curve if p.random is not None]}
    floor_ = min(min(read(p)[0], *(read(p)[1] or ())) for points in arms.values() for p in points)
    bottom = min(0.0, max(-1.0, floor(floor_ / _STEP) * _STEP))
    most = max(1, curve[-1].n_added)

    def y(value: float) -> float:
        return float(round(TOP + HEIGHT * (1 - (value - bottom) / (1 - bottom)), 1))

    lines = []
    for name, points in arms.items():
        marks = []
        for p in points:
            value, ci = read(p)
            low, high = ci or (value, value)
            # Both arms share the first point, where nothing is added yet.
            aside = _ASIDE if name == "random" and p.n_added else 0
            marks.append(Mark(round(SPAN * p.n_added / most + LEFT + aside, 2), y(value), y(low), y(high)))
        lines.append(Line(name, name == "recommended", tuple(marks)))
    n_ticks = round((1 - bottom) / _STEP)
    ticks = tuple(
        (y(v), f"{round(100 * v)}%".replace("-", "−")) for v in (bottom + _STEP * k for k in range(n_ticks + 1))
    )
    along = tuple((round(SPAN * p.n_added / most + LEFT, 2), f"{p.n_added:,}") for p in curve)
    words = "; ".join(
        f"{wording.arm_words(name)}: {_in_words(points, read, say)}" for name, points in arms.items() if points
    )
    return Panel(title, wording.chart(words), ticks, along, tuple(lines))


def _in_words(
    points: Iterable[CurvePoint],
    read: Callable[[CurvePoint], tuple[float, Interval | None]],
    say: Callable[[float], str],
) -> str:
    return ", ".join(f"{say(read(p)[0])} after {p.n_added:,}" for p in points)
