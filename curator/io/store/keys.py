"""Keys of a store, and an index of the shard and row of each, efficient for millions of keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 32

Keys = NDArray[np.bytes_]
"""(n,) of 32 bytes each: SHA-256 of contents."""


def as_keys(keys: Sequence[str] | Keys) -> Keys:
    """Convert SHA-256 digests of 64 hexadecimal digits to bytes. Raises: ValueError for anything else."""
    if isinstance(keys, np.ndarray) and keys.dtype == f"S{KEY_BYTES}":
        return keys
    raw = bytes.fromhex("".join(keys))
    if len(raw) != KEY_BYTES * len(keys):
        raise ValueError(f"a key is not a SHA-256; {2 * KEY_BYTES} hexadecimal digits are needed")
    return np.frombuffer(raw, f"S{KEY_BYTES}") if raw else np.zeros(0, f"S{KEY_BYTES}")


def as_text(keys: Keys) -> list[str]:
    """The keys as hexadecimal digits."""
    return [row.tobytes().hex() for row in np.ascontiguousarray(keys).view(np.uint8).reshape(len(keys), KEY_BYTES)]


@dataclass(frozen=True, slots=True)
class Index:
    """The shard and row of every key of a store at one moment: 48 bytes per key."""

    names: tuple[str, ...]
    start: NDArray[np.uint64]  # the first 8 bytes of each key, sorted
    keys: Keys
    shard: NDArray[np.int32]
    row: NDArray[np.int32]

    @classmethod
    def of(cls, names: Sequence[str], keys: Sequence[Keys]) -> Self:
        """Build the index from shard names and the keys of each shard. A key in two shards is taken from the first."""
        every = np.concatenate([np.zeros(0, f"S{KEY_BYTES}"), *keys])
        sizes = np.array([len(k) for k in keys], np.int64)
        start = _start(every)
        order = np.argsort(start, kind="stable")
        shard = np.repeat(np.arange(len(keys), dtype=np.int32), sizes)
        row = (np.arange(len(every)) - np.repeat(np.cumsum(sizes) - sizes, sizes)).astype(np.int32)
        every = every[order]
        new = np.concatenate([[True], every[1:] != every[:-1]])[: len(every)]
        order = order[new]
        return cls(tuple(names), start[order], every[new], shard[order], row[order])

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: str) -> bool:
        return bool(self.find(as_keys([key]))[0] >= 0)

    def find(self, wanted: Keys) -> NDArray[np.intp]:
        """The position (m,) of each wanted key in this index, or -1."""
        out = np.full(len(wanted), -1, np.intp)
        start = _start(wanted)
        at = np.searchsorted(self.start, start)
        left = np.arange(len(wanted))
        while len(left):  # repeats only for keys with equal first 8 bytes
            left = left[at[left] < len(self)]
            left = left[self.start[at[left]] == start[left]]
            same = self.keys[at[left]] == wanted[left]
            out[left[same]] = at[left[same]]
            left = left[~same]
            at[left] += 1
        return out


def _start(keys: Keys) -> NDArray[np.uint64]:
    """The first 8 bytes of each key as a number. The byte order is the same on all machines."""
    whole = np.ascontiguousarray(keys).view(">u8").reshape(len(keys), KEY_BYTES // 8)
    return whole[:, 0].astype(np.uint64)
