"""What every attribute family must keep to, whichever they are: a new one is held to it the day it is added."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from photos import Texts, embedded, photo, plain

from curator.attributes import FAMILIES, PhotoFamily, SetFamily, fingerprint, photo_families
from curator.config import Settings

NOISE = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
PICTURES = {
    "1x1": plain((90, 140, 60), 1, 1),
    "2x300": NOISE.repeat(5, axis=1)[:2, :300],
    "300x2": NOISE.repeat(6, axis=0)[:300, :2],
    "15x15": NOISE[:15, :15],
    "grey": plain((128, 128, 128)),
    "black": plain((0, 0, 0)),
    "white": plain((255, 255, 255)),
    "noise": NOISE,
}
PHOTO_FAMILIES = photo_families()
SET_FAMILIES = [(name, family) for name, family in FAMILIES if isinstance(family, SetFamily)]


def test_every_family_is_of_a_known_kind_and_its_columns_are_its_own():
    families = list(FAMILIES)
    assert len(families) >= 9
    assert all(isinstance(family, PhotoFamily | SetFamily) for _, family in families)
    names = [c.name for _, family in PHOTO_FAMILIES for c in family.columns]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "family"), PHOTO_FAMILIES, ids=[n for n, _ in PHOTO_FAMILIES])
@pytest.mark.parametrize("picture", PICTURES)
def test_any_photo_is_measured_finitely_without_being_touched(name, family, picture):
    pixels = PICTURES[picture].copy()
    shown = photo(pixels, jpeg_quality=None)
    row = family.measure(shown)
    assert list(row) == [c.name for c in family.columns]
    assert np.array_equal(shown.pixels, PICTURES[picture])
    assert family.measure(shown) == row
    for column in family.columns:
        value = row[column.name]
        if value is None:
            continue
        if column.form == "number":
            assert isinstance(value, int | float)
            assert math.isfinite(value)
        elif column.form == "flag":
            assert isinstance(value, bool)
        else:
            assert isinstance(value, str)
            assert column.form == "tags" or value


@pytest.mark.parametrize(("name", "family"), PHOTO_FAMILIES, ids=[n for n, _ in PHOTO_FAMILIES])
def test_every_column_can_be_spoken_of(name, family):
    for column in family.columns:
        check(column)
        assert column.name.startswith(f"{name}.")
        assert column.form != "number" or column.unit


def check(column) -> None:
    assert column.kind in ("context", "object", "image", "file", "metadata")
    assert column.without
    if column.form == "flag":
        yes, no = column.phrase.split("|")
        assert yes
        assert no
        assert yes != no
    else:
        assert column.phrase.count("{value}") == 1
        assert column.without.count("{value}") == 1
        assert "|" not in column.phrase


def sets():
    rng = np.random.default_rng(1)
    many = {"site": ["a", "b", None] * 10, "lux": rng.random(30), "night": [True, False] * 15, "a|{value}": ["x"] * 30}
    return {
        "none": embedded(np.zeros((0, 4)), {"site": pd.Series([], dtype=object)}),
        "one": embedded(np.ones((1, 4)), {"site": ["a"]}),
        "no columns": embedded(rng.normal(size=(30, 4))),
        "many": embedded(rng.normal(size=(30, 4)), many),
        "all gaps": embedded(np.ones((30, 4)), {"site": [None] * 30, "lux": [np.nan] * 30}),
    }


@pytest.mark.parametrize(("name", "family"), SET_FAMILIES, ids=[n for n, _ in SET_FAMILIES])
@pytest.mark.parametrize("which", list(sets()))
@pytest.mark.parametrize("text", [True, False])
def test_any_set_is_measured_row_by_row_and_can_be_spoken_of(name, family, which, text):
    data = sets()[which]
    before = data.dataset.metadata.copy()
    out = family.derive(data, Texts({}, 4, text), Settings(), data)
    assert list(out.frame.index) == data.dataset.ids.tolist()
    pd.testing.assert_frame_equal(data.dataset.metadata, before)
    for column in out.columns:
        check(column)


def test_stored_measurements_are_told_apart_by_what_measured_them(monkeypatch):
    before = fingerprint()
    name, family = PHOTO_FAMILIES[0]
    found = dict(FAMILIES)
    changed = PhotoFamily(family.columns, family.measure, family.version + 1)
    monkeypatch.setattr(FAMILIES, "_found", {**found, name: changed})
    assert fingerprint() != before
    monkeypatch.setattr(FAMILIES, "_found", found)
    assert fingerprint() == before
