"""Loads Ray, connects to a running Ray cluster or starts one on this machine, and reads its size."""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from curator.errors import CuratorError, MissingExtraError

_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The place of the work: `address` of a running cluster ("auto", HOST:PORT), or "" for a cluster of this machine only.

    `workers` is the number of workers that embed in parallel, one processor or GPU each; 0 uses all.
    """

    address: str = ""
    workers: int = 0


def machines(ray: Any) -> tuple[int, int]:
    """The number of processors and GPUs of the cluster."""
    there = ray.cluster_resources()
    return max(1, int(there.get("CPU", 1))), int(there.get("GPU", 0))


def n_workers(ray: Any, cluster: Cluster) -> int:
    processors, gpus = machines(ray)
    return cluster.workers or gpus or processors


def library(alone: bool) -> Any:
    """Import Ray without usage reports and without log messages. `alone`: the cluster consists of this machine only."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray would send usage reports
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Ray logs problems that it solves itself
    if alone and "ray" not in sys.modules:
        # The variable has Ray's name. With it, clusters of several machines are off and all servers listen on 127.0.0.1.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        # A client needs a token. Ray would otherwise write one into the home folder.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingExtraError(
            "Ray is not installed, which --engine ray needs; run `pip install 'curator-audit[ray]'`, or leave --engine out."
        ) from None
    return ray


def _knock(address: str) -> None:
    """Raises: OSError within seconds if nothing answers (Ray would try for minutes); ValueError for an invalid address."""
    host, colon, port = address.rpartition(":")
    if colon and "//" not in host:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_SECONDS).close()


@contextmanager
def connected(ray: Any, cluster: Cluster) -> Iterator[None]:
    """Connect to the cluster, or to one of this machine, which ends with the run. An existing connection is used."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        _knock(cluster.address)
        if cluster.address:
            ray.init(address=cluster.address, **quiet)
        else:
            ray.init(address="local", include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        message = " ".join(str(error).split())[:200]
        raise CuratorError(
            f"no Ray cluster answers at {cluster.address or 'this machine'} ({message}); start one with `ray start --head`, "
            "or leave --ray-address out."
        ) from None
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        yield
    finally:
        ray.shutdown()


@contextmanager
def complete(ray: Any) -> Iterator[None]:
    """Raises: CuratorError if a machine of the cluster lacks a package."""
    try:
        yield
    except ray.exceptions.RayError as error:
        found = re.search(r"No module named '[^']*'", str(error))
        if found is None:
            raise
        raise CuratorError(
            f"a machine of the Ray cluster lacks a package ({found[0]}); install the same version of curator-audit[ray] on "
            "every machine."
        ) from None
