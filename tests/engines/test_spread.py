"""Pieces worked out on a real cluster of two nodes: each once in what comes back, in order, whoever dies."""

import os
import signal
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from changed import replace

from curator.commands import audit
from curator.commands._steps import sampled_counts
from curator.commands.session import Session
from curator.config import AuditSettings, Settings
from curator.engines import spread
from curator.engines.clusters import Cluster
from curator.errors import CuratorError, DataError
from curator.report.json import audit_document, dumps

pytest.importorskip("ray", reason="Ray is not installed: pip install 'curator-audit[ray]'")
pytestmark = pytest.mark.slow


DEADLY = 666


@dataclass
class Squares:
    """Squares numbers, slowly where told to; says in `folder` who did it."""

    folder: str
    seconds: float = 0.0

    def __call__(self, k: int) -> int:
        time.sleep(self.seconds)
        if k < 0:
            raise DataError(f"{k} is below 0")
        if k == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        with open(os.path.join(self.folder, f"{k}"), "a") as file:
            file.write(f"{os.getpid()}\n")
        return k * k


def test_what_comes_back_is_in_order_and_of_both_nodes(two_nodes, tmp_path):
    asked = []

    def pieces():
        for k in range(20):
            asked.append(k)
            yield k

    with closing(spread.each(Squares(str(tmp_path)), pieces(), Cluster(two_nodes[0]))) as came:
        assert next(came) == 0
        assert len(asked) <= 5  # two for each of two workers and one in hand: the others are made when there is room
        assert list(came) == [k * k for k in range(1, 20)]
    assert len({file.read_text() for file in tmp_path.iterdir()}) == 2


def test_a_worker_that_is_killed_costs_no_piece(two_nodes, tmp_path):
    # Closed whatever happens: workers that are left would hold the only processors.
    with closing(spread.each(Squares(str(tmp_path), 0.3), range(16), Cluster(two_nodes[0]))) as came:
        out = [next(came), next(came)]
        os.kill(int((tmp_path / "0").read_text()), signal.SIGKILL)
        out += came
    assert out == [k * k for k in range(16)]
    who = {line for file in tmp_path.iterdir() for line in file.read_text().split()}
    assert len(who) == 3  # two, and the one that took the place of the dead


def test_a_piece_that_kills_its_workers_is_one_line(two_nodes, tmp_path):
    with pytest.raises(CuratorError, match="piece 1 ended 4 workers of the Ray cluster") as error:
        list(spread.each(Squares(str(tmp_path)), [1, DEADLY, 2], Cluster(two_nodes[0])))
    assert "\n" not in str(error.value)


def test_what_a_worker_raises_is_raised_here(two_nodes, tmp_path):
    with pytest.raises(DataError, match="-1 is below 0"):
        list(spread.each(Squares(str(tmp_path)), [1, -1, 2], Cluster(two_nodes[0])))


def test_without_a_cluster_it_is_one_line():
    with pytest.raises(CuratorError, match="no Ray cluster answers"):
        list(spread.each(Squares("."), [1], Cluster("127.0.0.1:1")))


def test_a_sample_counted_on_the_cluster_is_the_audit_counted_here(two_nodes, tmp_path, monkeypatch):
    """With visual words, whose vocabulary each worker learns anew from the sample."""
    monkeypatch.setattr(sampled_counts, "PIECE", 70)
    folder = Path(__file__).parents[2] / "sample_data" / "bunnies" / "train"
    settings = Settings(audit=AuditSettings(sample=100, n_permutations=2, n_edited=0))

    def session(name: str, **more) -> Session:
        opened = Session.open("embedded", cache=tmp_path / name, device="cpu", settings=settings)
        return replace(opened, **more)

    here = audit(folder, session("here"))
    there = audit(folder, session("there", engine="ray", ray_address=two_nodes[0]))
    assert here.whole.n_images == 240
    assert any(f.attribute.startswith("words.") or any("words." in s for s in f.same_as) for f in here.findings)
    assert dumps(audit_document(here)) == dumps(audit_document(there))
