"""The progress display of a command, on stderr, if that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, Task

_SPEED_OVER_S = 600.0
"""Seconds over which speed is measured. It needs two batches, and on a slow machine one batch may take minutes."""
_OF_IMAGES = ("reading ", "looking closely ", "copying", "putting together")
"""Stages that count images; other stages count fits, audits and the like."""


def speed(stage: str, per_second: float | None) -> str:
    """A rate in words; "" if it is not known yet.

    >>> speed("reading train", 187.6), speed("forecasting", 2.34), speed("reading train", None)
    ('188 images/s', '2.3/s', '')
    """
    if not per_second:
        return ""
    number = f"{per_second:.0f}" if per_second >= 10 else f"{per_second:.1f}"
    return f"{number}{' images' if stage.startswith(_OF_IMAGES) else ''}/s"


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """The progress callback for a session; it shows nothing if there is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console

    with _bars(Console(stderr=True)) as bars:
        yield shown_on(bars)


def shown_on(bars: Progress) -> Callable[[str, int, int], None]:
    """Adds a bar for each stage and moves it. The bar of a stage with one step only shows that it is running."""
    tasks: dict[str, Any] = {}

    def show(stage: str, done: int, total: int) -> None:
        counted = total if total > 1 or done >= total else None
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=counted)
        bars.update(tasks[stage], completed=done, total=counted)

    return show


def _bars(console: Console) -> Progress:
    """One line for the whole and one per stage, in 80 columns; all are removed before the command prints its result."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as Left
    from rich.text import Text

    class Counted(MofNCompleteColumn):
        def render(self, task: Task) -> Text:
            return super().render(task) if task.total and task.total > 1 else Text()

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed
            return Text(speed(task.description, rate if task.total and task.total > 1 else None))

    class Remaining(Left):
        def render(self, task: Task) -> Text:
            if task.finished or not task.total or task.total <= 1 or task.time_remaining is None:
                return Text()
            return Text.assemble(super().render(task), " left")

    text = TextColumn("{task.description}", markup=False)
    columns = text, BarColumn(bar_width=12), Counted(), Speed(), TimeElapsedColumn(), Remaining()
    # Ten updates per second would cost more than some stages.
    bars = Progress(
        *columns, console=console, transient=True, refresh_per_second=4, speed_estimate_period=_SPEED_OVER_S
    )
    bars.add_task("all together", total=None)
    return bars
