"""Every command of the contract: its files, its JSON, its exit codes, and that it leaves the data alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from cli_kit import FOUR, POOL, SAMPLE, TEST, TRAIN, Done, Run, check_schema, snapshot

from curator.cli.main import COMMANDS
from curator.errors import MissingExtraError
from curator.io import mongodb

HEAVY = ("torch", "fiftyone", "pandas", "PIL", "sklearn", "scipy", "onnxruntime", "open_clip", "rich.progress")


@pytest.mark.slow
def test_audit_writes_the_files_of_the_contract(audited: Done, recommended: Done, validated: Done) -> None:
    names = {path.name for path in audited.folder.iterdir()}
    assert names == {
        "audit.json", "report.html", "measures.parquet", "run.json", "audit.junit.xml", "audit.sarif",
        "recommend.json", "recommendation.csv", "shopping_list.csv", "validation.json",
    }  # fmt: skip
    content, about = audited.file("audit.json"), audited.file("run.json")
    assert (about["command"], about["n_images"], about["n_skipped"]) == ("audit", 240, 0)
    assert about["fingerprint"] == content["dataset"]["fingerprint"]
    measures = pd.read_parquet(audited.folder / "measures.parquet")
    assert len(measures) == 240
    assert {"background.colour", "light.brightness"} <= set(measures.columns)


@pytest.mark.parametrize(("fixture", "name"), [
    ("audited", "audit.json"),
    pytest.param("recommended", "recommend.json", marks=pytest.mark.slow),
    pytest.param("validated", "validation.json", marks=pytest.mark.slow),
])  # fmt: skip
def test_json_is_the_file_alone_on_stdout(fixture: str, name: str, request: pytest.FixtureRequest) -> None:
    done: Done = request.getfixturevalue(fixture)
    assert done.code == 0
    assert done.out == (done.folder / name).read_text(encoding="utf-8")


def test_json_is_alone_also_in_a_process_of_its_own(fresh: Run, cache: Path, audited: Done) -> None:
    """Libraries may talk, but not on stdout."""
    done = fresh("audit", TRAIN, "--model", "embedded", "--cache", cache, "--out", "here", "--json", "-vv")
    assert done.code == 0, done.err
    assert done.out == (done.folder / "here" / "audit.json").read_text(encoding="utf-8")
    assert done.out == audited.out  # another process, another folder, the same bytes


def test_embed_says_what_is_new(run: Run, few: tuple[str, Path], audited: Done) -> None:
    content = run("embed", TRAIN, "--json").json()
    check_schema(content)
    assert (content["n_images"], content["n_new"], content["images_per_second"]) == (240, 0, None)
    again = run("audit", TRAIN, *few)
    assert again.file("run.json")["n_new"] == 0


def test_doctor_checks_and_says_how_to_mend(fresh: Run, cache: Path) -> None:
    done = fresh("doctor", "--json", "--cache", cache)
    content = done.json()
    check_schema(content)
    status = {check["name"]: check for check in content["checks"]}
    assert done.code == (1 if "fail" in {c["status"] for c in content["checks"]} else 0)
    assert status["embedded weights"]["status"] == "ok"
    assert status["model hub"]["status"] == "warn"
    assert all(check["mend"] for check in content["checks"] if check["status"] != "ok")


@pytest.mark.slow
def test_browse_builds_the_data_set(fresh: Run, run: Run, cache: Path, audited: Done, tmp_path: Path) -> None:
    from app_kit import own_mongod

    try:
        mongodb.find_database()
    except MissingExtraError as error:
        pytest.skip(str(error))
    with own_mongod(tmp_path / "mongo") as uri:
        database = {"FIFTYONE_DATABASE_URI": uri, "FIFTYONE_DATABASE_NAME": "curator_cli"}
        done = fresh(
            "browse", FOUR, "--no-wait", "--json", "--model", "embedded", "--cache", cache, env=database, timeout=240
        )
    assert done.code == 0, done.err
    content = done.json()
    check_schema(content)
    assert (content["name"], content["n_images"], content["url"]) == ("curator-four_bunnies", 4, None)


def test_browse_without_a_database_is_one_line(fresh: Run, cache: Path) -> None:
    away = {"FIFTYONE_DATABASE_URI": "mongodb://127.0.0.1:9"}
    done = fresh("browse", FOUR, "--no-wait", "--model", "embedded", "--cache", cache, env=away)
    assert "FIFTYONE_DATABASE_URI" in done.error()


def test_export_keeps_duplicates_on_one_side_and_cells_in_proportion(
    run: Run, few: tuple[str, Path], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    for name in ("bunny", "hen"):
        (data / name).mkdir(parents=True)
        for k, path in enumerate(sorted((TRAIN / name).iterdir())[:40]):
            shutil.copy(path, data / name)
            if k % 8 == 0:  # the same file under other names
                shutil.copy(path, data / name / f"a copy of {path.name}")
                shutil.copy(path, data / name / f"z copy of {path.name}")
    dest = tmp_path / "dest"
    rule = ("--attribute", "bunny:background.colour=green")
    done = run("export", data, dest, *rule, *few, "--json")
    assert done.code == 0, done.err
    text = (dest / "splits.json").read_text(encoding="utf-8")
    assert done.out == text
    content = json.loads(text)
    check_schema(content)
    where = content["assignment"]
    assert len(where) == content["n_images"] == 100
    copies = [i for i in where if " copy of " in i]
    assert len(copies) == 20
    assert [i for i in copies if where[i] != where[re.sub("[az] copy of ", "", i)]] == []
    for cell in content["cells"]:
        n = sum(cell["got"].values())
        for split, fraction in (("train", 0.7), ("val", 0.15), ("test", 0.15)):
            # A group of three can only go as a whole.
            assert abs(cell["got"][split] - fraction * n) <= 3, cell
    files = {str(p.relative_to(dest)) for p in dest.rglob("*.jpg")}
    assert files == {f"{split}/{id}" for id, split in where.items()}


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_export_writes_a_manifest(format_: str, run: Run, few: tuple[str, Path], audited: Done, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    done = run("export", TRAIN, dest, "--format", format_, "--split", "train=0.5", "--split", "test=0.5", *few)
    assert done.code == 0, done.err
    (manifest,) = dest.glob(f"*.{format_}")
    table = pd.read_csv(manifest) if format_ == "csv" else pd.read_parquet(manifest)
    content = json.loads((dest / "splits.json").read_text(encoding="utf-8"))
    assert len(table) == 240
    assert table["split"].value_counts().to_dict() == content["splits"]
    assert set(content["splits"]) == {"train", "test"}
    # What was exported is DATA again.
    again = run("embed", manifest, "--allow-outside", "--json").json()
    assert (again["n_images"], again["n_new"]) == (240, 0)


def test_export_refuses_what_is_in_its_way(run: Run, audited: Done, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    done = run("export", FOUR, dest, "--format", "csv", "--dry-run")
    assert (done.code, dest.exists()) == (0, False)
    assert "4 images would go to" in done.out
    dest.mkdir()
    (dest / "mine.txt").write_text("keep")
    assert "--force" in run("export", FOUR, dest, "--format", "csv").error()
    assert "--force" in run("export", FOUR, dest, "--format", "csv", "--dry-run").error()
    assert (dest / "mine.txt").read_text() == "keep"
    assert run("export", FOUR, dest, "--format", "csv", "--force").code == 0
    assert not (dest / "mine.txt").exists()
    assert "never written to" in run("export", FOUR, FOUR / "splits").error()
    assert "did" not in run("export", FOUR, tmp_path / "new", "--format", "tar").error()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("args", [("audit", FOUR), ("embed", FOUR)])
def test_quiet_says_nothing(args: tuple[str | Path, ...], run: Run) -> None:
    done = run(*args, "-q")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_help_lists_every_command_in_full(run: Run, fresh: Run) -> None:
    text = fresh("--help").out
    for name, purpose in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(purpose)}$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("args", [["--help"], ["audit", "--help"], ["audit"], ["--version"]])
def test_help_imports_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys\nfrom curator.cli.main import cli\n"
        f"try:\n    cli({args!r})\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_answers_at_once() -> None:
    """Sooner than pandas is imported, on any processor: a tenth of a second where that takes a third."""
    resource = pytest.importorskip("resource", reason="this system does not say what a process used")

    def seconds(*args: str) -> float:
        def used() -> float:
            spent = resource.getrusage(resource.RUSAGE_CHILDREN)
            return spent.ru_utime + spent.ru_stime

        before = used()
        subprocess.run([sys.executable, *args], check=True, stdout=subprocess.DEVNULL)
        return used() - before

    # The least of some: the machine may be busy with other things.
    assert min(seconds("-m", "curator", "--help") for _ in range(3)) < min(
        seconds("-c", "import pandas") for _ in range(3)
    )


def test_auto_without_a_network_says_what_stands_in(fresh: Run, cache: Path, audited: Done, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:  # takes every connection and says nothing
        hub = f"http://127.0.0.1:{server.getsockname()[1]}"
        env = dict.fromkeys(("HF_ENDPOINT", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), hub)
        done = fresh("audit", FOUR, "--cache", cache, "--out", "here", env={**env, "HF_HOME": str(tmp_path / "hub")})
        server.setblocking(False)
        server.accept()[0].close()
        with pytest.raises(
            BlockingIOError
        ):  # asked once: the hub's client would ask for 47 s, and 2 more for each retry
            server.accept()
    assert done.code == 0, done.err
    here = tmp_path / "here"
    content = json.loads((here / "audit.json").read_text(encoding="utf-8"))
    assert content["encoder"]["kind"] == "embedded"
    (note,) = content["notes"]
    assert note.startswith("CLIP (")
    for part in ("cannot be downloaded", "text prompts", "curator audit DATA --model ViT-B-32/"):
        assert part in note
        assert part in " ".join(done.out.split())
        assert part in (here / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_data_is_never_written_to(
    before: dict[str, object], run: Run, audited: Done, recommended: Done, validated: Done, tmp_path: Path
) -> None:
    assert run("export", TRAIN, tmp_path / "dest").code == 0
    assert run("audit", TEST).code == 0
    assert snapshot(SAMPLE) == before


def test_results_are_refused_inside_the_data(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    shutil.copytree(FOUR, data / "images")
    ids = sorted(p.relative_to(data) for p in data.rglob("*.jpg"))
    (data / "list.csv").write_text("path,label\n" + "".join(f"{i},bunny\n" for i in ids))
    was = snapshot(data)
    inside = data / "images" / "new"
    pool = ("--pool", data / "images")
    for args in (
        ("audit", data / "images", "--out", inside),
        ("audit", data / "images", "--cache", inside),
        ("audit", data / "list.csv", "--out", data / ids[0].parent / "new"),
        ("audit", TRAIN, *pool, "--out", inside),
        ("recommend", TRAIN, *pool, "--out", inside),
        ("validate", TRAIN, *pool, "--out", inside),
        ("validate", TRAIN, "--pool", POOL, "--test", data / "images", "--out", inside),
        ("embed", data / "images", "--cache", inside),
    ):
        assert "never written to" in run(*args).error()
    monkeypatch.chdir(data / "images")
    os.symlink(data / "images", tmp_path / "link")
    assert "never written to" in run("audit", ".", "--out", "curator-out").error()
    assert "never written to" in run("audit", data / "images", "--out", tmp_path / "link" / "new").error()
    assert snapshot(data) == was
    # Beside the table is the user's own working folder.
    assert run("audit", data / "list.csv", "--out", data / "out").code == 0
