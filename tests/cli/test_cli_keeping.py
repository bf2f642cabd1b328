"""One result folder, several commands: a later audit does not undo what `recommend` put into the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_kit import FIVE, FOUR, Run


@pytest.mark.slow
def test_an_audit_keeps_the_plan_of_the_same_data_and_says_when_it_does_not(run: Run, tmp_path: Path) -> None:
    data, out = tmp_path / "four", tmp_path / "out"
    shutil.copytree(FOUR, data)
    added = run("recommend", data, "--pool", FIVE, "--attribute", "bunny:background.colour=green", out=out)
    assert added.code == 0
    with_plan = (out / "report.html").read_text("utf-8")
    assert '<section id="add"' in with_plan

    again = run("audit", data, out=out)
    assert again.err == ""
    page = (out / "report.html").read_text("utf-8")
    assert page[page.index('<section id="add"') :][:400] == with_plan[with_plan.index('<section id="add"') :][:400]
    files = json.loads((out / "run.json").read_text("utf-8"))["files"]
    written = {p.name for p in out.iterdir()} - {"recommend.json", "recommendation.csv", "shopping_list.csv"}
    assert set(files) == written

    shutil.copy(next((FIVE / "bunny").iterdir()), data / "bunny" / "one more.jpg")
    other = run("audit", data, "--compare", out / "audit.json", out=out)
    assert "leaves out an earlier plan or validation made from other data" in other.err
    assert '<section id="add"' not in (out / "report.html").read_text("utf-8")
    assert "comparison.json" in json.loads((out / "run.json").read_text("utf-8"))["files"]
