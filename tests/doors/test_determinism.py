"""The same data, seed and versions give the same bytes: whatever the threads, the order of files, and Python's hashes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doors_kit import BUNNIES

N = 14
FEW = "[audit]\nn_edited = 1\nn_splits = 2\nn_permutations = 3\n"
WAYS = {
    "one": {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "jobs": "1", "TZ": "UTC"},
    "other": {
        "PYTHONHASHSEED": "4711", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "jobs": "2",
        "TZ": "Asia/Tokyo",
    },
}  # fmt: skip


def audited(folder: Path, data: str, way: str, model: str) -> dict[str, bytes]:
    """The results of an audit with a cache of its own, and of the recommendation after it."""
    settings = dict(WAYS[way])
    jobs = settings.pop("jobs")
    out, cache = folder / "out", folder / f"cache-{way}"
    shutil.rmtree(out, ignore_errors=True)
    (folder / "few.toml").write_text(FEW)
    command = [
        sys.executable,
        "-m",
        "curator",
        "audit",
        data,
        "--model",
        model,
        "--cache",
        str(cache),
        "--out",
        "out",
        "-q",
    ]
    subprocess.run(
        [*command, "--jobs", jobs, "--config", "few.toml", "--allow-outside"],
        cwd=folder, env={**os.environ, **settings}, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    names = ("audit.json", "report.html", "audit.junit.xml", "audit.sarif", "measures.parquet")
    return {name: (out / name).read_bytes() for name in names}


def as_folder(folder: Path, rng: random.Random) -> str:
    """Class folders whose files were made in a random order."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    files = [p for name in ("bunny", "hen") for p in sorted((BUNNIES / "train" / name).iterdir())[::4][:N]]
    rng.shuffle(files)
    for path in files:
        (folder / "data" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "data" / path.parent.name / path.name)
    return "data"


def as_table(folder: Path, rng: random.Random) -> str:
    """A table with a column of metadata, its rows and columns in a random order."""
    names = ["path", "label", "site"]
    rng.shuffle(names)
    files = [p for name in ("bunny", "hen") for p in sorted((BUNNIES / "train" / name).iterdir())[::4][:N]]
    rows = [{"path": str(p), "label": p.parent.name, "site": f"s{k % 3}"} for k, p in enumerate(files)]
    rng.shuffle(rows)
    lines = [",".join(names), *(",".join(row[name] for name in names) for row in rows)]
    (folder / "t.csv").write_text("\n".join(lines) + "\n")
    return "t.csv"


@pytest.mark.slow
@pytest.mark.parametrize(("make", "model"), [(as_folder, "embedded"), (as_table, "pixels")])
def test_the_same_bytes_each_time(tmp_path: Path, make, model: str) -> None:
    found = {}
    for k, way in enumerate(WAYS):
        found[way] = audited(tmp_path, make(tmp_path, random.Random(k)), way, model)
    for name, content in found["one"].items():
        assert content == found["other"][name], name
    assert len(found["one"]["report.html"]) > 20_000
