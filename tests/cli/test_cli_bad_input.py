"""Bad input: a skip with its reason or one `Error:` line, never a traceback, nothing lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_kit import FIVE, FOUR, POOL, TEST, TRAIN, Run
from PIL import Image


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight good pictures of two classes and everything that can be wrong beside them."""
    data = tmp_path_factory.mktemp("broken") / "data"
    for name in ("bunny", "hen"):
        (data / name).mkdir(parents=True)
        for path in sorted((TRAIN / name).iterdir())[:4]:
            shutil.copy(path, data / name)
    jpeg = sorted((TRAIN / "hen").iterdir())[5].read_bytes()
    (data / "bunny" / "empty.jpg").write_bytes(b"")
    (data / "bunny" / "text.jpg").write_text("hello")
    (data / "hen" / "half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (data / "hen" / "loop").symlink_to(data)
    (data / "hen" / "gone.jpg").symlink_to("nowhere")
    grey = np.full((40, 30), 30000, np.uint16)
    Image.fromarray(grey).save(data / "bunny" / "deep.png")
    Image.fromarray(np.full((30, 40, 4), 90, np.uint8), "CMYK").save(data / "hen" / "cmyk.jpg")
    Image.fromarray(np.full((30, 40), 9, np.uint8), "P").save(data / "hen" / "palette.png")
    return data


def test_what_cannot_be_read_is_skipped_with_its_reason(run: Run, broken: Path) -> None:
    done = run("audit", broken, "--max-skipped", "0.5")
    assert done.code == 0, done.err
    content = done.file("audit.json")
    assert content["dataset"]["n_images"] == 11
    reasons = {s["id"]: s["reason"] for s in content["dataset"]["skipped"]}
    assert set(reasons) == {"bunny/empty.jpg", "bunny/text.jpg", "hen/gone.jpg", "hen/half.jpg", "hen/loop"}
    assert all(reasons.values())
    assert "5 files skipped" in done.out
    assert "empty.jpg" in (done.folder / "report.html").read_text(encoding="utf-8")


def test_too_many_unreadable_images_are_an_error(run: Run, broken: Path) -> None:
    message = run("audit", broken).error()
    assert message.startswith("5 of 16 images cannot be used")
    assert "--max-skipped" in message
    assert run("embed", broken, "--max-skipped", "0.32").code == 0  # 5/16 = 0.3125
    assert run("embed", broken, "--max-skipped", "0.31").code == 1


def test_one_image_is_no_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.copy(next((FOUR / "bunny").iterdir()), tmp_path / "one")
    done = run("audit", tmp_path / "one")
    assert done.code == 0, done.err
    content = done.file("audit.json")
    assert (content["verdict"], content["dataset"]["n_images"]) == ("too few images to tell", 1)
    assert done.out.startswith("Too few images to tell\none: 1 image, 1 class, 0 tests;")


def test_odd_names_are_only_names(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "da ta\n[red]🐇"
    names = {"bunny": 'bun\'ny "q"\n[bold]🐇\x1b[31m', "hen": "=курица %s {0}"}
    for source, name in names.items():
        (data / name).mkdir(parents=True)
        for k, path in enumerate(sorted((TRAIN / source).iterdir())[:8]):
            shutil.copy(path, data / name / f"{'-' if k == 0 else ''}im {k}\n[bold]'\"\\\u202e🐇.jpg")
    done = run("audit", data)
    assert done.code == 0, done.err
    content = done.file("audit.json")
    assert content["dataset"]["classes"] == dict.fromkeys(sorted(names.values()), 8)
    assert not set(done.out) & set("\x1b\u202e")
    rec = run("recommend", data, "--pool", FIVE, "--attribute", f"{names['bunny']}:background.colour=green")
    assert rec.code == 0, rec.err
    rec.file("recommend.json")
    dest = tmp_path / "dest\n[x]"
    assert run("export", data, dest, "--format", "imagefolder").code == 0
    assert len([p for p in dest.rglob("*") if p.suffix == ".jpg"]) == 16


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", "", "is empty"),
        ("no_rows.csv", "path,label\n", "has no rows"),
        ("no_path.csv", "file,label\na.jpg,x\n", "--path-column"),
        ("gone.csv", "path,label\na.jpg,x\n", "a.jpg: no such file"),
        ("outside.csv", "path,label\n../../etc/hosts,x\n", "--allow-outside"),
        ("half.jsonl", '{"path": "a.jpg"\n', "cannot be read as jsonl"),
        ("no.parquet", "PAR1", "cannot be read as parquet"),
        ("table.xlsx", "x", "give a .csv, .parquet or .jsonl"),
    ],
)
def test_a_table_that_cannot_be_used(name: str, content: str, says: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    assert says in run("embed", tmp_path / name).error()


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[audit]\nalfa = 0.1", "did you mean 'alpha'?"),
        ("[adit]\nalpha = 0.1", "did you mean 'audit'?"),
        ("[audit]\nalpha = '0.1'", "alpha = '0.1'"),
        ("[audit]\nalpha = 2", "alpha = 2; a number between 0 and 1"),
        ("alpha = [", "is not valid TOML"),
    ],
)
def test_settings_that_cannot_be_used(toml: str, says: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(toml)
    assert says in run("embed", FOUR, "--config", tmp_path / "mine.toml").error()


def test_settings_are_used_and_recorded(run: Run, tmp_path: Path) -> None:
    # Without an edit and with a bar that no gap reaches, association alone decides: else the probe's leaning makes it high.
    mine = "[audit]\nhigh = 0.95\nmedium = 0.3\nleans = 1.0\nn_edited = 0\n"
    (tmp_path / "mine.toml").write_text(mine)
    content = run("audit", TRAIN, "--config", tmp_path / "mine.toml").file("audit.json")
    assert content["settings"]["audit"]["high"] == 0.95
    assert content["findings"][0]["severity"] == "medium"


BAD_FLAGS: list[tuple[tuple[str | Path, ...], str]] = [
    (("audit", "no such folder"), "no such file or folder: no such folder"),
    (("audit", ""), "DATA is empty"),
    (("audit", "memory://x/y"), "nothing was found at memory://x/y"),
    (("audit", FOUR, "--model", "bogus"), "no model architecture is called 'bogus'"),
    (("audit", FOUR, "--model", "ViT-B-32:/no/such.pt"), "no checkpoint at"),
    (("audit", FOUR, "--baseline", Path(__file__)), "cannot read the baseline"),
    (("audit", FOUR, "--config", "no such.toml"), "check --config"),
    (("audit", FOUR, "--out", "/dev/null/x"), "choose another --out"),
    (("embed", FOUR, "--cache", "/dev/null/x"), "--cache"),
    (("recommend", FOUR, "--pool", FIVE, "--strategy", "coverige"), "coverage"),
    (("recommend", FOUR, "--pool", FIVE, "--attribute", "bunny"), "is not CLASS:ATTRIBUTE=VALUE"),
    (("recommend", FOUR, "--pool", FIVE, "--attribute", "bunny:no.such=green"), "no attribute is called 'no.such'"),
    (("recommend", FOUR, "--pool", FIVE, "--attribute", "bunny:background.colour=mauve"), "background.colour=mauve"),
    (("validate", FOUR, "--pool", FIVE, "--plan", Path(__file__)), "recommendation.csv"),
    (("validate", FOUR, "--pool", FIVE, "--test", "no such"), "no such file or folder: no such"),
    (("export", FOUR, "dest", "--split", "train"), "is not NAME=FRACTION"),
    (("export", FOUR, "dest", "--split", "train=nan", "--split", "test=1"), "is not NAME=FRACTION"),
    (("export", FOUR, "dest", "--split", "train=0.5"), "sum to 0.5"),
]


@pytest.mark.parametrize(("args", "says"), BAD_FLAGS)
def test_a_flag_that_cannot_be_used(
    args: tuple[str | Path, ...], says: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert says in run(*args).error()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "args",
    [
        ("no-such-command",),
        ("audit",),
        ("audit", FOUR, "--no-such-flag"),
        ("audit", FOUR, "--seed", "-1"),
        ("audit", FOUR, "--jobs", "-1"),
        ("audit", FOUR, "--max-skipped", "2"),
        ("audit", FOUR, "--fail-on", "severe"),
        ("recommend", FOUR, "--pool", FIVE, "--budget", "0"),
    ],
)
def test_wrong_usage_is_exit_code_2(args: tuple[str | Path, ...], run: Run) -> None:
    done = run(*args)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: ")
    assert done.err.splitlines()[-1].startswith("Error: ")


def test_an_empty_folder_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no usable image in" in run("audit", tmp_path / "empty").error()
    assert "no usable image in" in run("recommend", FOUR, "--pool", tmp_path / "empty").error()


def test_a_file_in_the_way_of_a_result_is_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "audit.json").mkdir()
    assert "choose another folder" in run("audit", FOUR, out=tmp_path).error()


@pytest.mark.slow
def test_a_pool_without_what_is_wanted_is_no_error(run: Run, few: tuple[str, Path]) -> None:
    """Two bunnies too few to matter: the shopping list says what is missing, the proof that nothing was added."""
    done = run("recommend", TRAIN, "--pool", TRAIN / "hen", *few, "--json")
    content = done.file("recommend.json")
    assert content["images"] == []
    assert any("bunny" in line for line in content["shopping_list"])
    proof = run("validate", TRAIN, "--pool", TRAIN / "hen", "--test", TEST, *few)
    assert proof.code == 0, proof.err
    content = proof.file("validation.json")
    assert "recommended" not in content["arms"]
    assert content["gain_over_random"] is None
    assert any("No image is added" in note for note in content["notes"])
    assert content["verdict"] == "no evidence of improvement"


def test_a_vocabulary_that_no_tower_reads_is_not_dropped_in_silence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("a meadow\n")
    done = run("audit", FOUR, "--concepts", tmp_path / "mine.txt", "--model", "pixels")
    assert done.code == 0
    # The path is longer than a line where the folder of the tests has a long name, and may be broken anywhere.
    assert "mine.txtisnotused" in "".join(done.out.split())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(cache: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    words = ["audit", str(FOUR), "--model", "embedded", "--cache", str(cache), "--out", str(tmp_path / "out"), "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "curator", *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=120
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: No space left on device")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["recommend", "validate"])
def test_results_among_the_images_of_a_table_are_refused_before_any_work(
    run: Run, command: str, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    rows = ["path,label"]
    for label in ("bunny", "hen"):
        for path in sorted((TRAIN / label).iterdir())[:2]:
            shutil.copy(path, tmp_path / "images")
            rows.append(f"images/{path.name},{label}")
    table = tmp_path / "t.csv"
    table.write_text("\n".join(rows))
    flags = ("--pool", table) if command == "recommend" else ("--pool", POOL, "--test", table)
    out = tmp_path / "images" / "out"
    message = run(command, TRAIN, *flags, "--cache", tmp_path / "cache", "--out", out).error()
    assert "lies inside the data (images)" in message
    assert not out.exists()
    assert not (tmp_path / "cache").exists()
