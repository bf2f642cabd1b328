"""Reduces columns with too many values to test: pools rare names and bins dates. The rules come from the reference, so that
other images are read in the same way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from curator.config import AuditSettings
from curator.shortcuts.association import least_support
from curator.types import Dataset

_REMEMBERED = 1 << 14
_DATE = re.compile(r"\d{4}[-:/]\d{2}([-:/]\d{2}([ T]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?)?")
"""ISO 8601, and dates with the colons of EXIF."""
_EPOCH = re.compile(r"date|time|stamp|taken|created|captured|epoch", re.IGNORECASE)
"""A column of large whole numbers counts as seconds (or milliseconds) since 1970 only if its name suggests a time."""
_SECONDS = (631_152_000, 2_208_988_800)
"""The years 1990 to 2040."""
_MOSTLY = 0.95
"""Minimum share of values that must read as dates for a column to count as dates."""
_HALF = 0.5
"""A binning is fine enough if at least this share of the images is in bins that are large enough to test."""
_CALENDAR = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
_DAYS = 14
"""Over less than two weeks, the day and the weekday say the same."""


def mapped(values: pd.Series, work: Callable[[object], object]) -> pd.Series:
    """Apply `work` to every value; missing values give None. Each distinct value is computed and stored only once, because a
    column of a million images has few distinct values."""
    if values.dtype == object:
        # `typed`, because 1, 1.0 and True are equal but have different names.
        known = lru_cache(maxsize=_REMEMBERED, typed=True)(work)

        def ask(value: object) -> object:
            try:
                return known(value)
            except TypeError:  # a list cannot be cached
                return work(value)

        out = values.map(ask, na_action="ignore").astype(object)
        return out.where(out.notna(), None)
    code, different = pd.factorize(values)
    # The last entry is for missing values, which have the code -1.
    results = np.empty(len(different) + 1, dtype=object)
    for k, value in enumerate(different.tolist()):
        results[k] = work(value)
    return pd.Series(results[code], values.index, dtype=object)


def support(dataset: Dataset, settings: AuditSettings) -> int:
    """The minimum number of images that must have a value for a test in this data set (`association.least_support`)."""
    return least_support(dataset.train_labels(), settings)


def pooled(values: pd.Series, reference: pd.Series, least: int) -> pd.Series:
    """Merge the names that fewer than `least` images of the reference have into one: "other (40 rare values)".

    Nothing is merged if at most one name is rare, or if all are: then the column cannot be tested under any name.
    """
    counts = reference.value_counts()
    common = set(counts.index[counts >= least])
    n_rare = len(counts) - len(common)
    if not common or n_rare < 2:
        return values
    rest = f"other ({n_rare} rare values)"
    return values.map(lambda v: v if v in common else rest, na_action="ignore").astype(object)


def moments(values: pd.Series, name: str = "") -> pd.Series | None:
    """The column as points in time in the camera's local time, or None if it is not a column of dates."""
    known = values.dropna()
    if not len(known) or pd.api.types.is_bool_dtype(values):
        return None
    if pd.api.types.is_datetime64_any_dtype(values):
        return pd.Series(values.dt.tz_localize(None), values.index)
    if pd.api.types.is_numeric_dtype(values):
        if not _EPOCH.search(name):
            return None
        return since_1970(values, values) if _scale(known) else None
    # Not astype(str), because it decodes bytes, and a column may hold bytes that are not text.
    if mapped(known, _is_date).astype(bool).mean() < _MOSTLY:
        return None
    return read_dates(values)


def since_1970(values: pd.Series, reference: pd.Series) -> pd.Series:
    """Seconds (or milliseconds, if the reference has them) as points in time; NaT outside the years 1990 to 2040."""
    seconds = values.astype(float) / (_scale(reference.dropna()) or 1)
    return pd.to_datetime(seconds.where(seconds.between(*_SECONDS)), unit="s")


def _scale(known: pd.Series) -> int | None:
    """The number of units per second, or None if the numbers are not times since 1970."""
    return next((k for k in (1, 1000) if known.between(_SECONDS[0] * k, _SECONDS[1] * k).all()), None)


def _is_date(value: object) -> bool:
    return bool(_DATE.fullmatch(str(value).strip()))


def read_dates(values: pd.Series) -> pd.Series:
    """Texts as points in time without their time zone; NaT for texts that are not dates."""
    text = values.map(lambda v: _plain(str(v)), na_action="ignore")
    return pd.to_datetime(text.astype(object), format="ISO8601", errors="coerce")


def _plain(text: str) -> str:
    day, _, clock = text.strip().replace("T", " ").partition(" ")
    return " ".join([re.sub("[:/]", "-", day), *re.findall(r"^\d{2}:\d{2}(?::\d{2})?", clock.strip())])


@dataclass(frozen=True, slots=True)
class Bins:
    """One way to bin dates. `preposition` precedes the value: "in" 2024-03, "on a" Saturday, "" between 06:00 and 12:00."""

    name: str
    preposition: str
    values: pd.Series


def binned(when: pd.Series, reference: pd.Series, least: int) -> list[Bins]:
    """At most two ways to bin dates. The first is the finest of day, month and year whose bins hold enough images. The second
    is the time of day, or else the weekday, if at least two of its bins hold enough images."""
    out = [_calendar(when, reference, least)]
    known = reference.dropna()
    if not len(known):
        return out
    if ((known.dt.hour > 0) | (known.dt.minute > 0)).mean() >= _HALF:
        second = Bins("hour", "", _hours(when)), _hours(reference)
    elif (known.max() - known.min()).days >= _DAYS:
        second = Bins("weekday", "on a", _named(when, "%A")), _named(reference, "%A")
    else:
        return out
    bins, usual = second
    return [*out, bins] if (usual.value_counts() >= least).sum() > 1 else out


def _calendar(when: pd.Series, reference: pd.Series, least: int) -> Bins:
    unit = "year"
    for finer, form in _CALENDAR.items():
        counts = _named(reference, form).value_counts()
        if len(counts) > 1 and counts[counts >= least].sum() >= _HALF * counts.sum():
            unit = finer
            break
    form = _CALENDAR[unit]
    preposition = "on" if unit == "day" else "in"
    return Bins(unit, preposition, pooled(_named(when, form), _named(reference, form), least))


def _named(when: pd.Series, form: str) -> pd.Series:
    return pd.Series(when.dt.strftime(form).astype(object).where(when.notna(), None), when.index, dtype=object)


def _hours(when: pd.Series) -> pd.Series:
    start = when.dt.hour // 6 * 6
    spans = start.map(lambda h: f"between {int(h):02}:00 and {int(h) + 6:02}:00", na_action="ignore")
    return pd.Series(spans, when.index, dtype=object)
