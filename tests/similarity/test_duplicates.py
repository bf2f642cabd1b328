"""The same picture twice, planted in files and read back through the real decoder and encoder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from curator.config import DuplicateSettings
from curator.encoders import resolve
from curator.io.decoding import images
from curator.similarity import duplicates
from curator.types import DuplicateGroup, Embeddings


def scene(seed: int) -> Image.Image:
    """A picture of a dozen large coloured shapes; each seed its own."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (240, 180), tuple(rng.integers(0, 256, 3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 30, 30), (200, 150, 120, 100)))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x, y, x + w, y + h), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return picture


def read(paths: list[Path]) -> tuple[list[str], np.ndarray, Embeddings]:
    encoder, _ = resolve("pixels", cache=Path("unused"), device="cpu")
    photos = [images.decode(p, encoder.info.preprocessing) for p in paths]
    vectors = encoder.encode(np.stack([p.input for p in photos]))
    hashes = np.array([p.phash for p in photos], np.uint64)
    return (
        [p.facts.sha256 for p in photos],
        hashes,
        Embeddings(np.array([p.name for p in paths]), vectors, encoder.info),
    )


def found(paths: list[Path], settings: DuplicateSettings | None = None) -> dict[tuple[str, ...], str]:
    sha, hashes, embeddings = read(paths)
    groups = duplicates.groups(embeddings.ids, sha, hashes, embeddings, settings or DuplicateSettings())
    return {g.ids: g.kind for g in groups}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twenty scenes; scene 3 copied, scene 5 saved smaller and rougher, scene 7 copied and saved rougher."""
    home = tmp_path_factory.mktemp("pictures")
    for k in range(20):
        scene(k).save(home / f"{k:02d}.png")
    (home / "03_copy.png").write_bytes((home / "03.png").read_bytes())
    scene(5).resize((200, 150)).save(home / "05_small.jpg", quality=60)
    (home / "07_copy.png").write_bytes((home / "07.png").read_bytes())
    scene(7).save(home / "07_rough.jpg", quality=50)
    return home


def test_what_was_planted_is_found_with_its_evidence_and_nothing_else(folder):
    assert found(sorted(folder.iterdir())) == {
        ("03.png", "03_copy.png"): "exact",
        ("05.png", "05_small.jpg"): "perceptual",
        ("07.png", "07_copy.png", "07_rough.jpg"): "perceptual",
    }


def test_different_pictures_are_no_duplicates(folder):
    assert found([folder / f"{k:02d}.png" for k in range(20)]) == {}


def test_a_hash_alone_is_not_enough_and_embeddings_alone_are():
    """Equal hashes count only where the embeddings agree; embeddings nearly equal count without."""
    _, _, some = read_vectors([[1, 0, 0], [0, 1, 0], [0, 1, 0.1], [0, 0.02, 1]])
    hashes = np.array([7, 7, 2**64 - 8, 1], np.uint64)
    groups = duplicates.groups(some.ids, ["a", "b", "c", "d"], hashes, some, DuplicateSettings())
    assert groups == (DuplicateGroup("embedding", ("1", "2")),)
    far = DuplicateSettings(cosine=0.999)
    assert duplicates.groups(some.ids, ["a", "b", "c", "d"], hashes, some, far) == ()
    near_hashes = np.array([0, 7, 7 + 2**40, 1], np.uint64)
    assert duplicates.groups(some.ids, ["a", "b", "c", "d"], near_hashes, some, far)[0].kind == "perceptual"


def read_vectors(rows):
    from curator.similarity.vectors import unit
    from curator.types import EncoderInfo, Preprocessing

    info = EncoderInfo("test", "pixels", 3, False, "sha256:0", Preprocessing(64, 64))
    ids = np.array([str(i) for i in range(len(rows))])
    return None, None, Embeddings(ids, unit(np.array(rows, float)), info)


def test_the_number_of_differing_bits_decides():
    _, _, same = read_vectors([[1, 0, 0], [1, 0.2, 0]])
    for bits, agree in [(6, True), (7, False)]:
        hashes = np.array([0, 2**bits - 1], np.uint64)
        groups = duplicates.groups(same.ids, ["a", "b"], hashes, same, DuplicateSettings(cosine=0.999))
        assert bool(groups) == agree


def test_hamming_counts_all_64_bits():
    a = np.array([0, 2**64 - 1, 0b1010], np.uint64)
    b = np.array([2**64 - 1, 2**64 - 1, 0b0110], np.uint64)
    assert duplicates.hamming(a, b).tolist() == [64, 0, 2]


def test_a_group_is_called_by_what_joins_all_of_it():
    """Two exact copies and a third that only looks alike are one perceptual group, not an exact one beside it."""
    _, _, same = read_vectors([[1, 0, 0]] * 4)
    sha = [hashlib.sha256(x).hexdigest() for x in (b"a", b"a", b"b", b"a")]
    groups = duplicates.groups(same.ids, sha, np.array([1, 1, 1, 1], np.uint64), same, DuplicateSettings())
    assert groups == (DuplicateGroup("perceptual", ("0", "1", "2", "3")),)


def test_leaks_are_the_groups_that_cross_splits():
    groups = (DuplicateGroup("exact", ("a", "b")), DuplicateGroup("embedding", ("c", "d")))
    ids = np.array(["a", "b", "c", "d"])
    assert duplicates.leaks(groups, ids, np.array(["train", "test", "train", "train"])) == groups[:1]
    assert duplicates.leaks(groups, ids, np.array([""] * 4)) == ()


def test_no_images_are_no_groups():
    _, _, none = read_vectors(np.zeros((0, 3)))
    assert duplicates.groups(none.ids, [], np.zeros(0, np.uint64), none, DuplicateSettings()) == ()


def test_a_stricter_confirmation_than_the_embeddings_own_is_kept_to():
    """Agreeing hashes at cosine 0.98 are not confirmed at 0.999, so the embedding alone is the evidence."""
    _, _, some = read_vectors([[1, 0, 0], [1, 0.15, 0]])
    settings = DuplicateSettings(cosine=0.98, confirm=0.999)
    (group,) = duplicates.groups(some.ids, ["a", "b"], np.array([5, 5], np.uint64), some, settings)
    assert group.kind == "embedding"
