"""Merges many small shards into few large ones, and removes damaged parts of shards."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curator.io.store import shards
from curator.io.store.shards import Damaged, Form, Vectors

try:
    import fcntl
except ImportError:  # not a POSIX system: two processes may merge the same shards, which only wastes work
    fcntl = None  # type: ignore[assignment]

SHARD_BYTES, SHARD_ROWS = 2**28, 2**15
"""Shards are merged until they reach half of either limit. A merge then writes at most 256 MB, and reading a few rows needs the
checksums of at most 32,768 rows."""

MAX_ALIKE = 24
"""If there are more shards than this of about one size (within a factor of four), they are merged. Opening a shard costs about
a millisecond whatever its size, and a row is rewritten at most once for each factor of four."""

BLOCK_BYTES = 2**24
"""Maximum bytes of vectors in memory at a time."""

_MOST_TIERS = 16
_log = logging.getLogger(__name__)


def names(folder: Path) -> tuple[str, ...]:
    """The names of the existing shards."""
    return tuple(sorted(path.stem for path in folder.glob(shards.PATTERN)))


def step(vectors: Vectors) -> int:
    """The number of rows in `BLOCK_BYTES`."""
    each: int = vectors.shape[1] * vectors.itemsize
    return max(1, BLOCK_BYTES // max(1, each))


def concat(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables."""
    # A column without values in one shard has no type there; "permissive" takes the type from the others.
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def compact(folder: Path, lock: Path) -> None:
    """Merge shards of about one size if there are many. Does nothing if another process is already merging.

    Raises: OSError.
    """
    if not _many(folder):
        return
    with _locked(lock) as mine:
        for _ in range(_MOST_TIERS if mine else 0):
            rewrite(folder, _many(folder))


def rewrite(folder: Path, old: Sequence[str]) -> None:
    """Write the undamaged rows of these shards as new shards, each key once, and remove the old ones. Raises: OSError."""
    batch: list[str] = []
    most = _shard_rows(folder, old[0]) if old else 0
    for name in old:
        if batch and sum(map(shards.n_rows, batch)) + shards.n_rows(name) > most:
            _merge(folder, batch)
            batch = []
        batch.append(name)
    if batch:
        _merge(folder, batch)


def drop(folder: Path, name: str, why: str) -> None:
    """Remove a shard that cannot be used, and log a warning."""
    _log.warning("removed a part of the cache that is %s (%s); its images are computed again", why, name)
    remove(folder, name)


def drop_other_forms(folder: Path, old: Sequence[str], forms: Sequence[Form]) -> None:
    """Keep only the shards with the form of the latest shard."""
    # A store has one form, unless the code changed without a new fingerprint. The latest form is then the right one.
    right = forms[max(range(len(old)), key=lambda i: (_mtime(folder / f"{old[i]}.npy"), old[i]))]
    for name, form in zip(old, forms, strict=True):
        if form != right:
            drop(folder, name, "of another form")


def remove(folder: Path, name: str) -> None:
    """Remove a shard. Processes that are reading it can continue."""
    for suffix in (".parquet", ".npy"):  # the .parquet first, because a shard without it does not count
        try:
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
        except OSError as error:
            _log.warning("cannot remove %s%s from the cache: %s", name, suffix, error.strerror)


def _many(folder: Path) -> list[str]:
    """More than `MAX_ALIKE` small shards of about one size, oldest first; empty if there are fewer."""
    found = names(folder)
    if len(found) <= MAX_ALIKE:
        return []
    tiers: dict[int, list[str]] = {}
    most = _shard_rows(folder, found[0]) // 2
    for name in found:
        if shards.n_rows(name) < most:
            tiers.setdefault(shards.n_rows(name).bit_length() // 2, []).append(name)
    for tier in sorted(tiers):
        if len(tiers[tier]) > MAX_ALIKE:
            # Oldest first, because images that were embedded together are read together.
            return sorted(tiers[tier], key=lambda n: (_mtime(folder / f"{n}.npy"), n))
    return []


def _shard_rows(folder: Path, name: str) -> int:
    """The maximum number of rows of a shard."""
    try:
        each = (folder / f"{name}.npy").stat().st_size // max(1, shards.n_rows(name))
    except FileNotFoundError:
        return SHARD_ROWS
    return int(np.clip(SHARD_BYTES // max(1, each), 2, SHARD_ROWS))


def _merge(folder: Path, old: Sequence[str]) -> None:
    """Write one shard with the undamaged rows of several, each key once, and remove those."""
    tables, maps, forms, sources = [], [], [], []
    for name in old:
        try:
            table, form = shards.read_table(folder, name)
            maps.append(shards.map_vectors(folder, name, form))
        except FileNotFoundError:
            continue
        except Damaged as error:
            drop(folder, name, str(error))
            continue
        tables.append(table)
        forms.append(form)
        sources.append(name)
    if len(set(forms)) > 1:
        drop_other_forms(folder, sources, forms)
        return
    keep, seen = [], set[bytes]()
    for table, vectors in zip(tables, maps, strict=True):
        sound = shards.checksums(vectors) == table.column(shards.CRC).to_numpy()
        keys = shards.keys_of(table).tolist()
        keep.append(np.array([i for i in np.flatnonzero(sound) if not (keys[i] in seen or seen.add(keys[i]))], np.intp))  # type: ignore[func-returns-value]
    written = ""
    if any(map(len, keep)):
        merged = concat([table.take(pa.array(rows)) for table, rows in zip(tables, keep, strict=True)])
        blocks = (block for vectors, rows in zip(maps, keep, strict=True) for block in _blocks(vectors, rows))
        written = shards.write(folder, merged, blocks, forms[0][1], maps[0].dtype)
    for name in sources:
        if name != written:
            remove(folder, name)


def _blocks(vectors: Vectors, rows: NDArray[np.intp]) -> Iterator[Vectors]:
    """These rows in blocks."""
    for start in range(0, len(rows), step(vectors)):
        yield vectors[rows[start : start + step(vectors)]]


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether this process holds the lock and may merge. The system releases the lock when the process ends."""
    with open(path, "rb") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
