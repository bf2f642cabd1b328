"""The store: what goes in comes out, damage is noticed, writers do not disturb each other."""

import logging
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from curator.errors import CuratorError
from curator.io import store as module
from curator.io.store import Store

D = 3


def entries(*names: str, columns=("a", "b")):
    """Keys with a vector and a row each that can be told from the key."""
    numbers = [int(n[1:]) for n in names]
    vectors = np.array([[n, n + 0.1, -n] for n in numbers], dtype=np.float32)
    rows = pd.DataFrame({columns[0]: [f"row {n}" for n in numbers], columns[1]: [n / 3 for n in numbers]})
    return list(names), vectors, rows


def check(store: Store, *names: str) -> None:
    """Exactly these are stored, and each has its own vector and row."""
    assert store.keys() == set(names)
    found, vectors, rows = store.read(names)
    assert found.all()
    keys, want, want_rows = entries(*names)
    assert np.array_equal(vectors, want)
    assert vectors.dtype == np.float32
    assert rows.index.tolist() == keys
    assert rows.to_dict("list") == want_rows.to_dict("list")


def test_an_empty_store_has_nothing(tmp_path):
    found, vectors, rows = Store(tmp_path / "new" / "store").read(["k1", "k2"])
    assert found.tolist() == [False, False]
    assert (len(vectors), len(rows)) == (0, 0)


def test_what_goes_in_comes_out_in_the_order_asked_for(tmp_path):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2"))
    store.append(*entries("k3"))
    store.append([], np.zeros((0, D), np.float32), pd.DataFrame())
    found, vectors, rows = Store(tmp_path).read(["k3", "none", "k1", "k3"])
    assert found.tolist() == [True, False, True, True]
    assert vectors[:, 0].tolist() == [3, 1, 3]
    assert rows["a"].tolist() == ["row 3", "row 1", "row 3"]
    check(store, "k1", "k2", "k3")


def test_columns_without_a_value_in_one_shard_keep_the_type_of_the_others(tmp_path):
    store = Store(tmp_path)
    big = np.array([2**63 + 7], dtype=np.uint64)
    for key, number, text in [("k1", None, "x"), ("k2", 2, None), ("k3", 2.5, "y")]:
        rows = pd.DataFrame({"number": [number], "text": [text], "none": [None], "big": big})
        store.append([key], np.ones((1, D), np.float32), rows)
    rows = store.read(["k1", "k2", "k3"])[2]
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
@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_shard_is_dropped_with_a_warning_and_the_rest_is_kept(tmp_path, caplog, suffix, damage):
    store = Store(tmp_path)
    store.append(*entries("k1", "k2"))
    hurt = next(tmp_path.glob(f"*{suffix}"))
    store.append(*entries("k3"))
    content = bytearray(hurt.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
    hurt.write_bytes(content[: len(content) // 2] if damage == "cut" else content if damage == "flip" else b"")
    with caplog.at_level(logging.WARNING):
        check(store, "k3")
    assert len(caplog.records) == 1
    assert "damaged" in caplog.text
    store.append(*entries("k1", "k2"))
    check(store, "k1", "k2", "k3")


def test_vectors_that_are_gone_cost_only_their_shard(tmp_path, caplog):
    store = Store(tmp_path)
    store.append(*entries("k1"))
    next(tmp_path.glob("*.npy")).unlink()
    store.append(*entries("k2"))
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
    assert not list(tmp_path.glob(".tmp-*"))


def test_leftovers_of_a_crash_go_once_they_are_old(tmp_path):
    store = Store(tmp_path)
    store.append(*entries("k1"))
    old, young, orphan = tmp_path / ".tmp-old", tmp_path / ".tmp-young", tmp_path / "0123.npy"
    for path in (old, young, orphan):
        path.write_bytes(b"half")
    past = time.time() - module.STALE_SECONDS - 60
    os.utime(old, (past, past))
    os.utime(orphan, (past, past))
    check(Store(tmp_path), "k1")
    assert (old.exists(), orphan.exists(), young.exists()) == (False, False, True)


def test_many_shards_become_one_and_nothing_is_lost(tmp_path):
    names = [f"k{n}" for n in range(module.MAX_SHARDS + 5)]
    for name in names:
        Store(tmp_path).append(*entries(name))
    check(Store(tmp_path), *names)
    assert len(list(tmp_path.glob("*.parquet"))) == 1
    assert len(list(tmp_path.iterdir())) == 2
    check(Store(tmp_path), *names)


WRITER = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from curator.io.store import Store
store = Store(Path(sys.argv[1]))
for n in range(int(sys.argv[2]), int(sys.argv[2]) + 60):
    vectors = np.array([[n, n + 0.1, -n]], dtype=np.float32)
    store.append([f"k{n}"], vectors, pd.DataFrame({"a": [f"row {n}"], "b": [n / 3]}))
    if n % 7 == 0:
        assert f"k{n}" in store.keys()
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
    (tmp_path / "gone").rmdir()
    with pytest.raises(CuratorError, match="--cache"):
        store.append(*entries("k1"))


def test_lengths_must_agree(tmp_path):
    keys, vectors, rows = entries("k1", "k2")
    with pytest.raises(ValueError, match="2 keys, 1 vectors and 2 rows"):
        Store(tmp_path).append(keys, vectors[:1], rows)


def test_a_store_of_bytes_gives_bytes_back(tmp_path):
    packed = np.array([[0, 127, 128, 255], [1, 2, 3, 4]], np.uint8)
    Store(tmp_path, np.uint8).append(["k1", "k2"], packed, pd.DataFrame({"a": [1, 2]}))
    found, out, _ = Store(tmp_path, np.uint8).read(["k2", "none", "k1"])
    assert (found.tolist(), out.dtype) == ([True, False, True], np.uint8)
    assert np.array_equal(out, packed[::-1])
    nothing = Store(tmp_path / "empty", np.uint8).read(["k1"])[1]
    assert (nothing.shape, nothing.dtype) == ((0, 0), np.uint8)


def test_rows_without_columns_keep_their_number_and_order(tmp_path, caplog):
    store = Store(tmp_path, np.uint8)
    bare = pd.DataFrame(index=range(2))
    store.append(["k1", "k2"], np.array([[1, 1], [2, 2]], np.uint8), bare)
    store.append(["k3", "k4"], np.array([[3, 3], [4, 4]], np.uint8), bare)
    assert store.keys() == {"k1", "k2", "k3", "k4"}
    found, out, rows = Store(tmp_path, np.uint8).read(["k4", "k1", "k4"])
    assert found.all()
    assert out[:, 0].tolist() == [4, 1, 4]
    assert (rows.index.tolist(), rows.shape) == (["k4", "k1", "k4"], (3, 0))
    assert not caplog.records
