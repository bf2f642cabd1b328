"""Hostile names and metadata, after every command: text stays text, in the terminal, the report, tables and file names."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from doors_kit import CLASSES, HTML, SECRETS, TEMPLATE, Doors

pytestmark = pytest.mark.slow  # one run of every command

CHROME = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MOVES = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, changes its colours or links, or reorders what is read."""


def test_every_command_ends_as_it_should(doors: Doors) -> None:
    assert {name: code for name, code in doors.codes.items() if code} == {"audit": 3}  # --fail-on any
    assert "Traceback" not in doors.errors


def test_no_name_moves_the_terminal(doors: Doors) -> None:
    said = doors.said()
    assert set(said) == set(doors.codes)
    for name, printed in said.items():
        assert not MOVES.search(printed.decode("utf-8")), name
    assert "\\x1b[2J" in said["audit"].decode()  # spelled out, so that a person sees what it is


class Elements(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def reports(doors: Doors) -> list[Path]:
    return [p for p in doors.results() if p.suffix == ".html"]


def test_no_name_is_html_in_a_report(doors: Doors) -> None:
    assert len(reports(doors)) == 3
    for path in reports(doors):
        page = Elements()
        page.feed(path.read_text("utf-8"))
        tags = [tag for tag, _ in page.found]
        assert {"img", "iframe", "object", "embed", "base", "form"} & set(tags) == set()
        assert tags.count("script") == tags.count("style") == 1
        for tag, attributes in page.found:
            assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
            for name in ("href", "src", "xlink:href", "action"):
                where = attributes.get(name) or "#"
                assert where.startswith(("#", "data:image/jpeg;base64,")) or (tag, where) == ("link", "data:,"), where[
                    :99
                ]
        text = "".join(page.text)
        assert TEMPLATE in text  # a template's own signs are printed, not worked out
        assert not MOVES.search(text.replace("\t", " ")), path.name
        policy = next(
            a["content"] for t, a in page.found if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy is not None
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy.replace("http-equiv", "")
    assert HTML in "".join(page.text) or any(HTML in p.read_text("utf-8").replace("&lt;", "<") for p in reports(doors))


@pytest.mark.browser
@pytest.mark.skipif(CHROME is None, reason="no chromium on PATH")
def test_no_script_of_a_name_runs_in_a_browser(doors: Doors) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path=CHROME,
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
        )
        for path in reports(doors):
            page = browser.new_page()
            page.set_default_timeout(120_000)
            trouble: list[str] = []
            page.on("dialog", lambda d, told=trouble: (told.append(d.message), d.dismiss()))
            page.on("pageerror", lambda e, told=trouble: told.append(str(e)))
            page.on("console", lambda m, told=trouble: told.append(m.text))
            page.on("request", lambda r, told=trouble: r.url.startswith(("file:", "data:")) or told.append(r.url))
            page.add_init_script(
                "window.refused = []; document.addEventListener('securitypolicyviolation', e => window.refused.push(1));"
            )
            page.goto(path.as_uri())
            page.wait_for_timeout(200)
            assert page.locator("img").count() == 0
            assert page.evaluate("window.hit") is None
            assert page.evaluate("window.refused") == []
            assert trouble == []
            page.close()
        browser.close()


def test_no_cell_of_a_table_is_a_formula(doors: Doors) -> None:
    tables = [p for p in doors.results() if p.suffix == ".csv"]
    assert {p.name for p in tables} >= {"recommendation.csv", "manifest.csv"}
    n_guarded = 0
    for path in tables:
        with path.open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        for cell in cells:
            n_guarded += cell.startswith("'")
            if cell[:1] in tuple("=+-@\t\r\n＝＋－＠"):
                assert re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell), (path.name, cell)
    assert n_guarded > 10


def test_every_json_file_is_whole_and_says_no_control_character(doors: Doors) -> None:
    for path in doors.results():
        if path.suffix in (".json", ".jsonl", ".sarif"):
            text = path.read_text("utf-8")
            for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
                json.loads(line)
            if "exports" not in path.parts or path.name == "splits.json":
                assert not MOVES.search(text), path.name


def test_no_name_leads_out_of_an_export(doors: Doors) -> None:
    kept = {
        "ear",
        "home",
        "data",
        "pool",
        "test",
        "tables",
        "few.toml",
        "heard.jsonl",
        "codes.json",
        "proxy.txt",
        "out",
        "cache",
        "exports",
    }
    found = {p.name for p in doors.folder.iterdir()}
    assert found - {f"said-{name}.txt" for name in doors.codes} <= kept
    assert not (doors.folder.parent / "evil").exists()
    reserved = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
    names = list((doors.folder / "exports").rglob("*"))
    assert len(names) > 80
    for path in names:
        assert path.resolve().is_relative_to(doors.folder / "exports")
        assert not MOVES.search(path.name)
        assert not set(path.name) & set('\\:*?"<>|')
        assert not path.name.endswith((".", " "))
        assert not reserved.fullmatch(path.name)
        assert len(path.name.encode()) <= 255
    renamed = json.loads((doors.folder / "exports" / "folders" / "classes.json").read_text("utf-8"))
    assert set(renamed.values()) == set(CLASSES)  # and what they were called is not lost


def contents(path: Path) -> bytes:
    """The bytes of a file, and what is packed in it."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        data += pd.read_parquet(path).to_csv().encode("utf-8", "replace")
    if path.suffix == ".html":
        data += b"".join(base64.b64decode(code) for code in re.findall(rb"base64,([\w+/=]+)", data))
    if path.suffix == ".npy":
        np.load(path, allow_pickle=False)  # and is no pickle
    return data


def test_nothing_tells_who_took_a_picture_or_where(doors: Doors) -> None:
    copies = doors.folder / "exports" / "folders"  # asked for as they are
    n = 0
    for path in doors.results():
        if path.is_relative_to(copies) and path.suffix == ".jpg":
            continue
        n += 1
        data = contents(path)
        assert b"Exif\0\0MM" not in data, path
        for secret in SECRETS:
            assert secret.encode() not in data, (path, secret)
            assert secret.encode("utf-16-le") not in data, (path, secret)
    assert n > 60
    for printed in doors.said().values():
        assert not any(secret.encode() in printed for secret in SECRETS)
    assert SECRETS[0].encode() in next(iter(sorted(copies.rglob("*.jpg")))).read_bytes()
