"""A second audit with nothing new reuses the first's results; with anything new it does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from curator.cli.main import cli


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, colour in {"a": (60, 140, 40), "b": (140, 90, 50)}.items():
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(8):
            pixels = np.clip(rng.normal(colour, 12, (48, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{k}.png")
    return tmp_path / "data"


def audit(data: Path, *flags: str) -> tuple[str, dict]:
    work = data.parent
    line = ["audit", str(data), "--model", "pixels", "--cache", str(work / "cache")]
    done = CliRunner().invoke(cli, [*line, "--out", str(work / "out"), *flags])
    assert done.exit_code in (0, 3), done.stderr
    return done.stdout, json.loads((work / "out" / "run.json").read_text())


def test_nothing_new_prints_the_same_and_touches_no_result(data: Path):
    first, run = audit(data)
    assert "reused" not in run
    before = {p.name: p.read_bytes() for p in (data.parent / "out").iterdir() if p.name != "run.json"}
    second, again = audit(data)
    assert again["reused"] is True
    assert again["n_new"] == 0
    assert second == first
    assert {p.name: p.read_bytes() for p in (data.parent / "out").iterdir() if p.name != "run.json"} == before
    assert json.loads(audit(data, "--json")[0]) == json.loads(before["audit.json"])


@pytest.mark.parametrize("change", ["pixel", "label", "setting", "seed", "report", "more"])
def test_anything_new_is_audited_again(data: Path, change: str):
    audit(data)
    flags = []
    if change == "pixel":
        pixels = np.asarray(Image.open(data / "a" / "0.png")).copy()
        pixels[0, 0, 0] ^= 1
        Image.fromarray(pixels).save(data / "a" / "0.png")
    elif change == "label":
        shutil.move(data / "a" / "0.png", data / "b" / "moved.png")
    elif change == "setting":
        settings = data.parent / "settings.toml"
        settings.write_text("[audit]\nalpha = 0.01\n")
        flags = ["--config", str(settings)]
    elif change == "seed":
        flags = ["--seed", "1"]
    elif change == "report":
        (data.parent / "out" / "report.html").write_text("edited")
    else:
        shutil.copy(data / "a" / "0.png", data / "a" / "copy.png")
    assert "reused" not in audit(data, *flags)[1]


def test_the_exit_code_of_a_reused_run_is_that_of_the_first(data: Path):
    line = ["--fail-on", "any"]
    assert "high" in json.dumps(json.loads(audit(data, *line, "--json")[0]))
    where = ["--cache", str(data.parent / "cache"), "--out", str(data.parent / "out")]
    assert CliRunner().invoke(cli, ["audit", str(data), "--model", "pixels", *where, *line, "-q"]).exit_code == 3
