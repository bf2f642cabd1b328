"""The user's own columns as attributes."""

from __future__ import annotations

import re

import pandas as pd

from curator.attributes import SetFamily
from curator.attributes._values import binned, mapped, moments, pooled, read_dates, since_1970, support
from curator.config import Settings
from curator.types import Column, Embedded, Encoder, Measures
from curator.types.data import Form

_FEW = 10
"""A number column with at most this many different values is read as names, such as site codes or camera ids."""
_WHOLE = re.compile(r"-?[0-9]+\.0+")
_TRUTH = {"true": True, "false": False}


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    """The columns of `reference`, each in the form it has there. Otherwise 3 and "3" in a pool would be two values.

    A column that this set lacks is missing for all its images. A column that only this set has is ignored.
    """
    frame, columns = {}, []
    rows = embedded.dataset.metadata
    least = support(reference.dataset, settings.audit)
    for name in reference.dataset.metadata.columns:
        usual = reference.dataset.metadata[name]
        values = rows[name] if name in rows else pd.Series(None, index=rows.index, dtype=object)
        attribute, spoken = f"metadata.{name}", _spoken(str(name))
        if _is_flag(usual):
            frame[attribute] = mapped(values, _truth)
            columns.append(
                _column(attribute, "flag", f"have {spoken}|do not have {spoken}", f"with the other {spoken}")
            )
        elif (when := moments(usual, str(name))) is not None:
            for k, bins in enumerate(binned(_moments_like(values, usual, when, str(name)), when, least)):
                phrase = f"have a {spoken} {bins.preposition} {{value}}".replace("  ", " ")
                part = attribute if k == 0 else f"{attribute}.{bins.name}"
                if part not in frame:
                    frame[part] = bins.values
                    columns.append(_column(part, "category", phrase, f"with a {spoken} other than {{value}}"))
        elif pd.api.types.is_numeric_dtype(usual) and usual.nunique() > _FEW:
            frame[attribute] = pd.to_numeric(values, errors="coerce").astype(float)
            columns.append(_column(attribute, "number", f"have {spoken} {{value}}", f"with {spoken} not {{value}}"))
        else:
            names = mapped(usual, _text)
            frame[attribute] = pooled(names if values is usual else mapped(values, _text), names, least)
            columns.append(
                _column(attribute, "category", f"have {spoken} {{value}}", f"with {spoken} other than {{value}}")
            )
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns))


def _column(name: str, form: Form, phrase: str, without: str) -> Column:
    return Column(name, form, "metadata", phrase, without, brought=True)


def _moments_like(values: pd.Series, usual: pd.Series, when: pd.Series, name: str) -> pd.Series:
    """A column of other images as points in time, whatever type it was read as; NaT for values that are not dates."""
    if values is usual or values.equals(usual):
        return when
    if pd.api.types.is_numeric_dtype(usual) and pd.api.types.is_numeric_dtype(values):
        return since_1970(values, usual)  # few numbers alone do not show whether they are seconds
    other = moments(values, name)
    return other if other is not None else read_dates(values)


def _is_flag(values: pd.Series) -> bool:
    # A single gap turns a column of booleans into a column of objects.
    return bool(pd.api.types.is_bool_dtype(values) or pd.api.types.infer_dtype(values, skipna=True) == "boolean")


def _spoken(name: str) -> str:
    """The user's column name without the characters that have a meaning in phrases."""
    return name.replace("|", "/").replace("{value}", "value")


def _text(value: object) -> str:
    """The value as a name, independent of the type it was read as: 3, 3.0 and "3.0" are "3", true is "True"."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a single gap turns a column of whole numbers into floats
    text = str(value)
    if _WHOLE.fullmatch(text):
        return text.partition(".")[0]
    return text.capitalize() if text.lower() in _TRUTH else text


def _truth(value: object) -> bool | None:
    return _TRUTH.get(_text(value).lower(), {"1": True, "0": False}.get(_text(value)))


FAMILY = SetFamily(_derive)
