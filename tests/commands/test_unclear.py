"""Which values cannot be told from the object: none where it is located, all around a class that fills the frame."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import Texts, embedded

from curator.attributes import FAMILIES, words
from curator.commands._steps import unclear
from curator.config import Settings
from curator.shortcuts.indicators import Indicators, build
from curator.types import Column, Embedded, Measures, Patches, Salience

GRID, DIM = 10, 16
GROUND, GRASS, ANIMAL, STONE, TISSUE = 0, 1, 2, 3, 4
COLOUR = Column("background.colour", "tags", "context", "have a {value} background", "on another colour", around=True)
SITE = Column("metadata.site", "category", "metadata", "have site {value}", "with another site")


class World:
    """Images on ground and stones, with an animal of 2 x 2 places in the middle that is located and stands out."""

    def __init__(self, *sizes: int) -> None:
        self.labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
        n = len(self.labels)
        self.kinds = np.random.default_rng(0).choice([GROUND, STONE], (n, GRID, GRID))
        self.kinds[:, 4:6, 4:6] = ANIMAL
        self.located = self.kinds == ANIMAL
        self.salient = self.located.copy()
        self.looked_at = np.arange(n)

    def of(self, k: int) -> np.ndarray:
        return np.flatnonzero(self.labels == k)

    def embedded(self) -> Embedded:
        n = len(self.labels)
        made = embedded(np.ones((n, 4)))
        classes = tuple(f"class {k}" for k in range(int(self.labels.max()) + 1))
        patches = Patches(
            made.dataset.ids,
            (127 * np.eye(DIM)[self.kinds]).astype(np.int8),
            np.where(self.located, 255, 0).astype(np.uint8),
            np.full((n, GRID, GRID, 3), 200, np.uint8),
            np.full((n, GRID, GRID), 5, np.uint8),
            "eye",
            Salience(self.looked_at, np.where(self.salient, 255, 0).astype(np.uint8)[self.looked_at]),
        )
        data = replace(made.dataset, labels=self.labels, classes=classes)
        return replace(made, dataset=data, patches=patches)

    def mask(self, labels: np.ndarray | None = None) -> pd.DataFrame:
        """What is unclear: a row for each class, a column for each value."""
        these = self.embedded()
        table = indicators(these)
        out = unclear.mask(these, self.labels if labels is None else labels, table)
        names = [f"{a}={v}" for a, v in zip(table.attribute, table.value_names, strict=True)]
        return pd.DataFrame(out, index=list(these.dataset.classes), columns=names)

    def word(self, kind: int) -> str:
        """The name of the column of the word of this kind of place."""
        these = self.embedded()
        i, y, x = np.argwhere(self.kinds == kind)[0]
        return f"words.{words.spelling(these, these)[i, y, x]}=yes"


def indicators(these: Embedded) -> Indicators:
    """The words, the colour of the background, and a column of the user's."""
    measured = FAMILIES.get("words").derive(these, Texts({}, 4, text=False), Settings(), these)
    n = len(these.dataset)
    more = {
        "background.colour": ["green" if k % 3 else "grey" for k in range(n)],
        "metadata.site": ["north" if k % 2 else "south" for k in range(n)],
    }
    frame = measured.frame.join(pd.DataFrame(more, index=measured.frame.index))
    return build(Measures(frame, (*measured.columns, COLOUR, SITE)), (0.5,))


AROUND = ["background.colour=green", "background.colour=grey"]


def around(found: pd.DataFrame) -> list[bool]:
    """Of each class, whether what is measured around the object is unclear; the two colours agree, and nothing else is."""
    assert found[AROUND].nunique(axis=1).eq(1).all()
    assert not found.drop(columns=AROUND).to_numpy().any()
    return list(found[AROUND[0]])


def test_where_objects_are_located_nothing_is_unclear() -> None:
    """The null."""
    found = World(20, 20, 20).mask()
    assert set(AROUND) < set(found.columns)
    assert not found.to_numpy().any()


def fills_the_frame(world: World, k: int) -> None:
    """The object of the class is everywhere, and only its middle was located."""
    world.kinds[world.of(k)] = ANIMAL
    world.salient[world.of(k)] = True


def stands_out_nowhere(world: World, k: int) -> None:
    """An X-ray: tissue around the animal, and in seven of ten images of the class nothing is salient."""
    rows = world.of(k)
    world.kinds[rows] = np.where(world.kinds[rows] == ANIMAL, ANIMAL, TISSUE)
    world.salient[rows[: 7 * len(rows) // 10]] = False


@pytest.mark.parametrize("plant", [fills_the_frame, stands_out_nowhere])
def test_a_class_whose_object_cannot_be_located_is_unclear_around_it(plant) -> None:
    """Planted in class 2. The others are compared with a class that is located as often as with it."""
    world = World(20, 20, 20)
    plant(world, 2)
    found = world.mask()
    assert list(found[AROUND[0]]) == list(found[AROUND[1]]) == [False, False, True]
    assert not found["metadata.site=north"].any()


def test_a_class_whose_object_is_larger_than_what_was_located_is_unclear_around_it() -> None:
    """In class 2, 36 places stand out and 4 were located: 32 of the 96 places around are the object's. Their words are ground,
    which elsewhere is not."""
    world = World(20, 20, 20)
    world.salient[world.of(2), 2:8, 2:8] = True
    assert list(world.mask()[AROUND[0]]) == [False, False, True]


def test_a_class_in_which_nothing_stands_out_is_located_on_the_ground_of_the_others() -> None:
    """A blurred mouse: nothing is salient, but what surrounds it are words that surround the others' animals."""
    world = World(20, 20, 20)
    world.salient[world.of(2)] = False
    assert around(world.mask()) == [False, False, False]


def test_an_object_found_in_half_of_the_images_is_located() -> None:
    world = World(20, 20, 20)
    world.salient[world.of(2)[:10]] = False
    assert around(world.mask()) == [False, False, False]


@pytest.mark.parametrize(
    ("sizes", "planted", "expected"),
    [
        ((20, 20), (1,), [True, True]),  # the only other class
        ((20, 20, 20), (1, 2), [True, True, True]),
        ((20, 30, 20), (1,), [True, True, True]),  # 30 of the 50 others
        ((20, 19, 20), (1,), [False, True, False]),
        ((20, 20, 20), (), [False, False, False]),
    ],
    ids=str,
)
def test_a_comparison_with_mostly_such_classes_is_unclear_too(sizes, planted, expected) -> None:
    world = World(*sizes)
    for k in planted:
        stands_out_nowhere(world, k)
    found = world.mask()
    assert list(found[AROUND[0]]) == expected
    assert not found["metadata.site=north"].any()


def test_surroundings_that_are_the_object_elsewhere_are_unclear() -> None:
    """Class 2 is a close-up of fur: in its four images that were looked at, only the middle stands out, and nothing leaks; in
    the other classes fur is what stands out."""
    world = World(20, 20, 20)
    world.kinds[:, 2:8, 2:8] = ANIMAL
    world.located[:, 2:8, 2:8] = world.salient[:, 2:8, 2:8] = True
    close = world.of(2)
    world.kinds[close] = ANIMAL
    world.salient[close] = world.located[close] = False
    world.salient[close, 4:6, 4:6] = world.located[close, 4:6, 4:6] = True
    world.looked_at = np.r_[world.of(0), world.of(1), close[:4]]
    assert list(world.mask()[AROUND[0]]) == [False, False, True]


def test_a_word_that_lies_on_the_object_in_one_class_is_unclear_there_alone() -> None:
    """Grass beside the animal in 40 images of classes 0 and 1, and on the animal in five of class 2: 10 of 90 places."""
    world = World(20, 20, 20)
    first, second, third = (world.of(k) for k in range(3))
    world.kinds[np.r_[first, second], 9, 2:4] = GRASS
    world.kinds[third[:5], 4, 4:6] = GRASS
    found = world.mask()
    grass = world.word(GRASS)
    assert list(found[grass]) == [False, False, True]
    assert not found.drop(columns=grass).to_numpy().any()


@pytest.mark.parametrize(("on", "expected"), [(5, False), (6, True)])
def test_a_quarter_of_a_words_places_may_lie_on_the_object_of_a_class(on, expected) -> None:
    """In class 2, 15 images have two places of grass beside the animal (30), and 5 or 6 have two on it: 10 of 40, 12 of 44."""
    world = World(40, 40, 30)
    world.kinds[np.r_[world.of(0), world.of(1)], 9, 2:4] = GRASS
    third = world.of(2)
    beside = 15 if on == 5 else 16
    world.kinds[third[:beside], 9, 2:4] = GRASS
    world.kinds[third[-on:], 4, 4:6] = GRASS
    found = world.mask()
    assert list(found[world.word(GRASS)]) == [False, False, expected]


def test_a_word_of_the_object_is_not_unclear_because_it_lies_on_it() -> None:
    world = World(20, 20)
    assert not world.mask()[world.word(ANIMAL)].any()


def test_images_that_do_not_count_say_nothing() -> None:
    """Class 2 fills the frame, but only in images whose label is left out."""
    world = World(20, 20, 20)
    rows = world.of(2)
    world.kinds[rows[:15]], world.salient[rows[:15]] = ANIMAL, True
    labels = world.labels.copy()
    assert list(world.mask(labels)[AROUND[0]]) == [False, False, True]
    labels[rows[:15]] = -1
    assert around(world.mask(labels)) == [False, False, False]


@pytest.mark.parametrize(("n", "expected"), [(2, False), (3, True)])
def test_three_images_of_a_class_must_have_been_looked_at(n, expected) -> None:
    world = World(20, 20, 20)
    fills_the_frame(world, 2)
    world.looked_at = np.r_[world.of(0), world.of(1), world.of(2)[:n]]
    assert list(world.mask()[AROUND[0]]) == [False, False, expected]


@pytest.mark.parametrize("without", ["places", "a look", "an image looked at"])
def test_without_places_or_a_look_at_them_nothing_is_unclear(without) -> None:
    world = World(20, 20)
    fills_the_frame(world, 1)
    these = world.embedded()
    table = indicators(these)
    if without == "places":
        these = replace(these, patches=None)
    else:
        nothing = None if without == "a look" else Salience(np.zeros(0, int), np.zeros((0, GRID, GRID), np.uint8))
        these = replace(these, patches=replace(these.patches, salience=nothing))
    assert not unclear.mask(these, world.labels, table).any()


def test_without_columns_there_is_nothing_to_be_unclear() -> None:
    these = World(5, 5).embedded()
    table = build(Measures(pd.DataFrame(index=these.rows.index), ()), (0.5,))
    assert unclear.mask(these, these.dataset.labels, table).shape == (2, 0)
