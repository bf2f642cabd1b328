"""A forecast as the report shows it: the answer, the measured and the expected curve, and what each class and pair needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log

from curator.report import wording
from curator.report.html.curves import HEIGHT, LEFT, SPAN, TOP, Line, Mark, Panel
from curator.report.wording.forecast import MOST_CLASSES, MOST_PAIRS, headline, short
from curator.types.forecast import ClassForecast, Forecast, PairForecast

_STEP = 0.1
_LARGEST = 1e12
"""An upper bound for every accuracy and image count. It keeps 100 times a value finite."""
_MOST_TICKS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A class or a pair: its accuracy now with its interval, and how many images of every class it needs, in words."""

    name: str
    accuracy: str
    needed: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """The content of the section. `n_more_classes` and `n_more_pairs` count the rows that are left out."""

    forecast: Forecast
    headline: str
    panel: Panel
    classes: tuple[Row, ...]
    pairs: tuple[Row, ...]
    n_more_classes: int
    n_more_pairs: int


def outlook(forecast: Forecast) -> Outlook:
    """The section for a forecast; the least accurate classes and the first pairs of the forecast are listed."""
    there = forecast.now.n_per_class
    worst = sorted(forecast.per_class, key=lambda c: c.accuracy)
    pairs = forecast.confusable_pairs
    return Outlook(
        forecast,
        headline(forecast),
        _panel(forecast),
        tuple(_row(c.name, c, there) for c in worst[:MOST_CLASSES]),
        tuple(_row(f"{p.a} / {p.b}", p, there) for p in pairs[:MOST_PAIRS]),
        max(0, len(worst) - MOST_CLASSES),
        max(0, len(pairs) - MOST_PAIRS),
    )


def _row(name: str, of: ClassForecast | PairForecast, there: int) -> Row:
    return Row(name, wording.with_interval(of.accuracy, of.ci), short(of.needed, there))


def _panel(f: Forecast) -> Panel:
    """Accuracy by images of every class, on a logarithmic axis."""
    arms = {"measured": f.curve, "expected": (f.now, *f.expected)}
    points = [p for arm in arms.values() for p in arm]
    lowest = min([f.target, *(p.ci[0] for p in points)])
    bottom = max(0.0, min(0.8, floor(lowest / _STEP) * _STEP))
    sizes = sorted({max(1, p.n_per_class) for p in points})
    first, width = log(sizes[0]), max(log(sizes[-1]) - log(sizes[0]), 1e-9)

    def x(n: int) -> float:
        return round(LEFT + SPAN * (log(max(1, n)) - first) / width, 2)

    def y(value: float) -> float:
        return float(round(TOP + HEIGHT * (1 - (value - bottom) / (1 - bottom)), 1))

    lines = tuple(
        Line(
            name,
            name == "measured",
            tuple(Mark(x(p.n_per_class), y(p.accuracy), y(max(p.ci[0], bottom)), y(p.ci[1])) for p in arm),
            dashed=name == "expected",
        )
        for name, arm in arms.items()
    )
    n_steps = round((1 - bottom) / _STEP)
    every = 1 if n_steps <= _MOST_TICKS else 2
    y_ticks = tuple((y(1 - _STEP * k), f"{round(100 * (1 - _STEP * k))}%") for k in range(0, n_steps + 1, every))
    step = -(-len(sizes) // _MOST_TICKS)
    kept = [n for k, n in enumerate(reversed(sizes)) if k % step == 0][::-1]
    points_in_words = "; ".join(
        f"{name}: {', '.join(f'{wording.percent(p.accuracy)} with {p.n_per_class:,}' for p in arm)}"
        for name, arm in arms.items()
    )
    return Panel(
        "Accuracy by images of every class",
        wording.chart(f"{points_in_words}. The target is {wording.percent(f.target)}"),
        tuple(reversed(y_ticks)) if y_ticks[0][0] < y_ticks[-1][0] else y_ticks,
        tuple((x(n), f"{n:,}") for n in kept),
        lines,
        (y(f.target), f"target {wording.percent(f.target)}"),
        float(TOP + HEIGHT),
    )
