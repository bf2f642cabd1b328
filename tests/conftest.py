"""For all tests: which of them stay together when several processes share them, and what Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

# A shell that starts the tests in the background has Ctrl-C ignored, and the commands that the tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = {
    "tests/cli/test_cli_commands.py": "story",  # one audit, recommendation and validation of the sample data
    "tests/cli/test_cli_story.py": "story",
    "tests/doors/test_names.py": "doors",  # one run of every command
    "tests/doors/test_privacy.py": "doors",
    "tests/engines/test_ray.py": "ray",  # two clusters at once are too much for two processors
    "tests/engines/test_spread.py": "ray",
}
"""Files whose tests run in one process, and what they share. `xdist_group` does not do it: pytest 9.2 ignores it."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file run in one process, so that what they share is made once."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return TOGETHER.get(file, file)

    return Scheduling(config, log)
