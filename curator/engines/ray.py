"""Embed a data set on a Ray cluster: pictures are read and decoded on processors, embedded by actors, and stored by the
process that asked for them.

The same steps as on one machine and the same batches, so the same bits. What is computed elsewhere comes back here and goes
to the store here: no two machines need to share a disk, a worker that dies has stored nothing, and Ray does its work once
more on another. Each new file is read twice: to see which contents are new, and each only once, and to decode it.
"""

from __future__ import annotations

import logging
import os
import pickle
import secrets
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from curator.engines import steps
from curator.engines.steps import Filled, Finished, Kept, Measure, Shelf, Sight
from curator.errors import CuratorError, DataError, MissingExtraError
from curator.io import images, remote
from curator.io.store import Store
from curator.types import Dataset, Embedded, Encoder, EncoderInfo, Eye, Photo, Preprocessing

FLUSH_IMAGES, FLUSH_SECONDS = 2048, 5.0
"""What came back goes to the store after this many images or seconds: the most that is lost with the process that asked."""

_PATIENCE_SECONDS = 10.0
_HASHED = 256
_JOB_IMAGES, _JOBS_EACH = 32, 4
"""Batches go together until they are that many images, as long as each worker still gets some jobs: passing one on costs
Ray 10 ms, wherever the work is done."""
_MOST_BLOCKS = 10_000
"""Pieces that Ray cuts a run into; more cost the process that asked its memory."""

Make = Callable[[], tuple[Encoder, Eye | None]]
"""Makes the encoder, and what sees places for it, on the machine where it is called; pickled by name."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the work is done: `address` of a running cluster ("auto", HOST:PORT), "" for one of this machine only.

    `workers` embed at once, one processor or GPU each; 0 is as many as there are.
    """

    address: str = ""
    workers: int = 0


def run(
    dataset: Dataset,
    info: EncoderInfo,
    make: Make,
    measure: Measure,
    store: Store,
    *,
    sight: Sight | None = None,
    cluster: Cluster | None = None,
    batch_size: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """`local.run` on a cluster. `info` is of the encoder that `make` makes; `measure` must be a function that workers can
    import. They must be able to read the images, under the same paths.

    Raises: DataError, CuratorError as `local.run` does; MissingExtraError without Ray; CuratorError if there is no such
    cluster, or a worker makes another encoder.
    """
    start = time.monotonic()
    work = _Run(dataset, info, make, measure, Shelf(store, sight), batch_size, on_progress, holds=True)
    work.do(cluster or Cluster())
    return steps.embedded(dataset, work.kept, info, sight is not None, work.n_new, time.monotonic() - start)


def fill(
    dataset: Dataset,
    info: EncoderInfo,
    make: Make,
    measure: Measure,
    store: Store,
    *,
    sight: Sight | None = None,
    cluster: Cluster | None = None,
    batch_size: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
) -> Filled:
    """`run` for the sake of the store alone: every image is in it then, and none of the vectors in memory."""
    start = time.monotonic()
    work = _Run(dataset, info, make, measure, Shelf(store, sight), batch_size, on_progress, holds=False)
    work.do(cluster or Cluster())
    return Filled(steps.readable(dataset, work.kept), work.n_new, time.monotonic() - start)


class _Run:
    """One run's books, kept by the process that asked."""

    def __init__(
        self, dataset: Dataset, info: EncoderInfo, make: Make, measure: Measure, shelf: Shelf, batch_size: int,
        on_progress: Callable[[int, int], None] | None, *, holds: bool,
    ) -> None:  # fmt: skip
        self.dataset, self.info, self.make, self.measure = dataset, info, make, measure
        self.shelf, self.batch_size, self.holds = shelf, batch_size, holds
        self.on_progress = on_progress or (lambda done, total: None)
        self.stored = shelf.indexes()
        self.keys: dict[int, str] = {}  # row -> content
        self.unread: dict[int, str] = {}  # row -> reason
        self.bad: dict[str, str] = {}  # content -> reason
        self.gone: set[str] = set()  # was stored, and was damaged when it was read back
        self.new: dict[str, int] = {}  # content -> its first row
        self.kept = steps.nothing_kept()
        self.n_new = 0

    def do(self, cluster: Cluster) -> None:
        """All of it, until nothing is lost."""
        ray = _ray(alone=not cluster.address)
        rows: Sequence[int] = range(len(self.dataset))
        with _connected(ray, cluster):
            while rows:
                self.hash(ray, rows)
                self.embed(ray, cluster)
                rows = self.lost()
        self.on_progress(len(self.dataset), len(self.dataset))

    def path(self, i: int) -> str:
        """Where image i lies, for workers in whatever folder."""
        place = self.dataset.path(i)
        return place if remote.is_url(place) else os.path.abspath(place)

    def hash(self, ray: Any, rows: Sequence[int]) -> None:
        """See what is in the files, and which contents are new: each once, in the order of the data set."""
        paths = [{"row": i, "path": self.path(i)} for i in rows]
        blocks = min(_MOST_BLOCKS, -(-len(paths) // _HASHED))
        found = ray.data.from_items(paths, override_num_blocks=blocks).map(_hashed)
        for row in found.iter_rows():
            (self.unread if row["reason"] else self.keys)[row["row"]] = row["reason"] or row["key"]
        self.new = {}
        for i in rows:
            key = self.keys.get(i)
            if key and (key in self.gone or not all(key in index for index in self.stored)):
                self.new.setdefault(key, i)

    def embed(self, ray: Any, cluster: Cluster) -> None:
        """Have what is new embedded, and store it as it comes in."""
        n, todo = len(self.dataset), list(self.new.items())
        done, waiting, flushed = n - len(todo), list[Finished](), time.monotonic()
        if not todo:
            return
        try:
            for row in self._pipeline(ray, todo, cluster).iter_rows():
                came: list[Finished] | Exception = pickle.loads(row["finished"])
                if isinstance(came, Exception):
                    raise came
                done += len(came)
                self.bad.update({f.key: f.reason for f in came if f.reason})
                waiting += [f for f in came if not f.reason]
                if len(waiting) >= FLUSH_IMAGES or time.monotonic() - flushed > FLUSH_SECONDS:
                    waiting, flushed = self._keep(waiting), time.monotonic()
                self.on_progress(done, n)
        finally:
            self._keep(waiting)

    def lost(self) -> list[int]:
        """The rows to embed once more: those of images that counted as stored and are damaged. See `kept` if none are."""
        reasons = {i: self.bad[key] for i, key in self.keys.items() if key in self.bad} | self.unread
        shelf = self.shelf
        found = shelf.read(self.dataset, self.keys, reasons) if self.holds else shelf.check(self.keys, reasons)
        if isinstance(found, Kept):
            self.kept = found
            return []
        gone = {self.keys[i] for i in found}
        if gone & self.gone:
            raise CuratorError(f"the cache {self.shelf.store.folder} lost {len(gone)} images just stored. Run again.")
        self.gone |= gone
        return found

    def _keep(self, waiting: list[Finished]) -> list[Finished]:
        self.shelf.keep(waiting)
        self.n_new += len(waiting)
        return []

    def _jobs(self, todo: list[tuple[str, int]], n_workers: int) -> list[dict[str, bytes]]:
        """Keys and paths by batch, some batches together."""
        paths = [(key, self.path(i)) for key, i in todo]
        batches = [paths[k : k + self.batch_size] for k in range(0, len(paths), self.batch_size)]
        n = max(1, min(_JOB_IMAGES // self.batch_size, len(batches) // (_JOBS_EACH * n_workers)))
        return [{"job": pickle.dumps(batches[k : k + n])} for k in range(0, len(batches), n)]

    def _pipeline(self, ray: Any, todo: list[tuple[str, int]], cluster: Cluster) -> Any:
        """Jobs -> decoded -> finished; all of it lazy, some jobs under way at a time."""
        there = ray.cluster_resources()
        processors, gpus = max(1, int(there.get("CPU", 1))), int(there.get("GPU", 0))
        n = cluster.workers or gpus or processors
        jobs = self._jobs(todo, n)
        n = min(n, len(jobs))
        # Without a GPU the network takes nearly all of the time, and those that decode live beside it. A share of a processor
        # for them would leave others with too little for an encoder, which wants a whole one.
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
    """An actor that reads and decodes the pictures of a job."""

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
    """An actor that embeds and measures the pictures of a job."""

    def __init__(self, make: Make, measure: Measure, fingerprint: str) -> None:
        self.make, self.measure, self.fingerprint = make, measure, fingerprint
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="measure")
        self.crew: tuple[Encoder, Eye | None] | None = None

    def __call__(self, row: Mapping[str, bytes]) -> dict[str, bytes]:
        try:
            came: list[Finished] | Exception = [f for batch in pickle.loads(row["photos"]) for f in self._seen(batch)]
        except Exception as error:  # Ray would say only in words what it was
            error.add_note(traceback.format_exc())
            came = error
        return {"finished": pickle.dumps(came)}

    def _seen(self, photos: list[tuple[str, Photo | str]]) -> list[Finished]:
        # Made here and not with the actor: a failure there cannot be told from a machine that is lost.
        self.crew = self.crew or self.make()
        encoder, eye = self.crew
        if encoder.info.fingerprint != self.fingerprint:
            raise CuratorError(
                f"a worker has another {encoder.info.name} than this machine: install the same weights and versions."
            )
        return steps.settle(steps.see(photos, encoder, eye, self.measure, self.pool))


def _hashed(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is in a file: {"row", "key", "reason"}, of which one is empty."""
    try:
        return {"row": row["row"], "key": images.sha256(images.read(row["path"])), "reason": ""}
    except DataError as error:
        return {"row": row["row"], "key": "", "reason": str(error)}


def _ray(alone: bool) -> Any:
    """The library, set up so that it neither talks nor listens to the world; `alone`: for a cluster of this machine only."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it reports home otherwise
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # it talks of what it mends itself
    if alone and "ray" not in sys.modules:
        # What Ray calls it. Where clusters of several machines are off, all its servers listen on 127.0.0.1 only.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # Who connects needs a token, which Ray would else write into the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError(
            "--engine ray needs Ray: pip install 'curator-audit[ray]', or leave --engine out."
        ) from None
    return ray


def _knock(address: str) -> None:
    """Raises: OSError if nobody is there, in seconds; Ray tries for minutes. ValueError for what is no address."""
    host, colon, port = address.rpartition(":")
    if colon and "//" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_SECONDS).close()


@contextmanager
def _connected(ray: Any, cluster: Cluster) -> Iterator[None]:
    """Connected to the cluster, or to one of this machine, which ends with the run. One that is connected already is used."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        _knock(cluster.address)
        if cluster.address:
            ray.init(address=cluster.address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise CuratorError(
            f"no Ray cluster answers at {cluster.address or 'this machine'} ({said}); start one with `ray start --head`, "
            "or leave --ray-address out."
        ) from None
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        yield
    finally:
        ray.shutdown()
