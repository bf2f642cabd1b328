"""Files of the cache, which are written completely or not at all."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from curator.io.atomic import write_whole
from curator.types import Floats

log = logging.getLogger("curator")


def try_to_write(path: Path, write: Callable[[str], object]) -> None:
    """Let `write` fill a file of the cache. If it cannot be written, the next run takes longer; this run continues."""
    try:
        write_whole(path, lambda part: write(str(part)))
    except OSError as error:
        log.warning("%s cannot be written (%s); the next run will do this work again.", path, error)


def read_arrays(path: Path, names: tuple[str, ...]) -> tuple[Floats, ...] | None:
    """The float arrays called `names` of an .npz file. None if it is missing or damaged; the caller then makes it anew."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return tuple(np.asarray(file[name], np.float32) for name in names)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def remembered(path: Path, prompts: Sequence[str], encode: Callable[[list[str]], Floats], dim: int) -> Floats:
    """(m, dim) vectors of the prompts: from the .npz file at `path`, and by `encode` for those that are not in it yet."""
    known: dict[str, Floats] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            known = dict(zip(file["prompts"].tolist(), file["vectors"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # a missing or damaged file of the cache is written anew
    new = sorted(set(prompts) - known.keys())
    if new:
        known |= dict(zip(new, encode(new), strict=True))
        try_to_write(
            path, lambda name: np.savez(name, prompts=np.array(list(known)), vectors=np.stack(list(known.values())))
        )
    return np.stack([known[p] for p in prompts]) if len(prompts) else np.empty((0, dim), np.float32)
