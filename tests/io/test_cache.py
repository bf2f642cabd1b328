"""What is removed of a cache: what was asked for, nothing of anybody else's, and nothing that cannot be computed again."""

import hashlib
import json
import os
import time

import jsonschema
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from curator.cli.main import cli
from curator.io.store import cache
from curator.io.store.store import ABOUT, Store

DAY = 86400.0
NOW = time.time()


def fill(store: Store, *numbers: int, days: float = 0.0) -> None:
    """One shard of so many images, last used so many days ago."""
    before = set(store.folder.iterdir())
    keys = [hashlib.sha256(f"{n}".encode()).hexdigest() for n in numbers]
    store.append(keys, np.ones((len(keys), 4), np.float16), pd.DataFrame({"a": range(len(keys))}))
    for path in set(store.folder.iterdir()) - before:
        os.utime(path, (NOW - days * DAY, NOW - days * DAY))


@pytest.fixture
def world(tmp_path):
    """Two encoders, patches, what an earlier version left, and files of somebody else everywhere."""
    one = Store.for_(tmp_path, "e1", "m", "clip")
    fill(one, 1, 2, 3, days=100)
    fill(one, 4, 5, days=1)
    two = Store.for_(tmp_path, "e2", "m", "pixels")
    fill(two, 1, days=50)
    fill(Store.of_patches(tmp_path, "p", "clip"), 1, 2, days=20)
    old = tmp_path / "store" / ("0a" * 12)
    old.mkdir()
    for suffix in (".npy", ".parquet"):
        (old / f"{'1b' * 20}{suffix}").write_bytes(b"an earlier version's")
    for path in foreign(tmp_path, one.folder):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"somebody else's")
        os.utime(path, (1e9, 1e9))
    return tmp_path


def foreign(place, folder):
    name = "shard-00000003-" + "a" * 32 + "-" + "b" * 8
    return [
        place / "notes.txt",
        place / "models" / "weights.onnx",
        place / "store" / "mine" / f"{name}.parquet",
        place / "elsewhere" / ("0c" * 12) / f"{name}.parquet",
        folder / "my own.parquet",
        folder / "my own.npy",
    ]


def prune(world, **given):
    found = cache.stores(world)
    going = cache.chosen(found, NOW, **given)
    for kept, some in going:
        cache.remove(kept, some)
    return {(k.encoder, k.kind): sorted(s.n_images for s in some) for k, some in going}


def what_is_left(world):
    return {(k.encoder, k.kind): sorted(s.n_images for s in k.shards) for k in cache.stores(world)}


ALL = {("clip", "vectors"): [2, 3], ("pixels", "vectors"): [1], ("clip", "patches"): [2], ("", "vectors"): [0]}


def test_what_is_there_is_listed_last_used_first(world):
    found = cache.stores(world)
    assert what_is_left(world) == ALL
    assert [k.last_used for k in found] == sorted((k.last_used for k in found), reverse=True)
    clip = next(k for k in found if (k.encoder, k.kind) == ("clip", "vectors"))
    assert (clip.n_images, clip.is_read) == (5, True)
    assert clip.n_bytes == sum(p.stat().st_size for p in clip.folder.glob("shard-*"))
    assert abs(clip.last_used - (NOW - DAY)) < 1
    assert [(k.n_images, k.n_bytes) for k in found if not k.is_read] == [(None, 40)]


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        ({"older_than": 30}, {("clip", "vectors"): [3], ("pixels", "vectors"): [1], ("", "vectors"): [0]}),
        ({"older_than": 1000}, {("", "vectors"): [0]}),
        ({"older_than": 10, "encoder": "clip"}, {("clip", "vectors"): [3], ("clip", "patches"): [2]}),
        ({"encoder": "pixels"}, {("pixels", "vectors"): [1]}),
        ({"encoder": "clip"}, {("clip", "vectors"): [2, 3], ("clip", "patches"): [2]}),
        ({"encoder": "nobody"}, {}),
        ({"max_bytes": 0}, ALL),
        ({"max_bytes": 10**9}, {("", "vectors"): [0]}),
    ],
)
def test_what_was_asked_for_goes_and_nothing_else(world, given, gone):
    clip = Store.for_(world, "e1", "m").folder
    assert prune(world, **given) == gone
    want = {k: [n for n in v if n not in gone.get(k, [])] for k, v in ALL.items()}
    assert what_is_left(world) == {k: v for k, v in want.items() if v or k == ("clip", "vectors")}
    assert all(path.read_bytes() == b"somebody else's" for path in foreign(world, clip))
    assert {p.parent for p in world.rglob("*") if p.is_file()} >= {clip}


def test_what_was_not_used_for_longest_goes_first_and_no_more_than_must(world):
    sizes = {s.n_images: s.n_bytes for k in cache.stores(world) for s in k.shards if k.kind == "vectors" and k.is_read}
    every = sum(k.n_bytes for k in cache.stores(world) if k.is_read)
    assert prune(world, max_bytes=every - 1) == {("clip", "vectors"): [3], ("", "vectors"): [0]}
    left = every - sizes[3]
    assert prune(world, max_bytes=left) == {}
    assert prune(world, max_bytes=left - sizes[1]) == {("pixels", "vectors"): [1]}


def test_vectors_that_a_killed_process_left_alone_count_and_go_first(world):
    """Found by the soak: nobody counted them, and a cache of 3 MB held 3.5."""
    folder = Store.for_(world, "e1", "m", "clip").folder
    left, fresh = (folder / f"shard-00000009-{c * 32}-{'d' * 8}.npy" for c in "ab")
    for path in (left, fresh):
        path.write_bytes(bytes(1000))
    before = sum(k.n_bytes for k in cache.stores(world))
    os.utime(left, (NOW - 120, NOW - 120))
    found = cache.stores(world)
    assert sum(k.n_bytes for k in found) == before + 1000
    assert max(k.last_used for k in found if k.encoder == "clip") > NOW - 2 * DAY
    readable = sum(k.n_bytes for k in found if k.is_read)
    for kept, some in cache.chosen(found, NOW, max_bytes=readable - 1):
        cache.remove(kept, some)
    assert not left.exists()
    assert fresh.exists()  # its .parquet may be on its way
    assert Store.for_(world, "e1", "m", "clip").read([hashlib.sha256(b"1").hexdigest()])[0].all()


def test_a_shard_that_is_read_was_used(world):
    store = Store.for_(world, "e1", "m", "clip")
    store.read([hashlib.sha256(b"1").hexdigest()])
    assert prune(world, older_than=30) == {("pixels", "vectors"): [1], ("", "vectors"): [0]}
    assert len(store) == 5


def test_what_was_pruned_is_stored_again(world):
    prune(world, max_bytes=0)
    store = Store.for_(world, "e1", "m", "clip")
    assert len(store) == 0
    fill(store, 1, 2)
    assert len(store) == 2
    assert json.loads((store.folder / ABOUT).read_text())["about"] == "clip"


def test_links_are_not_followed(world, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    Store.for_(other, "e9", "m", "clip")
    (world / "store" / ("0d" * 12)).symlink_to(next((other / "store").iterdir()))
    linked = tmp_path_factory.mktemp("linked")
    (linked / "store").symlink_to(other / "store")
    assert cache.stores(linked) == []
    assert ("clip", "vectors") in what_is_left(world)
    assert len(cache.stores(world)) == len(ALL)


def run(world, *words):
    done = CliRunner().invoke(cli, ["cache", *words, "--cache", str(world)])
    return done.exit_code, done.output


def test_the_command_lists_and_prunes(world):
    code, out = run(world, "list")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["encoder", "holds", "images", "size", "last", "used"]
    assert ["clip", "vectors", "5"] in [line[:3] for line in lines]
    assert "(an earlier version's)" in out
    before = sorted(p for p in world.rglob("*"))
    code, out = run(world, "prune", "--older-than", "30", "--dry-run")
    assert (code, sorted(p for p in world.rglob("*"))) == (0, before)
    assert "would go" in out
    code, out = run(world, "prune", "--max-size", "0")
    assert (code, "removed" in out) == (0, True)
    assert all(not k.shards for k in cache.stores(world))


@pytest.mark.parametrize(
    "words", [["list"], ["prune", "--encoder", "clip", "--dry-run"], ["prune", "--max-size", "1.5kB"]]
)
def test_json_is_what_its_schema_says(world, words, request):
    code, out = run(world, *words, "--json")
    said = json.loads(out)
    schema = json.loads((request.config.rootpath / "docs" / "schema" / "cache.json").read_text(encoding="utf-8"))
    jsonschema.validate(said, schema, jsonschema.Draft202012Validator)
    assert (code, said["action"], said["dry_run"]) == (0, words[0], "--dry-run" in words)
    assert {row["encoder"] for row in said["stores"]} >= {"clip"}
    if words == ["list"]:
        assert sum(row["images"] or 0 for row in said["stores"]) == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "--dry-run"], "list takes only --cache"),
        (["prune"], "name what to prune"),
        (["prune", "--max-size", "lots"], "is not a size"),
        (["prune", "--older-than", "-1"], "older-than"),
    ],
)
def test_what_makes_no_sense_is_refused(world, words, said):
    code, out = run(world, *words)
    assert code == 2
    assert said in out
    assert what_is_left(world) == ALL
