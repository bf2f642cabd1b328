"""A real Ray cluster on this machine: nodes of one processor each, on loopback, started and ended by process."""

from __future__ import annotations

import ctypes
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from curator.encoders.pixels import Pixels
from curator.types import Floats

RAY = Path(sys.executable).with_name("ray")
STORE_BYTES = 200_000_000
# Who has not the token is turned away; Ray would write one into the home folder.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
os.environ.update(TOKEN)
WAIT_SECONDS = 120


class Together(Pixels):
    """The pixels encoder, but for what its vectors tell of a batch: who was in it, and in which order."""

    batch_size = 4

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        alone = super().encode(inputs)
        return np.stack([vector + np.roll(alone.mean(0), k) for k, vector in enumerate(alone)])


def together() -> tuple[Together, None]:
    """Makes it where workers are."""
    return Together(), None


@contextmanager
def cluster(n_nodes: int, folder: Path, *, bound: bool = False) -> Iterator[tuple[str, list[psutil.Process]]]:
    """The address of a cluster, and the process of each node, all of whose processes end with it; `bound`: each runs on one
    processor of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    nodes = []
    try:
        for k in range(n_nodes):
            head = [
                "--head",
                f"--port={address.rpartition(':')[2]}",
                "--include-dashboard=false",
                f"--temp-dir={folder}",
            ]
            nodes.append(_start([f"--address={address}"] if k else head, k if bound else None))
            if not k:
                _wait(address, 1, nodes)
        _wait(address, n_nodes, nodes)
        yield address, nodes
    finally:
        for node in reversed(nodes):
            end(node)


def workers(nodes: list[psutil.Process], name: str) -> list[psutil.Process]:
    """Processes of actors whose class has this name."""
    found = []
    for node in nodes:
        for process in _below(node):
            with suppress(psutil.Error):
                if f"({name})" in " ".join(process.cmdline()):
                    found.append(process)
    return found


def end(node: psutil.Process) -> None:
    """Kill a node and every process below it."""
    for process in [*_below(node), node]:
        with suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)


def _below(node: psutil.Process) -> list[psutil.Process]:
    for _ in range(5):
        with suppress(psutil.Error):  # one ended while they were listed
            return node.children(recursive=True)
    return []


def _start(where: list[str], processor: int | None) -> psutil.Process:
    bind = [] if processor is None else ["taskset", "--cpu-list", str(sorted(os.sched_getaffinity(0))[processor])]
    process = subprocess.Popen(
        [
            *bind, str(RAY), "start", *where, "--block", "--num-cpus=1", "--num-gpus=0", "--node-ip-address=127.0.0.1",
            "--disable-usage-stats", f"--object-store-memory={STORE_BYTES}",
        ],
        env=os.environ
        | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "OMP_NUM_THREADS": "1"}
        | {"PYTHONPATH": str(Path(__file__).parent)},  # workers make encoders of this module
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_the_parent,  # also where the tests themselves are killed
    )  # fmt: skip
    return psutil.Process(process.pid)


def _end_with_the_parent() -> None:
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def _wait(address: str, n_nodes: int, nodes: list[psutil.Process]) -> None:
    import ray

    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        assert all(node.is_running() and node.status() != psutil.STATUS_ZOMBIE for node in nodes)
        with suppress(ConnectionError, RuntimeError):
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            try:
                if sum(node["Alive"] for node in ray.nodes()) == n_nodes:
                    return
            finally:
                ray.shutdown()
        time.sleep(0.5)
    raise TimeoutError(f"{n_nodes} Ray nodes are not up after {WAIT_SECONDS} s")
