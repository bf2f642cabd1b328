"""Some work on the pieces of something, spread over a Ray cluster: what comes of each comes back, in order."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from curator.engines import clusters
from curator.engines.clusters import Cluster

T = TypeVar("T")
R = TypeVar("R")


def each(start: Callable[[], Callable[[T], R]], pieces: Iterable[T], cluster: Cluster) -> Iterator[R]:
    """What comes of each piece, in order: worked out by whichever worker is free, with what `start` makes on it.

    `start`, with whatever it holds, goes to each machine once. At most two pieces for each worker are under way, so neither
    pieces nor results pile up here. A piece whose worker dies is done once more by another.

    Raises: whatever the work raises; MissingExtraError without Ray; CuratorError if there is no such cluster.
    """
    ray = clusters.library(alone=not cluster.address)
    with clusters.connected(ray, cluster), clusters.complete(ray):
        make = ray.put(start)
        # A worker that is started anew by Ray takes its pieces again.
        lasting = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": -1}
        made = [ray.remote(_Worker).options(**lasting).remote(make) for _ in range(clusters.n_workers(ray, cluster))]
        under_way: deque[Any] = deque()
        for k, piece in enumerate(pieces):
            under_way.append(made[k % len(made)].do.remote(piece))
            if len(under_way) >= 2 * len(made):
                yield _came(ray, under_way.popleft())
        while under_way:
            yield _came(ray, under_way.popleft())


def _came(ray: Any, promised: Any) -> Any:
    came = ray.get(promised)
    if isinstance(came, Exception):
        raise came
    return came


class _Worker:
    """An actor that does some work on pieces, one after the other."""

    def __init__(self, start: Callable[[], Callable[[Any], Any]]) -> None:
        self.start = start
        self.work: Callable[[Any], Any] | None = None

    def do(self, piece: Any) -> Any:
        try:
            # Made here and not with the actor: a failure there cannot be told from a machine that is lost.
            self.work = self.work or self.start()
            return self.work(piece)
        except Exception as error:  # Ray would say only in words what it was
            error.add_note(traceback.format_exc())
            return error
