"""FiftyOne on a MongoDB of the tests' own, a new one for every file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from app_kit import own_fiftyone


@pytest.fixture(scope="module")
def fo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with own_fiftyone(tmp_path_factory.mktemp("fiftyone"), "curator_tests") as fiftyone:
        yield fiftyone
