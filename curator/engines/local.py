"""Embed a data set on this machine: decoded ahead in processes of their own, batches to the encoder, all to the store."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator import foreground, patches
from curator.engines import workers
from curator.errors import CuratorError, DataError
from curator.io import images
from curator.io.keys import Index
from curator.io.store import Store
from curator.types import Dataset, Embedded, Embeddings, Encoder, Eye, Floats, Patches, Photo, Preprocessing
from curator.vectors import unit

FLUSH_IMAGES = 256
FLUSH_SECONDS = 5.0
"""What was embedded goes to the store after this many images or seconds: the most that a killed process loses."""

MAX_JOBS = 16
"""Threads that decode by default, at most: beyond this memory grows and disks do not get faster."""

_BLOCK = 4096
_MEASURED_BEHIND = 1
"""Batches that may wait for their measures while the encoder has the next: enough to keep both busy."""

_PROGRESS_SECONDS = 0.1
_FACT = "file."  # marks the columns of FileFacts in the store's rows; what measure() returns is marked _MEASURE
_MEASURE = "measure."

Measure = Callable[[Photo], Mapping[str, object]]
A = TypeVar("A")
B = TypeVar("B")


def run(
    dataset: Dataset,
    encoder: Encoder,
    measure: Measure,
    store: Store,
    *,
    sight: Sight | None = None,
    jobs: int = 0,
    batch_size: int = 32,
    on_progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Decode, measure and embed every image once, or take it from the store.

    Each file is read once; its content decides whether it is new, so a renamed file is not embedded again and identical
    files are embedded once. `measure` runs in several threads at once, after `sight` has told object from
    surround. `jobs` decoding threads, 0 = one per processor.
    `on_progress(n_done, n_all)` is called from this thread, at most every 0.1 s and at the end. The result does not
    depend on `jobs`: batches are filled in the order of `dataset`. `n_new` counts contents, not files. In `facts`,
    `jpeg_quality` is a float, NaN where there is none.

    An image that cannot be read or measured (a DataError) is left out and named in `dataset.skipped`. On an interrupt,
    or any other exception, what is embedded so far is stored before it travels on.

    Raises: DataError if no image can be read; CuratorError if the store cannot be written.
    """
    start = time.monotonic()
    rows: Sequence[int] = range(len(dataset))
    jobs = jobs if jobs > 0 else min(MAX_JOBS, _n_processors())
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="decode")
    measuring = ThreadPoolExecutor(jobs, thread_name_prefix="measure")
    work = _Run(dataset, encoder, measure, store, on_progress, sight, measuring)
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
        with suppress(Exception):  # the one on its way out is the one to be told of
            work.settle()
        measuring.shutdown(wait=False, cancel_futures=True)
        work.flush()
    return work.result(start)


@dataclass(frozen=True, slots=True)
class Sight:
    """What sees the places of a picture, and where what it saw is kept. `borrowed`: the eye is not the encoder itself."""

    eye: Eye
    store: Store
    borrowed: bool = False


@dataclass(frozen=True, slots=True)
class _Finished:
    """An image on its way to the store."""

    key: str
    vector: Floats
    patches: NDArray[np.uint8] | None
    row: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A batch that the encoder is done with, while other threads measure it."""

    keys: list[str]
    vectors: Floats
    packed: Future[NDArray[np.uint8]] | None
    rows: list[Future[dict[str, object] | str]]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was read back: the images left out by row, with the reason, and what is stored of the others, in their order."""

    reasons: Mapping[int, str]
    vectors: NDArray[np.float16]
    frame: pd.DataFrame
    patches: Patches | None


@dataclass(slots=True)
class _Run:
    """One run's books. Only `load`, `decode` and `row` are called from other threads, and they change nothing."""

    dataset: Dataset
    encoder: Encoder
    measure: Measure
    store: Store
    on_progress: Callable[[int, int], None] | None
    sight: Sight | None
    measuring: ThreadPoolExecutor
    stored: tuple[Index, ...] = ()
    gone: set[str] = field(default_factory=set)  # was stored, and was damaged when it was read back
    kept: _Kept | None = None
    claimed: set[str] = field(default_factory=set)
    keys: dict[int, str] = field(default_factory=dict)  # row -> content
    unread: dict[int, str] = field(default_factory=dict)  # row -> reason
    bad: dict[str, str] = field(default_factory=dict)  # content -> reason
    batch: list[tuple[str, Photo]] = field(default_factory=list)
    seen: deque[_Seen] = field(default_factory=deque)
    finished: list[_Finished] = field(default_factory=list)
    n_new: int = 0
    n_waiting: int = 0
    flushed_at: float = 0.0
    told_at: float = 0.0

    def __post_init__(self) -> None:
        self.stored = tuple(store.index() for store in ([self.store, self.sight.store] if self.sight else [self.store]))
        self.flushed_at = time.monotonic()

    @property
    def preprocessing(self) -> Preprocessing:
        return self.encoder.info.preprocessing

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
        """The contents that are new, each once, in the order of the data set."""
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
        try:
            return key, workers.shared().decode(content, key, self.preprocessing)
        except DataError as error:
            return key, str(error)

    def row(self, photo: Photo, likely: Floats | None) -> dict[str, object] | str:
        """What is known of a photo, by column of the store; or the reason why it cannot be measured.

        `likely` (g, g) is the probability of the object at each place of the encoder's input.
        """
        if likely is not None:
            height, width = photo.pixels.shape[:2]
            photo = replace(photo, foreground=foreground.spread(likely, height, width, self.preprocessing))
        row: dict[str, object] = {_FACT + f.name: getattr(photo.facts, f.name) for f in fields(photo.facts)}
        row[_FACT + "phash"] = photo.phash
        try:
            row.update({_MEASURE + name: value for name, value in self.measure(photo).items()})
        except DataError as error:
            return str(error)
        return row

    def take(self, key: str, result: Photo | str, batch_size: int) -> None:
        if isinstance(result, str):
            self.bad[key] = result
            self.n_waiting -= 1
            return
        self.batch.append((key, result))
        if len(self.batch) >= batch_size:
            self.encode()

    def encode(self) -> None:
        """Embed the batch and have it measured meanwhile; store what is finished when it is time."""
        batch, self.batch = self.batch, []
        if batch:
            self.seen.append(self._see([key for key, _ in batch], [photo for _, photo in batch]))
        self.settle(_MEASURED_BEHIND)
        if len(self.finished) >= FLUSH_IMAGES or time.monotonic() - self.flushed_at > FLUSH_SECONDS:
            self.flush()
        self.tell()

    def _see(self, keys: list[str], photos: list[Photo]) -> _Seen:
        """Vectors of the photos, and side by side with them those of their surround, so that one row holds both."""
        inputs = np.stack([photo.input for photo in photos])
        if self.sight is None:
            rows = [self.measuring.submit(self.row, photo, None) for photo in photos]
            return _Seen(keys, self.encoder.encode(inputs), None, rows)
        eye = self.sight.eye
        fitted = images.fit(inputs, eye.input_size)
        vectors, features = eye.look(fitted)
        likely = foreground.foreground(features)
        packed = self.measuring.submit(patches.pack, fitted, features, likely)
        rows = [self.measuring.submit(self.row, photo, map_) for photo, map_ in zip(photos, likely, strict=True)]
        if self.sight.borrowed:
            vectors = self.encoder.encode(inputs)
        vectors = np.hstack([vectors, self.encoder.encode(foreground.cover(inputs, likely))])
        return _Seen(keys, vectors, packed, rows)

    def settle(self, behind: int = 0) -> None:
        """Take over what was measured, of all batches but the last `behind`."""
        while len(self.seen) > behind:
            batch = self.seen[0]
            rows = [row.result() for row in batch.rows]
            packed = batch.packed.result() if batch.packed else [None] * len(rows)
            self.seen.popleft()
            for key, vector, patches_, row in zip(batch.keys, batch.vectors, packed, rows, strict=True):
                if isinstance(row, str):
                    self.bad[key] = row
                elif np.isfinite(vector).all():
                    self.finished.append(_Finished(key, vector, patches_, row))
                else:
                    self.bad[key] = "the encoder gave no finite vector"
            self.n_waiting -= len(rows)

    def flush(self) -> None:
        """Store what is finished."""
        finished = self.finished
        if finished:
            rows = pd.DataFrame([f.row for f in finished])
            rows[_FACT + "phash"] = np.asarray([f.row[_FACT + "phash"] for f in finished], dtype=np.uint64)
            keys = [f.key for f in finished]
            if self.sight:  # first: a key counts as stored when both stores have it
                packed = np.stack([f.patches for f in finished if f.patches is not None])
                self.sight.store.append(keys, packed, pd.DataFrame(index=range(len(keys))))
            self.store.append(keys, np.stack([f.vector for f in finished]), rows)
            self.n_new += len(finished)
            self.finished = []  # only now: an interrupt in the middle leaves them to be stored again
        self.flushed_at = time.monotonic()

    def tell(self, last: bool = False) -> None:
        if self.on_progress and (last or time.monotonic() - self.told_at > _PROGRESS_SECONDS):
            self.told_at = time.monotonic()
            self.on_progress(len(self.keys) + len(self.unread) - self.n_waiting, len(self.dataset))

    def lost(self) -> list[int]:
        """Read everything back, in the order of the data set, and say which rows are to be embedded once more: those of
        images that counted as stored and turn out to be damaged."""
        reasons = {i: self.bad[key] for i, key in self.keys.items() if key in self.bad} | self.unread
        rows = [i for i in sorted(self.keys) if i not in reasons]
        keys = [self.keys[i] for i in rows]
        found, vectors, frame = self.store.read(keys)
        seen: Patches | None = None
        if self.sight and len(keys):
            eye, packed = self.sight.eye, self.sight.store.gather(keys)
            there, seen = patches.read(self.dataset.ids[rows], packed, eye.grid, eye.info.fingerprint)
            found &= there
        lost = [i for i, there in zip(rows, found, strict=True) if not there]
        gone = {self.keys[i] for i in lost}
        if gone & self.gone:
            raise CuratorError(f"the cache {self.store.folder} lost {len(gone)} images just stored. Run again.")
        self.gone |= gone
        self.claimed -= gone
        self.kept = None if lost else _Kept(reasons, vectors, frame, seen)
        return lost

    def result(self, start: float) -> Embedded:
        """Everything in the order of the data set, all of it from the store: old and new rows cannot differ in form."""
        kept = self.kept or _Kept(self.unread, np.zeros((0, 0), np.float32), pd.DataFrame(), None)
        failed = {str(self.dataset.ids[i]): kept.reasons[i] for i in sorted(kept.reasons)}
        dataset = self.dataset.without(failed)
        self.tell(last=True)
        if not len(dataset):
            why = "; ".join(f"{id!r}: {reason}" for id, reason in list(failed.items())[:3])
            raise DataError(f"none of the {len(self.dataset)} images of {self.dataset.name} can be read ({why}).")
        kept.frame.index = pd.Index(dataset.ids, name="id")
        return Embedded(
            dataset=dataset,
            embeddings=self._embeddings(dataset, kept.vectors),
            rows=_part(kept.frame, _MEASURE),
            facts=_part(kept.frame, _FACT),
            n_new=self.n_new,
            seconds=time.monotonic() - start,
            patches=kept.patches,
        )

    def _embeddings(self, dataset: Dataset, stored: NDArray[np.float16]) -> Embeddings:
        d = self.encoder.info.dim
        surround = _unit(stored[:, d:]) if self.sight else None
        return Embeddings(dataset.ids, _unit(stored[:, :d]), self.encoder.info, surround)


def _unit(stored: NDArray[np.float16]) -> Floats:
    """Stored vectors in full precision, of unit norm again, some at a time."""
    out = np.empty(stored.shape, np.float32)
    for start in range(0, len(stored), _BLOCK):
        out[start : start + _BLOCK] = unit(stored[start : start + _BLOCK])
    return out


def _part(frame: pd.DataFrame, mark: str) -> pd.DataFrame:
    """The columns that carry `mark`, without it."""
    return frame[[c for c in frame.columns if c.startswith(mark)]].rename(columns=lambda c: c.removeprefix(mark))


def _ahead(pool: ThreadPoolExecutor, work: Callable[[A], B], items: Iterable[A], depth: int) -> Iterator[B]:
    """`map(work, items)` in order, with at most `depth` items under way or waiting to be taken."""
    under_way: deque[Future[B]] = deque()
    for item in items:
        under_way.append(pool.submit(work, item))
        if len(under_way) >= depth:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _n_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
