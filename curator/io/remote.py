"""Reads images and tables from any file system that fsspec supports, by URL (s3://, gs://, memory://, ...).

Only what the user has named is fetched: rows of a table with a URL of their own are refused (`curator.readers.table`).
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from curator.errors import DataError, InputError, MissingExtraError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_CHAIN = "::"
"""fsspec's separator for chained file systems. A file name with it is refused, because it could lead elsewhere."""
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}


def is_url(path: str) -> bool:
    """Whether the path is on another file system.

    >>> is_url("s3://bucket/photos"), is_url("photos/a:b.jpg")
    (True, False)
    """
    return _URL.match(path) is not None


def read(url: str, most: int) -> bytes:
    """The first `most` bytes of a file.

    Raises: DataError with a short reason for any fault of the file or the connection, and no other error.
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
        # The libraries behind fsspec raise their own errors, and one bad image must not stop a run.
        raise DataError(f"cannot be read ({' '.join(str(error).split())[:120] or type(error).__name__})") from None
    return content


def stamp(url: str) -> str:
    """A text that changes when the file does, without reading it: its ETag, time and size; "" if these are unknown."""
    try:
        fs, path = _open(url)
        info = fs.info(path)
    except Exception:
        return ""
    version = [info.get(k) for k in ("ETag", "etag", "md5Hash", "mtime", "LastModified", "updated", "created")]
    return repr((version, info.get("size"))) if any(version) else ""


def is_folder(url: str) -> bool:
    """Whether there are files below this URL.

    Raises:
        InputError: the URL does not exist or cannot be reached.
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
    raise InputError(
        f"nothing was found at {url}; give a folder of class folders, or a .csv, .parquet or .jsonl table."
    )


def files(url: str) -> list[str]:
    """The paths of all files below the folder at `url`, relative to it, sorted. The files are only listed, not read.

    Raises: InputError if the folder cannot be listed.
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

    Raises: InputError if no file system supports the URL; MissingExtraError if its library is not installed.
    """
    scheme = url.partition("://")[0].lower()
    if _CHAIN in url:
        raise InputError(f"{url} chains two file systems; give a plain URL.")
    try:
        return _open(url)
    except ImportError:
        package = _PACKAGES.get(scheme, f"the fsspec package for {scheme}")
        raise MissingExtraError(
            f"{scheme}:// needs {package}, which is not installed; run `pip install {package}`."
        ) from None
    except ValueError as error:
        raise InputError(f"{url} cannot be read ({error}); give a folder, or a URL that fsspec supports.") from None
    except Exception as error:
        raise _unreachable(url, error) from None


def below(root: str, raw: str) -> tuple[str, str]:
    """(id, reason) of a path in a table, for a table in the folder at `root`. The reason is "" if the path may be read.

    Whether the file exists is not checked, because checking costs as much as reading.

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
    import fsspec  # imported here because it takes a tenth of a second, which local data does not need

    fs, path = fsspec.core.url_to_fs(url)
    return fs, str(path)


def _unreachable(url: str, error: Exception) -> InputError:
    why = " ".join(str(error).split())[:160] or type(error).__name__
    return InputError(f"{url} cannot be reached ({why}); check the address, your credentials and the network.")
