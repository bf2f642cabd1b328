"""Which images are looked at for salient objects, that each is looked at once, and that nothing else changes the maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import embedded
from PIL import Image, ImageDraw

from curator.encoders import _saliency
from curator.engines import salience
from curator.types import Embedded, Patches, Preprocessing

GRID = 14
HOW = Preprocessing(224, 224)


def of(labels: np.ndarray, contents: list[str] | None = None, root: Path | None = None) -> Embedded:
    """A data set with these labels (-1: none) and places that nobody has looked at."""
    n = len(labels)
    made = embedded(np.ones((n, 4)))
    classes = tuple(f"class {k}" for k in range(int(labels.max(initial=0)) + 1))
    data = replace(made.dataset, labels=labels.astype(np.int32), classes=classes, root=str(root or "/nowhere"))
    blank = np.zeros((n, GRID, GRID), np.uint8)
    colour = np.zeros((n, GRID, GRID, 3), np.uint8)
    patches = Patches(data.ids, np.zeros((n, GRID, GRID, 2), np.int8), blank, colour, blank, "eye")
    facts = pd.DataFrame({"sha256": contents} if contents else {}, index=made.rows.index)
    return replace(made, dataset=data, facts=facts, patches=patches)


def digests(n: int, seed: int = 0) -> list[str]:
    return [np.random.default_rng([seed, k]).bytes(32).hex() for k in range(n)]


def taken(sizes: tuple[int, ...]) -> list[int]:
    """The number of images of each class that are looked at."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rows = salience.sample(of(labels, digests(len(labels))))
    assert (np.diff(rows) > 0).all()
    return np.bincount(labels[rows], minlength=len(sizes)).tolist()


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((50, 70), [50, 70]),  # few enough: all
        ((1000, 1000), [120, 120]),
        ((1000, 300, 500), [80, 80, 80]),
        ((1000, 20, 500), [110, 20, 110]),  # what a small class lacks is shared by the others
        ((5, 9000), [5, 235]),
        ((9000,), [240]),
    ],
    ids=str,
)
def test_an_equal_number_of_every_class_is_looked_at(sizes, expected):
    assert taken(sizes) == expected


def test_images_without_a_class_are_one_class_more():
    labels = np.repeat([-1, 0, 1], 500)
    rows = salience.sample(of(labels, digests(1500)))
    assert Counter(labels[rows].tolist()) == {-1: 80, 0: 80, 1: 80}


def test_more_classes_than_images_to_look_at_stay_within_the_number():
    rows = salience.sample(of(np.repeat(np.arange(300), 3), digests(900)))
    assert len(rows) == salience.N_IMAGES
    assert len(salience.sample(of(np.zeros(0, np.int32)))) == 0


def test_the_sample_follows_the_contents_and_not_the_order():
    labels, contents = np.repeat([0, 1], 400), digests(800)
    rows = salience.sample(of(labels, contents))
    order = np.random.default_rng(0).permutation(800)
    mixed = salience.sample(of(labels[order], [contents[k] for k in order]))
    assert set(order[mixed].tolist()) == set(rows.tolist())
    for c in (0, 1):  # those with the smallest digests
        own = sorted(np.flatnonzero(labels == c), key=lambda k: contents[k])[:120]
        assert set(own) == set(rows[labels[rows] == c].tolist())


@pytest.mark.parametrize("sizes", [(400, 400, 400), (400, 30, 900), (240, 400)], ids=str)
def test_an_image_more_changes_at_most_one_place_of_its_class(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    contents = digests(len(labels))
    before = {contents[k] for k in salience.sample(of(labels, contents))}
    entered = 0
    for seed in range(20):
        more = [*contents, *digests(1, 100 + seed)]
        now = {more[k] for k in salience.sample(of(np.append(labels, 0), more))}
        assert len(before - now) == len(now - before) <= 1
        entered += more[-1] in now
    assert 0 < entered < 20


class Pictures:
    """Six files with a disc each, at a place of their own, and a count of the pictures that the network is given."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = folder / "cache"
        self.given = 0
        self.data = folder / "data"
        self.data.mkdir()
        for k in range(6):
            picture = Image.new("RGB", (224, 224), (70, 90, 70))
            x, y = 60 + 20 * k, 150 - 15 * k
            ImageDraw.Draw(picture).ellipse((x - 40, y - 40, x + 40, y + 40), (240, 200, 60))
            picture.save(self.data / f"{k:04d}.jpg", quality=95)
        real = _saliency.SalientObjects.maps

        def counted(network: _saliency.SalientObjects, inputs: np.ndarray, grid: int) -> np.ndarray:
            self.given += len(inputs)
            return real(network, inputs, grid)

        monkeypatch.setattr(_saliency.SalientObjects, "maps", counted)

    def embedded(self, contents: bool = True) -> Embedded:
        files = sorted(self.data.iterdir())
        return of(
            np.arange(6) % 2, [sha256(f.read_bytes()).hexdigest() for f in files] if contents else None, self.data
        )

    def look(
        self, at: Embedded, jobs: int = 1, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Embedded:
        return salience.look(at, HOW, self.cache, jobs, progress)


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Pictures:
    return Pictures(tmp_path, monkeypatch)


def test_every_map_is_of_its_own_image(pictures):
    seen = pictures.look(pictures.embedded()).patches.salience
    assert seen.rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert seen.found.all()
    for k, one in enumerate(seen.maps):
        y, x = (float((axis * one).sum() / one.sum()) * 16 + 8 for axis in np.mgrid[:GRID, :GRID])
        assert abs(x - (60 + 20 * k)) < 8
        assert abs(y - (150 - 15 * k)) < 8


def test_a_second_run_computes_nothing_and_sees_the_same(pictures):
    first = pictures.look(pictures.embedded()).patches.salience
    assert pictures.given == 6
    calls: list[tuple[int, int]] = []
    again = pictures.look(pictures.embedded(), progress=lambda *at: calls.append(at)).patches.salience
    assert (pictures.given, calls) == (6, [])
    np.testing.assert_array_equal(first.maps, again.maps)
    np.testing.assert_array_equal(first.rows, again.rows)


def test_neither_jobs_nor_the_store_change_a_map(pictures, tmp_path):
    first = pictures.look(pictures.embedded(), jobs=1).patches.salience
    pictures.cache = tmp_path / "another"
    np.testing.assert_array_equal(pictures.look(pictures.embedded(), jobs=2).patches.salience.maps, first.maps)
    assert pictures.given == 12
    pictures.cache = tmp_path / "a third"  # without digests nothing is stored, and the maps are the same
    for _ in range(2):
        without = pictures.look(pictures.embedded(contents=False)).patches.salience
        np.testing.assert_array_equal(without.maps, first.maps)
    assert pictures.given == 24


def test_one_image_more_computes_one_map(pictures):
    five = pictures.embedded().take(np.arange(5))
    pictures.look(five)
    assert pictures.given == 5
    pictures.look(pictures.embedded())
    assert pictures.given == 6


def test_copies_of_an_image_are_each_looked_at_and_stored_once(pictures):
    (pictures.data / "0001.jpg").write_bytes((pictures.data / "0000.jpg").read_bytes())
    seen = pictures.look(pictures.embedded()).patches.salience
    assert seen.rows.tolist() == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(seen.maps[0], seen.maps[1])
    again = pictures.look(pictures.embedded()).patches.salience
    np.testing.assert_array_equal(seen.maps, again.maps)
    assert pictures.given == 6


def test_an_image_that_cannot_be_read_again_is_left_out(pictures):
    all_six = pictures.look(pictures.embedded(contents=False)).patches.salience
    there = pictures.embedded()
    (pictures.data / "0002.jpg").write_bytes(b"not an image")
    (pictures.data / "0004.jpg").unlink()
    seen = pictures.look(there).patches.salience
    assert seen.rows.tolist() == [0, 1, 3, 5]
    np.testing.assert_array_equal(seen.maps, all_six.maps[[0, 1, 3, 5]])


def test_if_no_image_can_be_read_nothing_was_seen(pictures):
    there = pictures.embedded()
    for file in list(pictures.data.iterdir()):
        file.unlink()
    seen = pictures.look(there).patches.salience
    assert (seen.rows.tolist(), seen.maps.shape) == ([], (0, GRID, GRID))
    assert pictures.given == 0


def test_without_places_or_when_already_looked_at_it_is_the_same_object(pictures):
    there = pictures.embedded()
    blind = replace(there, patches=None)
    assert pictures.look(blind) is blind
    looked = pictures.look(there)
    assert pictures.look(looked) is looked
    assert there.patches.salience is None  # the given object is not changed
    assert pictures.given == 6
