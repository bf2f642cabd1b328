"""Columns of many values: rare ones pooled, dates binned, and nothing guessed of what too few images have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import Texts, embedded

from curator.attributes import FAMILIES
from curator.attributes._values import mapped, moments, pooled, read_dates, since_1970
from curator.config import AuditSettings, Settings
from curator.shortcuts import detection, indicators
from curator.shortcuts.association import least_support
from curator.types import Embedded

SETTINGS = Settings(audit=AuditSettings(n_permutations=0, n_splits=0))
CLASSES = ("bunny", "hen", "sheep", "duck")
BUNNY = np.repeat(np.arange(4), 125) == 0
YEAR = pd.date_range("2024-01-01", "2024-12-31", freq="D")


def data(facts=None, labels=None, **metadata) -> Embedded:
    """500 images of four classes, 125 each, with these columns or these facts."""
    n = 500
    out = embedded(np.ones((n, 4)), metadata)
    labels = np.repeat(np.arange(4), 125).astype(np.int32) if labels is None else labels
    found = pd.DataFrame(facts or {}, index=out.rows.index)
    return replace(out, dataset=replace(out.dataset, labels=labels, classes=CLASSES), facts=found)


def measured(what: Embedded, family: str, reference: Embedded | None = None):
    return FAMILIES.get(family).derive(what, Texts({}, 4, text=False), SETTINGS, reference or what)


def audited(what: Embedded, family: str = "metadata"):
    table = indicators.build(measured(what, family), SETTINGS.audit.cuts)
    return detection.audit(table, what.dataset.labels, CLASSES, SETTINGS.audit, np.random.default_rng(0))


def test_a_column_of_nearly_unique_values_is_not_tested_and_says_so():
    rng = np.random.default_rng(1)
    names = [f"frame{k}" for k in range(480)]
    found = audited(data(file=rng.permutation([*names, *names[:20]])))
    assert (found.findings, found.n_tests) == ((), 0)
    (left,) = found.untested
    assert (left.attribute, left.reason, left.n, left.n_known) == ("metadata.file", "no value is common", 2, 500)
    assert left.brought


def test_rare_cameras_are_one_value_and_no_test_each():
    """Three common cameras and forty rare ones: three values and "other", not 43; none of them is news."""
    rng, cried = np.random.default_rng(2), 0
    for _ in range(40):
        rare = [f"phone {k % 40}" for k in range(80)]
        found = audited(data({"camera": rng.permutation([*["Canon", "Nikon", "Sony"] * 140, *rare])}), "exif")
        assert found.n_tests <= 4 * 4
        cried += bool(found.findings)
    assert cried <= 5


def test_all_rare_cameras_together_can_be_the_shortcut():
    rng = np.random.default_rng(3)
    camera = np.where(BUNNY, [f"phone {k % 40}" for k in range(500)], rng.choice(["Canon", "Nikon", "Sony"], 500))
    first = audited(data({"camera": camera}), "exif").findings[0]
    assert first.id == "bunny:exif.camera=other (40 rare values)"
    assert first.phrase == "were taken with other (40 rare values)"


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y:%m:%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", None], ids=str)
def test_a_date_shortcut_is_found_whatever_the_date_is_written_like(form):
    """Nine of ten bunnies were taken in March, the rest of the pictures all over the year."""
    rng = np.random.default_rng(4)
    day = rng.choice(YEAR, 500)
    march = rng.choice(pd.date_range("2024-03-01", "2024-03-31"), 500)
    when = pd.Series(np.where(BUNNY & (rng.random(500) < 0.9), march, day))
    when += pd.to_timedelta(rng.integers(6 * 3600, 18 * 3600, 500), unit="s")
    if form == "%Y-%m-%d":
        when = when.dt.normalize()
    column = when.dt.strftime(form) if form else when
    found = audited(data(taken=column.to_numpy()))
    assert [f.id for f in found.findings] == ["bunny:metadata.taken=2024-03"]
    assert found.findings[0].phrase == "have a taken in 2024-03"
    assert found.n_tests < 4 * 30


def test_the_camera_s_own_date_is_found_too():
    rng = np.random.default_rng(5)
    day = pd.Series(np.where(BUNNY, rng.choice(YEAR[60:91], 500), rng.choice(YEAR, 500)))
    first = audited(data({"date": day.dt.strftime("%Y-%m-%d").to_numpy(), "camera": "Canon"}), "exif").findings[0]
    assert first.id == "bunny:exif.date=2024-03"
    assert first.phrase == "were taken in 2024-03"


@pytest.mark.parametrize("kind", ["text", "seconds", "milliseconds"])
def test_a_timestamp_that_says_nothing_is_few_tests_and_no_finding(kind):
    """500 different seconds: months and times of day, and over 40 sets no more findings than alpha allows."""
    rng, cried = np.random.default_rng(6), 0
    for _ in range(40):
        seconds = rng.choice(365 * 86_400, 500, replace=False) + 1_704_067_200
        text = pd.Series(pd.to_datetime(seconds, unit="s")).dt.strftime("%Y-%m-%d %H:%M:%S").to_numpy()
        column = {"text": text, "seconds": seconds, "milliseconds": seconds * 1000}[kind]
        found = audited(data(timestamp=column))
        assert 0 < found.n_tests <= 4 * (12 + 4)
        cried += bool(found.findings)
    assert cried <= 5


def test_pictures_of_one_class_taken_at_night_are_found_by_the_hour():
    rng = np.random.default_rng(7)
    hour = np.where(BUNNY, rng.integers(0, 6, 500), rng.integers(0, 24, 500))
    when = rng.choice(YEAR, 500) + pd.to_timedelta(hour, unit="h") + pd.Timedelta(minutes=5)
    first = audited(data(taken=pd.Series(when).to_numpy())).findings[0]
    assert first.id == "bunny:metadata.taken.hour=between 00:00 and 06:00"


def test_days_without_a_time_are_told_by_the_weekday():
    rng = np.random.default_rng(8)
    saturdays = YEAR[YEAR.day_of_week == 5]
    day = pd.Series(np.where(BUNNY, rng.choice(saturdays, 500), rng.choice(YEAR, 500)))
    first = audited(data(taken=day.dt.strftime("%Y-%m-%d").to_numpy())).findings[0]
    assert first.id == "bunny:metadata.taken.weekday=Saturday"


def test_bins_are_as_fine_as_the_images_allow():
    def values(days: pd.DatetimeIndex) -> set[str]:
        column = pd.Series(np.random.default_rng(9).choice(days, 500)).dt.strftime("%Y-%m-%d").to_numpy()
        return {len(v) for v in measured(data(taken=column), "metadata").frame["metadata.taken"] if len(v) <= 10}

    assert values(pd.date_range("2024-01-01", "2024-01-09")) == {10}
    assert values(YEAR) == {7}
    assert values(pd.date_range("1990-01-01", "2024-12-31")) == {4}


def test_another_set_is_read_by_the_same_bins_and_the_same_common_names():
    mine = data(
        taken=YEAR[np.arange(500) % 366].strftime("%Y-%m-%d"), site=["a"] * 250 + ["b"] * 240 + list("cdefghijkl")
    )
    pool = data(taken=["2024:03:09 10:00:00"] * 499 + ["never"], site=["b"] * 499 + ["z"])
    out = measured(pool, "metadata", mine)
    assert [c.name for c in out.columns] == [c.name for c in measured(mine, "metadata").columns]
    assert out.frame["metadata.taken"].value_counts(dropna=False).to_dict() == {"2024-03": 499, None: 1}
    assert out.frame["metadata.site"].iloc[[0, -1]].tolist() == ["b", "other (10 rare values)"]


def test_least_support_is_where_a_perfect_value_first_comes_out():
    """In classes of 125 a value of 12 images can be a finding, of 11 it cannot; a class of 10 needs 3."""
    labels = np.repeat(np.arange(4), 125).astype(np.int32)
    least = least_support(labels, SETTINGS.audit)
    for k in (least - 1, least):
        column = np.array(["common"] * 500, dtype=object)
        column[:k] = "rare"
        found = audited(data(site=column)).findings
        assert any(f.value == "rare" for f in found) == (k == least)
    assert least_support(np.repeat([0, 1], [10, 490]).astype(np.int32), SETTINGS.audit) == 3
    assert least_support(np.zeros(50, np.int32), SETTINGS.audit) == 3


def test_names_are_pooled_only_where_something_is_left_beside_them():
    few, one = pd.Series(list("aaaabbbbcd")), pd.Series(list("aaaabbbbbc"))
    assert pooled(few, few, 3).tolist() == [*"aaaabbbb", *["other (2 rare values)"] * 2]
    assert pooled(one, one, 3).tolist() == list("aaaabbbbbc")
    assert pooled(few, few, 5).tolist() == list("aaaabbbbcd")
    assert pooled(pd.Series(["a", None, "q"]), few, 3).fillna("?").tolist() == ["a", "?", "other (2 rare values)"]


@pytest.mark.parametrize(
    ("values", "is_date"),
    [
        (["2024-03-05", "2024-03-06", None], True),
        (["2024:03:05 07:08:09", "2023:01:01 00:00:00"], True),
        (["2024-03", "2023-01"], True),
        (["2024", "2023"], False),
        (["12-03-05", "bunny"], False),
        ([1.7e9, 1.71e9], False),
        ([True, False], False),
        ([None, None], False),
    ],
)
def test_what_is_a_date_and_what_is_not(values, is_date):
    assert (moments(pd.Series(values, dtype=object if None in values else None), "lux") is not None) == is_date


def test_dates_are_read_as_the_clock_showed_them():
    read = read_dates(pd.Series(["2024:03:05 23:30:00", "2024-03-05T23:30:00+09:00", "2024-02-31", None]))
    assert read.tolist()[:2] == [pd.Timestamp("2024-03-05 23:30")] * 2
    assert read.isna().tolist() == [False, False, True, True]


def test_each_value_is_worked_out_once_and_equal_values_of_different_types_apart():
    asked: list[object] = []

    def name(value: object) -> str:
        asked.append(value)
        return f"{type(value).__name__} {value}"

    mixed = pd.Series([1, True, 1.0, "1", None, 1, True, [2], float("nan")], dtype=object)
    assert mapped(mixed, name).tolist() == [
        "int 1", "bool True", "float 1.0", "str 1", None, "int 1", "bool True", "list [2]", None,
    ]  # fmt: skip
    assert len(asked) == 5
    texts = pd.Series(["a", None, "b", "a"] * 3, index=list("abcdefghijkl"), dtype="str")
    asked.clear()
    out = mapped(texts, name)
    assert out.tolist() == ["str a", None, "str b", "str a"] * 3
    assert out.index.tolist() == list("abcdefghijkl")
    assert out.iloc[0] is out.iloc[3]
    assert sorted(map(str, asked)) == ["a", "b"]


def test_seconds_of_other_images_are_read_as_those_of_the_reference_are():
    """Of a few numbers alone nobody can tell; one that is out of all bounds is missing, and no other with it."""
    reference = pd.Series([1_700_000_000, 1_700_100_000])
    found = since_1970(pd.Series([1_700_000_000.0, 0.0, np.nan, 9e12]), reference)
    assert found.isna().tolist() == [False, True, True, True]
    assert str(found[0]) == "2023-11-14 22:13:20"
    assert str(since_1970(pd.Series([1_700_000_000_000]), reference * 1000)[0]) == "2023-11-14 22:13:20"
