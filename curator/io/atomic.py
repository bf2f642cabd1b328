"""Writes files completely or not at all, and removes unfinished files of killed processes.

A file is written under a temporary name beside its place and moved there when it is complete. The temporary name contains the
writing process, so that a later run can remove the files of dead processes without touching those of running ones.
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
"""Unfinished files of another machine, whose processes cannot be checked, are removed at this age."""
_UNFINISHED = re.compile(r"\.curator-(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.part")


def unfinished(suffix: str = "") -> str:
    """A temporary name for an unfinished file or folder of this process; it ends with `suffix`."""
    return f".curator-{_host()}-{os.getpid()}-{secrets.token_hex(4)}.part{suffix}"


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], object], *, sync: bool = False) -> None:
    """Let `write` fill a temporary file and move it to `path`, so that a reader never sees half of it. Makes the folder.

    `sync` waits until the data is on the disk, for files that must survive a power failure. Unfinished files of dead
    processes in the folder are removed.

    Raises: OSError if writing fails; then no temporary file is left, and the file at `path` is unchanged.
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
    """Remove the unfinished files and folders in `folder` whose process no longer exists."""
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
            except OSError:  # another process removed it first, or this process may not
                continue


def _is_abandoned(path: Path) -> bool:
    match = _UNFINISHED.match(path.name)
    if match is None:
        return False
    if match["host"] == _host() and os.name == "posix":  # on Windows os.kill would end the process
        try:
            os.kill(int(match["pid"]), 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            pass  # another user's process, and alive
        return False
    try:
        return time.time() - path.stat().st_mtime > STALE_SECONDS
    except OSError:
        return False


@functools.cache
def _host() -> str:
    """Eight letters that identify a set of process numbers: this machine since it was started, and this container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
