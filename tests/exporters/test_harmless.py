"""An export that is killed, sent to the wrong place or asked for pictures without metadata: nothing of the user's is harmed."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import random
import signal
import struct
import sys
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from curator import exporters
from curator.errors import DataError, InputError
from curator.exporters import _placing, export
from curator.io.decoding import images
from curator.io.decoding.stripping import bare, without_metadata
from curator.types import Column, Dataset, Measures, SplitPlan

SECRETS = (b"Jane Q. Photographer", b"GPS-52.5163", b"a private note")
N = 200


def data_set(root: Path, files: Mapping[str, bytes]) -> tuple[Dataset, SplitPlan]:
    """Files below `root`, whose first folder is their class, all in one split."""
    for id, content in files.items():
        path = root / id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    ids = np.array(sorted(files), np.str_)
    classes = tuple(sorted({id.split("/")[0] for id in files}))
    labels = np.array([classes.index(id.split("/")[0]) for id in ids.tolist()], np.int32)
    nothing = pd.DataFrame(index=pd.Index(ids))
    dataset = Dataset("d", str(root), ids, labels, classes, np.array([""] * len(ids)), nothing)
    return dataset, SplitPlan(dict.fromkeys(ids.tolist(), "train"), pd.DataFrame(), pd.DataFrame())


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.mark.skipif(sys.platform != "linux", reason="the two folders change names in one step on Linux only")
@pytest.mark.parametrize("force", [False, True])
def test_killed_at_random_moments_the_destination_is_there_whole_or_as_it_was(tmp_path: Path, force: bool) -> None:
    files = {f"cat/{k:03}.jpg": random.Random(k).randbytes(20_000) for k in range(N)}
    dataset, plan = data_set(tmp_path / "data", files)
    before = digests(tmp_path / "data")
    out = tmp_path / "place" / "out"
    old = {}
    if force:
        (out / "old").mkdir(parents=True)
        (out / "old" / "mine.txt").write_text("mine")
        old = digests(out)
    begun = time.monotonic()
    export(dataset, plan, tmp_path / "whole", format="imagefolder")
    takes = time.monotonic() - begun
    done = digests(tmp_path / "whole")
    assert len(done) == N
    seen = set()
    rng = random.Random(7)
    fork = multiprocessing.get_context("fork")
    for k in range(20):
        work = fork.Process(target=export, args=(dataset, plan, out), kwargs={"format": "imagefolder", "force": force})
        work.start()
        work.join(takes * 1.3 * (k + rng.random()) / 20)
        if work.exitcode is None:
            os.kill(work.pid, signal.SIGKILL)
        work.join()
        found = digests(out) if out.exists() else {}
        assert found in (old, done), k
        seen.add(len(found))
        if found == done and not force:
            break
        old = found
    assert len(old) in seen
    export(dataset, plan, out, format="imagefolder", force=True)
    assert digests(out) == done
    assert {p.name for p in out.parent.iterdir()} == {"out"}  # nothing that a killed one left
    assert digests(tmp_path / "data") == before


def test_without_the_one_step_the_old_folder_is_replaced_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, plan = data_set(tmp_path / "data", {"cat/1.jpg": b"1"})
    monkeypatch.setattr(_placing, "_exchanged", lambda one, other: False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old")
    export(dataset, plan, tmp_path / "out", format="csv", force=True)
    assert set(digests(tmp_path / "out")) == {"manifest.csv"}
    assert {p.name for p in tmp_path.iterdir()} == {"data", "out"}


def test_images_that_a_link_or_a_table_leads_to_are_never_replaced(tmp_path: Path) -> None:
    data_set(tmp_path / "photos", {"cat/1.jpg": b"1"})
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "1.jpg").symlink_to(tmp_path / "photos" / "cat" / "1.jpg")
    linked, plan = data_set(tmp_path / "data", {})[0], SplitPlan({}, pd.DataFrame(), pd.DataFrame())
    one = pd.DataFrame(index=pd.Index(["x"]))
    base = {"labels": np.zeros(1, np.int32), "classes": ("cat",), "splits": np.array([""]), "name": "d"}
    linked = Dataset(
        root=str(tmp_path / "data"), ids=np.array(["cat/1.jpg"]), metadata=one.set_axis(["cat/1.jpg"]), **base
    )
    outside = "../photos/cat/1.jpg"  # as --allow-outside has it
    table = Dataset(root=str(tmp_path / "data"), ids=np.array([outside]), metadata=one.set_axis([outside]), **base)
    folder = tmp_path / "folder"
    folder.symlink_to(tmp_path / "photos")
    behind = Dataset(root=str(folder), ids=np.array(["cat/1.jpg"]), metadata=one.set_axis(["cat/1.jpg"]), **base)
    for dataset in (linked, table, behind):
        plan = SplitPlan({str(dataset.ids[0]): "train"}, pd.DataFrame(), pd.DataFrame())
        for destination in (tmp_path / "photos", tmp_path / "photos" / "cat", tmp_path / "photos" / "cat" / "new"):
            with pytest.raises(InputError, match="the data"):
                export(dataset, plan, destination, format="csv", force=True)
    assert digests(tmp_path / "photos") == {"cat/1.jpg": hashlib.sha256(b"1").hexdigest()}


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "ring/x"])
def test_a_destination_that_can_be_none_is_one_line(tmp_path: Path, name: str) -> None:
    dataset, plan = data_set(tmp_path / "data", {"cat/1.jpg": b"1"})
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    with pytest.raises(InputError, match=r"cannot be a folder|cannot export"):
        export(dataset, plan, tmp_path / name, format="csv")
    assert {p.name for p in tmp_path.iterdir()} == {"data", "ring"}


def photograph(kind: str, **options: object) -> bytes:
    """A picture that says who took it, where, and which way is up."""
    pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x013B], exif[0x010E] = 6, SECRETS[0].decode(), SECRETS[2].decode()
    exif.get_ifd(0x8825)[29] = SECRETS[1].decode()
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, exif=exif, **options)
    return out.getvalue()


def with_more(data: bytes) -> bytes:
    """The file with XMP, IPTC, a comment and something behind its end, as its format has them."""
    xmp, note = b"<x:xmpmeta>" + SECRETS[0] + b"</x:xmpmeta>", SECRETS[2]
    if data.startswith(b"\xff\xd8"):
        parts = ((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp), (0xED, b"Photoshop 3.0\0" + note), (0xFE, note))
        more = b"".join(bytes((0xFF, m)) + struct.pack(">H", len(c) + 2) + c for m, c in parts)
        return data[:2] + more + data[2:] + b"film" + SECRETS[1]
    if data.startswith(b"\x89PNG"):
        chunks = ((b"tEXt", b"Author\0" + SECRETS[0]), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp), (b"prVt", note))
        more = b"".join(
            struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks
        )  # fmt: skip
        return data[:33] + more + data[33:] + SECRETS[1]
    if data.startswith(b"RIFF"):
        body = data[12:] + b"XMP " + struct.pack("<I", len(xmp)) + xmp + b"\0" * (len(xmp) % 2)
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body + SECRETS[1]
    end = data.rindex(b"\x3b")
    return (
        data[:end]
        + b"\x21\xfe"
        + bytes([len(note)])
        + note
        + b"\0"
        + b"\x21\xff\x0bXMP DataXMP"
        + b"\x05hello\0\x3b"
        + xmp
    )


CASES = {
    "JPEG": ("JPEG", {}),
    "progressive JPEG": ("JPEG", {"progressive": True}),
    "JPEG with restarts": ("JPEG", {"restart_marker_blocks": 2}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "GIF": ("GIF", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_metadata_go_and_every_pixel_and_the_way_up_stay(name: str) -> None:
    kind, options = CASES[name]
    data = with_more(photograph(kind, **options))
    assert SECRETS[2] in data
    out = without_metadata(data)
    for secret in (*SECRETS, b"xmpmeta", b"Photoshop", b"film"):
        assert secret not in out
    assert np.array_equal(images.whole(out), images.whole(data))
    with Image.open(io.BytesIO(data)) as was, Image.open(io.BytesIO(out)) as now:
        assert np.array_equal(np.asarray(was), np.asarray(now))  # as stored
        assert dict(now.getexif()) == ({} if kind == "GIF" else {0x0112: 6})
    assert without_metadata(out) == out


def test_colour_profiles_and_moving_pictures_stay() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in ("JPEG", "PNG", "WEBP"):
        out = without_metadata(photograph(kind, icc_profile=profile))
        with Image.open(io.BytesIO(out)) as image:
            assert image.info["icc_profile"] == profile
    frames = [Image.new("RGB", (9, 9), (80 * k, 0, 0)) for k in range(3)]
    for kind in ("GIF", "WEBP", "PNG"):
        moving = io.BytesIO()
        frames[0].save(moving, kind, save_all=True, append_images=frames[1:], duration=50, loop=0)
        with Image.open(io.BytesIO(without_metadata(moving.getvalue()))) as image:
            assert image.n_frames == 3
            assert image.info["loop"] == 0


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "PPM"])
def test_other_formats_are_refused_and_not_passed_on(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (9, 9)).save(out, kind)
    with pytest.raises(DataError, match="convert the file"):
        bare(out.getvalue())


@pytest.mark.parametrize("name", CASES)
def test_cut_short_anywhere_it_is_refused(name: str) -> None:
    kind, options = CASES[name]
    data = photograph(kind, **options)
    for k in range(0, len(data) - 2, max(1, len(data) // 97)):
        with pytest.raises(DataError):
            bare(data[:k])


@pytest.mark.parametrize("format", ["imagefolder", "huggingface", "fiftyone", "webdataset"])
def test_a_stripped_export_holds_no_secret(tmp_path: Path, format: str) -> None:
    files = {f"cat/{k}.jpg": with_more(photograph("JPEG", quality=60 + k)) for k in range(3)}
    dataset, plan = data_set(tmp_path / "data", files)
    frame = pd.DataFrame({"exif.camera": [SECRETS[0].decode()] * 3, "light.brightness": [0.5] * 3}, index=dataset.ids)
    kinds = ("exif.camera", "category", "file"), ("light.brightness", "number", "image")
    measures = Measures(
        frame,
        tuple(Column(n, k, w, "{value}", "not {value}", in_header=n.startswith("exif.")) for n, k, w in kinds),  # type: ignore[arg-type]
    )
    assert export(dataset, plan, tmp_path / "out", format=format, measures=measures, link="bare") == 3
    whole = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert len(whole) > 3000
    for secret in SECRETS:
        assert secret not in whole
    assert digests(tmp_path / "data") == {id: hashlib.sha256(c).hexdigest() for id, c in files.items()}


def test_what_cannot_be_stripped_stops_the_export(tmp_path: Path) -> None:
    tiff = io.BytesIO()
    Image.new("RGB", (9, 9)).save(tiff, "TIFF")
    dataset, plan = data_set(tmp_path / "data", {"cat/1.jpg": photograph("JPEG"), "cat/2.tif": tiff.getvalue()})
    with pytest.raises(DataError, match=r"2\.tif: metadata can be removed only"):
        export(dataset, plan, tmp_path / "out", format="imagefolder", link="bare")
    for format in ("csv", "jsonl", "parquet"):
        with pytest.raises(InputError, match="cannot strip metadata; choose one of: fiftyone, huggingface"):
            exporters.check(dataset, tmp_path / "out", format=format, link="bare")
    assert {p.name for p in tmp_path.iterdir()} == {"data"}
