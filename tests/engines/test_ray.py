"""The Ray engine on a real cluster of two nodes: the bits of the local engine, and each picture once, whoever dies."""

import importlib
import json
import os
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from shutil import rmtree

import numpy as np
import pandas as pd
import psutil
import pytest
from changed import replace
from click.testing import CliRunner
from PIL import Image
from ray_kit import Together, together, workers

from curator import attributes
from curator.cli.main import cli
from curator.commands.session import Crew, Session
from curator.engines import local
from curator.engines import ray as engine
from curator.errors import CuratorError, DataError
from curator.io.store.store import Store
from curator.readers import scan

pytest.importorskip("ray", reason="Ray is not installed: pip install 'curator-audit[ray]'")
pytestmark = pytest.mark.slow


N = 150
BATCH = 8


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pictures of which some are the same, some cannot be read and one is gone when it is to be embedded."""
    folder = tmp_path_factory.mktemp("world") / "data"
    for k in range(N):
        rng = np.random.default_rng(k)
        pixels = np.full((60, 80, 3), rng.integers(0, 256, 3)) + rng.normal(0, 20, (60, 80, 3))
        path = folder / f"class {k % 3}" / f"{k:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    whole = (folder / "class 0" / "000.png").read_bytes()
    (folder / "class 1" / "copy.png").write_bytes(whole)
    (folder / "class 2" / "cut.png").write_bytes(whole[:900])
    (folder / "class 2" / "empty.png").touch()
    return folder


def some(data):
    """Some twenty of them, the copy and one that cannot be read among them."""
    dataset = scan(str(data))
    these = np.isin(dataset.ids, ["class 0/000.png", "class 1/copy.png", "class 2/cut.png"])
    return dataset.take(these | (np.arange(len(dataset)) % 9 == 0))


class Counting(Store):
    """A store that knows how often each key was put in."""

    def append(self, keys, vectors, rows):
        self.times = getattr(self, "times", {})
        for key in keys:
            self.times[key] = self.times.get(key, 0) + 1
        super().append(keys, vectors, rows)


class World:
    """One encoder's stores in a folder of their own."""

    def __init__(self, folder: Path, model: str) -> None:
        self.crew = Crew(model, folder / "models", "cpu", "auto")
        self.encoder, self.eye = self.crew()
        self.folder = folder

    def store(self, name: str, kind: type[Store] = Store) -> dict:
        sight = local.Sight(self.eye, Store(self.folder / f"{name} seen", np.uint8)) if self.eye else None
        return {"store": kind(self.folder / name), "sight": sight}

    def local(self, dataset, name: str = "local", **more):
        kept = self.store(name)
        return local.run(dataset, self.encoder, attributes.measure, batch_size=BATCH, **kept, **more)

    def ray(self, dataset, address: str, name: str = "ray", **more):
        kept = more.pop("kept", None) or self.store(name)
        return engine.run(
            dataset, self.encoder.info, self.crew, attributes.measure, batch_size=BATCH,
            cluster=engine.Cluster(address), **kept, **more,
        )  # fmt: skip


def same(a, b) -> None:
    assert a.dataset.ids.tolist() == b.dataset.ids.tolist()
    assert a.dataset.skipped == b.dataset.skipped
    assert np.array_equal(a.embeddings.vectors, b.embeddings.vectors)
    pd.testing.assert_frame_equal(a.rows, b.rows)
    pd.testing.assert_frame_equal(a.facts, b.facts)
    if a.patches is not None:
        assert np.array_equal(a.embeddings.surround, b.embeddings.surround)
        for part in ("features", "foreground", "colour", "texture"):
            assert np.array_equal(getattr(a.patches, part), getattr(b.patches, part)), part


def test_the_bits_are_those_of_the_local_engine_and_a_second_run_embeds_nothing(two_nodes, data, tmp_path):
    dataset = some(data)
    told: list[tuple[int, int]] = []
    open_ = partial(Session.open, "embedded", cache=tmp_path, device="cpu", max_skipped=0.5)
    session = open_(engine="ray", ray_address=two_nodes[0], progress=lambda _, *t: told.append(t))
    there = session.embed(dataset)
    assert told[-1] == (len(dataset), len(dataset))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    again = session.fill(dataset)
    assert (again.n_new, again.dataset.ids.tolist()) == (0, there.dataset.ids.tolist())
    assert again.dataset.skipped == there.dataset.skipped
    for kept in ("store", "patches"):
        rmtree(tmp_path / kept)
    here = open_().embed(dataset)
    assert there.n_new == here.n_new == len(here.dataset) - 1 > 15
    same(here, there)


def test_the_batches_are_those_of_the_local_engine_however_much_is_handed_out_at_once(
    two_nodes, data, tmp_path, monkeypatch
):
    dataset = some(data)
    open_ = partial(Session, Together(), max_skipped=0.5)
    monkeypatch.setattr(engine, "WINDOW", 5)  # ten at once: two batches and a part
    there = open_(tmp_path / "there", engine="ray", ray_address=two_nodes[0], crew=together).embed(dataset)
    here = open_(tmp_path / "here").embed(dataset)
    assert there.n_new == here.n_new == len(here.dataset) - 1 > 15
    same(here, there)


def test_a_worker_that_is_killed_costs_nothing_and_doubles_nothing(two_nodes, data, tmp_path):
    address, nodes = two_nodes
    world = World(tmp_path, "pixels")
    dataset = scan(str(data))
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if len(killed) < 2:
            for process in workers(nodes, "_Encode")[:1] + workers(nodes, "_Decode")[:1]:
                process.kill()
                killed.append(process.pid)

    kept = world.store("ray", Counting)
    there = world.ray(dataset, address, kept=kept, on_progress=kill)
    assert len(killed) >= 2
    assert not any(psutil.pid_exists(pid) for pid in killed)
    assert there.n_new == N
    assert set(kept["store"].times.values()) == {1}
    assert len(kept["store"].times) == N
    same(world.local(dataset), there)


def test_what_a_worker_cannot_do_is_said_here(two_nodes, data, tmp_path):
    world = World(tmp_path, "pixels")
    dataset = scan(str(data)).take(np.arange(10))
    other = replace(world.encoder.info, fingerprint="sha256:00")
    with pytest.raises(CuratorError, match="a worker has another pixels"):
        engine.run(
            dataset, other, world.crew, attributes.measure, Store(tmp_path / "s"), cluster=engine.Cluster(two_nodes[0])
        )
    gone = replace(dataset, root=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="none of the 10 images"):
        world.ray(gone, two_nodes[0])
    with pytest.raises(TypeError, match="'Photo' has no len"):
        engine.run(
            dataset, world.encoder.info, world.crew, len, Store(tmp_path / "t"), cluster=engine.Cluster(two_nodes[0])
        )


def test_machines_without_what_is_needed_are_told_of_in_one_line(two_nodes, data, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("from ray_kit import together\ndef make(): return together()\n")
    monkeypatch.syspath_prepend(tmp_path)
    make = importlib.import_module("only_here").make
    with pytest.raises(CuratorError, match=r"No module named 'only_here'.* on every machine") as error:
        engine.run(
            scan(str(data)).take([0]), Together().info, make, attributes.measure, Store(tmp_path / "s"),
            cluster=engine.Cluster(two_nodes[0]),
        )  # fmt: skip
    assert "\n" not in str(error.value)


def test_the_command_takes_a_cluster_and_its_address_only_together(two_nodes, data, tmp_path):
    words = ["embed", str(data), "--model", "pixels", "--cache", str(tmp_path), "--ray-address", two_nodes[0], "--json"]
    done = CliRunner().invoke(cli, words)
    assert (done.exit_code, "--ray-address needs --engine ray" in done.output) == (2, True)
    done = CliRunner().invoke(cli, [*words, "--engine", "ray"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["n_images"], said["n_new"], len(said["skipped"])) == (N + 1, N, 2)
    again = CliRunner().invoke(cli, [*words[:6], "--json"])  # and this machine alone goes on from there
    assert json.loads(again.stdout)["n_new"] == 0


def test_a_cluster_that_is_not_there_is_an_error_of_one_line(data, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(CuratorError, match="no Ray cluster answers at") as error:
        World(tmp_path, "pixels").ray(scan(str(data)).take([0]), address)
    assert "\n" not in str(error.value)


ALONE = """
import sys
from contextlib import suppress
from pathlib import Path
import psutil
from curator import attributes
from curator.engines import ray as engine
from curator.readers import scan
from curator.io.store.store import Store
from curator.commands.session import Crew

open_ = set()

def look(done, total):
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with suppress(psutil.Error):  # one ended while they were listed
            open_.update(c.laddr.ip.removeprefix("::ffff:") for c in process.net_connections() if c.status == "LISTEN")

where = Path(sys.argv[2])
crew = Crew("pixels", where / "models", "cpu", "auto")
dataset = scan(sys.argv[1]).take(range(6))
out = engine.run(dataset, crew()[0].info, crew, attributes.measure, Store(where / "store"), on_progress=look)
print(out.n_new, *open_)
"""


def test_a_cluster_of_this_machine_listens_on_loopback_leaves_no_token_and_says_nothing(data, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    env |= {"HOME": str(home), "RAY_worker_niceness": "0"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(data), str(tmp_path)], env=env, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["6", "127.0.0.1"]
    assert not [path for path in home.rglob("*") if "token" in path.name]
    assert len(done.stderr.splitlines()) <= 1, done.stderr  # Ray says once that it has been told to say nothing
