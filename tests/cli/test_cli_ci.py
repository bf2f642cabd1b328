"""An audit in CI: what is accepted, what is new, and the files that CI systems read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as Xml

import numpy as np
import pytest
from cli_kit import Done, Run
from PIL import Image

GREEN = (60, 140, 40)
CLASSES = {"bunny": GREEN, "hen": (140, 90, 50)}


def paint(folder: Path, classes: dict[str, tuple[int, int, int]], n: int = 10) -> Path:
    """A folder per class, each with images of one noisy colour."""
    rng = np.random.default_rng(0)
    for name, colour in classes.items():
        (folder / name).mkdir(parents=True)
        for k in range(n):
            pixels = np.clip(rng.normal(colour, 12, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint(tmp_path_factory.mktemp("ci") / "data", CLASSES)


@pytest.fixture
def audit(run: Run, data: Path) -> Callable[..., Done]:
    return lambda *args, **more: run("audit", data, "--model", "pixels", *args, **more)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], list[str | Path]]:
    def write(entries: str) -> list[str | Path]:
        path = tmp_path / "curator.toml"
        path.write_text(f"[audit]\nintended = [{entries}]\n", encoding="utf-8")
        return ["--config", path]

    return write


def failures(done: Done) -> list[str]:
    root = Xml.fromstring((done.folder / "audit.junit.xml").read_bytes())
    return [case.attrib["name"] for case in root.iter("testcase") if case.find("failure") is not None]


def results(done: Done) -> list[dict]:
    return json.loads((done.folder / "audit.sarif").read_text("utf-8"))["runs"][0]["results"]


def test_the_files_say_what_the_exit_code_says(audit: Callable[..., Done]) -> None:
    done = audit("--fail-on", "high")
    found = done.file("audit.json")["findings"]
    bad = [f["id"] for f in found if f["severity"] == "high"]
    assert done.code == 3
    assert bad
    assert failures(done) == bad
    assert [r["properties"]["id"] for r in results(done) if r["level"] == "error"] == bad
    kept = done.file("run.json")
    assert {"audit.junit.xml", "audit.sarif"} <= set(kept["files"]) & set(kept["outputs"])


def test_the_files_follow_the_flags_where_the_audit_is_reused(audit: Callable[..., Done]) -> None:
    first = audit("--fail-on", "high")
    files = {p.name: p.read_bytes() for p in first.folder.iterdir() if p.name != "run.json"}
    again = audit("--fail-on", "leak", out=first.folder)
    assert again.file("run.json")["reused"] is True
    assert (again.code, failures(again)) == (0, [])
    based = audit("--fail-on", "high", "--baseline", first.folder / "audit.json", out=first.folder)
    assert based.file("run.json")["reused"] is True
    assert {r["baselineState"] for r in results(based)} == {"unchanged"}
    assert (based.code, failures(based)) == (0, [])
    back = audit("--fail-on", "high", out=first.folder)
    assert back.code == 3
    assert {p.name: p.read_bytes() for p in back.folder.iterdir() if p.name != "run.json"} == files


def test_a_file_that_was_edited_is_written_again(audit: Callable[..., Done]) -> None:
    first = audit()
    whole = (first.folder / "audit.sarif").read_bytes()
    (first.folder / "audit.sarif").write_text("edited")
    assert "reused" not in audit(out=first.folder).file("run.json")
    assert (first.folder / "audit.sarif").read_bytes() == whole


@pytest.mark.parametrize("level", ["low", "medium", "high", "any"])
def test_what_is_accepted_fails_nothing_and_stays(audit: Callable[..., Done], settings, level: str) -> None:
    plain = audit().file("audit.json")
    done = audit("--fail-on", level, *settings('{finding = "*", reason = "drawn so"}'))
    assert done.code == 0
    content = done.file("audit.json")
    assert content["verdict"] == "none found"
    assert [(f["id"], f["severity"], f["intended"]) for f in content["findings"]] == [
        (f["id"], f["severity"], "drawn so") for f in plain["findings"]
    ]
    assert failures(done) == []
    assert {tuple(s["justification"] for s in r["suppressions"]) for r in results(done)} == {("drawn so",)}
    text = " ".join(done.out.split())
    assert text.startswith("None found")
    assert "accepted (high): drawn so" in text
    assert "accepted by the settings (intended) and do not count in the verdict" in text
    page = (done.folder / "report.html").read_text("utf-8")
    assert "No shortcut found" in page
    assert "<dt>Accepted</dt><dd>drawn so</dd>" in page
    assert "beyond the findings that you accept" in page


def test_the_rest_still_fails_and_comes_first(run: Run, tmp_path: Path, settings) -> None:
    data = paint(tmp_path / "three", CLASSES | {"sheep": (40, 60, 150)}, n=14)
    flags = ["--model", "pixels", "--fail-on", "high"]
    plain = run("audit", data, *flags).file("audit.json")["findings"]
    worst = plain[0]["id"]
    assert len(plain) > 1
    done = run("audit", data, *flags, *settings(f"{{finding = {json.dumps(worst)}, reason = 'known'}}"))
    left = [f["id"] for f in plain[1:]]
    assert [f["id"] for f in done.file("audit.json")["findings"]] == [*left, worst]
    assert done.code == 3
    assert worst not in failures(done)
    assert done.out.startswith("Shortcuts found")
    assert f"{len(left)} shortcut" in (done.folder / "report.html").read_text("utf-8")


def test_an_entry_gone_stale_is_said(audit: Callable[..., Done], settings) -> None:
    done = audit(*settings('{class = "cow", reason = "gone"}'))
    note = "Intended 'cow:*=*' no longer matches a finding; remove it from the settings."
    assert note in done.file("audit.json")["notes"]
    assert note in " ".join(done.out.split())


def test_what_was_accepted_in_the_baseline_is_new_when_it_no_longer_is(audit: Callable[..., Done], settings) -> None:
    accepted = audit(*settings('{finding = "*", reason = "drawn so"}'))
    plain = audit()
    flags = ["--fail-on", "high", "--baseline"]
    assert audit(*flags, accepted.folder / "audit.json").code == 3
    assert audit(*flags, plain.folder / "audit.json").code == 0


@pytest.mark.parametrize("entry", ['{finding = "x"}', '{finding = "x", reason = " "}', '"x"', '{reason = "x"}'])
def test_an_entry_that_says_too_little_is_one_line(audit: Callable[..., Done], settings, entry: str) -> None:
    assert "intended" in audit(*settings(entry)).error()


def test_recommend_and_export_leave_alone_what_is_accepted(run: Run, data: Path, settings, tmp_path: Path) -> None:
    flags = ["--model", "pixels", *settings('{finding = "*", reason = "drawn so"}')]
    assert "no shortcut to act on" in run("recommend", data, "--pool", data, *flags).error()
    dest = tmp_path / "dest"
    done = run("export", data, dest, "--format", "csv", *flags)
    assert done.code == 0
    cells = json.loads((dest / "splits.json").read_text("utf-8"))["cells"]
    assert {cell["value"] for cell in cells} == {"all"}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", '"x"', "[" * 100_000, '{"schema": "curator.audit/2"}', '{"schema": "curator.audit/1"}',
        "\udcff", '{"schema": "curator.audit/1", "n_tests": NaN}',
    ],
    ids=range(10),
)  # fmt: skip
def test_a_broken_baseline_is_one_line(audit: Callable[..., Done], tmp_path: Path, text: str) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "give" in audit("--fail-on", "any", "--baseline", path).error()


def test_a_leak_fails_only_where_it_is_asked_for(run: Run, data: Path, tmp_path: Path) -> None:
    split = tmp_path / "split"
    for name in CLASSES:
        shutil.copytree(data / name, split / "train" / name)
        (split / "test" / name).mkdir(parents=True)
        shutil.copy(data / name / "0.png", split / "test" / name / "again.png")
    done = run("audit", split, "--model", "pixels", "--fail-on", "leak")
    assert (done.code, failures(done)) == (3, ["no image in two splits"])
    assert [r["ruleId"] for r in results(done)].count("leak") == len(done.file("audit.json")["duplicates"]["leaks"]) > 0
    based = ["--fail-on", "leak", "--baseline", done.folder / "audit.json"]
    again = run("audit", split, "--model", "pixels", *based)
    assert (again.code, failures(again)) == (0, [])
