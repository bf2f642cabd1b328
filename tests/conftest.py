"""For all tests: which of them stay together when several processes share them, and what Ctrl-C does."""

from __future__ import annotations

import signal
import threading

import pytest

# A shell that starts the tests in the background has Ctrl-C ignored, and the commands that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process (`--dist loadgroup`), so that what they share is made once."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
