"""Decisions made in the App come back, against a real MongoDB: tags, entries, and rebuilds that lose none of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from app_kit import make_pool, make_run, needs_database
from click.testing import CliRunner
from striped_tables import BIASED, NORTH, counts, table

from curator.cli.main import cli
from curator.errors import InputError
from curator.exporters import fiftyone_review
from curator.exporters.fiftyone import to_fiftyone
from curator.selection.decisions import intended_by_tags, of_tags


@needs_database
@pytest.mark.slow
def test_tags_and_entries_come_back_and_outlive_a_rebuild(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    pool, measures, recommendation = make_pool(tmp_path)
    kwargs: dict[str, Any] = {"recommendation": recommendation, "pool": pool, "pool_measures": measures}
    dataset = to_fiftyone(run, "reviewed", **kwargs)
    here = fo.ViewField("image_id")
    dataset.match(here == recommendation.ids[0]).tag_samples("accept")
    dataset.match(here == recommendation.ids[1]).tag_samples("reject")
    dataset.match(here == "hen/green 012.jpg").tag_samples(
        "intended: hen · brightness 0.6 or above because a dark barn"
    )
    dataset.match_tags("finding 1: bunny · green background").tag_samples("intended")
    third = run.audit.findings[2].id
    fiftyone_review.decide("reviewed", third, "intended", "one camera")
    for again in (False, True):
        if again:
            to_fiftyone(run, "reviewed", **kwargs)
        images = fiftyone_review.read_images("reviewed")
        review = of_tags(images)
        assert {Path(p).name: label for p, label in review.accepted.items()} == {recommendation.ids[0]: "bunny"}
        assert {Path(p).name for p in review.rejected} == {recommendation.ids[1]}
        found, notes = intended_by_tags(images, *fiftyone_review.read_findings("reviewed"))
        assert {entry.finding: entry.reason for entry in found} == {
            run.audit.findings[0].id: "accepted in the FiftyOne App",
            run.audit.findings[1].id: "a dark barn",
            third: "one camera",
        }
        assert notes == ()
    fiftyone_review.decide("reviewed", third, "")
    assert fiftyone_review.read_findings("reviewed")[1] == {}


@needs_database
@pytest.mark.slow
def test_what_is_not_there_or_not_ours_is_one_line(fo: Any) -> None:
    with pytest.raises(InputError, match=r"no data set 'nowhere' to read decisions from; make it with"):
        fiftyone_review.read_images("nowhere")
    fo.Dataset("theirs")
    with pytest.raises(InputError, match="curator did not make FiftyOne's data set 'theirs'"):
        fiftyone_review.read_findings("theirs")


@needs_database
@pytest.mark.slow
def test_the_loop_from_the_command_line(fo: Any, tmp_path: Path) -> None:
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", counts(cat_south=20, dog_north=20), seed=1)
    out = tmp_path / "out"
    common = ["--model", "pixels", "--cache", str(tmp_path / "cache"), "--out", str(out), "--name", "loop"]
    args = ["recommend", str(data), "--pool", str(pool), "--attribute", f"cat:{NORTH}", "--budget", "6", *common]

    def run(*args: str) -> str:
        done = CliRunner().invoke(cli, args)
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert "To review: 6 images in the FiftyOne data set 'loop'" in run(*args, "--confirm")
    first = pd.read_csv(out / "recommendation.csv")
    dataset = fo.load_dataset("loop")
    assert dataset.match_tags("recommended").count() == 6
    here, recommended = fo.ViewField("image_id"), fo.ViewField("source") == "pool"
    dataset.match((here == first["id"][0]) & recommended).tag_samples("reject")
    dataset.match((here == first["id"][1]) & recommended).tag_samples("accept")
    run(*args, "--from-app", "--confirm")
    second = pd.read_csv(out / "recommendation.csv")
    assert (second["id"][0], second["label_source"][0]) == (first["id"][1], "confirmed")
    assert first["id"][0] not in set(second["id"])
    assert len(second) == 6
    said = json.loads((out / "recommend.json").read_text())["review"]
    assert said == {"source": "FiftyOne data set loop", "accepted": 1, "rejected": 1}
    # The review is in the data set that was built anew, and so the third round is the second.
    run(*args, "--from-app")
    assert pd.read_csv(out / "recommendation.csv")["id"].tolist() == second["id"].tolist()

    run("audit", str(data), *common)
    assert json.loads((out / "audit.json").read_text())["verdict"] == "shortcuts found"
    findings = [f["id"] for f in json.loads((out / "audit.json").read_text())["findings"]]
    for id in findings:
        sample = dataset.first()
        sample.tags.append(f"intended: {id} because one site only")
        sample.save()
    run("audit", str(data), *common, "--from-app")
    content = json.loads((out / "audit.json").read_text())
    assert {f["id"]: f["intended"] for f in content["findings"]} == dict.fromkeys(findings, "one site only")
    assert content["verdict"] == "none found"
    assert len(content["settings"]["audit"]["intended"]) == len(findings)


def test_without_a_database_there_is_one_line_and_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(tmp_path / "data", BIASED)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("curator.io.mongodb._bundled", list)
    monkeypatch.delenv("FIFTYONE_DATABASE_URI", raising=False)
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", str(tmp_path / "none.json"))
    base = ["--model", "pixels", "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    for flag in ("--confirm", "--from-app"):
        done = CliRunner().invoke(cli, ["recommend", str(data), "--pool", str(data), flag, *base])
        assert done.exit_code == 1
        assert done.output.count("Error:") == 1
        assert "or decide without it: fill in the column decision of recommendation.csv" in " ".join(
            done.output.split()
        )
    done = CliRunner().invoke(cli, ["audit", str(data), "--from-app", *base])
    assert done.exit_code == 1
    assert "no usable MongoDB was found" in " ".join(done.output.split())
