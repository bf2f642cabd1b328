"""DATA at a URL: the same data set as on disk, names that lead nowhere else, and one line for what cannot be reached."""

import hashlib

import fsspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from curator.cli.main import cli
from curator.errors import DataError, InputError, MissingExtraError
from curator.io import remote
from curator.io.decoding import images
from curator.readers import scan


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    yield fs
    fs.store.clear()


def write_photo(path, shade):
    path.parent.mkdir(parents=True, exist_ok=True)
    grain = np.random.default_rng(shade).integers(0, 50, (40, 60, 3))
    Image.fromarray((grain + shade).astype(np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for split, name, shade in [("train", "cat", 40), ("train", "dog", 90), ("test", "cat", 140), ("test", "dog", 190)]:
        for k in range(3):
            write_photo(tmp_path / "set" / split / name / f"{k}.png", shade + 5 * k)
    (tmp_path / "set" / "train" / "cat" / "notes.doc").write_text("x")
    (tmp_path / "set" / "train" / "cat" / ".hidden.png").write_text("x")
    (tmp_path / "set" / "README.md").write_text("x")
    return tmp_path / "set"


def test_a_folder_at_a_url_is_the_folder_on_disk(memory, folder):
    memory.put(str(folder), "/bucket/set", recursive=True)
    here, there = scan(str(folder)), scan("memory://bucket/set/")
    assert there.root == "memory://bucket/set"
    assert there.name == here.name == "set"
    assert there.ids.tolist() == here.ids.tolist()
    assert there.labels.tolist() == here.labels.tolist()
    assert there.splits.tolist() == here.splits.tolist()
    assert there.skipped == here.skipped
    for i in range(len(here)):
        assert images.read(there.path(i)) == images.read(here.path(i))
    assert np.array_equal(images.whole(there.path(0)), images.whole(here.path(0)))


def test_a_table_at_a_url_names_files_below_itself_only(memory, folder):
    memory.put(str(folder), "/bucket/set", recursive=True)
    rows = ["path,label,camera", "train/cat/0.png,cat,a", "memory://bucket/set/train/dog/0.png,dog,b",
            "train/../test/dog/1.png,dog,b", "../../secret.png,cat,a", "/etc/passwd,cat,a", "http://evil/x.png,cat,a",
            "a::http://evil/x.png,cat,a"]  # fmt: skip
    memory.pipe("/bucket/set/list.csv", "\n".join(rows).encode())
    found = scan("memory://bucket/set/list.csv")
    assert found.root == "memory://bucket/set"
    assert found.ids.tolist() == ["test/dog/1.png", "train/cat/0.png", "train/dog/0.png"]
    assert found.metadata.loc["train/cat/0.png", "camera"] == "a"
    assert {s.id: s.reason for s in found.skipped} == {
        "../../secret.png": "outside the table's folder",
        "/etc/passwd": "outside the table's folder",
        "http://evil/x.png": "a URL outside the table's folder",
        "a::http://evil/x.png": "not a valid path",
    }


def test_an_audit_at_a_url_finds_what_the_audit_on_disk_finds(memory, folder, tmp_path):
    memory.put(str(folder), "/bucket/set", recursive=True)
    results = []
    for data in (str(folder), "memory://bucket/set"):
        out = tmp_path / hashlib.sha256(data.encode()).hexdigest()
        arguments = ["audit", data, "--model", "pixels", "--cache", str(tmp_path / "cache"), "--out", str(out), "-q"]
        arguments += ["--max-skipped", "0.5"]
        outcome = CliRunner().invoke(cli, arguments)
        assert outcome.exit_code == 0, outcome.output
        measures = (out / "measures.parquet").read_bytes()
        results.append((measures, (out / "report.html").stat().st_size > 10_000))
    assert results[0] == results[1]
    memory.rm("/bucket/set/train/cat/0.png")
    memory.pipe("/bucket/set/train/cat/0.png", b"no image")
    again = CliRunner().invoke(cli, arguments)
    assert "train/cat/0.png" in (out / "audit.json").read_text(), again.output


def test_what_goes_wrong_on_the_way_is_one_reason(memory):
    memory.pipe("/bucket/empty.png", b"")
    for url, reason in [
        ("memory://bucket/none.png", "no such file"),
        ("memory://bucket/empty.png", "0 bytes"),
        ("memory://bucket/a::http://evil/x.png", "a name with ::"),
        ("nosuch://bucket/x.png", "cannot be read"),
    ]:
        with pytest.raises(DataError, match=reason):
            images.read(url)


def test_a_large_remote_file_is_refused_before_it_is_held(memory, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    memory.pipe("/bucket/big.png", b"x" * 101)
    with pytest.raises(DataError, match="more than the limit"):
        images.read("memory://bucket/big.png")


def test_a_url_that_leads_nowhere_is_one_line(memory):
    with pytest.raises(InputError, match="nothing was found at memory://none"):
        scan("memory://none")
    with pytest.raises(InputError, match="cannot be read"):
        scan("nosuch://bucket/set")
    with pytest.raises(InputError, match="chains two file systems"):
        scan("memory://bucket::memory://other")
    memory.pipe("/clip/img_emb/0.npy", b"x")
    memory.pipe("/clip/metadata/0.parquet", b"x")
    with pytest.raises(InputError, match="clip-retrieval"):
        scan("memory://clip")


def test_a_library_that_is_missing_is_named():
    try:
        import gcsfs  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtraError, match="pip install gcsfs"):
            scan("gs://bucket/set")
    else:
        pytest.skip("gcsfs is installed")


def test_a_file_url_is_the_file(folder):
    assert scan(folder.as_uri()).root == str(folder)


def test_the_stamp_changes_with_the_file(memory):
    memory.pipe("/bucket/a.png", b"one")
    first = remote.stamp("memory://bucket/a.png")
    memory.pipe("/bucket/a.png", b"other")
    assert first
    assert remote.stamp("memory://bucket/a.png") != first
    assert remote.stamp("memory://bucket/none") == ""
