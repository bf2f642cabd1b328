"""What the tests of the Ray engine share."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ray_kit import cluster


@pytest.fixture(scope="module")
def two_nodes():
    # Not pytest's folder: Ray's sockets have long names, and a socket's name at most 107 characters.
    short = TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True)
    with short as folder, cluster(2, Path(folder)) as (address, nodes):
        yield address, nodes
