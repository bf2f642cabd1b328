"""Embeds a data set on a Ray cluster. Workers read and decode images, actors embed them, and the calling process stores them.

The steps and batches are those of one machine, so the results are equal to the bit. All results return to the calling process,
which stores them. So machines need not share a disk, a worker that dies has stored nothing, and Ray can repeat its work on
another. Each new file is read twice: first to find new contents, each only once, and then to decode it.
"""

from __future__ import annotations

import os
import pickle
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypedDict, Unpack

import numpy as np

from curator.engines import clusters, steps
from curator.engines.clusters import Cluster as Cluster
from curator.engines.steps import Books, Filled, Finished, Measure, Shelf, Sight
from curator.errors import CuratorError, DataError
from curator.io import remote
from curator.io.decoding import images
from curator.io.store.keys import as_keys
from curator.io.store.store import Store
from curator.types import Dataset, Embedded, Encoder, EncoderInfo, Eye, Photo, Preprocessing

FLUSH_IMAGES, FLUSH_SECONDS = 2048, 5.0
"""Results are stored after this many images or seconds, so at most these are lost if the calling process dies."""

WINDOW, MOST = 50_000, 4_000_000
"""Images per worker, and maximum in total, that are handed out at a time. This is half an hour's work for a processor, so the
cost of a restart is small. Ray's own state then does not grow with the data set, and an interrupted run has stored the rest."""

_HASHED = 256
_JOB_IMAGES, _JOBS_EACH = 32, 4
"""Batches are combined until they have this many images, provided that each worker gets this many jobs. Every job costs Ray
some work in the calling process."""
_MOST_BLOCKS = 10_000
"""Maximum number of pieces that Ray cuts a run into. More would cost the calling process memory."""

Make = Callable[[], tuple[Encoder, Eye | None]]
"""Makes the encoder, and the network that sees places for it, on the machine where it is called. It is pickled by name."""


class How(TypedDict, total=False):
    """How `run` and `fill` work: on which cluster, in which batches."""

    sight: Sight | None
    cluster: Cluster | None
    batch_size: int
    on_progress: Callable[[int, int], None] | None


def run(
    dataset: Dataset, info: EncoderInfo, make: Make, measure: Measure, store: Store, **how: Unpack[How]
) -> Embedded:
    """`local.run` on a cluster. `info` describes the encoder that `make` makes. Workers must be able to import the function
    `measure`, and to read the images under the same paths.

    Raises: DataError, CuratorError as `local.run`; MissingExtraError without Ray; CuratorError if the cluster does not answer,
    or a worker makes another encoder.
    """
    return _worked(dataset, info, make, measure, store, holds=True, **how).embedded()


def fill(dataset: Dataset, info: EncoderInfo, make: Make, measure: Measure, store: Store, **how: Unpack[How]) -> Filled:
    """`run` for the store alone: afterwards the store contains every image, and no vectors are kept in memory."""
    return _worked(dataset, info, make, measure, store, holds=False, **how).filled()


def _worked(
    dataset: Dataset, info: EncoderInfo, make: Make, measure: Measure, store: Store, *, holds: bool,
    sight: Sight | None = None, cluster: Cluster | None = None, batch_size: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
) -> _Run:  # fmt: skip
    """The books of a run that is done."""
    work = _Run(dataset, info, make, measure, Shelf(store, sight), batch_size, on_progress, holds=holds)
    work.do(cluster or Cluster())
    return work


class _Run(Books):
    """The state of a run, in the calling process."""

    def __init__(
        self, dataset: Dataset, info: EncoderInfo, make: Make, measure: Measure, shelf: Shelf, batch_size: int,
        on_progress: Callable[[int, int], None] | None, *, holds: bool,
    ) -> None:  # fmt: skip
        super().__init__(dataset, info, shelf, holds=holds)
        self.make, self.measure, self.batch_size = make, measure, batch_size
        self.on_progress = on_progress or (lambda done, total: None)

    def do(self, cluster: Cluster) -> None:
        """Run everything until no image is lost."""
        ray = clusters.library(alone=not cluster.address)
        rows: Sequence[int] = range(len(self.dataset))
        with clusters.connected(ray, cluster), clusters.complete(ray):
            n_window = min(MOST, WINDOW * clusters.n_workers(ray, cluster))
            while rows:
                todo: list[tuple[str, int]] = []
                for start in range(0, len(rows), n_window):
                    todo += self.hash(ray, rows[start : start + n_window])
                    # Only whole batches, so that the batches do not depend on the cluster.
                    n = len(todo) if start + n_window >= len(rows) else len(todo) - len(todo) % self.batch_size
                    self.embed(ray, cluster, todo[:n], len(todo) - n)
                    todo = todo[n:]
                rows = self.lost()
        self.on_progress(len(self.dataset), len(self.dataset))

    def path(self, i: int) -> str:
        """The path of image i, valid for workers in any folder."""
        place = self.dataset.path(i)
        return place if remote.is_url(place) else os.path.abspath(place)

    def hash(self, ray: Any, rows: Sequence[int]) -> list[tuple[str, int]]:
        """Hash the files. Returns the new contents, each with its first row, in the data set's order."""
        paths = [{"row": i, "path": self.path(i)} for i in rows]
        blocks = min(_MOST_BLOCKS, -(-len(paths) // _HASHED))
        found = ray.data.from_items(paths, override_num_blocks=blocks).map(_hashed)
        for row in found.iter_rows():
            (self.unread if row["reason"] else self.keys)[row["row"]] = row["reason"] or row["key"]
        read = [i for i in rows if i in self.keys]
        wanted = as_keys([self.keys[i] for i in read])
        stored = np.all([index.find(wanted) >= 0 for index in self.stored], axis=0)
        new = []
        for i, there in zip(read, stored, strict=True):
            key = self.keys[i]
            if key not in self.claimed and (key in self.gone or not there):
                self.claimed.add(key)
                new.append((key, i))
        return new

    def embed(self, ray: Any, cluster: Cluster, todo: list[tuple[str, int]], n_later: int) -> None:
        """Embed these, and store them as they arrive. `n_later` more are known to be new."""
        left, waiting, flushed = len(todo) + n_later, list[Finished](), time.monotonic()
        if not todo:
            return
        try:
            for row in self._pipeline(ray, todo, cluster).iter_rows():
                came: list[Finished] | Exception = pickle.loads(row["finished"])
                if isinstance(came, Exception):
                    raise came
                left -= len(came)
                self.bad.update({f.key: f.reason for f in came if f.reason})
                waiting += [f for f in came if not f.reason]
                if len(waiting) >= FLUSH_IMAGES or time.monotonic() - flushed > FLUSH_SECONDS:
                    waiting, flushed = self._keep(waiting), time.monotonic()
                self.on_progress(len(self.keys) + len(self.unread) - left, len(self.dataset))
        finally:
            self._keep(waiting)

    def _keep(self, waiting: list[Finished]) -> list[Finished]:
        self.shelf.keep(waiting)
        self.n_new += len(waiting)
        return []

    def _jobs(self, todo: list[tuple[str, int]], n_workers: int) -> list[dict[str, bytes]]:
        """Keys and paths by batch, with several batches combined into one job."""
        paths = [(key, self.path(i)) for key, i in todo]
        batches = [paths[k : k + self.batch_size] for k in range(0, len(paths), self.batch_size)]
        n = max(1, min(_JOB_IMAGES // self.batch_size, len(batches) // (_JOBS_EACH * n_workers)))
        return [{"job": pickle.dumps(batches[k : k + n])} for k in range(0, len(batches), n)]

    def _pipeline(self, ray: Any, todo: list[tuple[str, int]], cluster: Cluster) -> Any:
        """Jobs -> decoded -> finished. All of it is lazy, with a limited number of jobs in progress."""
        processors, gpus = clusters.machines(ray)
        n = clusters.n_workers(ray, cluster)
        jobs = self._jobs(todo, n)
        n = min(n, len(jobs))
        # Without a GPU the network takes nearly all of the time, and decoding actors share its processors. If they reserved a
        # share of a processor, encoders, which need a whole one, would get too few.
        encode = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": 1}
        decode = {"num_cpus": 1 if gpus else 0}
        n_decode = min(max(1, processors - n) if gpus else n, len(jobs))
        pool = ray.data.ActorPoolStrategy
        return (
            ray.data.from_items(jobs, override_num_blocks=min(_MOST_BLOCKS, len(jobs)))
            .map(
                _Decode,
                fn_constructor_args=(self.info.preprocessing,),
                compute=pool(min_size=1, max_size=n_decode, initial_size=n_decode),
                **decode,
            )
            .map(
                _Encode,
                fn_constructor_args=(self.make, self.measure, self.info.fingerprint),
                compute=pool(min_size=1, max_size=n, initial_size=n),
                **encode,
            )
        )


class _Decode:
    """An actor that reads and decodes the images of a job."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self.preprocessing = preprocessing

    def __call__(self, row: Mapping[str, bytes]) -> dict[str, bytes]:
        batches: list[list[tuple[str, str]]] = pickle.loads(row["job"])
        return {"photos": pickle.dumps([[(key, self._decoded(key, path)) for key, path in b] for b in batches])}

    def _decoded(self, key: str, path: str) -> Any:
        try:
            content = images.read(path)
        except DataError as error:
            return str(error)
        if images.sha256(content) != key:
            return "the file changed while it was read"
        return steps.decode(content, key, self.preprocessing)


class _Encode:
    """An actor that embeds and measures the images of a job."""

    def __init__(self, make: Make, measure: Measure, fingerprint: str) -> None:
        self.make, self.measure, self.fingerprint = make, measure, fingerprint
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="measure")
        self.crew: tuple[Encoder, Eye | None] | None = None

    def __call__(self, row: Mapping[str, bytes]) -> dict[str, bytes]:
        try:
            came: list[Finished] | Exception = [f for batch in pickle.loads(row["photos"]) for f in self._seen(batch)]
        except Exception as error:  # Ray would pass on only the text of the error
            error.add_note(traceback.format_exc())
            came = error
        return {"finished": pickle.dumps(came)}

    def _seen(self, photos: list[tuple[str, Photo | str]]) -> list[Finished]:
        # Not in the actor's constructor, because a failure there cannot be told from a lost machine.
        self.crew = self.crew or self.make()
        encoder, eye = self.crew
        if encoder.info.fingerprint != self.fingerprint:
            raise CuratorError(
                f"a worker has another {encoder.info.name} than this machine; install the same weights and versions."
            )
        return steps.settle(steps.see(photos, encoder, eye, self.measure, self.pool))


def _hashed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file: {"row", "key", "reason"}. Either "key" or "reason" is empty."""
    try:
        return {"row": row["row"], "key": images.sha256(images.read(row["path"])), "reason": ""}
    except DataError as error:
        return {"row": row["row"], "key": "", "reason": str(error)}
