"""Exporting: what is written is what was there, all of it or nothing, and nothing else is touched."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curator import exporters
from curator.errors import CuratorError, DataError, InputError
from curator.exporters import EXPORTERS, Job, export, imagefolder
from curator.types import Column, Dataset, Measures, SplitPlan

FILES = {
    "bunny/one.jpg": "train",
    "bunny/more/one.jpg": "train",
    "bunny/two two's.jpg": "val",
    "hen/one.jpg": "train",
    "hen/öse\n.jpg": "test",
}


def make(root: Path, files: Mapping[str, str] = FILES, labels: list[str] | None = None) -> tuple[Dataset, SplitPlan]:
    """A data set of small files with distinct bytes; the label is the first folder unless given."""
    names = labels if labels is not None else [id.split("/")[0] for id in files]
    for n, id in enumerate(files):
        path = root / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"picture {n} {id}".encode() * 50)
    classes = tuple(dict.fromkeys(name for name in names if name))
    dataset = Dataset(
        name="small",
        root=str(root),
        ids=np.array(list(files)),
        labels=np.array([classes.index(name) if name else -1 for name in names]),
        classes=classes,
        splits=np.array([""] * len(files)),
        metadata=pd.DataFrame(index=list(files)),
    )
    counts = pd.DataFrame()
    return dataset, SplitPlan(assignment=dict(files), asked=counts, got=counts)


def digests(folder: Path) -> list[str]:
    return sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file())


def listing(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_image_folders_hold_every_byte_of_every_image(tmp_path: Path, link: exporters.Link) -> None:
    dataset, plan = make(tmp_path / "data")
    before = digests(tmp_path / "data")
    n = export(dataset, plan, tmp_path / "out", format="imagefolder", link=link)
    assert n == len(FILES)
    assert digests(tmp_path / "out") == before == digests(tmp_path / "data")
    assert (tmp_path / "out/val/bunny/two two's.jpg").read_bytes() == (
        tmp_path / "data/bunny/two two's.jpg"
    ).read_bytes()
    assert len(list((tmp_path / "out/train/bunny").iterdir())) == 2  # bunny/one.jpg and bunny/more/one.jpg, both kept
    one = tmp_path / "out/train/hen/one.jpg"
    assert one.is_symlink() == (link == "symlink")
    assert one.samefile(tmp_path / "data/hen/one.jpg") == (link != "copy")
    assert {p.name for p in tmp_path.iterdir()} == {"data", "out"}


def test_same_plan_gives_the_same_names_whatever_its_order(tmp_path: Path) -> None:
    dataset, plan = make(tmp_path / "data")
    backwards = SplitPlan(dict(reversed(plan.assignment.items())), plan.asked, plan.got)
    export(dataset, plan, tmp_path / "a", format="imagefolder")
    export(dataset, backwards, tmp_path / "b", format="imagefolder")
    assert listing(tmp_path / "a") == listing(tmp_path / "b")


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_manifest_round_trip(tmp_path: Path, format: str) -> None:
    dataset, plan = make(tmp_path / "data")
    frame = pd.DataFrame({"light.brightness": [0.1, 0.2, 0.3, 0.4, 0.5]}, index=dataset.ids)
    measures = Measures(
        frame, (Column("light.brightness", "number", "image", "have brightness {value}", "not {value}"),)
    )
    some = SplitPlan({k: v for k, v in plan.assignment.items() if k != "hen/one.jpg"}, plan.asked, plan.got)
    n = export(dataset, some, tmp_path / "out", format=format, measures=measures, extra_files={"splits.json": "{}\n"})
    file = tmp_path / "out" / f"manifest.{format}"
    table = pd.read_csv(file) if format == "csv" else pd.read_parquet(file)
    assert n == len(table) == 4
    assert list(table.columns) == ["path", "label", "split", "light.brightness"]
    assert all(Path(p).is_file() for p in table["path"])
    assert table["label"].tolist() == ["bunny", "bunny", "bunny", "hen"]
    assert table["split"].tolist() == ["train", "train", "val", "test"]
    assert table["light.brightness"].tolist() == [0.1, 0.2, 0.3, 0.5]
    assert (tmp_path / "out/splits.json").read_text() == "{}\n"


def test_text_in_a_csv_is_never_a_formula(tmp_path: Path) -> None:
    labels = ["=1+1", "+2", "-3", "@SUM(A1)", "\thidden"]
    dataset, plan = make(tmp_path / "data", labels=labels)
    frame = pd.DataFrame({"a.number": [-1.5] * 5}, index=dataset.ids)
    measures = Measures(frame, (Column("a.number", "number", "image", "{value}", "{value}"),))
    export(dataset, plan, tmp_path / "out", format="csv", measures=measures)
    table = pd.read_csv(tmp_path / "out/manifest.csv")
    assert table["label"].tolist() == ["'" + label for label in labels]
    assert table["a.number"].tolist() == [-1.5] * 5
    export(dataset, plan, tmp_path / "binary", format="parquet")
    assert pd.read_parquet(tmp_path / "binary/manifest.parquet")["label"].tolist() == labels


def test_hostile_class_names_stay_inside_and_apart(tmp_path: Path) -> None:
    labels = ["..", "../../evil", "/etc/passwd", "a/b", "a_b"]
    dataset, plan = make(tmp_path / "data", labels=labels)
    assert export(dataset, plan, tmp_path / "deep/out", format="imagefolder") == 5
    assert {p.name for p in tmp_path.iterdir()} == {"data", "deep"}
    assert {p.name for p in (tmp_path / "deep").iterdir()} == {"out"}
    files = [p.relative_to(tmp_path / "deep/out") for p in (tmp_path / "deep/out").rglob("*.jpg")]
    assert len(files) == 5
    assert all(len(p.parts) == 3 for p in files)
    assert len({p.parts[1] for p in files}) == 5  # "a/b" and "a_b" are two classes still
    renamed = json.loads((tmp_path / "deep/out/classes.json").read_text())
    assert set(renamed.values()) == set(labels)


def test_names_that_differ_only_in_case_are_kept_apart() -> None:
    names = imagefolder.folder_names(["Hen", "hen", "sheep"])
    assert names["sheep"] == "sheep"
    assert len({name.casefold() for name in names.values()}) == 3


@pytest.mark.parametrize("force", [False, True])
def test_a_failure_in_the_middle_leaves_nothing(tmp_path: Path, force: bool) -> None:
    dataset, plan = make(tmp_path / "data")
    out = tmp_path / "out"
    if force:
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    (tmp_path / "data/hen/one.jpg").unlink()
    with pytest.raises(DataError, match=r"hen/one\.jpg no longer exists"):
        export(dataset, plan, out, format="imagefolder", force=force)
    assert {p.name for p in tmp_path.iterdir()} == ({"data", "out"} if force else {"data"})
    assert listing(out) == ({"mine.txt"} if force else set())


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, plan = make(tmp_path / "data")

    class Interrupted:
        formats = ("interrupted",)

        def write(self, job: Job) -> int:
            (job.destination / "half").write_text("half")
            raise KeyboardInterrupt

    EXPORTERS.names()
    monkeypatch.setitem(EXPORTERS._found, "interrupted", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        export(dataset, plan, tmp_path / "out", format="interrupted")
    assert {p.name for p in tmp_path.iterdir()} == {"data"}


def test_a_copy_that_differs_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, plan = make(tmp_path / "data")
    monkeypatch.setattr(imagefolder, "_sha256", lambda path: "0" * 64)
    with pytest.raises(DataError, match="disk"):
        export(dataset, plan, tmp_path / "out", format="imagefolder")
    assert not (tmp_path / "out").exists()


def test_an_existing_folder_needs_force_and_is_then_replaced(tmp_path: Path) -> None:
    dataset, plan = make(tmp_path / "data")
    out = tmp_path / "out"
    export(dataset, plan, out, format="csv")
    with pytest.raises(InputError, match="--force"):
        export(dataset, plan, out, format="imagefolder")
    assert listing(out) == {"manifest.csv"}
    export(dataset, plan, out, format="imagefolder", force=True)
    assert "manifest.csv" not in listing(out)
    assert digests(out) == digests(tmp_path / "data")
    assert {p.name for p in tmp_path.iterdir()} == {"data", "out"}


def test_a_destination_in_the_way_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    dataset, plan = make(root)
    before = digests(root)
    (tmp_path / "a file").write_text("x")
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "here/below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here/below")
    for destination, says in [
        (root / "out", "lies inside the data"),
        (root, "lies inside the data"),
        (tmp_path, "contains the data"),
        (root / ".." / "data" / "x", "lies inside the data"),
        (tmp_path / "link" / "x", "lies inside the data"),
        (tmp_path / "link", "symbolic link"),
        (tmp_path / "a file", "is a file"),
        (tmp_path / "here", "the current folder"),
        (tmp_path / "a file" / "below", "cannot export"),
    ]:
        with pytest.raises(InputError, match=says):
            export(dataset, plan, destination, format="csv", force=True)
    assert digests(root) == before
    assert listing(root) == {"bunny", "bunny/more", "hen", *FILES}
    assert (tmp_path / "a file").read_text() == "x"


def test_what_cannot_be_exported_says_why(tmp_path: Path) -> None:
    dataset, plan = make(tmp_path / "data", labels=["bunny", "bunny", "bunny", "hen", ""])
    out = tmp_path / "out"
    with pytest.raises(InputError, match="csv, fiftyone, huggingface, imagefolder, jsonl, parquet, webdataset"):
        export(dataset, plan, out, format="tar")
    with pytest.raises(InputError, match="hardlink"):
        export(dataset, plan, out, format="csv", link="teleport")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no label"):
        export(dataset, plan, out, format="imagefolder")
    with pytest.raises(DataError, match="not in the data set"):
        export(dataset, SplitPlan({"other.jpg": "train"}, plan.asked, plan.got), out, format="csv")
    with pytest.raises(DataError, match="no image"):
        export(dataset, SplitPlan({}, plan.asked, plan.got), out, format="csv")
    assert not out.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    dataset, plan = make(tmp_path / "data")
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(CuratorError, match="cannot export"):
        export(dataset, plan, tmp_path / "closed/out", format="csv")


def test_every_exporter_found_keeps_the_contract(tmp_path: Path) -> None:
    dataset, plan = make(tmp_path / "data")
    before = digests(tmp_path / "data")
    assert exporters.formats() == ("csv", "fiftyone", "huggingface", "imagefolder", "jsonl", "parquet", "webdataset")
    for name, exporter in EXPORTERS:
        for format in exporter.formats:
            for destination in (f"{name}-{format}", f"{name}-{format}-again"):
                assert export(dataset, plan, tmp_path / destination, format=format) == len(FILES)
            assert listing(tmp_path / f"{name}-{format}") == listing(tmp_path / f"{name}-{format}-again")
    assert digests(tmp_path / "data") == before
