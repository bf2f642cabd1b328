"""Attributes as yes/no columns, one column per value, ready to be counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.errors import InputError, did_you_mean
from curator.types import Column, Ids, Mask, Measures

_BELOW, _ABOVE = "below ", " or above"
_MAX_VALUES = 50
"""Maximum number of tested values of one attribute, the most common first. An id column would otherwise give thousands."""


@dataclass(frozen=True, slots=True)
class Indicators:
    """`values` (n, m): image i has value j. `known` (n, m): value j was measured. `columns` and `value_names` (m,) describe j.

    `cuts` (m,) is the threshold of a number's value, or nan. Other images can be read with the same threshold.
    `costs` (m,): the factor on p because the value is one of several in one test. The inverses sum to at most 1.
    `readings` holds alternative readings (n, t) of values whose measure has an error of its own.
    """

    ids: Ids
    values: Mask
    known: Mask
    columns: tuple[Column, ...]
    value_names: tuple[str, ...]
    cuts: tuple[float, ...]
    costs: tuple[float, ...]
    readings: Mapping[int, Mask] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def attribute(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns)

    def take(self, rows: NDArray[np.intp]) -> Indicators:
        """The same values for these images only, in this order."""
        readings = {v: r[rows] for v, r in self.readings.items()}
        return replace(self, ids=self.ids[rows], values=self.values[rows], known=self.known[rows], readings=readings)

    def index(self, attribute: str, value: str) -> int:
        """The position of one value.

        Raises:
            InputError: the value was not measured here.
        """
        for j, (column, name) in enumerate(zip(self.columns, self.value_names, strict=True)):
            if column.name == attribute and name == value:
                return j
        near = [n for c, n in zip(self.columns, self.value_names, strict=True) if c.name == attribute]
        known = list(dict.fromkeys(self.attribute))
        if near:
            hint = did_you_mean(value, near, f"use one of its values: {', '.join(near)}.")
        else:
            hint = did_you_mean(attribute, known, f"use one of the attributes: {', '.join(known)}.")
        raise InputError(f"no image has {attribute}={value}; {hint}")

    def phrase(self, j: int) -> str:
        """The words for images that have value j, to follow "93% of bunny"."""
        return phrase(self.columns[j], self.value_names[j])

    def tests(self) -> list[NDArray[np.intp]]:
        """Groups of positions that form one test: all cuts of a number together, every other value alone."""
        out: list[NDArray[np.intp]] = []
        of_number: dict[str, list[int]] = {}
        for j, column in enumerate(self.columns):
            if column.form == "number":
                of_number.setdefault(column.name, []).append(j)
            else:
                out.append(np.array([j]))
        return out + [np.array(group) for group in of_number.values()]

    def padded_tests(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """`tests` as a table (t, longest), padded with -1, and the number of positions in each test (t,)."""
        groups = self.tests()
        size = np.array([len(g) for g in groups], np.int64)
        members = np.full((len(groups), int(size.max(initial=0))), -1, np.intp)
        for row, group in zip(members, groups, strict=True):
            row[: len(group)] = group
        return members, size


def phrase(column: Column, value: str) -> str:
    """The column's phrase with the value filled in. A number is added if another column has the same phrase.

    >>> phrase(Column("exif.present", "flag", "file", "carry EXIF|carry no EXIF", ""), "no")
    'carry no EXIF'
    """
    plain = plain_phrase(column, value)
    return f"{plain} ({column.nth})" if column.nth else plain


def plain_phrase(column: Column, value: str) -> str:
    """The phrase without the number.

    >>> light = Column("a.b", "number", "image", "have brightness {value}", "", sides=("are dark", "are bright"))
    >>> plain_phrase(light, "below 0.4")
    'are dark (brightness below 0.4)'
    """
    if column.form == "flag":
        yes, _, no = column.phrase.partition("|")
        return yes if value == "yes" else no
    said = column.phrase.replace("{value}", value)
    side = column.sides[0 if is_below(value) else 1] if column.form == "number" else ""
    return f"{side} ({said.partition(' ')[2]})" if side else said


def instead(column: Column, value: str) -> str:
    """Words for images that lack the value, to follow a class and "images".

    >>> instead(Column("exif.present", "flag", "file", "carry EXIF|carry no EXIF", ""), "no")
    'that carry EXIF'
    """
    if column.form == "flag":
        # If "no" predicts the class, counterexamples have "yes". `column.without` describes only one side.
        return f"that {phrase(column, 'no' if value == 'yes' else 'yes')}"
    return column.without.replace("{value}", value)


def build(measures: Measures, cuts: Sequence[float], min_support: int = 1) -> Indicators:
    """Make a column for every value of every attribute.

    Tags and categories give one column per name, and flags give yes and no. Numbers are cut at the quantiles `cuts` of all
    images and at the best-separating cut (`natural_cut`). Labels do not influence the cuts.

    Values of fewer than `min_support` images cannot be told from chance and are left out.
    """
    n = len(measures.frame)
    values: list[Mask] = []
    known: list[Mask] = []
    columns: list[Column] = []
    names: list[str] = []
    thresholds: list[float] = []
    costs: list[float] = []
    readings: dict[int, Mask] = {}
    for column in measures.columns:
        series = measures.frame[column.name]
        here = _known(series, column)
        names_in = _Names.of(series) if column.form in ("tags", "category") else None
        for name, cut, cost in _values(column, series, cuts, names_in):
            mask = has_value(series, column, name, cut) if names_in is None else names_in.have(name, column)
            # Values that all images share are kept, because a single class is described by them. Only rare values are dropped.
            if mask.sum() >= min_support:
                if column.name in measures.readings and name == "yes":
                    readings[len(values)] = measures.readings[column.name]
                values.append(mask)
                known.append(here)
                columns.append(column)
                names.append(name)
                thresholds.append(cut)
                costs.append(cost)
    ids = np.asarray(measures.frame.index, dtype=np.str_)
    return Indicators(
        ids,
        _stacked(values, n),
        _stacked(known, n),
        tuple(columns),
        tuple(names),
        tuple(thresholds),
        tuple(costs),
        readings,
    )


def _stacked(columns: list[Mask], n: int) -> Mask:
    """The columns (n, m) side by side. The list is emptied on the way, so that no column is in memory twice."""
    out = np.empty((len(columns), n), np.bool_)
    for k in reversed(range(len(columns))):
        out[k] = columns.pop()
    return out.T


@dataclass(frozen=True, slots=True)
class _Names:
    """A column of names, stored once each: `code` (n,) is the position in `names`, or -1 where nothing was measured."""

    code: NDArray[np.intp]
    names: tuple[str, ...]

    @classmethod
    def of(cls, series: pd.Series) -> _Names:
        present = series.notna().to_numpy()
        code = np.full(len(series), -1, np.intp)
        code[present], names = pd.factorize(series[present].astype(str))
        return cls(code, tuple(names))

    def have(self, value: str, column: Column) -> Mask:
        """The images that have the value (n,)."""
        fits = [value in n.split("|") if column.form == "tags" else n == value for n in self.names]
        return np.asarray(np.array([*fits, False], np.bool_)[self.code], np.bool_)

    def common(self, column: Column) -> list[str]:
        """The values, most common first. Of two equally common values, the one that more often comes first in its tags."""
        counts = np.bincount(self.code[self.code >= 0], minlength=len(self.names)).tolist()
        common: Counter[str] = Counter()
        leads: Counter[str] = Counter()
        for name, n in zip(self.names, counts, strict=True):
            words = name.split("|") if column.form == "tags" else [name]
            leads[words[0]] += n
            for word in words:
                if word:
                    common[word] += n
        return sorted(common, key=lambda word: (-common[word], -leads[word], word))


def _values(
    column: Column, series: pd.Series, cuts: Sequence[float], names: _Names | None
) -> list[tuple[str, float, float]]:
    """The name, cut and cost of every value.

    The cuts of a number are one test. If quantiles are used, half of the error budget goes to the best-separating cut and
    half to all quantiles together (weighted Bonferroni). Both sides of each cut are tested.
    """
    present = series.dropna()
    nothing = float("nan")
    if column.form == "flag":
        return [(name, nothing, 1.0) for name in (("yes", "no") if column.absence else ("yes",))]
    if column.form == "number":
        numbers = _numbers(present)
        numbers = numbers[np.isfinite(numbers)]
        if len(numbers) == 0 or numbers.min() == numbers.max():
            return []
        # Three digits of the spread, not of the value, because years and coordinates differ only in their last digits.
        digits = 2 - int(np.floor(np.log10(numbers.max() - numbers.min())))
        out: dict[str, tuple[float, float]] = {}
        quantiles = np.quantile(numbers, list(cuts)) if column.quantiles else np.array([])
        for cut, cost in (*((q, 4.0 * len(quantiles)) for q in quantiles), (_parting(numbers, column), 4.0)):
            threshold = round(float(cut), digits) + 0.0  # no -0
            written = f"{threshold:.{max(0, digits)}f}"
            written = written.rstrip("0").rstrip(".") if "." in written else written
            for name in (f"{_BELOW}{written}", f"{written}{_ABOVE}"):
                out[name] = (threshold, cost)
        # Equal cuts merge into one. The costs are rescaled so that their inverses still sum to one.
        staked = sum(1 / cost for _, cost in out.values())
        return [(name, threshold, cost * staked) for name, (threshold, cost) in out.items()]
    return [(word, nothing, 1.0) for word in (names or _Names.of(series)).common(column)[:_MAX_VALUES]]


def _parting(numbers: NDArray[np.float64], column: Column) -> float:
    if not column.ratio:
        return natural_cut(numbers)
    return float(np.exp(natural_cut(np.log(np.maximum(numbers, np.finfo(float).tiny)))))


def natural_cut(numbers: NDArray[np.float64]) -> float:
    """The cut that splits the numbers into the two most different sides: if half the images are blurred, it finds that half.

    Source: Otsu (1979), on the sorted values themselves. Labels are not used, as with the quantiles.

    >>> natural_cut(np.array([0.0, 0.1, 0.2, 5.0, 5.1]))
    2.6
    """
    x = np.sort(numbers)
    k = np.arange(1, len(x))
    left = np.cumsum(x)[:-1]
    between = (x.sum() * k / len(x) - left) ** 2 / (k * (len(x) - k))
    best = int(between.argmax())
    return float((x[best] + x[best + 1]) / 2)


def has_value(series: pd.Series, column: Column, value: str, cut: float) -> Mask:
    """The images that have the value. Images where it was not measured count as lacking it."""
    if column.form == "number":
        numbers = _numbers(series)
        return np.asarray(numbers < cut if is_below(value) else numbers >= cut, np.bool_)
    if column.form == "flag":
        present = series.notna().to_numpy()
        truth = series.astype("boolean").fillna(False).to_numpy(bool)
        return np.asarray(present & (truth if value == "yes" else ~truth), np.bool_)
    return _Names.of(series).have(value, column)


def _numbers(series: pd.Series) -> NDArray[np.float64]:
    return pd.to_numeric(series, errors="coerce").to_numpy(float, na_value=np.nan)


def _known(series: pd.Series, column: Column) -> Mask:
    # Text in a column of numbers counts as not measured.
    return ~np.isnan(_numbers(series)) if column.form == "number" else series.notna().to_numpy(bool)


def is_below(value: str) -> bool:
    """Whether the value of a number is the side below its cut."""
    return value.startswith(_BELOW)


def cut_of(column: Column, value: str) -> float:
    """The cut in the name of a number's value; nan for values of other forms.

    `build` writes cuts in full, so the name is enough to read the value on other images.

    Raises:
        InputError: the value of a number is not of the form "below X" or "X or above".

    >>> cut_of(Column("light.brightness", "number", "image", "", ""), "6.95 or above")
    6.95
    """
    if column.form != "number":
        return float("nan")
    written = value.removeprefix(_BELOW) if is_below(value) else value.removesuffix(_ABOVE)
    try:
        if written == value:
            raise ValueError(value)
        return float(written)
    except ValueError:
        raise InputError(
            f"{column.name}={value} does not name a cut of a number; write {column.name}='below X' or 'X or above'."
        ) from None


def like(measures: Measures, given: Indicators) -> Indicators:
    """Read the values of `given` on other images, which were measured with the same thresholds.

    The result has no alternative readings, because only the images of `given` have them.
    """
    n = len(measures.frame)
    described = {c.name: c for c in measures.columns}
    names = {
        name: _Names.of(measures.frame[name])
        for name in dict.fromkeys(given.attribute)
        if name in described and described[name].form in ("tags", "category")
    }
    values, known = [], []
    for column, value, cut in zip(given.columns, given.value_names, given.cuts, strict=True):
        if column.name in names:
            values.append(names[column.name].have(value, column))
            known.append(names[column.name].code >= 0)
        else:
            has, here = read(measures, column.name, value, cut)
            values.append(has)
            known.append(here)
    ids = np.asarray(measures.frame.index, dtype=np.str_)
    return replace(given, ids=ids, values=_stacked(values, n), known=_stacked(known, n), readings={})


def read(measures: Measures, attribute: str, value: str, cut: float | None = None) -> tuple[Mask, Mask]:
    """Read one value on other images (a pool, a test set): which images have it, and where it was measured.

    A value with a cut is read as a number even if the other set treats the column as names, which happens if it has few
    different numbers. Without `cut`, the cut is taken from the value's name.
    """
    column = measures.column(attribute)
    if cut is None:
        cut = cut_of(column, value)
    if not np.isnan(cut):
        column = replace(column, form="number")
    series = measures.frame[attribute]
    return has_value(series, column, value, cut), _known(series, column)
