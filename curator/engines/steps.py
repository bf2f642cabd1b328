"""The steps of embedding an image and handling the results. All engines call them and so get results equal to the bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.engines import workers
from curator.errors import CuratorError, DataError
from curator.io.decoding import images
from curator.io.store.keys import Index, Keys, as_keys, as_text
from curator.io.store.store import Store
from curator.regions import foreground, patches
from curator.similarity.vectors import unit
from curator.types import (
    Dataset,
    Embedded,
    Embeddings,
    Encoder,
    EncoderInfo,
    Eye,
    Floats,
    Patches,
    Photo,
    Preprocessing,
)

_BLOCK = 4096
_FACT = "file."  # prefix of the columns of FileFacts in the store's rows; columns of measure() have the prefix _MEASURE
_MEASURE = "measure."

Measure = Callable[[Photo], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What sees the places of an image (the encoder itself or another network), and the store for its results."""

    eye: Eye
    store: Store


@dataclass(frozen=True, slots=True)
class Finished:
    """An image on its way to the store, or the `reason` why it is not stored."""

    key: str
    vector: Floats
    patches: NDArray[np.uint8] | None
    row: dict[str, object]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """A batch after the encoder, while other threads measure it. `bad` images were not encoded, each with the reason."""

    bad: list[tuple[str, str]]
    keys: list[str]
    vectors: Floats
    packed: Future[NDArray[np.uint8]] | None
    rows: list[Future[dict[str, object] | str]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What was read back: the rows left out, with the reasons, and what is stored for the others, in their order."""

    reasons: Mapping[int, str]
    vectors: NDArray[np.float16]
    frame: pd.DataFrame
    patches: Patches | None


@dataclass(frozen=True, slots=True)
class Filled:
    """A data set that is completely in the store: the readable images (the others are in `skipped`) and their keys `keys` (n,).
    `n_new` of their contents were embedded in this run, in `seconds`."""

    dataset: Dataset
    keys: Keys
    n_new: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Shelf:
    """The stores of an image's results: one for its vector and row, and one for its places if they are seen."""

    store: Store
    sight: Sight | None

    def indexes(self) -> tuple[Index, ...]:
        """The indexes of all stores. An image counts as stored if all of them contain it."""
        return tuple(store.index() for store in ([self.store, self.sight.store] if self.sight else [self.store]))

    def keep(self, finished: Sequence[Finished]) -> None:
        """Store the finished images. Raises: CuratorError if they cannot be written."""
        if not finished:
            return
        rows = pd.DataFrame([f.row for f in finished])
        rows[_FACT + "phash"] = np.asarray([f.row[_FACT + "phash"] for f in finished], dtype=np.uint64)
        keys = [f.key for f in finished]
        if self.sight:  # first, because a key counts as stored when both stores have it
            packed = np.stack([f.patches for f in finished if f.patches is not None])
            self.sight.store.append(keys, packed, pd.DataFrame(index=range(len(keys))))
        self.store.append(keys, np.stack([f.vector for f in finished]), rows)

    def read(self, dataset: Dataset, keys: Mapping[int, str], reasons: Mapping[int, str]) -> Kept | list[int]:
        """What is stored for the rows in `keys` without those in `reasons`, in order; or the rows of which a part is lost."""
        rows = [i for i in sorted(keys) if i not in reasons]
        wanted = [keys[i] for i in rows]
        found, vectors, frame = self.store.read(wanted)
        seen: Patches | None = None
        if self.sight and rows:
            eye, packed = self.sight.eye, self.sight.store.gather(wanted)
            there, seen = patches.read(dataset.ids[rows], packed, eye.grid, eye.info.fingerprint)
            found &= there
        lost = [i for i, there in zip(rows, found, strict=True) if not there]
        return lost or Kept(reasons, vectors, frame, seen)

    def lost(self, n: int) -> CuratorError:
        """The error for n images that were just stored and are missing."""
        return CuratorError(f"the cache {self.store.folder} lost {n} images just stored; run again.")

    def check(self, keys: Mapping[int, str], reasons: Mapping[int, str]) -> Kept | list[int]:
        """`read` without keeping anything in memory: checks everything stored, about 16 MB at a time."""
        rows = [i for i in sorted(keys) if i not in reasons]
        wanted = as_keys([keys[i] for i in rows])
        sound = np.ones(len(rows), np.bool_)
        for store in [self.store, self.sight.store] if self.sight else [self.store]:
            found = np.zeros(len(rows), np.bool_)
            for part in store.scan(wanted):
                found[part.at] = True
            sound &= found
        lost = [i for i, there in zip(rows, sound, strict=True) if not there]
        return lost or replace(nothing_kept(), reasons=reasons)


def filled(dataset: Dataset, contents: Mapping[int, str], kept: Kept, n_new: int, seconds: float) -> Filled:
    """The result of a fill, from the `contents` of each row. Raises: DataError if no image can be read."""
    rows = [i for i in sorted(contents) if i not in kept.reasons]
    return Filled(readable(dataset, kept), as_keys([contents[i] for i in rows]), n_new, seconds)


def recalled(stored: Filled, rows: NDArray[np.intp], shelf: Shelf, encoder: EncoderInfo) -> Embedded:
    """Some of the stored images, in the order of `rows` (m,). Raises: CuratorError if one is lost."""
    dataset = stored.dataset.take(rows)
    found = shelf.read(dataset, dict(enumerate(as_text(stored.keys[rows]))), {})
    if not isinstance(found, Kept):
        raise shelf.lost(len(found))
    return embedded(dataset, found, encoder, shelf.sight is not None, 0, 0.0)


def nothing_kept() -> Kept:
    """The result for a data set without images."""
    return Kept({}, np.zeros((0, 0), np.float16), pd.DataFrame(), None)


def decode(content: bytes, key: str, preprocessing: Preprocessing) -> Photo | str:
    """The decoded photo, or the reason why it cannot be decoded."""
    try:
        return workers.shared().decode(content, key, preprocessing)
    except DataError as error:
        return str(error)


def see(
    batch: Sequence[tuple[str, Photo | str]],
    encoder: Encoder,
    eye: Eye | None,
    measure: Measure,
    pool: ThreadPoolExecutor,
) -> Seen:
    """Compute vectors of the photos of a batch (key, photo or reason), each followed by the vector of its surroundings.

    Threads of `pool` measure the photos meanwhile. The last bits of a vector depend on the other photos in its batch.
    """
    bad = [(key, result) for key, result in batch if isinstance(result, str)]
    good = [(key, result) for key, result in batch if not isinstance(result, str)]
    if not good:
        return Seen(bad, [], np.zeros((0, 0), np.float32), None, [])
    keys, photos = [key for key, _ in good], [photo for _, photo in good]
    inputs = np.stack([photo.input for photo in photos])
    seen_as = encoder.info.preprocessing
    if eye is None:
        rows = [pool.submit(_row, photo, None, measure, seen_as) for photo in photos]
        return Seen(bad, keys, encoder.encode(inputs), None, rows)
    fitted = images.fit(inputs, eye.input_size)
    vectors, features = eye.look(fitted)
    likely = foreground.foreground(features)
    packed = pool.submit(patches.pack, fitted, features, likely)
    rows = [pool.submit(_row, photo, map_, measure, seen_as) for photo, map_ in zip(photos, likely, strict=True)]
    if eye.info.fingerprint != encoder.info.fingerprint:
        vectors = encoder.encode(inputs)
    return Seen(bad, keys, np.hstack([vectors, encoder.encode(foreground.cover(inputs, likely))]), packed, rows)


def settle(batch: Seen) -> list[Finished]:
    """The results of a batch, after waiting for its measures. Raises: any error of measuring except a DataError."""
    rows = [row.result() for row in batch.rows]
    packed = batch.packed.result() if batch.packed else [None] * len(rows)
    out = [Finished(key, np.zeros(0, np.float32), None, {}, reason) for key, reason in batch.bad]
    for key, vector, patches_, row in zip(batch.keys, batch.vectors, packed, rows, strict=True):
        if isinstance(row, str):
            out.append(Finished(key, vector, patches_, {}, row))
        elif np.isfinite(vector).all():
            out.append(Finished(key, vector, patches_, row))
        else:
            out.append(Finished(key, vector, patches_, {}, "the encoder gave a vector that is not finite"))
    return out


class Books:
    """What one run knows about its images, in either engine. `holds`: the run keeps everything in memory that it reads back."""

    def __init__(self, dataset: Dataset, encoder: EncoderInfo, shelf: Shelf, *, holds: bool) -> None:
        self.dataset, self.info, self.shelf, self.holds = dataset, encoder, shelf, holds
        self.stored = shelf.indexes()
        self.keys: dict[int, str] = {}  # row -> content
        self.unread: dict[int, str] = {}  # row -> reason
        self.bad: dict[str, str] = {}  # content -> reason
        self.gone: set[str] = set()  # was stored, and was damaged when it was read back
        self.claimed: set[str] = set()
        self.kept = nothing_kept()
        self.n_new = 0
        self.started = time.monotonic()

    def lost(self) -> list[int]:
        """The rows to embed again: images that counted as stored but are damaged. If there are none, the result is in `kept`.

        Everything is read back, in the order of the data set. Raises: CuratorError if an image is damaged twice.
        """
        reasons = {i: self.bad[key] for i, key in self.keys.items() if key in self.bad} | self.unread
        shelf = self.shelf
        found = shelf.read(self.dataset, self.keys, reasons) if self.holds else shelf.check(self.keys, reasons)
        if isinstance(found, Kept):
            self.kept = found
            return []
        gone = {self.keys[i] for i in found}
        if gone & self.gone:
            raise self.shelf.lost(len(gone))
        self.gone |= gone
        self.claimed -= gone
        return found

    def embedded(self) -> Embedded:
        """The data set after the run, read back from the store. Raises: DataError if no image can be read."""
        seconds = time.monotonic() - self.started
        return embedded(self.dataset, self.kept, self.info, self.shelf.sight is not None, self.n_new, seconds)

    def filled(self) -> Filled:
        """The data set after a run for the store alone. Raises: DataError if no image can be read."""
        return filled(self.dataset, self.keys, self.kept, self.n_new, time.monotonic() - self.started)


def embedded(
    dataset: Dataset, kept: Kept, encoder: EncoderInfo, has_surround: bool, n_new: int, seconds: float
) -> Embedded:
    """Assemble everything in the order of the data set, all of it from the store, so that old and new rows have one form.

    Raises: DataError if no image can be read.
    """
    read = readable(dataset, kept)
    kept.frame.index = pd.Index(read.ids, name="id")
    d = encoder.dim
    surround = _unit(kept.vectors[:, d:]) if has_surround else None
    return Embedded(
        dataset=read,
        embeddings=Embeddings(read.ids, _unit(kept.vectors[:, :d]), encoder, surround),
        rows=_part(kept.frame, _MEASURE),
        facts=_part(kept.frame, _FACT),
        n_new=n_new,
        seconds=seconds,
        patches=kept.patches,
    )


def readable(dataset: Dataset, kept: Kept) -> Dataset:
    """The readable images. The others are listed with their reasons. Raises: DataError if no image can be read."""
    failed = {str(dataset.ids[i]): kept.reasons[i] for i in sorted(kept.reasons)}
    read = dataset.without(failed)
    if not len(read):
        why = "; ".join(f"{id!r}: {reason}" for id, reason in list(failed.items())[:3])
        raise DataError(
            f"none of the {len(dataset)} images of {dataset.name} can be read ({why}); check the paths and the files."
        )
    return read


def _row(
    photo: Photo, likely: Floats | None, measure: Measure, preprocessing: Preprocessing
) -> dict[str, object] | str:
    """The store's row for a photo, or the reason why the photo cannot be measured.

    `likely` (g, g) is the probability of the object at each place of the encoder's input.
    """
    if likely is not None:
        height, width = photo.pixels.shape[:2]
        photo = replace(photo, foreground=foreground.spread(likely, height, width, preprocessing))
    row: dict[str, object] = {_FACT + f.name: getattr(photo.facts, f.name) for f in fields(photo.facts)}
    row[_FACT + "phash"] = photo.phash
    try:
        row.update({_MEASURE + name: value for name, value in measure(photo).items()})
    except DataError as error:
        return str(error)
    return row


def _unit(stored: NDArray[np.float16]) -> Floats:
    """Stored vectors in full precision, normalised again, in blocks."""
    out = np.empty(stored.shape, np.float32)
    for start in range(0, len(stored), _BLOCK):
        out[start : start + _BLOCK] = unit(stored[start : start + _BLOCK])
    return out


def _part(frame: pd.DataFrame, mark: str) -> pd.DataFrame:
    """The columns with the prefix `mark`, without the prefix."""
    return frame[[c for c in frame.columns if c.startswith(mark)]].rename(columns=lambda c: c.removeprefix(mark))
