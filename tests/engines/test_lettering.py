"""Which images are read again for lettering, that each is read once, and what is said of the others."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import embedded
from PIL import Image, ImageDraw, ImageFont

from curator.encoders import _lettering
from curator.engines import lettering, looking
from curator.io.decoding import images
from curator.io.store.store import Store
from curator.types import LETTERING, Embedded


class Pictures:
    """Six files, the even ones with a word at the top, and a count of the photos that the network is given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache, self.data, self.given = folder / "cache", folder / "data", 0
        self.data.mkdir()
        for k in range(6):
            picture = Image.new("RGB", (300, 200), (70, 90, 70 + k))
            if k % 2 == 0:
                ImageDraw.Draw(picture).text((20, 8), "NORTH 42", (255, 255, 255), ImageFont.load_default(size=20))
            picture.save(self.data / f"{k:04d}.jpg", quality=95)
        real = _lettering.Lettering.lines

        def counted(network: _lettering.Lettering, photos: list) -> np.ndarray:
            self.given += len(photos)
            return real(network, photos)

        monkeypatch.setattr(_lettering.Lettering, "lines", counted)

    def embedded(self) -> Embedded:
        files = sorted(self.data.iterdir())
        made = embedded(np.ones((len(files), 4)))
        digests = [sha256(f.read_bytes()).hexdigest() for f in files]
        facts = pd.DataFrame({"sha256": digests, "width": 300, "height": 200}, index=made.rows.index)
        labels = (np.arange(len(files)) % 2).astype(np.int32)
        data = replace(made.dataset, root=str(self.data), labels=labels, classes=("a", "b"))
        return replace(made, dataset=data, facts=facts)

    def look(self, at: Embedded) -> Embedded:
        return lettering.look(at, self.cache, 1, lambda done, total: None)


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Pictures:
    return Pictures(tmp_path, monkeypatch)


def test_images_with_lettering_have_lines_and_the_others_have_none(pictures):
    found = pictures.look(pictures.embedded()).facts[LETTERING].tolist()
    assert [bool(lines) for lines in found] == [True, False] * 3
    assert found[1] == ""
    left, top, right, bottom = map(int, found[0].split(";")[0].split())
    assert 0 < left < right < 128
    assert 0 <= top < bottom < 50


def test_a_second_run_computes_nothing_and_sees_the_same(pictures):
    first = pictures.look(pictures.embedded())
    assert pictures.given == 6
    again = pictures.look(pictures.embedded())
    assert pictures.given == 6
    assert first.facts[LETTERING].tolist() == again.facts[LETTERING].tolist()


def test_of_many_images_as_many_of_every_class_are_read_and_the_others_are_unknown(pictures, monkeypatch):
    monkeypatch.setattr(lettering, "N_IMAGES", 4)
    these = pictures.embedded()
    found = pictures.look(these).facts[LETTERING]
    known = found.notna().to_numpy()
    assert np.bincount(these.dataset.labels[known]).tolist() == [2, 2]
    assert pictures.given == 4


def test_in_a_strip_lettering_is_unknown(pictures):
    these = pictures.embedded()
    these.facts.loc[these.facts.index[:2], "width"] = [1000, 1001]
    assert pictures.look(these).facts[LETTERING].isna().tolist() == [False, True, *[False] * 4]


def test_an_image_that_cannot_be_read_again_is_unknown(pictures):
    these = pictures.embedded()
    (pictures.data / "0002.jpg").unlink()
    assert pictures.look(these).facts[LETTERING].isna().tolist() == [False, False, True, False, False, False]


def test_a_small_class_is_read_whole_and_the_large_one_by_its_contents(pictures, monkeypatch):
    monkeypatch.setattr(lettering, "N_IMAGES", 4)
    these = pictures.embedded()
    labels = np.array([0, 0, 0, 0, 1, 1], np.int32)
    these = replace(these, dataset=replace(these.dataset, labels=labels))
    found = pictures.look(these).facts[LETTERING]
    first = np.argsort(these.facts["sha256"].to_numpy(str)[:4])[:2]
    assert np.flatnonzero(found.notna()).tolist() == [*sorted(first.tolist()), 4, 5]
    again = pictures.look(these).facts[LETTERING]
    assert again.dropna().to_dict() == found.dropna().to_dict()
    assert pictures.given == 4


def test_each_batch_is_read_and_told(pictures, monkeypatch, tmp_path):
    whole = pictures.look(pictures.embedded()).facts[LETTERING].tolist()
    monkeypatch.setattr(looking, "_BATCH", 4)
    calls: list[tuple[int, int]] = []
    for _ in range(2):  # the second time from the store
        found = lettering.look(pictures.embedded(), tmp_path / "another", 2, lambda *at: calls.append(at))
        assert found.facts[LETTERING].tolist() == whole
    assert calls == [(0, 6), (4, 6), (6, 6)]
    assert pictures.given == 12


def test_copies_of_an_image_have_the_same_lines_and_are_stored_once(pictures, monkeypatch):
    (pictures.data / "0001.jpg").write_bytes((pictures.data / "0000.jpg").read_bytes())
    stored: list[str] = []
    real = Store.append

    def noted(store: Store, keys: list[str], *rest: object) -> None:
        stored.extend(keys)
        real(store, keys, *rest)

    monkeypatch.setattr(Store, "append", noted)
    these = pictures.embedded()
    found = pictures.look(these).facts[LETTERING].tolist()
    assert found[0] == found[1] != ""
    assert sorted(stored) == sorted(set(these.facts["sha256"]))
    assert pictures.look(these).facts[LETTERING].tolist() == found


@pytest.mark.parametrize(
    "version", [(_lettering, "VERSION", "another"), (images, "DECODING", 0)], ids=["lines", "pixels"]
)
def test_what_another_version_stored_is_not_used(pictures, monkeypatch, version):
    pictures.look(pictures.embedded())
    monkeypatch.setattr(*version)
    pictures.look(pictures.embedded())
    assert pictures.given == 12


def test_without_contents_nothing_is_stored_and_the_lines_are_the_same(pictures):
    these = pictures.embedded()
    whole = pictures.look(these).facts[LETTERING].tolist()
    without = replace(these, facts=these.facts.drop(columns="sha256"))
    for _ in range(2):
        assert pictures.look(without).facts[LETTERING].tolist() == whole
    assert pictures.given == 18


def test_a_damaged_image_is_unknown_and_so_are_all_if_none_can_be_read(pictures):
    these = pictures.embedded()
    (pictures.data / "0004.jpg").write_bytes(b"not an image")
    assert pictures.look(these).facts[LETTERING].isna().tolist() == [False, False, False, False, True, False]
    for file in list(pictures.data.iterdir()):
        file.write_bytes(b"")
    pictures.cache = pictures.cache.with_name("another")
    assert pictures.look(these).facts[LETTERING].isna().all()
    assert pictures.given == 5


def test_the_given_data_set_is_not_changed(pictures):
    these = pictures.embedded()
    assert LETTERING in pictures.look(these).facts
    assert LETTERING not in these.facts


def test_without_images_or_when_already_read_it_is_the_same_object(pictures):
    without = embedded(np.ones((3, 4)))
    assert pictures.look(without) is without
    looked = pictures.look(pictures.embedded())
    assert pictures.look(looked) is looked
