"""The same answer each time, gates for CI, and an interrupt that loses nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli_kit import FOUR, POOL, TRAIN, Run, offline


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty bunnies and twenty hens under train/ and some under test/, one of which is also in train/."""
    data = tmp_path_factory.mktemp("two") / "data"
    for name in ("bunny", "hen"):
        files = sorted((TRAIN / name).iterdir())
        for split, part in (("train", files[:20]), ("test", files[20:26])):
            (data / split / name).mkdir(parents=True)
            for path in part:
                shutil.copy(path, data / split / name)
    shutil.copy(data / "train" / "hen" / sorted((TRAIN / "hen").iterdir())[3].name, data / "test" / "hen" / "leak.jpg")
    return data


@pytest.fixture(scope="module")
def exported(run: Run) -> None:
    """The encoder lies in the cache."""
    assert run("embed", FOUR).code == 0


def models_only(cache: Path, folder: Path) -> Path:
    """A cache with the encoder's files but without one image."""
    shutil.copytree(cache / "encoders", folder / "encoders")
    return folder


def test_the_same_bytes_whatever_the_number_of_threads(
    run: Run, cache: Path, exported: None, two: Path, tmp_path: Path
) -> None:
    texts = set()
    for k, jobs in enumerate(("1", "2", "2")):
        own = models_only(cache, tmp_path / f"cache{k}")
        done = run("audit", two / "train", "--jobs", jobs, "--cache", own)
        assert done.file("run.json")["n_new"] == 40
        texts.add((done.folder / "audit.json").read_bytes())
    assert len(texts) == 1


def test_the_same_findings_in_whatever_order_a_table_lists_the_images(run: Run, two: Path, tmp_path: Path) -> None:
    shutil.copytree(two / "train", tmp_path / "train")
    ids = sorted(str(p.relative_to(tmp_path)) for p in (tmp_path / "train").rglob("*.jpg"))
    texts = []
    for order in (ids, np.random.default_rng(0).permutation(ids).tolist()):
        (tmp_path / "list.csv").write_text("path,label\n" + "".join(f"{i},{i.split('/')[1]}\n" for i in order))
        texts.append((run("audit", tmp_path / "list.csv").folder / "audit.json").read_bytes())
    assert texts[0] == texts[1]
    keys = ("id", "share_in_class", "share_elsewhere", "effect_ci", "p", "q", "severity", "same_as", "sentence")
    folder, table = run("audit", two / "train").file("audit.json"), json.loads(texts[0])
    assert folder["findings"]
    assert [[f[k] for k in keys] for f in table["findings"]] == [[f[k] for k in keys] for f in folder["findings"]]


def test_columns_of_a_table_are_audited(run: Run, tmp_path: Path) -> None:
    """A camera that only hens were taken with, in each form a table may have, beside columns of every kind."""
    shutil.copytree(TRAIN, tmp_path / "train")
    rows = []
    for k, path in enumerate(sorted((tmp_path / "train").rglob("*.jpg"))):
        camera = "Nikon" if path.parent.name == "hen" and k % 20 else ("Canon", "Pentax")[k % 2]
        odd = {
            "mixed": k if k % 3 else "x",
            "nothing": None,
            "a [b] \"c\"\n'd' 🐇": k % 2,
            "big": 10**25 if k % 2 else 3,
        }
        rows.append({"path": str(path.relative_to(tmp_path)), "label": path.parent.name, "camera": camera, **odd})
    (tmp_path / "list.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    done = run("audit", tmp_path / "list.jsonl")
    content = done.file("audit.json")
    assert [f["id"] for f in content["findings"][:2]] == ["hen:metadata.camera=Nikon", "bunny:background.colour=green"]
    assert content["findings"][0]["kind"] == "metadata"
    assert "HIGH    95% of hen images have camera Nikon" in done.out


def test_a_table_of_bytes_dates_and_lists_is_no_crash(run: Run, tmp_path: Path) -> None:
    import pandas as pd

    shutil.copytree(TRAIN / "bunny", tmp_path / "bunny")
    n = 60
    table = pd.DataFrame(
        {"path": sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.jpg")), "label": "bunny"}
    )
    table["bytes"] = [b"x", b"\xff\x00"] * (n // 2)
    table["when"] = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(range(n), "D")
    table["list"] = [[1, 2]] * n
    table["infinite"] = [float("inf"), 1.0, None] * (n // 3)
    table.to_parquet(tmp_path / "list.parquet")
    assert run("audit", tmp_path / "list.parquet").file("audit.json")["dataset"]["n_images"] == n


def test_fail_on_a_severity_unless_it_was_there_before(
    run: Run, two: Path, few: tuple[str, Path], tmp_path: Path
) -> None:
    data = two / "train"
    found = run("audit", data, "--fail-on", "high", *few)
    assert found.code == 3
    baseline = found.folder / "audit.json"
    assert run("audit", data, "--fail-on", "high", *few, "--baseline", baseline).code == 0
    content = json.loads(baseline.read_text(encoding="utf-8"))
    content["findings"][0]["severity"] = "medium"
    (changed := tmp_path / "milder.json").write_text(json.dumps(content))
    assert run("audit", data, "--fail-on", "high", *few, "--baseline", changed).code == 3
    assert run("audit", data, "--fail-on", "medium", *few, "--baseline", changed).code == 0
    assert run("audit", data, "--fail-on", "leak", *few).code == 0


def test_fail_on_a_leak(run: Run, two: Path) -> None:
    done = run("audit", two, "--fail-on", "leak")
    assert done.code == 3
    content = done.file("audit.json")
    (leak,) = content["duplicates"]["leaks"]
    assert [i for i in leak["ids"] if i.startswith("test/")] == ["test/hen/leak.jpg"]
    assert leak["splits"] == ["test", "train"]
    assert "1 group of duplicates lies in more than one split" in done.out
    assert content["dataset"]["splits"] == {"test": 13, "train": 40}
    assert any("40 images of the train split" in note for note in content["notes"])
    assert run("audit", two, "--fail-on", "leak", "--baseline", done.folder / "audit.json").code == 0


def test_ctrl_c_keeps_what_was_embedded(cache: Path, exported: None, run: Run, tmp_path: Path) -> None:
    own = models_only(cache, tmp_path / "cache")
    ours, theirs = pty.openpty()  # a terminal on stderr, for the progress bar that says how far it is
    command = [sys.executable, "-m", "curator", "embed", str(POOL), "--model", "embedded", "--cache", str(own)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=offline())
    os.close(theirs)
    seen, told, n = "", False, 0
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            seen += os.read(ours, 4096).decode("utf-8", "replace")
        except OSError:  # the other end is closed: it has ended
            break
        n = max([int(d) for d in re.findall(r"(\d+)/460", seen)], default=0)
        if n >= 40 and not told:
            process.send_signal(signal.SIGINT)
            told = True
    out = process.communicate(timeout=30)[0]
    os.close(ours)
    assert told, seen[-500:]
    assert process.returncode == 130, seen[-500:]
    assert out == ""
    assert "Interrupted. The embeddings made so far are kept" in seen
    assert "Traceback" not in seen
    done = run("embed", POOL, "--cache", own, "--json").json()
    assert done["n_images"] == 460
    assert 0 < done["n_new"] <= 460 - 32  # at least a batch was kept
