"""Embeds a data set on this machine. Other processes decode ahead, the encoder takes batches, the store gets the results."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypedDict, TypeVar, Unpack

from joblib import cpu_count

from curator.engines import steps
from curator.engines.steps import Books, Filled, Finished, Measure, Seen, Shelf
from curator.engines.steps import Sight as Sight
from curator.errors import DataError
from curator.io.decoding import images
from curator.io.store.store import Store
from curator.types import Dataset, Embedded, Encoder, Photo

FLUSH_IMAGES = 256
FLUSH_SECONDS = 5.0
"""Embedded images are stored after this many images or seconds, so a killed process loses at most these."""

BATCH_SIZE = 32
"""Batch size for an encoder without `batch_size`."""

MAX_JOBS = 16
"""Maximum number of decoding threads by default. Beyond it memory grows and disks do not get faster."""

_MEASURED_BEHIND = 1
"""Number of batches that may wait for their measures while the encoder has the next. This keeps both busy."""

_PROGRESS_SECONDS = 0.1
A = TypeVar("A")
B = TypeVar("B")


class How(TypedDict, total=False):
    """How `run` and `fill` work: the defaults suit the machine and the encoder."""

    sight: Sight | None
    jobs: int
    batch_size: int
    on_progress: Callable[[int, int], None] | None


def run(dataset: Dataset, encoder: Encoder, measure: Measure, store: Store, **how: Unpack[How]) -> Embedded:
    """Decode, measure and embed every image once, or take it from the store.

    Each file is read once. Its content decides whether it is new, so a renamed file is not embedded again, and identical
    files are embedded once. `measure` runs in several threads, after `sight` has located the object. `jobs` is the number of
    decoding threads, 0 = one per processor. `batch_size` is the number of images per batch, 0 = what suits the encoder.
    `on_progress(n_done, n_all)` is called from this thread, at most every 0.1 s and at the end. The result does not depend on
    `jobs`, because batches are filled in the order of `dataset`. `n_new` counts contents, not files. In `facts`,
    `jpeg_quality` is a float, NaN for other formats.

    An image that cannot be read or measured (a DataError) is left out and listed in `dataset.skipped`. On an interrupt, or any
    other exception, the images embedded so far are stored before the exception continues.

    Raises: DataError if no image can be read; CuratorError if the store cannot be written.
    """
    return _worked(dataset, encoder, measure, store, holds=True, **how).embedded()


def fill(dataset: Dataset, encoder: Encoder, measure: Measure, store: Store, **how: Unpack[How]) -> Filled:
    """`run` for the store alone: afterwards the store contains every image, and no vectors are kept in memory."""
    return _worked(dataset, encoder, measure, store, holds=False, **how).filled()


def _worked(
    dataset: Dataset, encoder: Encoder, measure: Measure, store: Store, *, holds: bool, sight: Sight | None = None,
    jobs: int = 0, batch_size: int = 0, on_progress: Callable[[int, int], None] | None = None,
) -> _Run:  # fmt: skip
    """The state of a finished run."""
    rows: Sequence[int] = range(len(dataset))
    batch_size = batch_size or getattr(encoder, "batch_size", BATCH_SIZE)
    jobs = jobs if jobs > 0 else min(MAX_JOBS, cpu_count())
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="decode")
    measuring = ThreadPoolExecutor(jobs, thread_name_prefix="measure")
    work = _Run(dataset, encoder, measure, Shelf(store, sight), on_progress, measuring, holds=holds)
    try:
        while rows:
            loaded = _ahead(pool, work.load, rows, 2 * jobs)
            decoded = _ahead(pool, work.decode, work.claim(loaded), batch_size + jobs)
            for key, result in decoded:
                work.take(key, result, batch_size)
            work.encode()
            work.settle()
            work.flush()
            rows = work.lost()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        with suppress(Exception):  # the exception in flight is the one to report
            work.settle()
        measuring.shutdown(wait=False, cancel_futures=True)
        work.flush()
    work.tell(last=True)
    return work


class _Run(Books):
    """The state of a run. Other threads call only `load`, `decode` and `row`, which do not change it."""

    def __init__(
        self, dataset: Dataset, encoder: Encoder, measure: Measure, shelf: Shelf,
        on_progress: Callable[[int, int], None] | None, measuring: ThreadPoolExecutor, *, holds: bool,
    ) -> None:  # fmt: skip
        super().__init__(dataset, encoder.info, shelf, holds=holds)
        self.encoder, self.measure, self.on_progress, self.measuring = encoder, measure, on_progress, measuring
        self.batch: list[tuple[str, Photo | str]] = []
        self.seen: deque[Seen] = deque()
        self.finished: list[Finished] = []
        self.n_waiting = 0
        self.flushed_at = time.monotonic()
        self.reported_at = 0.0

    def load(self, i: int) -> tuple[int, str, bytes | str]:
        """(row, key, content), or (row, "", reason)."""
        try:
            content = images.read(self.dataset.path(i))
        except DataError as error:
            return i, "", str(error)
        key = images.sha256(content)
        return i, key, b"" if self.is_stored(key) else content

    def is_stored(self, key: str) -> bool:
        return key not in self.gone and all(key in index for index in self.stored)

    def claim(self, loaded: Iterable[tuple[int, str, bytes | str]]) -> Iterator[tuple[str, bytes]]:
        """The new contents, each once, in the order of the data set."""
        for i, key, content in loaded:
            if isinstance(content, str):
                self.unread[i] = content
            else:
                self.keys[i] = key
                if content and key not in self.claimed:
                    self.claimed.add(key)
                    self.n_waiting += 1
                    yield key, content
            self.tell()

    def decode(self, claimed: tuple[str, bytes]) -> tuple[str, Photo | str]:
        """(key, photo), or (key, reason)."""
        key, content = claimed
        return key, steps.decode(content, key, self.info.preprocessing)

    def take(self, key: str, result: Photo | str, batch_size: int) -> None:
        # An unreadable image also takes a place in the batch, so that the batches do not depend on which are readable.
        self.batch.append((key, result))
        if len(self.batch) >= batch_size:
            self.encode()

    def encode(self) -> None:
        """Embed the batch while other threads measure it. Store finished images when it is time."""
        batch, self.batch = self.batch, []
        if batch:
            eye = self.shelf.sight.eye if self.shelf.sight else None
            self.seen.append(steps.see(batch, self.encoder, eye, self.measure, self.measuring))
        self.settle(_MEASURED_BEHIND)
        if len(self.finished) >= FLUSH_IMAGES or time.monotonic() - self.flushed_at > FLUSH_SECONDS:
            self.flush()
        self.tell()

    def settle(self, behind: int = 0) -> None:
        """Collect the measured images of all batches except the last `behind`."""
        while len(self.seen) > behind:
            done = steps.settle(self.seen[0])
            self.seen.popleft()
            self.bad.update({f.key: f.reason for f in done if f.reason})
            self.finished += [f for f in done if not f.reason]
            self.n_waiting -= len(done)

    def flush(self) -> None:
        """Store the finished images."""
        self.shelf.keep(self.finished)
        self.n_new += len(self.finished)
        self.finished = []  # cleared last, so that an interrupt leaves them to be stored again
        self.flushed_at = time.monotonic()

    def tell(self, last: bool = False) -> None:
        if self.on_progress and (last or time.monotonic() - self.reported_at > _PROGRESS_SECONDS):
            self.reported_at = time.monotonic()
            self.on_progress(len(self.keys) + len(self.unread) - self.n_waiting, len(self.dataset))


def _ahead(pool: ThreadPoolExecutor, work: Callable[[A], B], items: Iterable[A], depth: int) -> Iterator[B]:
    """`map(work, items)` in order, with at most `depth` items in progress or waiting."""
    under_way: deque[Future[B]] = deque()
    for item in items:
        under_way.append(pool.submit(work, item))
        if len(under_way) >= depth:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
