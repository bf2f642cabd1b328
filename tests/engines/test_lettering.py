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
from curator.engines import lettering
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


def test_without_images_or_when_already_read_it_is_the_same_object(pictures):
    without = embedded(np.ones((3, 4)))
    assert pictures.look(without) is without
    looked = pictures.look(pictures.embedded())
    assert pictures.look(looked) is looked
