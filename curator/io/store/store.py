"""Stores what was computed for images on the disk, under the content of the images.

A store is a folder of shards (`curator.io.store.shards`), which are written once and never changed. It may be larger than the
memory: a read looks up its keys, opens the shards with these keys one after another by memory map, and copies the rows.
Any number of processes may read and append at the same time, and any of them may be killed at any moment. A reader never sees
half a shard, and the next open removes what a crash left.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from curator.errors import CuratorError
from curator.io.atomic import sweep, write_whole
from curator.io.store import merging, shards
from curator.io.store.keys import Index, Keys, as_keys, as_text
from curator.io.store.shards import Damaged, Vectors
from curator.types import Mask

STALE_SECONDS = 3600.0
"""Vectors without their .parquet are removed at this age. Younger ones may belong to a process that is about to move it."""

PATIENCE_SECONDS = 60.0
"""Maximum time that a read waits for other processes to stop moving shards. They need well under a second."""

ABOUT = "store.json"
FORMAT = "curator.store/2"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a read: `at` (b,) positions among the keys, their `vectors` (b, d), and their rows with the key."""

    at: NDArray[np.intp]
    vectors: Vectors
    rows: pa.Table


class Store:
    """Vectors and rows under keys, which are the SHA-256 of the images' contents. Any number of processes may use it at once.

    Everything read is checked. A damaged vector or shard is logged and removed, and its images count as not stored.

    Cost in processor time, for a store of 1,000,000 vectors of 512 numbers (1.3 GB in 35 shards): 0.4 s for the index, once;
    then 0.03 s for 1000 images that were stored together, 0.8 s for 1000 scattered ones, 0.5 s for 100,000 stored together.
    Opening and reading the 1000 takes 45 MB of memory besides the libraries; the 100,000 take 280 MB.
    """

    def __init__(self, folder: Path, dtype: type[np.float16] | type[np.uint8] = np.float16, about: str = "") -> None:
        """Open or make the store of vectors of one `dtype`. `about` describes its contents to people.

        Raises: CuratorError naming --cache if the folder cannot be written to.
        """
        self.folder = folder
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._index: Index | None = None
        self._touched: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError("no permission to write")
            self._describe(about)
            merging.compact(folder, folder / ABOUT)
        except OSError as error:
            raise _unwritable(folder, error) from None

    @classmethod
    def for_(cls, cache: Path, encoder_fingerprint: str, measures_fingerprint: str, about: str = "") -> Self:
        """The store in `cache` for this encoder and these measures. Another encoder or other measures have another store."""
        return cls(_folder(cache / "store", f"{encoder_fingerprint}\n{measures_fingerprint}"), np.float16, about)

    @classmethod
    def of_patches(cls, cache: Path, fingerprint: str, about: str = "") -> Self:
        """The store in `cache` for patches with this fingerprint."""
        return cls(_folder(cache / "patches", fingerprint), np.uint8, about)

    def __len__(self) -> int:
        """The number of keys."""
        return len(self.index())

    def keys(self) -> frozenset[str]:
        """Every key. Use it only for small stores, because each takes a hundred bytes. See `index`."""
        return frozenset(as_text(self.index().keys))

    def index(self) -> Index:
        """The index of all current keys. Only key columns are read, and only if shards were added or removed.

        Raises: CuratorError if other processes keep changing the store.
        """
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            names = merging.names(self.folder)
            if self._index is not None and self._index.names == names:
                return self._index
            found = self._read_index(names)
            if found is not None:
                self._index = found
                return found
            time.sleep(0.01)
        raise self._restless()

    def read(self, keys: Sequence[str]) -> tuple[Mask, Vectors, pd.DataFrame]:
        """Read what is stored for `keys` (repeats allowed), in their order.

        Returns the mask (n,) of the keys found; their vectors (n_found, d) of the store's dtype, (0, 0) if none; and their
        rows (index = key).
        """
        found = np.zeros(len(keys), np.bool_)
        parts: list[tuple[NDArray[np.intp], pa.Table]] = []
        vectors = np.zeros((0, 0), self.dtype)
        for part in self.scan(keys, rows=True):
            if not parts:
                vectors = np.zeros((len(keys), part.vectors.shape[1]), self.dtype)
            vectors[part.at] = part.vectors
            found[part.at] = True
            parts.append((part.at, part.rows))
        if not found.any():
            return found, np.zeros((0, 0), self.dtype), pd.DataFrame()
        order = np.argsort(np.concatenate([at for at, _ in parts]))
        table = merging.concat([table for _, table in parts]).take(pa.array(order))
        rows = table.drop_columns([shards.KEY]).to_pandas()
        rows.index = pd.Index([key for key, there in zip(keys, found, strict=True) if there], dtype=object)
        return found, vectors if found.all() else vectors[found], rows

    def scan(self, keys: Sequence[str] | Keys, *, rows: bool = False) -> Iterator[Part]:
        """Read the undamaged entries of `keys`, in their order on the disk, about 16 MB at a time.

        With `rows`, each part contains all columns of the rows, otherwise only the key.
        """
        wanted = as_keys(keys)
        left = np.arange(len(wanted))
        give_up = time.monotonic() + PATIENCE_SECONDS
        while len(left):
            index = self.index()
            at = index.find(wanted[left])
            left, at = left[at >= 0], at[at >= 0]
            order = np.lexsort((index.row[at], index.shard[at]))
            left, at = left[order], at[order]
            gone: list[NDArray[np.intp]] = []
            cuts = np.flatnonzero(np.diff(index.shard[at])) + 1
            for mine, here in zip(np.split(left, cuts), np.split(at, cuts), strict=True):
                if not len(mine):
                    continue
                name = index.names[index.shard[here[0]]]
                try:
                    yield from self._scan_shard(name, mine, index.row[here], rows)
                except FileNotFoundError:  # merged by another process: look the keys up again
                    gone.append(mine)
                except Damaged as error:
                    merging.drop(self.folder, name, str(error))
            left = np.concatenate(gone) if gone else left[:0]
            if len(left) and time.monotonic() > give_up:
                raise self._restless()

    def gather(self, keys: Sequence[str] | Keys) -> Rows:
        """The vectors of the keys, read on request."""
        return Rows(self, as_keys(keys))

    def append(self, keys: Sequence[str], vectors: Vectors, rows: pd.DataFrame) -> None:
        """Store the rows of `vectors` (n, d) and of `rows` (n, any columns of plain values) under `keys` (n,).

        Raises: CuratorError naming --cache if the store cannot be written.
        """
        if not len(keys) == len(vectors) == len(rows):
            raise ValueError(
                f"got {len(keys)} keys, {len(vectors)} vectors and {len(rows)} rows; equal numbers are needed to store"
            )
        if not len(keys):
            return
        kept = np.ascontiguousarray(vectors, dtype=self.dtype)
        table = shards.make_table(as_keys(keys), shards.checksums(kept), rows)
        try:
            shards.write(self.folder, table, [kept], kept.shape[1], self.dtype)
            merging.compact(self.folder, self.folder / ABOUT)
        except OSError as error:
            raise _unwritable(self.folder, error) from None

    def _read_index(self, names: Sequence[str]) -> Index | None:
        """The index of these shards. None if one was removed, or had to be dropped."""
        keys, forms = [], []
        for name in names:
            try:
                found, form = shards.read_keys(self.folder, name)
            except FileNotFoundError:
                return None
            except Damaged as error:
                merging.drop(self.folder, name, str(error))
                return None
            keys.append(found)
            forms.append(form)
        if len(set(forms)) > 1:
            merging.drop_other_forms(self.folder, names, forms)
            return None
        return Index.of(names, keys)

    def _scan_shard(
        self, name: str, mine: NDArray[np.intp], rows: NDArray[np.int32], with_rows: bool
    ) -> Iterator[Part]:
        """The undamaged ones of these `rows` of a shard, which belong to the keys at `mine`."""
        table, form = shards.read_table(self.folder, name, None if with_rows else [shards.KEY, shards.CRC])
        vectors = shards.map_vectors(self.folder, name, form)
        self._touch(name)
        crc = table.column(shards.CRC).to_numpy()
        table = table.drop_columns([shards.CRC])
        n_hurt = 0
        for start in range(0, len(mine), merging.step(vectors)):
            part = slice(start, start + merging.step(vectors))
            block = vectors[rows[part]]
            sound = shards.checksums(block) == crc[rows[part]]
            n_hurt += int((~sound).sum())
            if sound.any():  # the number of columns of an empty part would be unknown
                yield Part(mine[part][sound], block[sound], table.take(pa.array(rows[part][sound])))
        if n_hurt:
            _log.warning("%d vectors of the cache are damaged (%s); their images are computed again", n_hurt, name)
            merging.rewrite(self.folder, [name])

    def _describe(self, about: str) -> None:
        """Write a description into the folder, and mark the store as used now."""
        content = json.dumps({"schema": FORMAT, "dtype": self.dtype.name, "about": about}).encode()
        path = self.folder / ABOUT
        if not path.exists() or (about and path.read_bytes() != content):
            write_whole(path, lambda part: part.write_bytes(content))
        with suppress(PermissionError):  # the file belongs to another user of a shared cache
            os.utime(path)

    def _touch(self, name: str) -> None:
        """Mark a shard as used, once. `curator cache prune` removes unused shards."""
        if name not in self._touched:
            self._touched.add(name)
            with suppress(PermissionError):
                os.utime(self.folder / f"{name}.parquet")

    def _sweep(self) -> None:
        """Remove what a crash left: unfinished files, and vectors without a .parquet."""
        sweep(self.folder)
        for path in self.folder.glob("shard-*.npy"):
            if path.with_suffix(".parquet").exists():
                continue
            try:
                if time.time() - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()
            except OSError:  # another process removed it first
                continue

    def _restless(self) -> CuratorError:
        return CuratorError(
            f"the cache {self.folder} keeps changing; wait until the other curator has finished, or give another --cache."
        )


class Rows:
    """The vectors of some keys in their order, read from the store on request."""

    def __init__(self, store: Store, keys: Keys) -> None:
        self._store, self._keys = store, keys

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, rows: Any) -> Vectors:
        """(m, d) for a slice or an array of m positions.

        Raises: CuratorError if the store has lost some of the keys since they were found.
        """
        keys = self._keys[rows]
        out, n = np.zeros((0, 0), self._store.dtype), 0
        for at, vectors in Rows(self._store, keys).blocks():
            if not n:
                out = np.zeros((len(keys), vectors.shape[1]), self._store.dtype)
            out[at] = vectors
            n += len(at)
        if n < len(keys):
            raise CuratorError(f"the cache {self._store.folder} lost {len(keys) - n} images just stored; run again.")
        return out

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], Vectors]]:
        """All undamaged vectors, about 16 MB at a time, in their order on the disk: positions and vectors."""
        for part in self._store.scan(self._keys):
            yield part.at, part.vectors

    def take(self, rows: Any) -> Rows:
        """Some of the rows, not read yet."""
        return Rows(self._store, self._keys[rows])


def _folder(parent: Path, fingerprint: str) -> Path:
    """The folder of one store. The folder of an earlier version lies beside it and is not read."""
    old = parent / hashlib.sha256(fingerprint.encode()).hexdigest()[:24]
    if old.is_dir():
        _log.info("%s was written by an earlier version and is not read; `curator cache prune` removes it", old)
    return parent / hashlib.sha256(f"{FORMAT}\n{fingerprint}".encode()).hexdigest()[:24]


def _unwritable(folder: Path, error: OSError) -> CuratorError:
    return CuratorError(
        f"cannot write to the cache {folder} ({error.strerror or error}); make room or give another folder with --cache."
    )
