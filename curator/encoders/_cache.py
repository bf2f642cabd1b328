"""Files of the cache: there whole, or not there."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger("curator")


def write_whole(path: Path, write: Callable[[str], object]) -> None:
    """Have `write` fill a temporary file beside `path` and put it in place. Raises OSError when the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=f".part{path.suffix}")
    os.close(handle)
    try:
        write(name)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def try_to_write(path: Path, write: Callable[[str], object]) -> None:
    """`write_whole`, but a cache that cannot be written costs the next run time and never stops this one."""
    try:
        write_whole(path, write)
    except OSError as error:
        log.warning("%s cannot be written (%s); the next run will do this work again.", path, error)
