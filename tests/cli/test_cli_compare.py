"""`curator audit --compare`: said in the terminal, in JSON, in a file and in the report; gone when nothing is compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_kit import ROOT, TRAIN, Run, check_schema

PER_CLASS = 14
CONFIG = "[audit]\nn_edited = 0\nn_splits = 2\nn_permutations = 5\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("bunny", "sheep"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for path in sorted((TRAIN / name).iterdir())[:PER_CLASS]:
            shutil.copy(path, tmp_path / "data" / name)
    (tmp_path / "few.toml").write_text(CONFIG)
    return tmp_path / "data"


@pytest.mark.slow
def test_what_changed_is_told_everywhere(run: Run, data: Path) -> None:
    # What is found does not matter here, and this encoder is ready at once.
    config = ("--config", data.parent / "few.toml", "--model", "pixels")
    first = run("audit", data, *config, out=data.parent / "out")
    assert first.code == 0
    shutil.copytree(first.folder, data.parent / "before")
    gone = sorted((data / "sheep").iterdir())[0]
    gone.unlink()
    compare = ("--compare", data.parent / "before" / "audit.json")
    # Into the same folder: what it is compared with is read before it is written over.
    told = run("audit", data, *config, *compare, out=first.folder)
    text = " ".join(told.out.split())
    assert "Since the earlier audit:" in text
    assert "28 images before, 27 now: 0 added, 1 removed. By class: sheep 14 to 13." in text
    assert f"Removed: sheep/{gone.name}." in text
    content = told.file("comparison.json")
    assert content["images"]["removed"] == [f"sheep/{gone.name}"]
    assert content["circumstances"] == []
    assert 'id="changed"' in (told.folder / "report.html").read_text("utf-8")
    audit = json.loads((told.folder / "audit.json").read_text("utf-8"))
    assert "comparison" not in audit
    check_schema(audit)
    # Nothing new: the same once more, from what lies there.
    again = run("audit", data, *config, *compare, "--json", out=first.folder)
    assert again.json()["comparison"] == content
    check_schema(again.json())
    assert "comparison" in json.loads((ROOT / "docs" / "schema" / "audit.json").read_text("utf-8"))["properties"]
    assert json.loads((told.folder / "run.json").read_text("utf-8"))["reused"]
    # Compared with nothing, nothing is said of changes.
    plain = run("audit", data, *config, out=first.folder)
    assert "Since the earlier audit" not in plain.out
    assert not (plain.folder / "comparison.json").exists()
    assert 'id="changed"' not in (plain.folder / "report.html").read_text("utf-8")


def test_what_is_no_audit_is_refused_before_any_work(run: Run, data: Path) -> None:
    path = data.parent / "x.json"
    path.write_text("{}")
    assert run("audit", data, "--compare", path).error().startswith(f"{path} is not an audit.json")
    path.write_text("{")
    assert run("audit", data, "--compare", path).error().startswith(f"cannot read the earlier audit {path}")
