"""Run library functions from the App: how to audit a data set again, and how to report progress."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from curator.commands.session import Progress, Session
from curator.config import read_settings
from curator.errors import CuratorError
from curator.exporters.fiftyone import MARK

Work = Callable[[Progress], Any]
_LOOK_S = 0.2
_BENCH = frozenset(f.name for f in fields(Session)) - {"encoder", "cache", "settings", "notes", "progress"} | {"device"}


def origin_of(dataset: Any) -> dict[str, Any]:
    """How this data set was audited. A data set that curator did not make is DATA itself, as `fiftyone:NAME`."""
    mark = dataset.info.get(MARK) or {}
    origin = dict(mark.get("origin") or {})
    if not origin.get("data"):
        origin["data"] = mark.get("root") or f"fiftyone:{dataset.name}"
    return origin


def name_for(dataset: Any) -> str:
    """The name of the data set that shows the audit: the same if curator made it, otherwise a new one.

    The user's own data set is never changed.
    """
    return str(dataset.name) if MARK in dataset.info else f"curator-{dataset.name}"


def bench_of(origin: Mapping[str, Any], progress: Progress) -> Session:
    """The session that `origin` describes."""
    settings = read_settings(Path(config)) if (config := origin.get("config")) else read_settings(None)
    rest = {key: value for key, value in origin.items() if key in _BENCH}
    cache = Path(origin["cache"]) if origin.get("cache") else None
    model = str(origin.get("model") or "auto")
    return Session.open(model, cache=cache, settings=settings, progress=progress, **rest)


async def steps(ctx: Any, work: Work, done: Callable[[Any], AsyncIterator[Any]]) -> AsyncIterator[Any]:
    """Run `work` in a thread and report its progress to the App, then yield what `done` yields for its result.

    An error that the user can fix is shown as a notification and ends the operator.
    """
    reports: queue.SimpleQueue[tuple[str, int, int]] = queue.SimpleQueue()
    running = asyncio.create_task(asyncio.to_thread(work, lambda *step: reports.put(step)))
    while not (running.done() and reports.empty()):
        step = None
        while not reports.empty():
            step = reports.get()
        if step is not None:
            stage, at, total = step
            share, label = at / max(total, 1), f"{stage} ({at} of {total})" if total > 1 else stage
            if ctx.delegated:
                ctx.set_progress(progress=share, label=label)
            yield ctx.ops.set_progress(label=label, progress=share)
        if not running.done():
            await asyncio.wait({running}, timeout=_LOOK_S)
    try:
        result = running.result()
    except CuratorError as error:
        yield ctx.ops.notify(str(error), variant="error")
        return
    async for event in done(result):
        yield event
