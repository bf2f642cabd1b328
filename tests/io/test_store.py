"""The store: what goes in comes out, damage is noticed, writers do not disturb each other."""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from curator.errors import CuratorError
from curator.io.atomic import unfinished
from curator.io.store import merging, shards
from curator.io.store import store as module
from curator.io.store.keys import Index, as_keys, as_text
from curator.io.store.store import Store

D = 3


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """A disk that says at once that it has written: a real one takes a tenth of a second each time."""
    monkeypatch.setattr(os, "fsync", lambda fd: None)


def key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def keys_of(*names: str) -> list[str]:
    return [key(name) for name in names]


def entries(*names: str, columns=("a", "b")):
    """Keys with a vector and a row each that can be told from the key."""
    numbers = [int(n[1:]) for n in names]
    vectors = np.array([[n, n + 0.1, -n] for n in numbers], dtype=np.float16)
    rows = pd.DataFrame({columns[0]: [f"row {n}" for n in numbers], columns[1]: [n / 3 for n in numbers]})
    return keys_of(*names), vectors, rows


def check(store: Store, *names: str) -> None:
    """Exactly these are stored, and each has its own vector and row."""
    assert store.keys() == set(keys_of(*names))
    found, vectors, rows = store.read(keys_of(*names))
    assert found.all()
    keys, want, want_rows = entries(*names)
    assert np.array_equal(vectors, want)
    assert vectors.dtype == np.float16
    assert rows.index.tolist() == keys
    assert rows.to_dict("list") == want_rows.to_dict("list")


def test_an_empty_store_has_nothing(tmp_path):
    found, vectors, rows = Store(tmp_path / "new" / "store").read(keys_of("k1", "k2"))
    assert found.tolist() == [False, False]
    assert (len(vectors), len(rows)) == (0, 0)


def test_what_goes_in_comes_out_in_the_order_asked_for(tmp_path):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2"))
    store.append(*entries("k3"))
    store.append([], np.zeros((0, D), np.float32), pd.DataFrame())
    found, vectors, rows = Store(tmp_path).read(keys_of("k3", "none", "k1", "k3"))
    assert found.tolist() == [True, False, True, True]
    assert vectors[:, 0].tolist() == [3, 1, 3]
    assert rows["a"].tolist() == ["row 3", "row 1", "row 3"]
    check(store, "k1", "k2", "k3")


def test_columns_without_a_value_in_one_shard_keep_the_type_of_the_others(tmp_path):
    store = Store(tmp_path)
    big = np.array([2**63 + 7], dtype=np.uint64)
    for name, number, text in [("k1", None, "x"), ("k2", 2, None), ("k3", 2.5, "y")]:
        rows = pd.DataFrame({"number": [number], "text": [text], "none": [None], "big": big})
        store.append(keys_of(name), np.ones((1, D), np.float32), rows)
    rows = store.read(keys_of("k1", "k2", "k3"))[2]
    assert rows["number"].dtype == np.float64
    assert rows["number"].fillna(-1).tolist() == [-1, 2, 2.5]
    assert rows["text"].fillna("-").tolist() == ["x", "-", "y"]
    assert rows["none"].isna().all()
    assert rows["big"].tolist() == [2**63 + 7] * 3


def test_another_encoder_or_other_measures_have_another_store(tmp_path):
    folders = {Store.for_(tmp_path, e, m).folder for e in ("e1", "e2") for m in ("m1", "m2")}
    assert len(folders) == 4
    assert Store.for_(tmp_path, "e1", "m1").folder in folders


@pytest.mark.parametrize("suffix", [".npy", ".parquet"])
@pytest.mark.parametrize("damage", ["cut", "empty", "longer"])
def test_a_damaged_shard_is_dropped_with_a_warning_and_the_rest_is_kept(tmp_path, caplog, suffix, damage):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2"))
    hurt = next(tmp_path.glob(f"*{suffix}"))
    store.append(*entries("k3"))
    content = hurt.read_bytes()
    hurt.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "longer": content + b"0"}[damage])
    with caplog.at_level(logging.WARNING):
        assert Store(tmp_path).read(keys_of("k1", "k2", "k3"))[0].tolist() == [False, False, True]
    assert len(caplog.records) == 1
    assert "damaged" in caplog.text
    check(store, "k3")
    store.append(*entries("k1", "k2"))
    check(store, "k1", "k2", "k3")


def test_no_flipped_bit_gives_a_wrong_answer(tmp_path):
    """Of all vectors, and here and there in the rest: what is read is what was written, or it is not found."""
    names = ("k1", "k2", "k3")
    keys, vectors, rows = entries(*names)
    Store(tmp_path).append(keys, vectors, rows)
    kept = {path: path.read_bytes() for path in tmp_path.glob("shard-*")}
    lost, tried = 0, 0
    for path, content in kept.items():
        n = len(content)
        last = range(n - 3 * D * 2, n) if path.suffix == ".npy" else range(n - 9, n)
        for k in (*range(0, n, max(1, n // 40)), *last):
            tried += 1
            for other, whole in kept.items():
                other.write_bytes(whole)
            flipped = bytearray(content)
            flipped[k] ^= 1 << k % 8
            path.write_bytes(flipped)
            found, got, got_rows = Store(tmp_path).read(keys)
            lost += not found.all()
            assert np.array_equal(got.reshape(-1, D), vectors[found])
            if found.any():
                assert got_rows.to_dict("list") == rows[found].to_dict("list")
            for new in set(tmp_path.glob("shard-*")) - kept.keys():
                new.unlink()
    assert lost == tried


def test_a_flipped_bit_costs_its_own_image_only(tmp_path, caplog):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2", "k3"))
    npy = next(tmp_path.glob("*.npy"))
    content = bytearray(npy.read_bytes())
    content[-D * 2 - 1] ^= 4  # the last byte of the row before the last
    npy.write_bytes(content)
    found, vectors, rows = Store(tmp_path).read(keys_of("k1", "k2", "k3"))
    assert found.tolist() == [True, False, True]
    assert (vectors[:, 0].tolist(), rows["a"].tolist()) == ([1, 3], ["row 1", "row 3"])
    assert len(caplog.records) == 1
    assert "1 vectors of the cache are damaged" in caplog.text
    caplog.clear()
    check(Store(tmp_path), "k1", "k3")  # and is gone for good: nobody stumbles over it again
    assert not caplog.records
    store.append(*entries("k2"))
    check(store, "k1", "k2", "k3")


def test_vectors_that_are_gone_cost_only_their_shard(tmp_path, caplog):
    store = Store(tmp_path)
    store.append(*entries("k1"))
    next(tmp_path.glob("*.npy")).unlink()
    store.append(*entries("k2"))
    assert store.read(keys_of("k1", "k2"))[0].tolist() == [False, True]
    check(store, "k2")
    assert "without its vectors" in caplog.text


def test_of_two_forms_the_latest_counts(tmp_path, caplog):
    store = Store(tmp_path)
    store.append(*entries("k1", columns=("old", "b")))
    for path in tmp_path.iterdir():
        os.utime(path, (1e9, 1e9))
    store.append(*entries("k2"))
    check(store, "k2")
    assert "of another form" in caplog.text


def test_a_reader_never_sees_half_a_shard(tmp_path, monkeypatch, caplog):
    store = Store(tmp_path)
    store.append(*entries("k1"))
    moved = []
    real = os.replace

    def crash_before_the_last_move(source, target):
        if moved:
            raise KeyboardInterrupt
        moved.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", crash_before_the_last_move)
    with pytest.raises(KeyboardInterrupt):
        store.append(*entries("k2"))
    monkeypatch.undo()
    assert len(moved) == 1
    check(Store(tmp_path), "k1")
    assert not caplog.records
    assert not list(tmp_path.glob("*.part*"))


def test_leftovers_of_a_crash_go_once_they_are_old(tmp_path):
    store = Store(tmp_path)
    store.append(*entries("k1"))
    mine, young, orphan = (
        tmp_path / n for n in (unfinished(".npy"), "shard-00000001-45-6.npy", "shard-00000001-01-2.npy")
    )
    for path in (mine, young, orphan):
        path.write_bytes(b"half")
    past = time.time() - module.STALE_SECONDS - 60
    os.utime(orphan, (past, past))
    gone = subprocess.run(
        [sys.executable, "-c", "from curator.io.atomic import unfinished; print(unfinished())"],
        capture_output=True,
        text=True,
    )
    (tmp_path / gone.stdout.strip()).write_bytes(b"half")
    check(Store(tmp_path), "k1")
    assert (mine.exists(), young.exists(), orphan.exists()) == (True, True, False)
    assert not (tmp_path / gone.stdout.strip()).exists()


def test_many_shards_become_one_and_nothing_is_lost(tmp_path):
    names = [f"k{n}" for n in range(merging.MAX_ALIKE + 5)]
    for name in names:
        Store(tmp_path).append(*entries(name))
    check(Store(tmp_path), *names)
    assert sorted(shards.n_rows(p.stem) for p in tmp_path.glob("*.parquet")) == [1] * 4 + [merging.MAX_ALIKE + 1]
    assert {p.name for p in tmp_path.glob("*") if not p.name.startswith("shard-")} == {module.ABOUT}


def test_merging_stops_at_the_size_of_a_shard_and_leaves_large_ones_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(merging, "SHARD_ROWS", 40)
    monkeypatch.setattr(merging, "MAX_ALIKE", 4)
    store, names, written = Store(tmp_path), [f"k{n}" for n in range(600)], 0
    for start in range(0, 600, 3):
        before = set(tmp_path.glob("*.npy"))
        store.append(*entries(*names[start : start + 3]))
        written += sum(shards.n_rows(p.stem) for p in set(tmp_path.glob("*.npy")) - before)
    sizes = [shards.n_rows(p.stem) for p in tmp_path.glob("*.parquet")]
    assert max(sizes) <= 40
    assert len(sizes) <= 600 / 20 + 3 * 5
    assert written <= 4 * 600  # a row is written a few times, however long the run
    check(store, *names)


def test_merging_leaves_out_what_is_damaged_or_there_twice(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2"))
    npy = next(tmp_path.glob("*.npy"))
    content = bytearray(npy.read_bytes())
    content[-1] ^= 1
    npy.write_bytes(content)
    store.append(*entries("k1", "k3"))
    merging.rewrite(tmp_path, merging.names(tmp_path))
    assert [shards.n_rows(name) for name in merging.names(tmp_path)] == [2]
    check(store, "k1", "k3")


def test_a_store_that_is_being_merged_is_left_to_who_does_it(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    store = Store(tmp_path)
    with open(tmp_path / module.ABOUT, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for n in range(merging.MAX_ALIKE + 3):
            store.append(*entries(f"k{n}"))
        assert len(merging.names(tmp_path)) == merging.MAX_ALIKE + 3
    store.append(*entries("k99"))
    assert len(merging.names(tmp_path)) == 1
    check(store, "k99", *(f"k{n}" for n in range(merging.MAX_ALIKE + 3)))


def test_a_read_goes_on_when_shards_are_merged_under_it(tmp_path, monkeypatch):
    names = [f"k{n}" for n in range(6)]
    store, other = Store(tmp_path), Store(tmp_path)
    for name in names:
        store.append(*entries(name))
    parts = store.scan(keys_of(*names))
    first = next(parts)
    merging.rewrite(tmp_path, merging.names(tmp_path))
    rest = list(parts)
    got = {int(at): int(v[0]) for part in (first, *rest) for at, v in zip(part.at, part.vectors, strict=True)}
    assert got == {n: n for n in range(6)}
    check(other, *names)


def test_only_shards_that_hold_what_is_asked_for_are_opened(tmp_path, monkeypatch):
    store = Store(tmp_path)
    for n in range(5):
        store.append(*entries(*(f"k{10 * n + i}" for i in range(3))))
    opened = []
    real = shards.read_table
    monkeypatch.setattr(shards, "read_table", lambda folder, name, *a: opened.append(name) or real(folder, name, *a))
    store.read(keys_of("k21", "k20", "k42"))
    assert len(opened) == 2


def test_of_a_shard_whose_every_vector_is_damaged_nothing_comes_back(tmp_path):
    """Found by the soak: an image embedded alone has a shard alone, and the flipped bit left a part without rows."""
    store = Store(tmp_path)
    store.append(*entries("k1"))
    npy = next(tmp_path.glob("*.npy"))
    content = bytearray(npy.read_bytes())
    content[-1] ^= 4
    npy.write_bytes(content)
    store.append(*entries("k2", "k3"))
    assert [at.tolist() for at, _ in Store(tmp_path).gather(keys_of("k1", "k2", "k3")).blocks()] == [[1, 2]]


def test_rows_are_read_when_they_are_asked_for(tmp_path):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2"))
    store.append(*entries("k3"))
    rows = store.gather(keys_of("k3", "k1", "k2", "k1"))
    assert len(rows) == 4
    assert rows[:][:, 0].tolist() == [3, 1, 2, 1]
    assert rows[1:3][:, 0].tolist() == [1, 2]
    assert rows.take(np.array([2, 0]))[np.array([1, 0, 1])][:, 0].tolist() == [3, 2, 3]
    assert rows[:0].shape == (0, 0)
    for path in tmp_path.glob("shard-*"):
        path.unlink()
    with pytest.raises(CuratorError, match="lost 4 images"):
        rows[:]


def test_keys_are_found_where_they_are_even_if_they_begin_alike():
    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (500, 32), dtype=np.uint8)
    raw[:200, :8] = raw[0, :8]  # no SHA-256 does this; if it did, the rest of the key would tell
    raw[:, 31] = 0  # a key may end in zeros
    keys = np.unique(raw.view("S32").ravel())
    keys = rng.permutation(keys)
    parts = [keys[:100], keys[100:101], keys[101:400]]
    index = Index.of(["a", "b", "c"], parts)
    at = index.find(keys)
    assert (at[400:] == -1).all()
    assert np.array_equal(index.keys[at[:400]], keys[:400])
    assert index.shard[at[:400]].tolist() == [0] * 100 + [1] + [2] * 299
    assert index.row[at[:400]].tolist() == [*range(100), 0, *range(299)]
    assert as_text(keys[:1])[0] in index
    assert as_text(keys[-1:])[0] not in index
    assert len(Index.of([], [])) == 0
    assert Index.of([], []).find(keys[:2]).tolist() == [-1, -1]


def test_a_key_that_two_processes_stored_counts_once(tmp_path):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2"))
    store.append(*entries("k2", "k3"))
    assert len(store) == 3
    check(store, "k1", "k2", "k3")


def test_keys_are_hashes():
    with pytest.raises(ValueError, match="SHA-256"):
        as_keys(["abcd"])
    assert as_text(as_keys([key("a"), key("b")])) == [key("a"), key("b")]
    assert len(as_keys([])) == 0


def test_a_store_of_an_earlier_version_is_left_alone_with_a_line_in_the_log(tmp_path, caplog):
    old = tmp_path / "store" / hashlib.sha256(b"e1\nm1").hexdigest()[:24]
    old.mkdir(parents=True)
    name = hashlib.sha256(b"").hexdigest()[:40]
    for suffix in (".npy", ".parquet"):
        (old / f"{name}{suffix}").write_bytes(b"what an earlier version wrote")
    with caplog.at_level(logging.INFO):
        store = Store.for_(tmp_path, "e1", "m1")
    assert "earlier version" in caplog.text
    assert store.folder != old
    store.append(*entries("k1"))
    check(store, "k1")
    check_old = Store(old)  # nor does it disturb where it is
    check_old.append(*entries("k2"))
    check(check_old, "k2")
    assert len(list(old.glob(f"{name}*"))) == 2


WRITER = """
import hashlib, sys
from pathlib import Path
import numpy as np, pandas as pd
from curator.io.store.store import Store
def key(n):
    return hashlib.sha256(f"k{n}".encode()).hexdigest()
store = Store(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), int(sys.argv[2]) + 60):
    vectors = np.array([[n, n + 0.1, -n]], dtype=np.float16)
    store.append([key(n)], vectors, pd.DataFrame({"a": [f"row {n}"], "b": [n / 3]}))
    if n % 7 == 0:
        assert key(n) in store.index()
        assert store.read([key(n)])[1][0, 0] == n
"""


def test_two_processes_write_read_and_compact_at_once(tmp_path):
    folder = tmp_path / "store"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(start)]) for start in (0, 40)]
    assert [w.wait(timeout=120) for w in writers] == [0, 0]
    check(Store(folder), *(f"k{n}" for n in range(100)))


def test_a_cache_that_cannot_be_written_names_the_flag(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CuratorError, match="--cache"):
        Store(tmp_path / "file" / "store")
    store = Store(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    (tmp_path / "gone").touch()
    with pytest.raises(CuratorError, match="--cache"):
        store.append(*entries("k1"))


def test_lengths_must_agree(tmp_path):
    keys, vectors, rows = entries("k1", "k2")
    with pytest.raises(ValueError, match="2 keys, 1 vectors and 2 rows"):
        Store(tmp_path).append(keys, vectors[:1], rows)


def test_a_store_of_bytes_gives_bytes_back(tmp_path):
    packed = np.array([[0, 127, 128, 255], [1, 2, 3, 4]], np.uint8)
    Store(tmp_path, np.uint8).append(keys_of("k1", "k2"), packed, pd.DataFrame({"a": [1, 2]}))
    found, out, _ = Store(tmp_path, np.uint8).read(keys_of("k2", "none", "k1"))
    assert (found.tolist(), out.dtype) == ([True, False, True], np.uint8)
    assert np.array_equal(out, packed[::-1])
    nothing = Store(tmp_path / "empty", np.uint8).read(keys_of("k1"))[1]
    assert (nothing.shape, nothing.dtype) == ((0, 0), np.uint8)


def test_rows_without_columns_keep_their_number_and_order(tmp_path, caplog):
    store = Store(tmp_path, np.uint8)
    bare = pd.DataFrame(index=range(2))
    store.append(keys_of("k1", "k2"), np.array([[1, 1], [2, 2]], np.uint8), bare)
    store.append(keys_of("k3", "k4"), np.array([[3, 3], [4, 4]], np.uint8), bare)
    assert store.keys() == set(keys_of("k1", "k2", "k3", "k4"))
    found, out, rows = Store(tmp_path, np.uint8).read(keys_of("k4", "k1", "k4"))
    assert found.all()
    assert out[:, 0].tolist() == [4, 1, 4]
    assert (rows.index.tolist(), rows.shape) == (keys_of("k4", "k1", "k4"), (3, 0))
    assert not caplog.records
