"""Runs a function on many pieces, spread over a Ray cluster, and returns the results in order."""

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
"""Maximum number of pieces per worker in progress or waiting for an earlier one, so that pieces and results do not pile up."""
_TRIES = 3
"""Number of retries of a piece whose worker died. It is limited, because some pieces kill every worker."""


def each(work: Callable[[T], R], pieces: Iterable[T], cluster: Cluster) -> Generator[R]:
    """Apply `work` to each piece on the next free worker, and yield the results in order.

    `work`, with the data it holds, is sent to each machine once. A worker that dies is restarted and repeats its piece.

    Raises: any error of the work; CuratorError if a piece's workers die or the cluster does not answer; MissingExtraError
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
        n_yielded = 0
        for k, piece in enumerate(pieces):
            while not free or k - n_yielded >= _AHEAD * n:
                _take(ray, under_way, came, free)
                while n_yielded in came:
                    yield came.pop(n_yielded)
                    n_yielded += 1
            worker = free.pop()
            under_way[worker.do.remote(piece)] = k, worker
        while under_way:
            _take(ray, under_way, came, free)
            while n_yielded in came:
                yield came.pop(n_yielded)
                n_yielded += 1


def _take(ray: Any, under_way: dict[Any, tuple[int, Any]], came: dict[int, Any], free: list[Any]) -> None:
    """Wait until one piece is done, and take its result."""
    (promise,), _ = ray.wait(list(under_way), num_returns=1)
    k, worker = under_way.pop(promise)
    try:
        out = ray.get(promise)
    except ray.exceptions.RayActorError:
        raise CuratorError(
            f"piece {k} ended {_TRIES + 1} workers of the Ray cluster; they may need more memory; run again (embedded images "
            "are kept)."
        ) from None
    if isinstance(out, Exception):
        raise out
    came[k] = out
    free.append(worker)


class _Worker:
    """An actor that applies the work to one piece after the other."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.work = work

    def do(self, piece: Any) -> Any:
        try:
            return self.work(piece)
        except Exception as error:  # Ray would pass on only the text of the error
            error.add_note(traceback.format_exc())
            return error
