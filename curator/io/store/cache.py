"""Lists the stores of a cache and chooses what to remove.

Only files that curator wrote are touched. They are recognised by their folder, the folder's name and their own name. Links are
not followed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curator.io.store import merging, shards
from curator.io.store.store import ABOUT, FORMAT

KINDS: dict[str, Literal["vectors", "patches"]] = {"store": "vectors", "patches": "patches"}
"""Folders of a cache that hold stores, and the kind of their contents."""

OLDER = "of an earlier version"
HALF_SECONDS = 60.0
"""Vectors without their .parquet count as left by a killed process after this time. It normally follows within moments."""
_FOLDER = re.compile(r"[0-9a-f]{24}")
_NEW = re.compile(r"shard-\d{8,}-[0-9a-f]{32}-[0-9a-f]{8}")
_OLD = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Shard:
    """Some images of a store, which are removed together. `last_used` is in seconds since 1970."""

    name: str
    n_images: int
    n_bytes: int
    last_used: float


@dataclass(frozen=True, slots=True)
class Kept:
    """One store. `kind` is "vectors" or "patches"; `encoder` is the encoder's name, or "" if unknown.

    `is_read` is False for a store of an earlier version, of which only the size is known.
    """

    folder: Path
    kind: Literal["vectors", "patches"]
    encoder: str
    is_read: bool
    last_used: float
    shards: tuple[Shard, ...]

    @property
    def n_images(self) -> int | None:
        """The number of images (slightly too high if two processes stored the same ones), or None if unknown."""
        return sum(s.n_images for s in self.shards) if self.is_read else None

    @property
    def n_bytes(self) -> int:
        return sum(s.n_bytes for s in self.shards)


def stores(cache: Path) -> list[Kept]:
    """The stores in a cache, the last used first."""
    found = []
    for parent, kind in KINDS.items():
        for folder in sorted((cache / parent).glob("*")):
            if _FOLDER.fullmatch(folder.name) and folder.is_dir() and not _by_link(cache, folder):
                kept = _look(folder, kind)
                if kept.shards or (folder / ABOUT).is_file():
                    found.append(kept)
    return sorted(found, key=lambda k: (-k.last_used, k.kind, k.folder.name))


def chosen(
    found: Sequence[Kept],
    now: float,
    *,
    older_than: float | None = None,
    max_bytes: int | None = None,
    encoder: str | None = None,
) -> list[tuple[Kept, tuple[Shard, ...]]]:
    """Choose what to remove from each store: (store, shards), without stores that lose nothing.

    Shards last used more than `older_than` days before `now` (seconds since 1970) are removed. Then the least recently used
    are removed until at most `max_bytes` are left. `encoder` restricts this to the stores of that encoder; without the other
    options all their shards are removed. Stores of an earlier version are always removed, unless `encoder` is given.
    """
    looked_at = [k for k in found if encoder is None or k.encoder == encoder]
    gone: set[tuple[Path, str]] = set()
    for kept in looked_at:
        for shard in kept.shards:
            too_old = older_than is not None and now - shard.last_used > 86400 * older_than
            if not kept.is_read or too_old or (older_than is None and max_bytes is None):
                gone.add((kept.folder, shard.name))
    if max_bytes is not None:
        left = [(k, s) for k in looked_at for s in k.shards if (k.folder, s.name) not in gone]
        too_many = sum(s.n_bytes for _, s in left) - max_bytes
        for kept, shard in sorted(left, key=lambda x: (x[1].last_used, x[0].folder, x[1].name)):
            if too_many <= 0:
                break
            gone.add((kept.folder, shard.name))
            too_many -= shard.n_bytes
    out = [(k, tuple(s for s in k.shards if (k.folder, s.name) in gone)) for k in looked_at]
    return [(k, some) for k, some in out if some or not k.shards]


def remove(kept: Kept, some: Sequence[Shard]) -> None:
    """Remove shards of a store, and its folder if nothing else is in it. A run in progress computes the embeddings again."""
    for shard in some:
        merging.remove(kept.folder, shard.name)
    rest = {path.name for path in kept.folder.iterdir()}
    if rest <= {ABOUT}:
        (kept.folder / ABOUT).unlink(missing_ok=True)
        try:
            kept.folder.rmdir()
        except OSError:  # another process has stored something in it
            return


def _by_link(cache: Path, folder: Path) -> bool:
    return folder.is_symlink() or folder.parent.is_symlink()


def _halves(folder: Path) -> list[Shard]:
    """Vectors without a .parquet, because their process was killed. They count as unused and empty, so they go first."""
    found = []
    for path in sorted(folder.glob("*.npy")):
        if not _NEW.fullmatch(path.stem) or path.is_symlink() or path.with_suffix(".parquet").exists():
            continue
        with suppress(FileNotFoundError):  # removed by another process
            about = path.stat()
            if time.time() - about.st_mtime > HALF_SECONDS:
                found.append(Shard(path.stem, 0, about.st_size, 0.0))
    return found


def _look(folder: Path, kind: Literal["vectors", "patches"]) -> Kept:
    about = _about(folder)
    pattern = _NEW if about is not None else _OLD
    found = []
    for path in sorted(folder.glob("*.parquet")):
        if not pattern.fullmatch(path.stem) or path.is_symlink():
            continue
        try:
            parts = [path.stat(), path.with_suffix(".npy").lstat()]
        except FileNotFoundError:  # removed by another process
            continue
        n_images = shards.n_rows(path.stem) if about is not None else 0
        found.append(Shard(path.stem, n_images, sum(p.st_size for p in parts), max(p.st_mtime for p in parts)))
    found += _halves(folder) if about is not None else []
    try:
        used = [(folder / ABOUT if about is not None else folder).stat().st_mtime]
    except FileNotFoundError:
        used = [0.0]
    last = max([s.last_used for s in found if s.last_used] or used)
    return Kept(folder, kind, about or "", about is not None, last, tuple(found))


def _about(folder: Path) -> str | None:
    """The encoder of a store, or "" if unknown. None if this version does not read the store."""
    try:
        content = json.loads((folder / ABOUT).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return ""  # damaged: it is written again when the store is next opened
    return str(content.get("about", "")) if isinstance(content, dict) and content.get("schema") == FORMAT else None
