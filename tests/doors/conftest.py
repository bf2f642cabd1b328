"""One run of every command on hostile data, for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import doors_kit
import pytest


@pytest.fixture(scope="session")
def doors(tmp_path_factory: pytest.TempPathFactory) -> doors_kit.Doors:
    folder: Path = tmp_path_factory.mktemp("doors")
    return doors_kit.run(folder)
