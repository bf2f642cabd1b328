"""What was computed of images, kept on disk by the content they were computed of.

A store is a folder of shards that are written once and never changed. A shard is NAME.npy (vectors) and NAME.parquet
(key and row of each), and NAME is the checksum of both, so a damaged shard gives itself away and two processes cannot
write different things under one name. The .parquet is moved into place last and is what readers look for: nobody sees
half a shard, and a crash leaves at most a file that the next open removes once it is an hour old.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curator.errors import CuratorError
from curator.types import Mask

MAX_SHARDS = 64
"""Above this many shards a read writes them as one: opening a shard costs milliseconds, whatever it holds."""

STALE_SECONDS = 3600.0
"""Leftovers of a crash are removed at this age; a younger one may belong to a process that is writing it now."""

PATIENCE_SECONDS = 60.0
"""How long a read waits for other processes to stop moving shards; they need well under a second."""

Vectors = NDArray[Any]
"""(n, d), of the dtype of the store."""
_KEY = "__key__"
_log = logging.getLogger(__name__)


class Store:
    """Vectors and rows under a key each. Any number of processes may read and append at once.

    Every read checks every shard: a damaged one is logged, removed, and its images count as not stored. Cost, on
    two slow processors: about 5 ms for a shard, and 1 s for 64,000 rows of 512 numbers.
    """

    def __init__(self, folder: Path, dtype: type[np.float32] | type[np.uint8] = np.float32) -> None:
        """Open or make the store of vectors of one `dtype`.

        Raises: CuratorError naming --cache if the folder cannot be written to.
        """
        self.folder = folder
        self.dtype = dtype
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError("no permission to write")
        except OSError as error:
            raise _unwritable(folder, error) from None

    @classmethod
    def for_(cls, cache: Path, encoder_fingerprint: str, measures_fingerprint: str) -> Self:
        """The store in `cache` of what this encoder and these measures compute; another of either has another store."""
        name = hashlib.sha256(f"{encoder_fingerprint}\n{measures_fingerprint}".encode()).hexdigest()[:24]
        return cls(cache / "store" / name)

    def keys(self) -> frozenset[str]:
        """Every key that can be read."""
        return frozenset(key for table, _ in self._load() for key in table.column(_KEY).to_pylist())

    def read(self, keys: Sequence[str]) -> tuple[Mask, Vectors, pd.DataFrame]:
        """What is stored of `keys` (repeats allowed), in their order.

        Returns the mask (n,) of the keys found; their vectors (n_found, d), (0, 0) if none; and their rows (index = key).
        """
        shards = self._load()
        where = {key: at for at, key in enumerate(k for t, _ in shards for k in t.column(_KEY).to_pylist())}
        found = np.asarray([key in where for key in keys], dtype=np.bool_)
        if not found.any():
            return found, np.zeros((0, 0), self.dtype), pd.DataFrame()
        take = np.asarray([where[key] for key in keys if key in where], dtype=np.int64)
        vectors = _stack([v for _, v in shards])[take]
        rows = _concat([t for t, _ in shards]).take(pa.array(take)).to_pandas()
        return found, vectors, rows.set_index(_KEY).rename_axis(index=None)

    def append(self, keys: Sequence[str], vectors: Vectors, rows: pd.DataFrame) -> None:
        """Store the rows of `vectors` (n, d) and of `rows` (n, any columns of plain values) under `keys` (n,).

        Raises: CuratorError naming --cache if it cannot be written.
        """
        if not len(keys) == len(vectors) == len(rows):
            raise ValueError(f"{len(keys)} keys, {len(vectors)} vectors and {len(rows)} rows to store")
        if len(keys):
            self._write(_table(keys, rows), np.asarray(vectors, dtype=self.dtype))

    def _load(self) -> list[tuple[pa.Table, Vectors]]:
        """All sound shards of one form, in an order that does not depend on the directory's; compacts if many."""
        shards = self._sound_shards()
        # One store has one form, unless code changed without a new fingerprint; then the latest is right.
        for name, shard in shards:
            if _form(shard) != _form(shards[0][1]):
                self._drop(name, "of another form")
        shards = [(name, shard) for name, shard in shards if _form(shard) == _form(shards[0][1])]
        shards.sort(key=lambda s: s[0])
        if len(shards) <= MAX_SHARDS:
            return [shard for _, shard in shards]
        table, vectors = _concat([t for _, (t, _) in shards]), _stack([v for _, (_, v) in shards])
        merged = self._write(table, vectors)
        for name, _ in shards:
            if name != merged:
                self._remove(name)
        return [(table, vectors)]

    def _sound_shards(self) -> list[tuple[str, tuple[pa.Table, Vectors]]]:
        """Every shard of one listing, latest first. A shard that another process compacts meanwhile: list again."""
        read: dict[str, tuple[pa.Table, Vectors] | None] = {}
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            try:
                names = self._names()
                for name in names:
                    if name not in read:
                        read[name] = self._shard(name)
                return [(name, shard) for name in names if (shard := read[name]) is not None]
            except FileNotFoundError:
                time.sleep(0.01)
        raise CuratorError(f"the cache {self.folder} keeps changing. Let the other curator finish, or give --cache.")

    def _names(self) -> list[str]:
        """The shards, latest first."""
        found = [(path.stat().st_mtime_ns, path.stem) for path in self.folder.glob("*.parquet")]
        return [name for _, name in sorted(found, reverse=True)]

    def _shard(self, name: str) -> tuple[pa.Table, Vectors] | None:
        """One shard, None if it is damaged. Raises: FileNotFoundError if it is gone."""
        table_bytes = (self.folder / f"{name}.parquet").read_bytes()
        try:
            vector_bytes = (self.folder / f"{name}.npy").read_bytes()
        except FileNotFoundError:
            if not (self.folder / f"{name}.parquet").exists():
                raise
            self._drop(name, "without its vectors")
            return None
        if _checksum(vector_bytes, table_bytes) != name:
            self._drop(name, "damaged")
            return None
        return pq.read_table(io.BytesIO(table_bytes)), np.load(io.BytesIO(vector_bytes), allow_pickle=False)

    def _drop(self, name: str, why: str) -> None:
        _log.warning("dropped a part of the cache that is %s (%s); its images are computed again", why, name)
        self._remove(name)

    def _remove(self, name: str) -> None:
        for suffix in (".parquet", ".npy"):  # in this order: without its .parquet it is not there
            try:
                (self.folder / f"{name}{suffix}").unlink(missing_ok=True)
            except OSError as error:
                _log.warning("cannot remove %s%s from the cache: %s", name, suffix, error.strerror)

    def _write(self, table: pa.Table, vectors: Vectors) -> str:
        npy, parquet = io.BytesIO(), io.BytesIO()
        np.save(npy, np.ascontiguousarray(vectors), allow_pickle=False)
        pq.write_table(table, parquet, compression="zstd")
        name = _checksum(npy.getvalue(), parquet.getvalue())
        try:
            for suffix, content in ((".npy", npy), (".parquet", parquet)):
                self._place(f"{name}{suffix}", content.getvalue())
        except OSError as error:
            raise _unwritable(self.folder, error) from None
        return name

    def _place(self, name: str, content: bytes) -> None:
        temporary = self.folder / f".tmp-{uuid.uuid4().hex}"
        try:
            with open(temporary, "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / name)
        except BaseException:  # also Ctrl-C: leave nothing behind
            temporary.unlink(missing_ok=True)
            raise

    def _sweep(self) -> None:
        """Remove what a crash left: temporary files, and vectors whose .parquet never came."""
        for path in self._leftovers():
            try:
                if time.time() - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()
            except OSError:  # another process was quicker
                continue

    def _leftovers(self) -> Iterator[Path]:
        yield from self.folder.glob(".tmp-*")
        yield from (p for p in self.folder.glob("*.npy") if not p.with_suffix(".parquet").exists())


def _table(keys: Sequence[str], rows: pd.DataFrame) -> pa.Table:
    if not len(rows.columns):  # without a column Arrow forgets how many rows there are
        return pa.table({_KEY: pa.array(list(keys), pa.string())})
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    return table.add_column(0, _KEY, pa.array(list(keys), pa.string()))


def _concat(tables: list[pa.Table]) -> pa.Table:
    # A column without a value in one shard has no type there; "permissive" takes it from the others.
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _stack(vectors: list[Vectors]) -> Vectors:
    return vectors[0] if len(vectors) == 1 else np.concatenate(vectors)


def _form(shard: tuple[pa.Table, Vectors]) -> tuple[tuple[str, ...], int]:
    return tuple(shard[0].column_names), shard[1].shape[1]


def _checksum(vectors: bytes, table: bytes) -> str:
    digest = hashlib.sha256(vectors)
    digest.update(table)
    return digest.hexdigest()[:40]


def _unwritable(folder: Path, error: OSError) -> CuratorError:
    return CuratorError(
        f"cannot write to the cache {folder} ({error.strerror or error}). Make room or give another folder with --cache."
    )
