"""Keys of a store, and which row of which shard holds each: cheap for millions of them."""

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
    """SHA-256 as 64 hexadecimal digits each, as bytes. Raises: ValueError for anything else."""
    if isinstance(keys, np.ndarray) and keys.dtype == f"S{KEY_BYTES}":
        return keys
    raw = bytes.fromhex("".join(keys))
    if len(raw) != KEY_BYTES * len(keys):
        raise ValueError(f"a key is a SHA-256, {2 * KEY_BYTES} hexadecimal digits")
    return np.frombuffer(raw, f"S{KEY_BYTES}") if raw else np.zeros(0, f"S{KEY_BYTES}")


def as_text(keys: Keys) -> list[str]:
    """The keys as hexadecimal digits again."""
    return [row.tobytes().hex() for row in np.ascontiguousarray(keys).view(np.uint8).reshape(len(keys), KEY_BYTES)]


@dataclass(frozen=True, slots=True)
class Index:
    """Which row of which shard holds which key, for all keys of a store at one moment: 48 bytes for each."""

    names: tuple[str, ...]
    start: NDArray[np.uint64]  # the first 8 bytes of each key, sorted
    keys: Keys
    shard: NDArray[np.int32]
    row: NDArray[np.int32]

    @classmethod
    def of(cls, names: Sequence[str], keys: Sequence[Keys]) -> Self:
        """The index of shards by name with the keys of each. A key that two of them have is taken from the first."""
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
        """Where (m,) in this index each of the wanted keys is, -1 where it is not."""
        out = np.full(len(wanted), -1, np.intp)
        start = _start(wanted)
        at = np.searchsorted(self.start, start)
        left = np.arange(len(wanted))
        while len(left):  # more than once only for keys that begin alike
            left = left[at[left] < len(self)]
            left = left[self.start[at[left]] == start[left]]
            same = self.keys[at[left]] == wanted[left]
            out[left[same]] = at[left[same]]
            left = left[~same]
            at[left] += 1
        return out


def _start(keys: Keys) -> NDArray[np.uint64]:
    """The first 8 bytes of each key as a number, in an order that all machines share."""
    whole = np.ascontiguousarray(keys).view(">u8").reshape(len(keys), KEY_BYTES // 8)
    return whole[:, 0].astype(np.uint64)
