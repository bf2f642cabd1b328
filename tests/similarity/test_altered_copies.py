"""Copies that were changed, planted in real photographs and read back through the real decoder and eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from changed import replace
from PIL import Image, ImageEnhance, ImageOps

from curator.commands import Session
from curator.config import DuplicateSettings
from curator.encoders import resolve
from curator.io.decoding import images
from curator.similarity import altered_copies, duplicates, vectors
from curator.types import Embedded

TRAIN = Path(__file__).parents[2] / "sample_data" / "bunnies" / "train"
N_SOURCES = 6


def _changed(picture: Image.Image) -> dict[str, Image.Image]:
    w, h = picture.size
    return {
        "recoded": picture,
        "small": picture.resize((w // 2, h // 2)),
        "cropped": picture.crop((round(0.05 * w), 0, w, round(0.95 * h))),
        "mirrored": ImageOps.mirror(picture),
        "lighter": ImageEnhance.Brightness(picture).enhance(1.3),
    }


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    """Forty photographs of sample_data, and five changed copies of each of six of them."""
    home = tmp_path_factory.mktemp("altered")
    sources = sorted(TRAIN.rglob("*.jpg"))[::5][:40]
    for k, source in enumerate(sources):
        (home / f"{k:02d}.jpg").write_bytes(source.read_bytes())
    for k in range(N_SOURCES):
        with Image.open(sources[6 * k]) as picture:
            for name, copy in _changed(picture.convert("RGB")).items():
                copy.save(home / f"{6 * k:02d}-{name}.jpg", quality=75)
    session = Session.open("embedded", cache=tmp_path_factory.mktemp("cache"))
    return session.embed(session.scan(home))


def groups_of(embedded: Embedded, *, look: bool) -> list[set[str]]:
    found = duplicates.groups(
        embedded.dataset.ids,
        list(embedded.facts["sha256"]),
        embedded.facts["phash"].to_numpy(np.uint64),
        embedded.embeddings,
        DuplicateSettings(),
        embedded.patches if look else None,
    )
    return [set(g.ids) for g in found]


def test_every_changed_copy_is_found_and_nothing_else(planted: Embedded) -> None:
    wanted = [
        {f"{6 * k:02d}.jpg", *(f"{6 * k:02d}-{n}.jpg" for n in ("recoded", "small", "cropped", "mirrored", "lighter"))}
        for k in range(N_SOURCES)
    ]
    assert groups_of(planted, look=True) == wanted


def test_without_places_mirrored_copies_are_missed(planted: Embedded) -> None:
    """The control: what the hash and the embedding alone do not find is what `likeness` is for."""
    together = groups_of(planted, look=False)
    assert not any("00-mirrored.jpg" in group for group in together)


def test_pictures_that_share_a_scene_are_not_one(planted: Embedded) -> None:
    """The null: photographs of the same meadow and the same animal, none a copy."""
    apart = np.flatnonzero([("-" not in i) for i in planted.dataset.ids.tolist()])
    some = planted.take(apart)
    assert some.patches is not None
    i, _ = altered_copies.alike(some.facts["phash"].to_numpy(np.uint64), some.embeddings.vectors, some.patches)
    assert len(i) == 0


def test_other_places_are_another_picture(planted: Embedded) -> None:
    """The same colours and features elsewhere in the frame are not the same picture, whatever hash and embedding say."""
    rows = [k for k, i in enumerate(planted.dataset.ids.tolist()) if i in ("00.jpg", "00-recoded.jpg")]
    pair = planted.take(rows).patches
    assert pair is not None
    phash, vectors = np.zeros(2, np.uint64), np.ones((2, 1), np.float32)
    assert len(altered_copies.alike(phash, vectors, pair)[0]) == 2  # in both orders
    shifted = {
        name: np.stack([getattr(pair, name)[0], np.roll(getattr(pair, name)[1], 5, axis=1)])
        for name in ("colour", "features")
    }
    assert len(altered_copies.alike(phash, vectors, replace(pair, **shifted))[0]) == 0


def test_the_hash_in_a_mirror_follows_from_the_hash(planted: Embedded, tmp_path: Path) -> None:
    preprocessing = resolve("embedded", cache=tmp_path, device="cpu")[0].info.preprocessing
    bits = []
    for id in planted.dataset.ids.tolist()[:12]:
        path = Path(planted.dataset.root) / id
        with Image.open(path) as picture:
            ImageOps.mirror(picture.convert("RGB")).save(tmp_path / "mirrored.png")
        one, other = (images.decode(p, preprocessing).phash for p in (path, tmp_path / "mirrored.png"))
        both = np.array([one, other], np.uint64)
        bits.append(int(duplicates.hamming(altered_copies.mirrored_hash(both[:1]), both[1:])[0]))
        assert int(duplicates.hamming(both[:1], both[1:])[0]) > altered_copies.CANDIDATE_BITS
    assert max(bits) <= 14


def test_plain_pictures_are_no_likeness() -> None:
    """Nothing varies in them, so nothing can agree: no warning, no group."""
    patches = _blank(3)
    i, _ = altered_copies.alike(np.zeros(3, np.uint64), np.ones((3, 1), np.float32), patches)
    assert len(i) == 0
    assert len(altered_copies.alike(np.zeros(0, np.uint64), np.zeros((0, 1), np.float32), _blank(0))[0]) == 0


def _blank(n: int):
    from curator.types import Patches

    places = np.zeros((n, 14, 14), np.uint8)
    colour = np.full((n, 14, 14, 3), 255, np.uint8)
    ids = np.array([str(k) for k in range(n)], dtype=np.str_)
    return Patches(ids, np.ones((n, 14, 14, 4), np.int8), places, colour, places, "eye")


def test_a_large_set_has_the_likenesses_of_a_small_one(planted: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an index instead of all pairs: the same pairs, in both orders, none of a picture with itself."""
    args = planted.facts["phash"].to_numpy(np.uint64), planted.embeddings.vectors, planted.patches
    assert args[2] is not None
    exact = {(int(a), int(b)) for a, b in zip(*altered_copies.alike(*args), strict=True)}  # type: ignore[arg-type]
    for module in (altered_copies, vectors):
        monkeypatch.setattr(module, "EXACT_UP_TO", 4)
    found = {(int(a), int(b)) for a, b in zip(*altered_copies.alike(*args), strict=True)}  # type: ignore[arg-type]
    assert len(exact) > 5
    assert found == exact


def test_hashes_offer_a_mirror_image_that_no_neighbour_is(planted: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no neighbours offered, pairs with near hashes are still found, also in the mirror."""
    args = planted.facts["phash"].to_numpy(np.uint64), planted.embeddings.vectors, planted.patches
    assert args[2] is not None
    exact = {(int(a), int(b)) for a, b in zip(*altered_copies.alike(*args), strict=True)}  # type: ignore[arg-type]
    monkeypatch.setattr(altered_copies, "EXACT_UP_TO", 4)
    monkeypatch.setattr(altered_copies, "near_pairs", lambda *_: iter(()))
    found = {(int(a), int(b)) for a, b in zip(*altered_copies.alike(*args), strict=True)}  # type: ignore[arg-type]
    phash = args[0]
    close = altered_copies._INDEXED_BITS
    plain = {(a, b) for a, b in exact if int(phash[a] ^ phash[b]).bit_count() <= close}
    mirrored = {
        (a, b)
        for a, b in exact
        if int(altered_copies.mirrored_hash(phash[a : a + 1])[0] ^ phash[b]).bit_count() <= close
    }
    assert plain
    assert mirrored
    assert plain | mirrored <= found <= exact
