"""MongoDB is killed while the App's data set is written: one line says so, and the same command then writes it all."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pymongo
import pytest
from app_kit import needs_database, own_mongod

pytestmark = [pytest.mark.slow, needs_database]
BUNNIES = "sample_data/bunnies/train"


def browse(folder, uri):
    environment = {**os.environ, "FIFTYONE_DATABASE_URI": uri, "FIFTYONE_DATABASE_NAME": "dies"}
    return subprocess.Popen(
        [sys.executable, "-m", "curator", "browse", str(folder / "data"), "--no-wait", "--model", "pixels",
         "--cache", str(folder / "cache"), "--out", str(folder / "out"), "-q"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_database_that_dies_is_one_line(tmp_path, request):
    for name in ("bunny", "hen"):
        source = request.config.rootpath / BUNNIES / name
        (tmp_path / "data" / name).mkdir(parents=True)
        for path in sorted(source.iterdir())[:15]:
            shutil.copyfile(path, tmp_path / "data" / name / path.name)
    with own_mongod(tmp_path / "mongo") as uri, pymongo.MongoClient(uri) as client:
        process = browse(tmp_path, uri)
        while process.poll() is None and not client["dies"]["datasets"].count_documents({}):
            time.sleep(0.02)
        assert process.poll() is None, process.communicate()
        os.kill(client.admin.command("serverStatus")["pid"], signal.SIGKILL)
        _, said = process.communicate(timeout=240)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if line.startswith("Error:")] == [
        "Error: the MongoDB of the App stopped answering; start it and run the command again."
    ]
    with own_mongod(tmp_path / "mongo") as uri, pymongo.MongoClient(uri) as client:
        process = browse(tmp_path, uri)
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said
        names = [d["name"] for d in client["dies"]["datasets"].find()]
        assert names == ["curator-data"]
        collection = client["dies"]["datasets"].find_one()["sample_collection_name"]
        assert client["dies"][collection].count_documents({}) == 30
