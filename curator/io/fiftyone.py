"""Connects to FiftyOne: finds a database that answers, and keeps FiftyOne quiet and private."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Any

from curator.errors import CuratorError, MissingExtraError
from curator.io.mongodb import Database, find_database

_CONNECT_TIMEOUT_MS = 5000


def load_fiftyone() -> Any:
    """The `fiftyone` module, connected to a MongoDB that answers, with usage tracking off and its messages suppressed.

    Raises:
        MissingExtraError: FiftyOne or MongoDB is missing, or MongoDB does not answer.
    """
    if find_spec("fiftyone") is None:
        raise MissingExtraError("FiftyOne is not installed; run `pip install fiftyone`.")
    database = find_database()
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    if "fiftyone" not in sys.modules:
        os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")  # FiftyOne writes to stdout, which is for the result
    import fiftyone as fo

    fo.config.do_not_track = True
    try:
        _connect(fo, database)
    except CuratorError:
        raise
    except Exception as error:  # pymongo, psutil, FiftyOne and the OS each raise their own errors
        lines = str(error).strip().splitlines()
        log = os.path.join(fo.config.database_dir or "", "log", "mongo.log")
        where = "FIFTYONE_DATABASE_URI" if database.source == "uri" else f"{database.where} (its log: {log})"
        raise MissingExtraError(
            f"the MongoDB of {where} did not start or answer: {lines[0] if lines else type(error).__name__}; "
            "check it, or set FIFTYONE_DATABASE_URI."
        ) from error
    return fo


def _connect(fo: Any, database: Database) -> None:
    if database.source == "uri":
        import pymongo

        # FiftyOne would wait half a minute for a missing server.
        client: Any = pymongo.MongoClient(database.where, serverSelectionTimeoutMS=_CONNECT_TIMEOUT_MS)
        try:
            client.admin.command("ping")
        except pymongo.errors.ServerSelectionTimeoutError as error:
            raise MissingExtraError(
                "the MongoDB of FIFTYONE_DATABASE_URI does not answer; start it, or unset the variable."
            ) from error
        finally:
            client.close()
    elif database.source == "path":
        from fiftyone.core.service import DatabaseService

        # FiftyOne looks only in its own folder. The rest of its service is unchanged: one mongod per user.
        DatabaseService.find_mongod = staticmethod(lambda: database.where)
    fo.list_datasets()
