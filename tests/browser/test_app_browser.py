"""The FiftyOne App in a real browser: the grid, a saved view chosen from the menu, and no request that leaves here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from app_kit import free_port, own_mongod

from curator.errors import MissingExtraError
from curator.io import mongodb

playwright = pytest.importorskip("playwright.sync_api")
CHROME = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
try:
    mongodb.find_database()
    MISSING = "" if CHROME else "neither chromium nor google-chrome is on PATH"
except MissingExtraError as error:
    MISSING = str(error)
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=MISSING or "all here")]

BROWSE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from app_kit import make_pool, make_run
from curator import browse
folder = Path({folder!r})
pool, measures, recommendation = make_pool(folder)
with browse(make_run(folder), recommendation=recommendation, pool=pool, pool_measures=measures,
            port={port}, wait=False) as session:
    print(session.url, flush=True)
    session.wait()
"""


@pytest.fixture(scope="module")
def app_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("app"), free_port()
    with own_mongod(folder / "mongo") as uri:
        env = {
            **os.environ,
            "HOME": str(folder),
            "FIFTYONE_DATABASE_URI": uri,
            "FIFTYONE_DATABASE_NAME": "curator_browser",
        }
        script = BROWSE.format(tests=str(Path(__file__).parents[1]), folder=str(folder), port=port)
        process = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url == f"http://127.0.0.1:{port}"
            yield url
        finally:
            watchdog.cancel()
            process.terminate()
            process.wait(30)


@pytest.fixture
def page(app_url: str) -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        p.selectors.set_test_id_attribute("data-cy")
        browser = p.chromium.launch(executable_path=CHROME, args=FLAGS)
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def n_shown(page: Any, n: int) -> None:
    """Wait until the App says that the view has n samples."""
    playwright.expect(page.get_by_test_id("entry-counts")).to_have_text(re.compile(rf"^{n} samples?$"), timeout=120_000)


def test_a_person_can_look_at_a_finding(app_url: str, page: Any, tmp_path: Path) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname or ""))
    page.goto(app_url)
    n_shown(page, 12)  # it opens on the worst finding: all bunnies
    playwright.expect(page.get_by_test_id("looker")).to_have_count(12)
    if (advertisement := page.get_by_text("Dismiss", exact=True)).is_visible():
        advertisement.click()
    page.screenshot(path=tmp_path / "first.png")
    page.get_by_test_id("saved-views-selection").click()
    page.get_by_test_id("saved-views-bunny-green-background-conflicting-selection-option").click()
    n_shown(page, 3)
    page.screenshot(path=tmp_path / "conflicting.png")
    # FiftyOne's page asks for two web fonts; usage data would go to other hosts.
    assert asked <= {"127.0.0.1", "", "fonts.googleapis.com", "fonts.gstatic.com"}
