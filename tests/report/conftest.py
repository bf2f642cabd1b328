"""The audit of `report_example` as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from report_example import ids_of, jpeg, make_probe, make_recommendation, make_run, make_splits

from curator.types import AuditRun, ProbeReport, Recommendation, SplitPlan


@pytest.fixture
def run() -> AuditRun:
    return make_run()


@pytest.fixture
def recommendation() -> Recommendation:
    return make_recommendation()


@pytest.fixture
def probe() -> ProbeReport:
    return make_probe()


@pytest.fixture
def splits() -> SplitPlan:
    return make_splits()


@pytest.fixture
def thumbnails() -> Callable[[str], bytes | None]:
    return lambda key: None if key == ids_of(0)[3] else jpeg(key)
