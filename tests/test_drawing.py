"""`audit --sample`: what is said of all images is what an audit of all counts, wherever they are counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from curator.cli.main import cli
from curator.config import AuditSettings, Settings
from curator.errors import CuratorError, InputError
from curator.pipeline import Workbench, audit, drawing
from curator.report.json import audit_json, dumps
from curator.types import AuditRun

N = 360


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Cats mostly at night and in the north, dogs not; three pictures are the same file in train and test."""
    folder = tmp_path_factory.mktemp("drawing") / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for k in range(N):
        label, night = ("cat", "dog")[k % 2], rng.random() < (0.8, 0.25)[k % 2]
        level = rng.integers(20, 60) if night else rng.integers(150, 220)
        pixels = level + rng.normal(0, 12, (40, 40, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{k:03}.png")
        north = rng.random() < (0.7, 0.3)[k % 2]
        rows.append((f"{k:03}.png", label, "test" if k >= 300 else "train", "north" if north else "south"))
    for k in (300, 301, 302):
        (folder / f"{k:03}.png").write_bytes((folder / f"{k - 300:03}.png").read_bytes())
    pd.DataFrame(rows, columns=["path", "label", "split", "site"]).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def bench(cache: Path, sample: int = 0, **more) -> Workbench:
    settings = Settings(audit=AuditSettings(sample=sample, n_permutations=2))
    return replace(Workbench.open("pixels", cache=cache, jobs=1), settings=settings, **more)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def run(data, cache) -> AuditRun:
    return audit(data, bench(cache, 150))


@pytest.fixture(scope="module")
def of_all(data, cache) -> AuditRun:
    return audit(data, bench(cache))


def test_the_shares_in_all_are_those_of_an_audit_of_all(run, of_all):
    assert (len(run.dataset), run.whole.n_images, of_all.whole) == (150, N, None)
    assert {f.attribute for f in run.findings} >= {"metadata.site"}
    table = pd.concat(
        [of_all.measures.frame, pd.Series(of_all.dataset.label_names(), of_all.dataset.ids, name="label")], axis=1
    )
    table = table[of_all.dataset.splits == "train"]
    for f in run.findings:
        assert f.in_all is not None
        assert f.in_all.n_class == (table["label"] == f.class_name).sum() == 150
        if f.attribute == "metadata.site":
            has = table["metadata.site"] == f.value
            assert f.in_all.share_in_class == has[table["label"] == f.class_name].mean()
            assert f.in_all.share_elsewhere == has[table["label"] != f.class_name].mean()
    assert any("150 images, drawn at random (seed 0) from 360" in note for note in run.notes)


def test_the_sample_is_counted_as_it_was_measured(data, cache, run, monkeypatch):
    """Read again in pieces, by the thresholds of the sample, its images have the very values they had."""
    from curator import association, indicators
    from curator.workbench import train_labels

    monkeypatch.setattr(drawing, "PIECE", 37)
    work = bench(cache, 150)
    drawn = drawing.of_images(work.scan(data), work)
    table = indicators.build(run.measures, work.settings.audit.cuts)
    itself = replace(drawn, dataset=drawn.sample.dataset, part=drawn.sample.take, contents=[])
    counted = drawing.counting.total(t for t, _ in drawing._counts(itself, table, work))
    straight = association.count(table, train_labels(run.dataset), len(run.dataset.classes))
    for part in ("with_", "known", "sizes"):
        assert np.array_equal(getattr(counted, part), getattr(straight, part)), part


def test_how_large_the_pieces_are_changes_nothing_but_their_fingerprint(data, cache, run, monkeypatch):
    monkeypatch.setattr(drawing, "PIECE", 100)
    again = audit(data, bench(cache, 150))
    assert again.findings == run.findings
    assert again.whole.fingerprint != run.whole.fingerprint


def test_files_that_are_the_same_in_two_splits_are_found_among_all(run):
    pairs = [(f"{k:03}.png", f"{k + 300:03}.png") for k in range(3)]
    assert [leak.ids for leak in run.whole.leaks] == pairs
    assert {leak.splits for leak in run.whole.leaks} == {("test", "train")}
    drawn = set(run.dataset.ids.tolist())
    assert any(not drawn.issuperset(pair) for pair in pairs), "all were drawn; this shows nothing"
    written = json.loads(dumps(audit_json(run)))["duplicates"]["leaks"]
    assert written[:3] == [{"ids": list(pair), "splits": ["test", "train"]} for pair in pairs]
    assert len({tuple(leak["ids"]) for leak in written}) == len(written)
    assert any("same in two splits: 3 (000.png = 300.png" in note for note in run.notes)


def test_as_many_as_there_are_is_an_audit_of_all(data, cache, of_all):
    for size in (N, 10 * N):
        assert dumps(audit_json(replace(audit(data, bench(cache, size)), settings={}))) == dumps(
            audit_json(replace(of_all, settings={}))
        )


def test_another_seed_draws_others(data, cache, run):
    again = audit(data, bench(cache, 150, seed=1))
    assert again.dataset.ids.tolist() != run.dataset.ids.tolist()
    assert len(again.dataset) == 150
    assert again.whole.fingerprint == run.whole.fingerprint


def test_images_that_cannot_be_read_are_named_and_not_drawn(data, cache, tmp_path):
    table = pd.read_csv(data)
    (tmp_path / "cut.png").write_bytes((data.parent / "005.png").read_bytes()[:60])
    for name in table["path"]:
        (tmp_path / name).hardlink_to(data.parent / name)
    extra = pd.DataFrame([("cut.png", "cat", "train", "north")], columns=table.columns)
    pd.concat([extra, table]).to_csv(tmp_path / "table.csv", index=False)
    found = audit(tmp_path / "table.csv", bench(cache, 150))
    assert [s.id for s in found.dataset.skipped] == ["cut.png"]
    assert (len(found.dataset), found.whole.n_images) == (150, N)


def test_what_the_cache_loses_meanwhile_is_one_line(data, cache, tmp_path):
    work = bench(tmp_path, 150)
    stored = work.fill(work.scan(data))
    for file in tmp_path.rglob("shard-*"):
        file.unlink()
    with pytest.raises(CuratorError, match=r"lost 2 images just stored\. Run again"):
        work.recall(stored, np.array([3, 5]))


def test_with_a_pool_it_is_refused(data, cache):
    with pytest.raises(InputError, match="leave --sample or --pool out"):
        audit(data, bench(cache, 150), pool=data)


def test_the_command_writes_what_the_schema_says_and_verify_sees_an_image_that_was_not_drawn(data, tmp_path):
    from jsonschema import Draft202012Validator

    copy = tmp_path / "copy"
    copy.mkdir()
    for file in data.parent.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    out, kept = tmp_path / "out", ["--cache", str(tmp_path / "c")]
    words = ["audit", str(copy / "table.csv"), "--model", "pixels", "--sample", "150", "--out", str(out), *kept]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "In all 300 images: " in " ".join(done.output.split())
    content = json.loads((out / "audit.json").read_text())
    schema = json.loads((Path(__file__).parents[1] / "docs" / "schema" / "audit.json").read_text())
    Draft202012Validator(schema).validate(content)
    assert content["drawn_from"]["n_images"] == N
    assert content["settings"]["audit"]["sample"] == 150
    assert all("in_all" in f for f in content["findings"])
    assert "In all 300 images: " in (out / "report.html").read_text()
    assert CliRunner().invoke(cli, [*words, "--fail-on", "leak"]).exit_code == 3
    assert CliRunner().invoke(cli, ["verify", str(out / "audit.json"), *kept]).exit_code == 0
    drawn = set(pd.read_parquet(out / "measures.parquet").index)
    other = next(f"{k:03}.png" for k in range(N) if f"{k:03}.png" not in drawn)
    Image.new("RGB", (40, 40), (9, 99, 9)).save(copy / other)
    done = CliRunner().invoke(cli, ["verify", str(out / "audit.json"), *kept])
    assert (done.exit_code, "some are others than they were" in done.output) == (1, True)


def test_fewer_than_a_hundred_are_not_drawn(data):
    done = CliRunner().invoke(cli, ["audit", str(data), "--sample", "99"])
    assert (done.exit_code, "100" in done.output) == (2, True)
