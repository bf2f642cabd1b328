"""Recommending without a pool: a subset and weights of what is there, written, named, and told what they give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner, Result
from striped_tables import NORTH, counts, table

from curator.cli.main import cli

ROWS = counts(cat_north=40, cat_south=8, dog_north=8, dog_south=40)


def curator(command: str, data: Path, folder: Path, *flags: str | Path) -> Result:
    """One command without an encoder's weights, with its cache and its results below `folder`."""
    words = [command, data, "--model", "pixels", "--cache", folder / "cache", "--out", folder / command, *flags]
    return CliRunner().invoke(cli, list(map(str, words)))


def test_subset_and_weights_are_written_and_named_and_examined(tmp_path: Path) -> None:
    data, out = table(tmp_path / "data", ROWS), tmp_path / "recommend"
    done = curator("recommend", data, tmp_path, "--attribute", f"cat:{NORTH}")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "Without new images:" in said
    assert "subset.csv: a subset of 32 images" in said
    assert "weights.csv: sample weights" in said
    assert said.count("Worst group of a probe, ") == 3
    truth = pd.read_csv(data).set_index("path")
    subset = pd.read_csv(out / "subset.csv").set_index("id")
    cells = truth.loc[subset.index].groupby(["label", "site"]).size()
    assert cells.tolist() == [8, 8, 8, 8]
    assert (subset["label"] == truth.loc[subset.index, "label"]).all()
    assert all(Path(p).is_file() for p in subset["path"])
    weights = pd.read_csv(out / "weights.csv").set_index("id")["weight"]
    assert len(weights) == 96
    assert np.isclose(weights.mean(), 1, atol=1e-4)
    totals = weights.groupby([truth.loc[weights.index, "label"], truth.loc[weights.index, "site"]]).sum()
    assert np.allclose(totals, 24, atol=1e-3)
    found = json.loads((out / "recommend.json").read_text())["without_new_images"]
    assert [(r["name"], r["n"]) for r in found["probe"]] == [("as it is", 96), ("subset", 32), ("weights", 96)]
    assert found["probe"][0]["gain"] == {"value": 0.0, "ci": [0.0, 0.0]}
    assert (found["class"], found["subset"]["file"], found["weights"]["file"]) == ("cat", "subset.csv", "weights.csv")
    # The subset is a set to train on: it can be audited as it is.
    again = curator("audit", out / "subset.csv", tmp_path, "--allow-outside", "-q")
    assert again.exit_code == 0, again.output


def test_groups_too_small_to_tell_are_said_to_be(tmp_path: Path) -> None:
    data = table(tmp_path / "data", counts(cat_north=9, cat_south=1, dog_north=1, dog_south=9))
    done = curator("recommend", data, tmp_path, "--attribute", f"cat:{NORTH}", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "subset of 4 images" in " ".join(done.output.split())
    assert not (tmp_path / "recommend").exists()


def test_synthetic_images_need_something_that_sees_places(tmp_path: Path) -> None:
    data = table(tmp_path / "data", ROWS)
    done = curator("recommend", data, tmp_path, "--attribute", f"cat:{NORTH}", "--synthesize", "4")
    assert done.exit_code == 1
    assert "use --model embedded" in " ".join(done.output.split())
