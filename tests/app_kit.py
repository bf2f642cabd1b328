"""A small audit built by hand and a MongoDB of its own, for the tests that need the App."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

from curator.errors import MissingExtraError
from curator.io.fiftyone import load_fiftyone
from curator.io.mongodb import find_database
from curator.report import wording
from curator.types import (
    Audit,
    AuditRun,
    Cell,
    Clusters,
    Column,
    Dataset,
    DuplicateGroup,
    Embeddings,
    EncoderInfo,
    Finding,
    LabelError,
    Measures,
    Preprocessing,
    Recommendation,
)

try:
    find_database()
    NO_DATABASE = ""
except MissingExtraError as error:
    NO_DATABASE = str(error)
needs_database = pytest.mark.skipif(bool(NO_DATABASE), reason=NO_DATABASE or "a MongoDB is here")

COLUMNS = (
    Column("background.colour", "tags", "context", "have a {value} background", "on something other than {value}"),
    Column("light.brightness", "number", "image", "have brightness {value}", "with brightness not {value}", "0..1"),
    Column("exif.present", "flag", "file", "carry EXIF data|carry no EXIF data", "of the other kind"),
    Column("exif.camera", "category", "file", "were taken with a {value}", "taken with something other than a {value}"),
)
COLOURS = {"green": (60, 150, 60), "white": (235, 235, 240), "brown": (120, 80, 40)}
CLASS_COLOURS = {"bunny": (150, 110, 90), "hen": (200, 60, 30)}


_ENDS_WITH_US = """
import subprocess, sys
with subprocess.Popen(sys.argv[1:]) as mongod:
    sys.stdin.read()  # ends when the tests do, however they do
    mongod.terminate()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def own_mongod(folder: Path) -> Iterator[str]:
    """A mongod of the test's own, so that no user's database is ever asked; yields its URI."""
    folder.mkdir(parents=True, exist_ok=True)
    mongod, port = find_database().where, free_port()
    flags = ["--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    server = subprocess.Popen(
        [sys.executable, "-c", _ENDS_WITH_US, mongod, *flags, "--logpath", str(folder / "log")],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            raise AssertionError((folder / "log").read_text()[-2000:])
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        assert server.stdin is not None
        server.stdin.close()
        server.wait(30)


def use_database(uri: str, name: str) -> None:
    """Point FiftyOne of this process at a database, whether or not it was imported before."""
    os.environ |= {"FIFTYONE_DATABASE_URI": uri, "FIFTYONE_DATABASE_NAME": name, "FIFTYONE_DO_NOT_TRACK": "true"}
    if "fiftyone" in sys.modules:
        import fiftyone as fo
        from fiftyone.core.odm import database

        database._disconnect()
        database._connection_kwargs.clear()
        _forget_collections()
        fo.config.database_uri, fo.config.database_name = uri, name


@contextmanager
def own_fiftyone(folder: Path, name: str) -> Iterator[Any]:
    """FiftyOne on a MongoDB and a plugins folder of the tests' own; the environment is as before afterwards."""
    before = dict(os.environ)
    with own_mongod(folder / "mongo") as uri:
        use_database(uri, name)
        fiftyone = load_fiftyone()
        old, fiftyone.config.plugins_dir = fiftyone.config.plugins_dir, str(folder / "plugins")
        try:
            yield fiftyone
        finally:
            fiftyone.config.plugins_dir = old
            from fiftyone.core.odm import database

            database._disconnect()
            os.environ.clear()
            os.environ.update(before)


def _forget_collections() -> None:
    """FiftyOne's documents (saved views, workspaces) and repositories keep collections of a client that is closed."""
    from mongoengine import Document

    known = [Document]
    while known:
        document = known.pop()
        known += document.__subclasses__()
        if document.__dict__.get("_collection") is not None:
            document._collection = None
    from fiftyone.factory import repo_factory

    repo_factory.RepositoryFactory.repos.clear()
    repo_factory._db = None


def _picture(path: Path, label: str, colour: str, size: int = 96) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (size, size), COLOURS[colour])
    at = int.from_bytes(path.name.encode(), "big") % 30 + size // 5
    ImageDraw.Draw(image).ellipse((at, at, at + size // 3, at + size // 3), fill=CLASS_COLOURS[label])
    image.save(path, quality=85)


def paint(path: Path, label: str, colour: str, seed: int) -> None:
    """A disc of the class's colour on a mottled ground: no two look alike, or they would be taken for duplicates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    mottle = np.kron(rng.normal(0, 25, (8, 8, 1)), np.ones((12, 12, 1)))
    ground = np.array(COLOURS[colour]) + mottle + rng.normal(0, 8, (96, 96, 3))
    image = Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))
    x, y = rng.integers(15, 50, 2).tolist()
    ImageDraw.Draw(image).ellipse((x, y, x + 30, y + 30), fill=CLASS_COLOURS[label])
    image.save(path)


def _dataset(root: Path, name: str, rows: list[tuple[str, str]], labelled: bool) -> tuple[Dataset, Measures]:
    ids, colours, labels = [], [], []
    for i, (label, colour) in enumerate(rows):
        id = f"{label}/{colour} {i:03d}.jpg" if labelled else f"{label}-{colour}-{i:03d}.jpg"
        _picture(root / id, label, colour)
        ids.append(id)
        colours.append(colour)
        labels.append(label)
    classes = ("bunny", "hen")
    n = len(ids)
    frame = pd.DataFrame(
        {
            "background.colour": colours,
            "light.brightness": [None if i == 1 else i / n for i in range(n)],
            "exif.present": [i % 2 == 0 for i in range(n)],
            "exif.camera": [None] * (n - 1) + ["a camera"],
        },
        index=ids,
    )
    dataset = Dataset(
        name=name,
        root=str(root),
        ids=np.array(ids),
        labels=np.array([classes.index(label) if labelled else -1 for label in labels]),
        classes=classes,
        splits=np.array(["train" if i % 4 else "test" for i in range(n)] if labelled else [""] * n),
        metadata=pd.DataFrame(index=ids),
    )
    return dataset, Measures(frame, COLUMNS)


def make_run(folder: Path, n_per_class: int = 12) -> AuditRun:
    """An audit of bunnies on green and hens that are not: 3 of 4 bunnies have the value, 1 of 6 hens. One finding has a
    number, one a flag; one pair of duplicates is a leak; one label is doubted."""
    rows = [("bunny", "green" if i % 4 else "white") for i in range(n_per_class)]
    rows += [("hen", "brown" if i % 6 else "green") for i in range(n_per_class)]
    dataset, measures = _dataset(folder / "data", "small", rows, labelled=True)
    vectors = np.random.default_rng(0).normal(size=(len(dataset), 16)).astype(np.float32)
    vectors[:n_per_class, 0] += 4
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    encoder = EncoderInfo("pixels", "pixels", 16, False, "sha256:0", Preprocessing(16, 16))
    ids = dataset.ids.tolist()

    def finding(class_name: str, attribute: str, value: str) -> Finding:
        made = Finding(
            class_name=class_name, attribute=attribute, value=value, kind=measures.column(attribute).kind,
            n_class=n_per_class, n_with=n_per_class * 3 // 4, share_in_class=0.75, share_in_class_ci=(0.5, 0.9),
            share_elsewhere=0.17, share_elsewhere_ci=(0.05, 0.4), effect=0.58, effect_ci=(0.3, 0.8), p=0.001, q=0.01,
            severity="high", phrase=f"have {value}",
        )  # fmt: skip
        return wording.worded((made,))[0]

    twins = DuplicateGroup("perceptual", (ids[0], ids[1]))
    return AuditRun(
        dataset=dataset,
        encoder=encoder,
        embeddings=Embeddings(dataset.ids, vectors, encoder),
        measures=measures,
        clusters=Clusters(
            np.array([0] * n_per_class + [1] * (n_per_class - 1) + [-1]),
            np.eye(2, 16, dtype=np.float32),
            ("lawn", "yard"),
        ),
        duplicates=(twins,),
        leaks=(twins,),
        label_errors=(LabelError(ids[-1], "hen", "bunny", 0.9),),
        audit=Audit(
            (
                finding("bunny", "background.colour", "green"),
                finding("hen", "light.brightness", "0.6 or above"),
                finding("bunny", "exif.present", "yes"),
            ),
            "shortcuts found",
            0.1,
            9,
        ),
        settings={},
        seed=0,
        versions={},
        fingerprint="sha256:1",
        n_new=len(dataset),
        seconds=1.0,
    )


def make_pool(folder: Path) -> tuple[Dataset, Measures, Recommendation]:
    """Six unlabelled images, of which two white bunnies are recommended, the second in the list first."""
    rows = [
        ("bunny", "white"),
        ("bunny", "white"),
        ("bunny", "green"),
        ("hen", "brown"),
        ("hen", "green"),
        ("hen", "white"),
    ]
    pool, measures = _dataset(folder / "pool", "pool", rows, labelled=False)
    chosen = (str(pool.ids[1]), str(pool.ids[0]))
    recommendation = Recommendation(
        ids=chosen,
        labels=("bunny", "bunny"),
        label_sources=("predicted", "predicted"),
        cells=(0, 0),
        reasons=("bunny on something other than green",) * 2,
        plan=(Cell("bunny", "background.colour", "green", False, 3, 8, 2),),
        shopping_list=("3 bunny images on something other than green",),
    )
    return pool, measures, recommendation
