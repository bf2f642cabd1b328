"""Some work on the pieces of something, spread over a Ray cluster: what comes of each comes back, in order."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from curator.engines import clusters
from curator.engines.clusters import Cluster
from curator.errors import CuratorError

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2
"""Pieces for each worker that are under way or wait for an earlier one: neither pieces nor results pile up here."""
_TRIES = 3
"""Times that a piece whose worker died is tried once more: some pieces kill, and must not for ever."""


def each(work: Callable[[T], R], pieces: Iterable[T], cluster: Cluster) -> Generator[R]:
    """What `work` makes of each piece, in order, each done by a worker that is free.

    `work`, with whatever it holds, goes to each machine once. A worker that dies is started anew, and does its piece again.

    Raises: whatever the work raises; CuratorError for a piece whose workers die, or without such a cluster; MissingExtraError
    without Ray.
    """
    ray = clusters.library(alone=not cluster.address)
    with clusters.connected(ray, cluster), clusters.complete(ray):
        shared = ray.put(work)
        lasting = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": _TRIES}
        n = clusters.n_workers(ray, cluster)
        free = [ray.remote(_Worker).options(**lasting).remote(shared) for _ in range(n)]
        under_way: dict[Any, tuple[int, Any]] = {}  # promise -> number of the piece, worker
        came: dict[int, R] = {}
        told = 0
        for k, piece in enumerate(pieces):
            while not free or k - told >= _AHEAD * n:
                _take(ray, under_way, came, free)
                while told in came:
                    yield came.pop(told)
                    told += 1
            worker = free.pop()
            under_way[worker.do.remote(piece)] = k, worker
        while under_way:
            _take(ray, under_way, came, free)
            while told in came:
                yield came.pop(told)
                told += 1


def _take(ray: Any, under_way: dict[Any, tuple[int, Any]], came: dict[int, Any], free: list[Any]) -> None:
    """Wait for one piece to be done, and take what came of it."""
    (promise,), _ = ray.wait(list(under_way), num_returns=1)
    k, worker = under_way.pop(promise)
    try:
        out = ray.get(promise)
    except ray.exceptions.RayActorError:
        raise CuratorError(
            f"piece {k} ended {_TRIES + 1} workers of the Ray cluster; they may lack the memory. Run again: what was "
            "embedded is kept."
        ) from None
    if isinstance(out, Exception):
        raise out
    came[k] = out
    free.append(worker)


class _Worker:
    """An actor that does some work on pieces, one after the other."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work

    def do(self, piece: Any) -> Any:
        try:
            return self.work(piece)
        except Exception as error:  # Ray would say only in words what it was
            error.add_note(traceback.format_exc())
            return error
