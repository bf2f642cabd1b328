"""`audit --sample`: what is said of all images is what an audit of all counts, wherever they are counted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from click.testing import CliRunner
from PIL import Image

from curator.cli.main import cli
from curator.commands import Session, audit
from curator.commands._steps import sampled_counts
from curator.config import AuditSettings, Settings
from curator.errors import CuratorError, InputError
from curator.report.json import audit_document, dumps
from curator.types import AuditRun, DuplicateGroup

N = 360


def taken(k: int) -> int:
    """Seconds since 1970, over two months; of one image nobody knows them."""
    return 0 if k == 17 else 1_700_000_000 + 15_000 * k


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
        camera = f"camera {rng.integers(0, 3) if rng.random() < 0.6 else rng.integers(3, 300)}"
        site = None if rng.random() < 0.1 else "north" if north else "south"
        rows.append((f"{k:03}.png", label, "test" if k >= 300 else "train", site, camera, taken(k)))
    (folder / "011.png").write_bytes((folder / "010.png").read_bytes())  # the same, in one split
    for k in (302, 301, 300):
        (folder / f"{k:03}.png").write_bytes((folder / f"{k - 300:03}.png").read_bytes())
    pd.DataFrame(rows, columns=["path", "label", "split", "site", "camera", "taken"]).to_csv(
        folder / "table.csv", index=False
    )
    return folder / "table.csv"


def session(cache: Path, sample: int = 0, **more) -> Session:
    settings = Settings(audit=AuditSettings(sample=sample, n_permutations=2))
    return replace(Session.open("pixels", cache=cache, jobs=1), settings=settings, **more)


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def run(data, cache) -> AuditRun:
    return audit(data, session(cache, 150))


@pytest.fixture(scope="module")
def of_all(data, cache) -> AuditRun:
    return audit(data, session(cache))


def test_shares_are_those_of_an_audit_of_all(run, of_all):
    assert (len(run.dataset), run.whole.n_images, of_all.whole) == (150, N, None)
    assert "metadata.site" in {f.attribute for f in run.findings}
    table = of_all.measures.frame.assign(label=of_all.dataset.label_names())[of_all.dataset.splits == "train"]
    for f in run.findings:
        if f.attribute == "metadata.site":
            inside, has = table["label"] == f.class_name, table["metadata.site"] == f.value
            known = table["metadata.site"].notna()
            assert (f.n_class, f.n_with) == ((inside & known).sum(), (inside & has).sum())
            assert f.share_elsewhere == (~inside & has).sum() / (~inside & known).sum()
            assert f"Known for {f.n_class} of 150 of them" in f.sentence
    assert run.audit.n_tests > 0
    said = "Shares, effects and tests use 300 of 360 images, those of the train split. A random sample of 150"
    assert any(note.startswith(said) for note in run.notes)


def test_drawn_are_images_of_the_train_split_some_of_every_class(run, data, cache):
    assert set(run.dataset.splits.tolist()) == {"train"}
    work = session(cache, 100)
    few = replace(work.scan(data), labels=np.where(np.arange(N) < 8, 0, 1).astype(np.int32))
    drawn = sampled_counts.rows(few, work)
    assert len(drawn) == len(set(drawn.tolist())) == 100
    assert (few.labels[drawn] == 0).sum() == 8  # all there are; by chance it would be two or three
    none = replace(few, labels=np.where(few.labels == 0, -1, 1).astype(np.int32))
    assert (none.labels[sampled_counts.rows(none, work)] == 1).all()


def test_an_image_that_leaves_changes_one_place(data, cache):
    work = session(cache, 120)
    whole = work.scan(data)
    drawn = set(whole.ids[sampled_counts.rows(whole, work)].tolist())
    gone = sorted(drawn)[5]
    rest = whole.take(np.flatnonzero(whole.ids != gone))
    now = set(rest.ids[sampled_counts.rows(rest, work)].tolist())
    assert (drawn - now, len(now - drawn)) == ({gone}, 1)


def test_the_sample_is_counted_as_it_was_measured(data, cache, run, monkeypatch):
    """Read again in pieces, by the thresholds of the sample, its images have the very values they had."""
    from curator.shortcuts import association, indicators

    monkeypatch.setattr(sampled_counts, "PIECE", 37)
    work = session(cache, 150)
    drawn = sampled_counts.of_images(work.scan(data), work)
    drawn = replace(drawn, sample=work.looked_at(drawn.sample))
    table = indicators.build(run.measures, work.settings.audit.cuts)
    itself = replace(drawn, dataset=drawn.sample.dataset, part=drawn.sample.take, contents=[])
    counted, _, _ = sampled_counts.count(itself, table, work)
    straight = association.count(table, run.dataset.train_labels(), len(run.dataset.classes))
    assert {"metadata.camera", "metadata.taken"} <= set(table.attribute)
    assert any(name.startswith("other (") for name in table.value_names)
    for part in ("with_", "known", "sizes"):
        assert np.array_equal(getattr(counted, part), getattr(straight, part)), part


def test_what_only_the_sample_was_asked_keeps_the_counts_of_the_sample(data, cache, run, monkeypatch):
    """Lettering: the pieces of the whole set are not read for it."""
    from curator.shortcuts import association, indicators

    work = session(cache, 150)
    drawn = sampled_counts.of_images(work.scan(data), work)
    drawn = replace(drawn, sample=work.looked_at(drawn.sample))
    table = indicators.build(run.measures, work.settings.audit.cuts)
    counted, _, _ = sampled_counts.count(drawn, table, work)
    straight = association.count(table, run.dataset.train_labels(), len(run.dataset.classes))
    mine = np.array([name.startswith("lettering.") for name in table.attribute])
    assert mine.any()
    assert np.array_equal(counted.known[:, mine], straight.known[:, mine])
    assert np.array_equal(counted.with_[:, mine], straight.with_[:, mine])
    assert (counted.known[:, ~mine].sum(0) > straight.known[:, ~mine].sum(0)).any()


def test_what_is_in_a_piece_alone_is_no_matter(data, cache, run, monkeypatch):
    """One image whose date is 0, in a piece without a sound one beside it or with many."""
    for size in (50, N):
        monkeypatch.setattr(sampled_counts, "PIECE", size)
        again = audit(data, session(cache, 150))
        assert again.findings == run.findings


def test_how_large_the_pieces_are_changes_nothing_but_their_fingerprint(data, cache, run, monkeypatch):
    monkeypatch.setattr(sampled_counts, "PIECE", 100)
    again = audit(data, session(cache, 150))
    assert again.findings == run.findings
    assert again.whole.fingerprint != run.whole.fingerprint


def test_files_that_are_the_same_in_two_splits_are_found_among_all(run):
    pairs = [(f"{k:03}.png", f"{k + 300:03}.png") for k in range(3)]
    assert [leak.ids for leak in run.whole.leaks] == pairs  # and not those of one split
    assert {leak.splits for leak in run.whole.leaks} == {("test", "train")}
    drawn = set(run.dataset.ids.tolist())
    assert any(not drawn.issuperset(pair) for pair in pairs), "all were drawn; this shows nothing"
    group = DuplicateGroup("embedding", pairs[0])
    assert replace(run, leaks=(group,)).every_leak == run.whole.leaks  # not told twice
    other = DuplicateGroup("embedding", ("004.png", pairs[0][0]))
    assert len(replace(run, leaks=(other,)).every_leak) == 4
    written = json.loads(dumps(audit_document(run)))["duplicates"]["leaks"]
    assert written[:3] == [{"ids": list(pair), "splits": ["test", "train"]} for pair in pairs]
    assert len({tuple(leak["ids"]) for leak in written}) == len(written)
    assert any(
        "Identical files in two splits, among all 360 images: 3 (000.png = 300.png" in note for note in run.notes
    )


def test_as_many_as_there_are_is_an_audit_of_all(data, cache, of_all):
    for size in (N, 10 * N):
        assert dumps(audit_document(replace(audit(data, session(cache, size)), settings={}))) == dumps(
            audit_document(replace(of_all, settings={}))
        )


def test_another_seed_draws_others(data, cache, run):
    again = audit(data, session(cache, 150, seed=1))
    assert again.dataset.ids.tolist() != run.dataset.ids.tolist()
    assert len(again.dataset) == 150
    assert again.whole.fingerprint == run.whole.fingerprint


def test_images_that_cannot_be_read_are_named_and_not_drawn(data, cache, tmp_path, run):
    table = pd.read_csv(data)
    whole = (data.parent / "005.png").read_bytes()
    (tmp_path / "0cut.png").write_bytes(whole[: len(whole) // 2])
    for name in table["path"]:
        (tmp_path / name).hardlink_to(data.parent / name)
    extra = pd.DataFrame([("0cut.png", "cat", "train", "north", "camera 1", taken(1))], columns=table.columns)
    pd.concat([extra, table]).to_csv(tmp_path / "table.csv", index=False)
    found = audit(tmp_path / "table.csv", session(cache, 150))
    assert [s.id for s in found.dataset.skipped] == ["0cut.png"]
    assert (len(found.dataset), found.whole.n_images) == (150, N)
    assert found.findings == run.findings  # what is counted is counted of the right images
    assert (found.n_new, len(found.whole.leaks)) == (0, 3)


def test_what_the_cache_loses_meanwhile_is_one_line(data, cache, tmp_path):
    work = session(tmp_path, 150)
    stored = work.fill(work.scan(data))
    for file in tmp_path.rglob("shard-*"):
        file.unlink()
    with pytest.raises(CuratorError, match=r"lost 2 images just stored; run again"):
        work.recaller(stored)(np.array([3, 5]))


def test_with_a_pool_it_is_refused(data, cache):
    with pytest.raises(InputError, match="--sample and --pool cannot be used together"):
        audit(data, session(cache, 150), pool=data)


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
    assert "Shares, effects and tests use 300 of 360 images" in " ".join(done.output.split())
    content = json.loads((out / "audit.json").read_text())
    schema = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "audit.json").read_text())
    Draft202012Validator(schema).validate(content)
    assert content["drawn_from"]["n_images"] == N
    assert content["settings"]["audit"]["sample"] == 150
    assert content["findings"][0]["n_class"] > 75  # half of those drawn
    assert "Shares, effects and tests use 300 of 360 images" in (out / "report.html").read_text()
    assert CliRunner().invoke(cli, [*words, "--fail-on", "leak"]).exit_code == 3
    assert CliRunner().invoke(cli, ["verify", str(out / "audit.json"), *kept]).exit_code == 0
    drawn = set(pd.read_parquet(out / "measures.parquet").index)
    other = next(f"{k:03}.png" for k in range(N) if f"{k:03}.png" not in drawn)
    Image.new("RGB", (40, 40), (9, 99, 9)).save(copy / other)
    done = CliRunner().invoke(cli, ["verify", str(out / "audit.json"), *kept])
    assert (done.exit_code, "and some images differ" in done.output) == (1, True)


def test_fewer_than_a_hundred_are_too_few_and_zero_is_all(data, tmp_path):
    (tmp_path / "curator.toml").write_text("[audit]\nsample = 150\n")
    words = ["audit", str(data), "--model", "pixels", "--cache", str(tmp_path / "c"), "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(cli, [*words, "--sample", "99"])
    assert (done.exit_code, "at least 100 is needed, or 0 for all" in done.output) == (1, True)
    done = CliRunner().invoke(cli, [*words, "--config", str(tmp_path / "curator.toml"), "--sample", "0", "--json"])
    assert json.loads(done.stdout)["dataset"]["n_images"] == N


def test_other_commands_say_that_they_look_at_all(data, cache):
    from curator.commands.audit import audit_embedded

    work = session(cache, 150)
    found = audit_embedded(work.embed(work.scan(data)), work)
    assert (len(found.dataset), found.whole) == (N, None)
    assert "All 360 images were audited, because only `curator audit` uses the setting `sample`." in found.notes


def test_embeddings_that_are_there_already_are_drawn_from(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)
    vectors = rng.normal(size=(600, 16)) + 2 * np.eye(16)[labels]
    vectors[5] = 0  # no embedding: left out, and counted nowhere
    site = np.where(rng.random(600) < np.where(labels == 0, 0.8, 0.2), "A", "B")
    frame = pd.DataFrame(
        {"image_path": [f"{k:03}" for k in range(600)], "label": np.array(["cat", "dog"])[labels], "site": site}
    )
    for name in ("img_emb", "metadata"):
        (tmp_path / "laion" / name).mkdir(parents=True)
    for k in (0, 1):
        np.save(
            tmp_path / "laion" / "img_emb" / f"img_emb_{k}.npy", vectors[300 * k : 300 * k + 300].astype(np.float16)
        )
        frame[300 * k : 300 * k + 300].to_parquet(tmp_path / "laion" / "metadata" / f"metadata_{k}.parquet")
    found = audit(tmp_path / "laion", session(tmp_path / "c", 120))
    assert (len(found.dataset), found.whole.n_images) == (120, 599)
    (finding,) = found.findings
    usable = np.arange(600) != 5
    inside = (labels == found.dataset.classes.index(finding.class_name)) & usable
    assert finding.n_class == inside.sum()
    assert finding.share_in_class == (site == finding.value)[inside].mean()


def test_what_an_encoder_said_travels_without_it():
    from photos import Texts

    texts = Texts({"grass": np.eye(4)[0]}, 4)
    asked = sampled_counts._Recorded(texts.info, {}, texts)
    first = asked.encode_text(["grass.", "snow."])
    alone = sampled_counts._Recorded(texts.info, asked.said)
    assert np.array_equal(alone.encode_text(["snow.", "grass."]), first[::-1])
    assert len(alone.concepts(np.zeros((3, 4), np.float32))[1]) == 3
    with pytest.raises(KeyError):
        alone.encode_text(["nobody asked"])
