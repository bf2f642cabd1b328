"""Files that are there whole or not at all, and what a killed process left of those it did not finish.

A file is written under another name beside its place and moved there when it is done. The other name says who writes it, so
that a later run removes what a dead process left, and never what a living one is about to finish.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

STALE_SECONDS = 3600.0
"""Leftovers of another machine, whose processes cannot be asked after, are removed at this age."""
_UNFINISHED = re.compile(r"\.curator-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.part")


def unfinished(suffix: str = "") -> str:
    """A name for a file or folder of this process that is not done; it ends with `suffix`."""
    return f".curator-{_host()}-{os.getpid()}-{secrets.token_hex(4)}.part{suffix}"


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], object], *, sync: bool = False) -> None:
    """Have `write` fill a temporary file and move it to `path`; a reader never sees half of it. Makes the folder.

    `sync` waits until the disk has it, for what a power cut must not lose. What dead processes left beside it goes.

    Raises: OSError when the disk refuses; nothing is left then, and what was at `path` is as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(unfinished(path.suffix))
    try:
        write(part)
        if sync:
            with open(part, "rb") as file:
                os.fsync(file.fileno())
        os.replace(part, path)
    finally:  # also on Ctrl-C
        part.unlink(missing_ok=True)
    sweep(path.parent)


def sweep(folder: Path) -> None:
    """Remove the unfinished files and folders in `folder` whose process is gone."""
    try:
        names = [name for name in os.listdir(folder) if _UNFINISHED.match(name)]
    except OSError:
        return
    for name in names:
        if _is_abandoned(folder / name):
            try:
                (folder / name).unlink()
            except IsADirectoryError:
                shutil.rmtree(folder / name, ignore_errors=True)
            except OSError:  # another process was quicker, or it is not ours to remove
                continue


def _is_abandoned(path: Path) -> bool:
    match = _UNFINISHED.match(path.name)
    if match is None:
        return False
    if match["host"] == _host() and os.name == "posix":  # elsewhere os.kill ends what it asks after
        try:
            os.kill(int(match["pid"]), 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            pass  # somebody else's, and alive
        return False
    try:
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    except OSError:
        return False


@functools.cache
def _host() -> str:
    """Eight letters for whom process numbers mean the same: this machine since it was started, this container."""
    told = [socket.gethostname()]
    with contextlib.suppress(OSError):
        told.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with contextlib.suppress(OSError):
        told.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256(repr(told).encode()).hexdigest()[:8]
