"""Real reports of the sample data in a real browser: what a person sees, with hostile names, without a network, by keyboard."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from curator.cli.main import cli

playwright = pytest.importorskip("playwright.sync_api")
CHROME = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(CHROME is None, reason="no chromium on PATH"),
]

BUNNIES = Path(__file__).parents[2] / "sample_data" / "bunnies"
EVIL = "<img src=x onerror=alert(1)>"
PER_CLASS = 24
SECRETS = ("Jane Q. Photographer", "52.5163", "13.3777")


@dataclass
class Reports:
    """Two reports on a disk: of the sample data, and of a part of it with hostile names, compared with the first."""

    plain: Path
    evil: Path


@dataclass
class Watched:
    """A page, and whatever it did that it should not."""

    page: Any
    trouble: list[str] = field(default_factory=list)

    def open(self, file: Path) -> None:
        """Open it and note all that is said, asked for or refused."""
        page = self.page
        page.set_default_timeout(120_000)
        page.on("console", lambda m: self.trouble.append(f"console: {m.text}"))
        page.on("dialog", lambda d: (self.trouble.append(f"dialog: {d.message}"), d.dismiss()))
        page.on("pageerror", lambda e: self.trouble.append(f"error: {e}"))
        page.on("request", lambda r: r.url.startswith(("file:", "data:")) or self.trouble.append(f"load: {r.url}"))
        page.add_init_script(
            "window.refused = []; document.addEventListener('securitypolicyviolation',"
            " e => window.refused.push(e.violatedDirective));"
        )
        page.goto(file.as_uri())


def curator(*args: str | Path) -> None:
    done = CliRunner(env={"COLUMNS": "80"}).invoke(cli, [str(a) for a in args])
    assert done.exit_code == 0, (done.output, done.exception)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    here = tmp_path_factory.mktemp("reports")
    common = ("--model", "embedded", "--cache", here / "cache")
    plain, evil, data = here / "plain", here / "evil", here / "data"
    curator("audit", BUNNIES / "train", *common, "--out", plain)
    curator("forecast", BUNNIES / "train", *common, "--out", plain, "--target", "0.97")
    for name, source in (("bunny", "bunny"), (EVIL, "hen")):
        (data / name).mkdir(parents=True)
        for path in sorted((BUNNIES / "train" / source).iterdir())[:PER_CLASS]:
            shutil.copy(path, data / name / f"{EVIL} {path.name}")
    # Who took it and where stands in the first file of all.
    first = sorted((data / "bunny").iterdir())[0]
    exif = Image.Exif()
    exif[0x013B] = SECRETS[0]
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 58.68), 3: "E", 4: (13.0, 22.0, 39.72), 29: "52.5163 13.3777"}
    Image.open(first).convert("RGB").save(first, "JPEG", exif=exif, quality=95)
    assert SECRETS[0].encode() in first.read_bytes()
    # Of this one only the names matter: no pictures are edited, and few halves drawn.
    (here / "few.toml").write_text("[audit]\nn_edited = 0\nn_splits = 2\nn_permutations = 5\n")
    config = ("--config", here / "few.toml")
    curator("audit", data, *common, *config, "--out", evil, "--compare", plain / "audit.json")
    return Reports(plain / "report.html", evil / "report.html")


@pytest.fixture(params=[(375, "light"), (375, "dark"), (1280, "light"), (1280, "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    width, scheme = request.param
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROME, args=FLAGS)
        yield Watched(browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme))
        browser.close()


def test_a_person_sees_it_whole(reports: Reports, watched: Watched, tmp_path: Path) -> None:
    watched.open(reports.plain)
    page = watched.page
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # The first screen: is there a shortcut, how bad is it, what to do.
    for text in ("1 shortcut found", "How bad is it?"):
        assert page.get_by_text(text, exact=True).first.bounding_box()["y"] < 900
    assert page.get_by_text("What to do", exact=True).first.bounding_box()["y"] < 1000
    for section in ("findings", "classes", "map", "outlook", "clusters", "clean", "made"):
        assert page.locator(f"#{section}").count() == 1, section
    assert page.locator(".ladder li").count() >= 6
    assert page.locator(".shot.lit").first.bounding_box()["width"] > 60
    assert page.locator(".heat").count() >= 2
    # Every link inside leads to one place that is there and can be seen.
    links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    assert len(links) > 6
    for href in links:
        assert href.startswith("#")
        assert page.locator(f"[id='{href[1:]}']").count() == 1, href
    assert page.screenshot(path=tmp_path / "page.png", full_page=True)[:4] == b"\x89PNG"
    assert page.evaluate("window.refused") == []
    assert watched.trouble == []


def test_the_keyboard_and_the_pointer_move_about_the_map(reports: Reports, watched: Watched) -> None:
    watched.open(reports.plain)
    page = watched.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "map-plot":
            break
    assert page.evaluate("document.activeElement.id") == "map-plot"
    assert page.locator("#map-plot").get_attribute("role") == "application"
    seen = {page.locator("#map-more").inner_text()}
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown", "ArrowDown", "Home", "End"):
        page.keyboard.press(key)
        seen.add(page.locator("#map-more").inner_text())
    assert len(seen) >= 4
    assert page.locator("#map-name").inner_text() in ("bunny", "hen", "rodent", "sheep")
    # Every dot can be reached: the arrows lead from the first to all of them.
    assert page.locator("#map-picture use").bounding_box()["width"] > 40
    assert page.evaluate("document.activeElement.id") == "map-plot"
    dot = page.locator("#map-plot use[data-id]").nth(7)
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#map-more").inner_text().split(" · ")[0] != ""
    page.locator("#map-marks").select_option(index=1)
    marked = page.locator("#map-plot use.breaks").count(), page.locator("#map-plot use.has").count()
    assert marked == (3, 57)
    assert page.locator("#map-key").is_visible()
    assert watched.trouble == []


def test_a_hostile_name_stays_text(reports: Reports, watched: Watched) -> None:
    watched.open(reports.evil)
    page = watched.page
    page.wait_for_timeout(300)
    assert page.locator("img").count() == 0
    assert page.get_by_text(EVIL).count() >= 1
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    dots = page.locator("#map-plot use[data-id]")
    assert EVIL in {dots.nth(k).get_attribute("data-class") for k in range(dots.count())}
    page.locator("#map-plot").focus()
    page.keyboard.press("End")
    assert EVIL in page.locator("#map-more").inner_text()
    assert page.locator("#changed").count() == 1
    assert page.evaluate("window.refused") == []
    assert watched.trouble == []
    # The policy is not only there: a script that got in would not run, nor a style, nor a request leave.
    page.evaluate(
        "() => { document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hit = 1'}));"
        " document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hit = 1\"><p style=\"color: red\">');"
        " fetch('http://127.0.0.1:9/').catch(() => 0); }"
    )
    wanted = {"script-src-elem", "script-src-attr", "img-src", "style-src-attr", "connect-src"}
    for _ in range(100):  # the page may be told of a refusal a moment later
        if wanted <= set(page.evaluate("window.refused")):
            break
        page.wait_for_timeout(100)
    assert wanted <= set(page.evaluate("window.refused"))
    assert page.evaluate("window.hit") is None


def test_nothing_is_told_of_who_took_a_picture_or_where(reports: Reports) -> None:
    for file in reports.evil.parent.iterdir():
        content = file.read_bytes()
        for secret in SECRETS:
            assert secret.encode() not in content, file.name
    text = reports.evil.read_text("utf-8")
    pictures = [base64.b64decode(code) for code in re.findall(r"base64,([\w+/=]+)", text)]
    assert len(pictures) > 20
    assert not any(b"Exif" in picture for picture in pictures)
    assert json.loads((reports.evil.parent / "comparison.json").read_text())["images"]["removed"]


def test_it_prints_without_its_controls(reports: Reports, tmp_path: Path) -> None:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROME, args=FLAGS)
        page = browser.new_page()
        page.goto(reports.plain.as_uri())
        page.emulate_media(media="print")
        assert page.locator("nav").is_hidden()
        assert page.locator("#map-marks").is_hidden()
        assert page.locator("#map-plot").is_visible()
        pdf = page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
        browser.close()
    assert pdf[:5] == b"%PDF-"
    assert 5 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 25


def test_without_scripts_it_is_all_there_but_the_pointing(reports: Reports) -> None:
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROME, args=FLAGS)
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(reports.plain.as_uri())
        assert page.locator("#map-plot use[data-id]").count() == 240
        assert page.locator("#map-plot use title").first.text_content()
        assert page.get_by_text("Mark a finding").is_hidden()
        browser.close()
