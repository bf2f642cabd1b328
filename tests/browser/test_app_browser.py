"""The FiftyOne App in a real browser: what it opens on, a saved view, tags that reach the database, an audit from the panel."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymongo
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from app_kit import NO_DATABASE, free_port, own_mongod

playwright = pytest.importorskip("playwright.sync_api")
playwright.expect.set_options(timeout=120_000)
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
MISSING = NO_DATABASE or ("" if CHROME else "neither chromium nor google-chrome is on PATH")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.skipif(bool(MISSING), reason=MISSING or "all here")]

BROWSE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from app_kit import make_pool, make_run
from curator import browse
folder = Path({folder!r})
pool, measures, recommendation = make_pool(folder)
origin = {{"data": str(folder / "data"), "model": "pixels", "cache": str(folder / "cache")}}
with browse(make_run(folder), recommendation=recommendation, pool=pool, pool_measures=measures,
            port={port}, wait=False, origin=origin) as session:
    print(session.url, flush=True)
    session.wait()
"""


@dataclass(frozen=True)
class App:
    """A running App: where it is, and where its database is."""

    url: str
    database: str


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder, port = tmp_path_factory.mktemp("app"), free_port()
    with own_mongod(folder / "mongo") as uri:
        env = {
            **os.environ,
            "HOME": str(folder),
            "FIFTYONE_PLUGINS_DIR": str(folder / "plugins"),
            "FIFTYONE_DATABASE_URI": uri,
            "FIFTYONE_DATABASE_NAME": "curator_browser",
        }
        script = BROWSE.format(tests=str(Path(__file__).parents[1]), folder=str(folder), port=port)
        process = subprocess.Popen([sys.executable, "-c", script], env=env, stdout=subprocess.PIPE, text=True)
        watchdog = threading.Timer(540, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url == f"http://127.0.0.1:{port}"
            yield App(url, uri)
        finally:
            watchdog.cancel()
            process.terminate()
            process.wait(30)


@pytest.fixture
def page(app: App) -> Iterator[Any]:
    with playwright.sync_playwright() as p:
        p.selectors.set_test_id_attribute("data-cy")
        browser = p.chromium.launch(executable_path=CHROME, args=FLAGS)
        page = browser.new_page(viewport={"width": 1900, "height": 1000})
        page.set_default_timeout(120_000)
        # FiftyOne shows an advertisement over the panels at first, at a moment of its own.
        page.add_locator_handler(page.get_by_text("Dismiss", exact=True), lambda button: button.click())
        yield page
        browser.close()


def n_shown(page: Any, n: int) -> None:
    """Wait until the App says that the view has n samples."""
    playwright.expect(page.get_by_test_id("entry-counts")).to_have_text(re.compile(rf"^{n} samples?$"))


def tags_in(app: App) -> dict[str, set[str]]:
    """The tags of each image as the database has them now, by the name of its file."""
    client: Any = pymongo.MongoClient(app.database)
    try:
        database = client["curator_browser"]
        entry = database["datasets"].find_one({"name": "curator-small"})
        assert entry is not None
        samples = database[entry["sample_collection_name"]].find({}, {"filepath": 1, "tags": 1})
        return {Path(s["filepath"]).name: set(s["tags"]) for s in samples}
    finally:
        client.close()


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def elsewhere(page: Any) -> tuple[set[str], set[str]]:
    """Hosts elsewhere that a page asks for from now on, and those of them that the page's policy does not stop."""
    asked: set[str] = set()
    let_through: set[str] = set()

    def note(request: Any, hosts: set[str]) -> None:
        if (name := urlsplit(request.url).hostname) not in (None, "127.0.0.1"):
            hosts.add(name)

    page.on("request", lambda request: note(request, asked))
    page.on("response", lambda response: note(response.request, let_through))
    page.on("requestfailed", lambda request: request.failure == "csp" or note(request, let_through))
    return asked, let_through


def test_a_person_can_look_at_a_finding_and_tag_an_image(app: App, page: Any, tmp_path: Path) -> None:
    asked, let_through = elsewhere(page)
    page.goto(app.url)
    n_shown(page, 12)  # it opens on the worst finding: all bunnies
    playwright.expect(page.get_by_test_id("looker")).to_have_count(12)
    # beside the images, the findings and the map
    findings = page.get_by_test_id("panel-content-curator_findings")
    playwright.expect(findings.get_by_text("Shortcuts found: 3 findings.")).to_be_visible()
    playwright.expect(findings.get_by_text("conflicting (3)")).to_be_visible()
    playwright.expect(findings.get_by_alt_text("conflicting")).to_have_count(3)
    playwright.expect(page.get_by_test_id("panel-content-curator_map").locator(".js-plotly-plot")).to_be_visible()
    page.screenshot(path=tmp_path / "first.png")
    page.get_by_test_id("saved-views-selection").click()
    page.get_by_test_id("saved-views-bunny-green-background-conflicting-selection-option").click()
    n_shown(page, 3)
    playwright.expect(page.get_by_test_id("looker")).to_have_count(3)
    page.screenshot(path=tmp_path / "conflicting.png")

    page.get_by_test_id("looker").first.hover()
    page.get_by_test_id("looker-checkbox-").first.click()
    page.get_by_test_id("action-tag-sample-labels").click()
    page.screenshot(path=tmp_path / "tagging.png")
    page.get_by_test_id("sample-tag-input").fill("reject")
    page.get_by_test_id("sample-tag-input").press("Enter")
    page.get_by_text("Apply", exact=True).click()
    wait_for(lambda: "reject" in tags_in(app)["white 000.jpg"])
    assert [name for name, tags in tags_in(app).items() if "reject" in tags] == ["white 000.jpg"]

    page.get_by_test_id("looker").nth(1).hover()
    page.get_by_test_id("looker-checkbox-").nth(1).click()
    findings.get_by_role("button", name="Accept").click()
    wait_for(lambda: any("accept" in tags for tags in tags_in(app).values()))
    assert [name for name, tags in tags_in(app).items() if "accept" in tags] == ["white 004.jpg"]
    # FiftyOne's page asks for a web font; usage data would go to other hosts. Nothing of it leaves the browser.
    assert let_through == set()
    assert asked <= {"fonts.googleapis.com", "fonts.gstatic.com"}


@pytest.fixture
def elsewhere_is_here() -> Iterator[tuple[str, list[str]]]:
    """Another site, as far as a browser can tell, and the paths that were asked of it."""
    heard: list[str] = []

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()
            self.wfile.write(b"a page")

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}", heard
        server.shutdown()


def test_the_page_loads_nothing_from_elsewhere_and_no_other_page_gives_orders(
    app: App, page: Any, elsewhere_is_here: tuple[str, list[str]]
) -> None:
    site, heard = elsewhere_is_here
    page.goto(app.url)
    playwright.expect(page.get_by_test_id("looker").first).to_be_visible()
    # What a name that is Markdown, or a stranger's plug-in, would do.
    load = """async site => {
        const image = new Image(); image.src = site + "/image"; document.body.append(image);
        const frame = document.createElement("iframe"); frame.src = site + "/frame"; document.body.append(frame);
        navigator.sendBeacon(site + "/beacon", "who");
        const script = document.createElement("script"); script.src = site + "/script"; document.body.append(script);
        const told = await fetch(site + "/fetch").then(() => "loaded", () => "refused");
        await new Promise(after => setTimeout(after, 1000));
        return told;
    }"""
    assert page.evaluate(load, site) == "refused"
    assert heard == []

    page.goto(f"{site}/page")
    order = """async ([app, path]) => {
        const body = JSON.stringify({query: "query { __typename }"});
        await fetch(app + path, {method: "POST", mode: "no-cors", body}).catch(() => 0);
    }"""
    answers: list[tuple[str, int]] = []
    page.on("response", lambda r: r.url.startswith(app.url) and answers.append((urlsplit(r.url).path, r.status)))
    for path in ("/graphql", "/operators/execute", "/event"):
        page.evaluate(order, [app.url, path])
    wait_for(lambda: len(answers) == 3, 20)
    assert answers == [(path, 403) for path in ("/graphql", "/operators/execute", "/event")]
    assert "/page" in heard  # it was there all the time


def test_an_audit_from_the_panel_opens_on_what_it_found_and_keeps_the_tags(app: App, page: Any, tmp_path: Path) -> None:
    before = {name: tags & {"accept", "reject"} for name, tags in tags_in(app).items()}
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    # What this view shows is no finding of the audit that is pressed.
    page.goto(f"{app.url}/datasets/curator-small?view=bunny-green-background")
    findings = page.get_by_test_id("panel-content-curator_findings")
    playwright.expect(findings.get_by_text("Shortcuts found: 3 findings.")).to_be_visible()
    findings.get_by_role("button", name="Audit").click()
    page.screenshot(path=tmp_path / "form.png")
    page.get_by_role("button", name="Execute").click()
    playwright.expect(page.get_by_role("progressbar").first).to_be_visible()
    page.screenshot(path=tmp_path / "progress.png")
    playwright.expect(page.get_by_text("1 finding in 24 images.").first).to_be_visible()
    page.get_by_role("button", name="Done").click()
    playwright.expect(findings.get_by_text("Shortcuts found: 1 finding.")).to_be_visible()
    playwright.expect(findings.get_by_text("hen · brown background").first).to_be_visible()
    n_shown(page, 12)  # the hens
    page.screenshot(path=tmp_path / "audited.png")
    # FiftyOne's router says this in passing, where a view is asked for while another is on its way; the page goes on.
    assert [said for said in failed if said != "entry is loading"] == []
    after = {name: tags & {"accept", "reject"} for name, tags in tags_in(app).items()}
    # The images of the pool are not of this audit.
    assert after == {name: tags for name, tags in before.items() if name in after}
