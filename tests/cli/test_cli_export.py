"""`curator export` with groups, balance and the formats, on the committed sample data."""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from cli_kit import TRAIN, Run, check_schema
from PIL import Image, ImageOps

RULE = ("--attribute", "bunny:background.colour=green")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The training images as a table with a column of forty sites, five images without one.

    Not fewer: some composed pictures look alike, and each such pair joins two sites.
    """
    ids = sorted(p.relative_to(TRAIN).as_posix() for p in TRAIN.rglob("*.jpg"))
    sites = [f"site {k % 40}" if k >= 5 else None for k in range(len(ids))]
    rows = {"path": [str(TRAIN / i) for i in ids], "label": [i.split("/")[0] for i in ids], "site": sites}
    (tmp_path / "tables").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "tables" / "sites.csv", index=False)
    return tmp_path / "tables" / "sites.csv"


def test_images_of_one_site_stay_in_one_split(run: Run, few: tuple[str, Path], table: Path, tmp_path: Path) -> None:
    flags = ("--format", "jsonl", "--group-column", "site", "--allow-outside", *RULE)
    done = run("export", table, tmp_path / "dest", *flags, *few)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in (tmp_path / "dest" / "manifest.jsonl").read_text().splitlines()]
    site = dict(pd.read_csv(table)[["path", "site"]].itertuples(index=False))
    splits: dict[str, set[str]] = {}
    for row in rows:
        if isinstance(site[row["path"]], str):
            splits.setdefault(site[row["path"]], set()).add(row["split"])
    assert len(rows) == 240
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())
    assert {s for found in splits.values() for s in found} == {"train", "val", "test"}


def test_a_column_that_is_not_there_is_one_line(run: Run, few: tuple[str, Path], table: Path, tmp_path: Path) -> None:
    flags = ("--group-column", "sites", "--allow-outside")
    assert "did you mean 'site'?" in run("export", table, tmp_path / "dest", *flags, *few).error()
    assert "only a table" in run("export", TRAIN, tmp_path / "dest", "--group-column", "site").error()
    assert "--balance group" in run("export", TRAIN, tmp_path / "dest", "--balance-by", "drop").error()


def test_a_mirrored_copy_does_not_reach_another_split(run: Run, few: tuple[str, Path], tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("bunny", "hen"):
        (data / name).mkdir(parents=True)
        for k, path in enumerate(sorted((TRAIN / name).iterdir())[:24]):
            (data / name / path.name).write_bytes(path.read_bytes())
            if k % 3 == 0:
                with Image.open(path) as picture:
                    ImageOps.mirror(picture).save(data / name / f"turned {path.name}", quality=85)
    done = run("export", data, tmp_path / "dest", "--format", "csv", *RULE, *few, "--json")
    assert done.code == 0, done.err
    where = done.json()["assignment"]
    turned = [i for i in where if "turned " in i]
    assert len(turned) == 16
    assert [i for i in turned if where[i] != where[i.replace("turned ", "")]] == []


@pytest.mark.parametrize("way", ["drop", "weight", "add"])
def test_groups_of_the_training_split_are_balanced(way: str, run: Run, few: tuple[str, Path], tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    flags = ("--format", "webdataset", "--shard-size", "50", "--balance", "group", *RULE)
    done = run("export", TRAIN, dest, *flags, *few, "--balance-by", way)
    assert done.code == 0, done.err
    content = json.loads((dest / "splits.json").read_text(encoding="utf-8"))
    check_schema(content)
    train = [cell["got"]["train"] for cell in content["cells"]]
    known = []
    for shard in sorted(dest.glob("train-*.tar")):
        with tarfile.open(shard) as tar:
            known += [json.loads(tar.extractfile(e).read()) for e in tar if e.name.endswith(".json")]  # type: ignore[union-attr]
    assert len(known) == content["splits"]["train"] == sum(train)
    if way == "drop":
        assert len(set(train)) == 1
        assert content["n_images"] + len(content["left_out"]) == 240
        assert "Left out of train" in done.out
    else:
        assert content["n_images"] == 240
    if way == "weight":
        total = Counter(dict.fromkeys(("bunny", "hen", "rodent", "sheep"), 0.0))
        for row in known:
            total[row["label"]] += row["weight"]
        n_groups = Counter(cell["class"] for cell in content["cells"])
        assert len({round(total[label] / n_groups[label], 6) for label in n_groups}) == 1
    if way == "add":
        assert "To balance train, add:" in done.out
        assert [line.split()[0] for line in content["shopping_list"]] == [
            str(max(train) - n) for n in train if n < max(train)
        ]


def test_a_dry_run_says_what_would_be_replaced_and_links_have_nothing_to_strip(
    run: Run, few: tuple[str, Path], tmp_path: Path
) -> None:
    dest = tmp_path / "dest"
    (dest / "old").mkdir(parents=True)
    (dest / "old" / "mine.txt").write_text("mine")
    done = run("export", TRAIN, dest, "--force", "--dry-run", *RULE, *few)
    assert done.code == 0, done.err
    assert "exists and would be replaced, with everything in it: 1 file." in " ".join(done.out.split())
    assert [p.name for p in dest.rglob("*") if p.is_file()] == ["mine.txt"]
    done = run("export", TRAIN, tmp_path / "new", "--strip-metadata", "--link", "symlink", *few)
    assert done.code == 1
    assert "--strip-metadata and --link symlink cannot be used together" in done.err
    assert not (tmp_path / "new").exists()


def test_a_folder_beside_a_table_can_be_written_to_and_the_table_is_never_replaced(
    run: Run, few: tuple[str, Path], tmp_path: Path
) -> None:
    work = tmp_path / "work"
    for name in ("bunny", "hen"):
        (work / "images" / name).mkdir(parents=True)
        for path in sorted((TRAIN / name).iterdir())[:24]:
            (work / "images" / name / path.name).write_bytes(path.read_bytes())
    ids = sorted(p.relative_to(work).as_posix() for p in work.rglob("*.jpg"))
    table = work / "t.csv"
    pd.DataFrame({"path": ids, "label": [i.split("/")[1] for i in ids]}).to_csv(table, index=False)
    flags = ("--format", "csv", *RULE, *few)
    for inside in (work / "images" / "hen" / "splits", work / "images" / "hen"):
        assert "lies inside the data" in run("export", table, inside, *flags).error()
    for around, what in ((work / "images", "contains the data"), (work, "contains the data")):
        assert what in run("export", table, around, "--force", *flags).error()
    # The table may lie where none of its images is.
    (work / "lists").mkdir()
    rows = pd.read_csv(table).assign(path=[str(work / i) for i in ids])
    rows.to_csv(work / "lists" / "t.csv", index=False)
    other = (work / "lists" / "t.csv", work / "lists", "--force", "--allow-outside")
    assert "t.csv, which is read" in run("export", *other, *flags).error()
    done = run("export", table, work / "balanced", *flags)
    assert done.code == 0, done.err
    assert {p.name for p in work.iterdir()} == {"images", "lists", "t.csv", "balanced"}
    assert len(list((work / "images").rglob("*.jpg"))) == 48
