"""Every format holds every image with its label and split, and says so again when it is read by what it is for."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from PIL import Image

from curator import exporters
from curator.errors import DataError, InputError
from curator.exporters import export, webdataset
from curator.readers import scan
from curator.types import Column, Dataset, Measures, SplitPlan

SPLITS = ("train", "train", "val", "train", "test", "train", "val", "test")
Content = list[tuple[str, str, str]]


def make(root: Path) -> tuple[Dataset, SplitPlan, Measures]:
    """Eight pictures of three classes, two of one name, and one measured number that is missing once."""
    names = [
        "hen/a.png",
        "hen/b.jpg",
        "hen/deep/a.png",
        "cow/ä 1.jpg",
        "cow/b.jpg",
        "cow/c.png",
        "a-b/b.jpg",
        "a-b/b.png",
    ]
    rng = np.random.default_rng(0)
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), np.uint8)).save(root / name)
    dataset = scan(str(root))
    plan = SplitPlan(dict(zip(dataset.ids.tolist(), SPLITS, strict=True)), pd.DataFrame(), pd.DataFrame())
    frame = pd.DataFrame({"light.brightness": [0.5, *[np.nan], *[0.25] * 6]}, index=dataset.ids)
    columns = (Column("light.brightness", "number", "image", "have brightness {value}", "not {value}"),)
    return dataset, plan, Measures(frame, columns)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wanted(dataset: Dataset, plan: SplitPlan) -> Content:
    """(content, label, split) of every image: the data set, whatever its files are called now."""
    labels = dict(zip(dataset.ids.tolist(), dataset.label_names(), strict=True))
    return sorted((sha256((Path(dataset.root) / i).read_bytes()), labels[i], s) for i, s in plan.assignment.items())


def as_data(path: Path) -> Content:
    """What curator reads of it as DATA."""
    again = scan(str(path), allow_outside=True)
    assert again.skipped == ()
    return sorted(
        (
            sha256(again.path(k).read_bytes() if isinstance(again.path(k), Path) else Path(again.path(k)).read_bytes()),
            label,
            split,
        )
        for k, (label, split) in enumerate(zip(again.label_names(), again.splits.tolist(), strict=True))
    )


def from_shards(folder: Path) -> Content:
    classes = json.loads((folder / "classes.json").read_text())
    out = []
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as tar:
            files = {e.name: tar.extractfile(e).read() for e in tar}  # type: ignore[union-attr]
        for key in sorted({name.partition(".")[0] for name in files}):
            known = json.loads(files[f"{key}.json"])
            (image,) = (n for n in files if n.startswith(f"{key}.") and n[10:] not in ("cls", "json"))
            assert classes[int(files[f"{key}.cls"])] == known["label"]
            assert shard.name.startswith(f"{known['split']}-")
            out.append((sha256(files[image]), known["label"], known["split"]))
    return sorted(out)


def from_fiftyone(folder: Path) -> Content:
    """As `FiftyOneImageClassificationDatasetImporter` does: a file's name without its ending is its key."""
    out = []
    for split in sorted(p for p in folder.iterdir() if p.is_dir()):
        content = json.loads((split / "labels.json").read_text())
        files = {p.stem: p for p in (split / "data").iterdir()}
        assert set(files) == set(content["labels"])
        for key, target in content["labels"].items():
            out.append((sha256(files[key].read_bytes()), content["classes"][target], split.name))
    return sorted(out)


@pytest.mark.parametrize(
    ("format", "again"),
    [
        ("imagefolder", as_data),
        ("huggingface", as_data),
        ("csv", lambda folder: as_data(folder / "manifest.csv")),
        ("jsonl", lambda folder: as_data(folder / "manifest.jsonl")),
        ("parquet", lambda folder: as_data(folder / "manifest.parquet")),
        ("webdataset", from_shards),
        ("fiftyone", from_fiftyone),
    ],
)
def test_what_is_exported_is_the_same_data_set(tmp_path: Path, format: str, again) -> None:
    dataset, plan, measures = make(tmp_path / "data")
    assert export(dataset, plan, tmp_path / "out", format=format, measures=measures, shard_size=2) == len(SPLITS)
    assert again(tmp_path / "out") == wanted(dataset, plan)


def test_every_format_has_its_round_trip() -> None:
    (mark,) = test_what_is_exported_is_the_same_data_set.pytestmark
    assert sorted(format for format, _ in mark.args[1]) == list(exporters.formats())


def test_hugging_face_metadata_names_every_file_beside_it(tmp_path: Path) -> None:
    dataset, plan, measures = make(tmp_path / "data")
    export(dataset, plan, tmp_path / "out", format="huggingface", measures=measures)
    assert not list((tmp_path / "out").glob("*.jsonl"))
    for split in ("train", "val", "test"):
        folder = tmp_path / "out" / split
        rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
        files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix in (".jpg", ".png")}
        assert {row["file_name"] for row in rows} == files
        assert all(row["label"] == row["file_name"].split("/")[0] for row in rows)
        assert all(set(row) == {"file_name", "label", "light.brightness"} for row in rows)
    text = "".join(p.read_text() for p in (tmp_path / "out").rglob("metadata.jsonl"))
    assert text.count("null") == 1
    assert "NaN" not in text


def test_datasets_loads_the_hugging_face_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    dataset, plan, measures = make(tmp_path / "data")
    export(dataset, plan, tmp_path / "out", format="huggingface", measures=measures)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 4, "validation": 2, "test": 2}
    assert sorted(set(loaded["train"]["label"])) == ["a-b", "cow", "hen"]


def test_shards_hold_so_many_images_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    dataset, plan, measures = make(tmp_path / "data")
    for name in ("one", "two"):
        export(dataset, plan, tmp_path / name, format="webdataset", measures=measures, shard_size=3)
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two
    assert sorted(one) == [
        "classes.json", "test-000000.tar", "train-000000.tar", "train-000001.tar", "val-000000.tar",
    ]  # fmt: skip
    sizes = []
    for shard in ("train-000000.tar", "train-000001.tar"):
        with tarfile.open(tmp_path / "one" / shard) as tar:
            names = tar.getnames()
            assert all(e.mtime == 0 and e.uid == 0 and not e.uname for e in tar.getmembers())
        assert [n.partition(".")[0] for n in names] == sorted(
            n.partition(".")[0] for n in names
        )  # samples in one piece
        sizes.append(len(names) // 3)
    assert sizes == [3, 1]
    with pytest.raises(InputError, match="at least 1"):
        export(dataset, plan, tmp_path / "three", format="webdataset", shard_size=0)


def test_a_shard_that_differs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, plan, _ = make(tmp_path / "data")
    whole = tarfile.TarFile.addfile

    def damaged(self, entry, file):
        file = type(file)(b"\0" * entry.size) if entry.name.endswith(".jpg") else file
        return whole(self, entry, file)

    monkeypatch.setattr(webdataset.tarfile.TarFile, "addfile", damaged)
    with pytest.raises(DataError, match="disk"):
        export(dataset, plan, tmp_path / "out", format="webdataset")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("format", exporters.formats())
def test_how_much_an_image_counts_travels_with_its_label(tmp_path: Path, format: str) -> None:
    dataset, plan, _ = make(tmp_path / "data")
    weighted = replace(plan, weights=dict.fromkeys(list(plan.assignment)[:1], 2.5))
    export(dataset, weighted, tmp_path / "out", format=format)
    export(dataset, plan, tmp_path / "plain", format=format)
    said, plain = (
        b"".join(
            p.read_bytes()
            for p in sorted((tmp_path / n).rglob("*"))
            if p.is_file() and p.suffix not in (".jpg", ".png")
        )
        for n in ("out", "plain")
    )
    if format == "imagefolder":
        assert said == plain  # folders have no place for them; splits.json does
    else:
        assert b"weight" in said
        assert b"weight" not in plain
    if format in ("csv", "jsonl", "huggingface", "webdataset", "fiftyone"):
        assert b"2.5" in said


def test_fiftyone_imports_its_folder(tmp_path: Path) -> None:
    """Its own importer, without a database."""
    pytest.importorskip("fiftyone")
    from fiftyone.utils.data.importers import FiftyOneImageClassificationDatasetImporter

    dataset, plan, _ = make(tmp_path / "data")
    weighted = replace(plan, weights=dict.fromkeys(plan.assignment, 0.5))
    export(dataset, weighted, tmp_path / "out", format="fiftyone")
    importer = FiftyOneImageClassificationDatasetImporter(str(tmp_path / "out" / "train"))
    with importer:
        found = sorted((sha256(Path(path).read_bytes()), label.label, label.weight) for path, _, label in importer)
    assert found == [(sha, label, 0.5) for sha, label, split in wanted(dataset, plan) if split == "train"]
