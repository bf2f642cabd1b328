"""What the stores of a cache hold, and which of it to remove.

Only files that curator itself wrote are ever touched, told by the folder they lie in, the folder's name and their own; links
are not followed.
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
"""Folders of a cache that hold stores, and what these hold."""

OLDER = "of an earlier version"
HALF_SECONDS = 60.0
"""Vectors that wait this long for their .parquet count as left by a killed process; it comes within moments."""
_FOLDER = re.compile(r"[0-9a-f]{24}")
_NEW = re.compile(r"shard-\d{8,}-[0-9a-f]{32}-[0-9a-f]{8}")
_OLD = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Shard:
    """Some images of a store: what is removed together. `last_used` in seconds since 1970."""

    name: str
    n_images: int
    n_bytes: int
    last_used: float


@dataclass(frozen=True, slots=True)
class Kept:
    """One store: `kind` is "vectors" or "patches", `encoder` whose they are ("" where that is not known).

    `is_read`: False for what an earlier version wrote, of which only the size is known.
    """

    folder: Path
    kind: Literal["vectors", "patches"]
    encoder: str
    is_read: bool
    last_used: float
    shards: tuple[Shard, ...]

    @property
    def n_images(self) -> int | None:
        """Images, a few more where two processes stored the same; None where it is not known."""
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
    """What to remove of each store: (store, shards), stores of which nothing goes left out.

    What was last used more than `older_than` days before `now` (seconds since 1970) goes; then, while there are more than
    `max_bytes`, what was not used for longest. With `encoder`, only its stores are looked at; with nothing else they go
    whole. What an earlier version wrote is read by nobody, and goes whenever `encoder` is not given.
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
    """Remove shards of a store, and its folder once nothing else is in it. A run that goes on meanwhile embeds them again."""
    for shard in some:
        merging.remove(kept.folder, shard.name)
    rest = {path.name for path in kept.folder.iterdir()}
    if rest <= {ABOUT}:
        (kept.folder / ABOUT).unlink(missing_ok=True)
        try:
            kept.folder.rmdir()
        except OSError:  # somebody stores something in it again
            return


def _by_link(cache: Path, folder: Path) -> bool:
    return folder.is_symlink() or folder.parent.is_symlink()


def _halves(folder: Path) -> list[Shard]:
    """Vectors whose .parquet never came, since their process was killed: no images, and never used, so they go first."""
    found = []
    for path in sorted(folder.glob("*.npy")):
        if not _NEW.fullmatch(path.stem) or path.is_symlink() or path.with_suffix(".parquet").exists():
            continue
        with suppress(FileNotFoundError):  # removed meanwhile
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
        except FileNotFoundError:  # removed meanwhile
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
    """Whose store it is, "" if that is not said; None for one that this version does not read."""
    try:
        said = json.loads((folder / ABOUT).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError):
        return ""  # damaged: written again when the store is next opened
    return str(said.get("about", "")) if isinstance(said, dict) and said.get("schema") == FORMAT else None
