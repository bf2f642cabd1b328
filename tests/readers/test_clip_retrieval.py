"""A folder as clip-retrieval writes it: read, mapped, refused, and audited without a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from curator import Session, audit
from curator.cli.main import cli
from curator.encoders import resolve
from curator.errors import DataError, InputError
from curator.readers import clip_retrieval, scan

DIM = 24


def written(home: Path, sizes: tuple[int, ...] = (130, 110), *, seed: int = 0, **columns) -> Path:
    """Two classes apart in the embedding; nine in ten cats come from site A, one in ten dogs; row 7 is copied to the end."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    labels = rng.integers(0, 2, n)
    vectors = rng.normal(size=(n, DIM)) + 2.5 * np.eye(DIM)[labels]
    site = np.where(rng.random(n) < np.where(labels == 0, 0.9, 0.1), "A", "B")
    vectors[-1], labels[-1] = vectors[7 % n], labels[7 % n]
    frame = pd.DataFrame(
        {
            "image_path": [f"{k:09d}" for k in range(n)], "caption": [f"picture {k}" for k in range(n)],
            "url": [f"http://x/{k}" for k in range(n)], "species": np.array(["cat", "dog"])[labels],
            "site": site, "night": rng.random(n) < 0.4, "iso": rng.integers(50, 800, n) * 1.0, **columns,
        }
    )  # fmt: skip
    (home / "img_emb").mkdir(parents=True)
    (home / "metadata").mkdir()
    starts = np.cumsum([0, *sizes])
    for k in range(len(sizes)):
        part = slice(starts[k], starts[k + 1])
        np.save(home / "img_emb" / f"img_emb_{k}.npy", vectors[part].astype(np.float16))
        frame[part].to_parquet(home / "metadata" / f"metadata_{k}.parquet")
    return home


def session(cache: Path, **more) -> Session:
    encoder, _ = resolve("pixels", cache=cache, device="cpu")
    return Session(encoder=encoder, cache=cache, label_column="species", **more)


def test_rows_ids_labels_and_metadata_follow_the_embeddings(tmp_path):
    data = scan(str(written(tmp_path / "laion", night=None)), label_column="species")
    assert (data.name, len(data), data.classes) == ("laion", 240, ("cat", "dog"))
    assert data.ids[:2].tolist() == ["000000000", "000000001"]
    assert list(data.metadata.columns) == ["site", "night", "iso"]
    frame = pd.concat([pd.read_parquet(p) for p in sorted((tmp_path / "laion" / "metadata").iterdir())])
    assert [data.classes[k] for k in data.labels] == frame["species"].tolist()
    vectors, usable = clip_retrieval.vectors(str(tmp_path / "laion"), tmp_path / "cache")
    assert usable.all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    raw = np.concatenate([np.load(tmp_path / "laion" / "img_emb" / f"img_emb_{k}.npy") for k in (0, 1)])
    assert (np.einsum("nd,nd->n", vectors, raw.astype(np.float32)) > 0).all()
    assert not (tmp_path / "cache").exists()


def test_shards_are_read_by_number_not_by_name(tmp_path):
    folder = written(tmp_path / "d", tuple([5] * 11))
    data = scan(str(folder), label_column="species")
    assert data.ids.tolist() == sorted(data.ids.tolist())  # 10 comes after 9, not after 1


def test_paths_that_come_twice_give_way_to_shard_and_row(tmp_path):
    folder = written(tmp_path / "d", (3, 2), image_path="same.jpg")
    assert scan(str(folder), label_column="species").ids.tolist() == [
        "0/0000000", "0/0000001", "0/0000002", "1/0000000", "1/0000001",
    ]  # fmt: skip


def test_large_embeddings_are_written_once_and_mapped(tmp_path, monkeypatch):
    folder = str(written(tmp_path / "d"))
    small, _ = clip_retrieval.vectors(folder, tmp_path / "cache")
    monkeypatch.setattr(clip_retrieval, "IN_MEMORY", 1000)
    mapped, usable = clip_retrieval.vectors(folder, tmp_path / "cache")
    assert isinstance(mapped, np.memmap) or isinstance(mapped.base, np.memmap)
    assert (mapped == small).all()
    files = sorted((tmp_path / "cache" / "given").iterdir())
    times = [f.stat().st_mtime_ns for f in files]
    again, _ = clip_retrieval.vectors(folder, tmp_path / "cache")
    assert (again == small).all()
    assert [f.stat().st_mtime_ns for f in sorted((tmp_path / "cache" / "given").iterdir())] == times
    assert len(usable) == 240


def test_an_audit_finds_the_shortcut_in_the_metadata_and_its_reliance(tmp_path):
    run = audit(written(tmp_path / "laion"), session(tmp_path / "cache"))
    assert run.verdict == "shortcuts found"
    assert [(f.attribute, f.value) for f in run.findings] in ([("metadata.site", "A")], [("metadata.site", "B")])
    assert run.findings[0].reliance is not None
    assert run.findings[0].reliance.gap is not None
    assert run.encoder.kind == "given"
    assert [(g.kind, len(g.ids)) for g in run.duplicates] == [("embedding", 2)]
    assert any("no image was opened" in note for note in [run.encoder.note, *run.notes])
    assert run.label_errors == () or run.label_errors[0].score > 0.5


def test_nothing_planted_nothing_found(tmp_path):
    rng = np.random.default_rng(9)
    run = audit(written(tmp_path / "d", site=rng.choice(["A", "B"], 240)), session(tmp_path / "cache"))
    assert run.verdict == "none found"


def test_a_digest_in_the_metadata_makes_exact_duplicates(tmp_path):
    digest = [f"{k:064x}" for k in range(240)]
    digest[100] = digest[3]
    run = audit(written(tmp_path / "d", sha256=digest), session(tmp_path / "cache"))
    assert {g.kind: g.ids for g in run.duplicates}["exact"] == ("000000003", "000000100")


def test_embeddings_that_are_not_finite_are_skipped_with_the_reason(tmp_path):
    folder = written(tmp_path / "d")
    file = folder / "img_emb" / "img_emb_1.npy"
    values = np.load(file)
    values[4], values[5] = np.nan, 0
    np.save(file, values)
    run = audit(folder, session(tmp_path / "cache"))
    assert [s.id for s in run.dataset.skipped] == ["000000134", "000000135"]
    assert len(run.dataset) == len(run.embeddings) == len(run.measures.frame) == 238
    with pytest.raises(DataError, match="2 of 240 embeddings are zero or not finite"):
        audit(folder, session(tmp_path / "cache", max_skipped=0.001))


def test_without_labels_there_are_still_clusters_and_duplicates_and_a_word_about_it(tmp_path):
    encoder, _ = resolve("pixels", cache=tmp_path, device="cpu")
    run = audit(written(tmp_path / "d"), Session(encoder=encoder, cache=tmp_path / "cache"))
    assert run.dataset.classes == ("d",)
    assert any("--label-column" in note for note in run.notes)
    assert run.duplicates
    assert len(run.clusters.names) > 1


def shorter(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_1.npy", np.ones((7, DIM), np.float16))


def gone(folder: Path) -> None:
    (folder / "metadata" / "metadata_1.parquet").unlink()


def narrower(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_1.npy", np.ones((110, 5), np.float16))


def flat(folder: Path) -> None:
    np.save(folder / "img_emb" / "img_emb_0.npy", np.ones(130, np.float16))


def empty(folder: Path) -> None:
    for file in (folder / "img_emb").iterdir():
        file.unlink()


def torn(folder: Path) -> None:
    (folder / "metadata" / "metadata_0.parquet").write_bytes(b"PAR1 and no more")


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (shorter, "img_emb_1.npy has 7 embeddings but metadata_1.parquet 110 rows"),
        (gone, "shard 1 of .* is in img_emb but not in metadata"),
        (narrower, "vectors of 5 numbers, img_emb_0.npy of 24"),
        (flat, "one row of numbers per image is needed"),
        (empty, "has no img_emb_0.npy"),
        (torn, "metadata_0.parquet cannot be read"),
    ],
)
def test_a_folder_that_is_not_whole_is_one_line(tmp_path, harm, says):
    folder = written(tmp_path / "d")
    harm(folder)
    with pytest.raises((DataError, InputError), match=says) as caught:
        scan(str(folder), label_column="species")
    assert "\n" not in str(caught.value)


def test_a_column_of_labels_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(InputError, match=r"no column 'breed'; there are: .*species, site.*--label-column"):
        scan(str(written(tmp_path / "d")), label_column="breed")


def test_only_the_audit_takes_embeddings(tmp_path):
    made = session(tmp_path / "cache")
    with pytest.raises(InputError, match="only curator audit supports that"):
        made.embed(made.scan(written(tmp_path / "d")))


def test_the_command_writes_a_report_without_pictures_and_a_valid_audit_json(tmp_path):
    folder, out = written(tmp_path / "laion"), tmp_path / "out"
    flags = ["--label-column", "species", "--out", str(out), "--cache", str(tmp_path / "cache")]
    done = CliRunner().invoke(cli, ["audit", str(folder), *flags], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "no image was opened" in " ".join(done.output.split())
    content = json.loads((out / "audit.json").read_text())
    schema = Path(__file__).parents[2] / "docs" / "schema"
    Draft202012Validator(json.loads((schema / "audit.json").read_text())).validate(content)
    Draft202012Validator(json.loads((schema / "run.json").read_text())).validate(
        json.loads((out / "run.json").read_text())
    )
    assert content["encoder"]["kind"] == "given"
    assert content["findings"][0]["attribute"] == "metadata.site"
    page = (out / "report.html").read_text()
    assert "no image was opened" in page
    assert "data:image" not in page
    # Nothing new: the same answer at once; other embeddings are something new.
    again = CliRunner().invoke(cli, ["audit", str(folder), *flags], catch_exceptions=False)
    assert again.exit_code == 0
    before = content["source"]["embeddings"]
    file = folder / "img_emb" / "img_emb_0.npy"
    np.save(file, np.load(file)[::-1])
    CliRunner().invoke(cli, ["audit", str(folder), *flags], catch_exceptions=False)
    assert json.loads((out / "audit.json").read_text())["source"]["embeddings"] != before


def test_verify_reads_the_embeddings_again(tmp_path):
    folder, out = written(tmp_path / "laion"), tmp_path / "out"
    flags = ["--cache", str(tmp_path / "cache")]
    CliRunner().invoke(
        cli, ["audit", str(folder), "--label-column", "species", "--out", str(out), *flags], catch_exceptions=False
    )
    done = CliRunner().invoke(cli, ["verify", str(out / "audit.json"), *flags], catch_exceptions=False)
    assert done.exit_code == 0, done.output
