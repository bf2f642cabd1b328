"""Images and tables that lie elsewhere: any file system that fsspec knows, by URL (s3://, gs://, memory://, ...).

Nothing is fetched that the user has not named: rows of a table with a URL of their own are refused (`curator.readers.table`).
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from curator.errors import DataError, InputError, MissingExtraError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CHAIN = "::"
"""What fsspec takes for one file system behind another. A file's name must not lead anywhere else."""
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def is_url(path: str) -> bool:
    """Whether this names something on another file system.

    >>> is_url("s3://bucket/photos"), is_url("photos/a:b.jpg")
    (True, False)
    """
    return _URL.match(path) is not None


def read(url: str, most: int) -> bytes:
    """The first `most` bytes of a file.

    Raises: DataError with a short reason, for whatever is wrong with the file or the way to it; nothing else.
    """
    if _CHAIN in url:
        raise DataError(f"a name with {_CHAIN} cannot be read from a remote file system")
    try:
        fs, path = _open(url)
        content: bytes = fs.cat_file(path, start=0, end=most)
    except FileNotFoundError:
        raise DataError("no such file") from None
    except PermissionError:
        raise DataError("no permission to read") from None
    except Exception as error:
        # The libraries behind fsspec have errors of their own; one bad image must never stop a run.
        raise DataError(f"cannot be read ({' '.join(str(error).split())[:120] or type(error).__name__})") from None
    return content


def stamp(url: str) -> str:
    """What changes when the file does, without reading it: its ETag, time and size; "" where that cannot be had."""
    try:
        fs, path = _open(url)
        info = fs.info(path)
    except Exception:
        return ""
    told = [info.get(k) for k in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")]
    return repr((told, info.get("size"))) if any(told) else ""


def is_folder(url: str) -> bool:
    """Whether there are files below this URL.

    Raises:
        InputError: nothing is there, or it cannot be reached.
        MissingExtraError: the library for this kind of URL is not installed.
    """
    fs, path = at(url)
    try:
        if fs.isdir(path):
            return True
        if fs.exists(path):
            return False
    except Exception as error:
        raise _unreachable(url, error) from None
    raise InputError(f"nothing is at {url}. Give a folder of class folders, or a .csv, .parquet or .jsonl table.")


def files(url: str) -> list[str]:
    """The paths of all files below the folder at `url`, relative to it, sorted. What lies there is listed, not read.

    Raises: InputError if it cannot be listed.
    """
    fs, path = at(url)
    try:
        found = fs.find(path)
    except Exception as error:
        raise _unreachable(url, error) from None
    root = path.rstrip("/") + "/"
    return sorted(name[len(root) :] for name in found if name.startswith(root))


def at(url: str) -> tuple[Any, str]:
    """The file system and the path on it.

    Raises: InputError for a URL that no file system takes; MissingExtraError for one whose library is not installed.
    """
    scheme = url.partition("://")[0].lower()
    if _CHAIN in url:
        raise InputError(f"{url} names one file system behind another; give a plain URL.")
    try:
        return _open(url)
    except ImportError:
        package = _PACKAGES.get(scheme, f"the fsspec package for {scheme}")
        raise MissingExtraError(
            f"{scheme}:// needs {package}, which is not installed: pip install {package}."
        ) from None
    except ValueError as error:
        raise InputError(f"{url} cannot be read ({error}). Give a folder, or a URL that fsspec knows.") from None
    except Exception as error:
        raise _unreachable(url, error) from None


def below(root: str, raw: str) -> tuple[str, str]:
    """(id, reason) of a table's path, for a table in the folder at `root`; the reason is "" if it may be read.

    Whether the file is there shows when it is read: to ask first costs as much.

    >>> below("s3://b/photos", "cat/../dog/1.jpg"), below("s3://b/photos", "s3://b/photos/cat/1.jpg")[0]
    (('dog/1.jpg', ''), 'cat/1.jpg')
    >>> below("s3://b/photos", "../1.jpg")[1]
    "outside the table's folder"
    """
    way = raw.strip().replace("\\", "/")
    inside = root.rstrip("/") + "/"
    if is_url(way) and not way.startswith(inside):
        return raw, "a URL outside the table's folder"
    id = posixpath.normpath(way.removeprefix(inside))
    if id.startswith(("/", "../")) or id == "..":
        return raw, "outside the table's folder"
    if _CHAIN in id or "\0" in id:
        return raw, "not a valid path"
    return id, ""


def _open(url: str) -> tuple[Any, str]:
    import fsspec  # a tenth of a second, which local data need not pay

    fs, path = fsspec.core.url_to_fs(url)
    return fs, str(path)


def _unreachable(url: str, error: Exception) -> InputError:
    why = " ".join(str(error).split())[:160] or type(error).__name__
    return InputError(f"{url} cannot be reached ({why}). Check the address, your credentials and the network.")
