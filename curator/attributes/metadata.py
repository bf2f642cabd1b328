"""The user's own columns, as attributes."""

from __future__ import annotations

import pandas as pd

from curator.attributes import SetFamily
from curator.config import Settings
from curator.types import Column, Embedded, Encoder, Measures

_FEW = 10
"""A number column with at most this many different values is read as names: a site code, a camera id."""


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    frame, columns = {}, []
    for name in embedded.dataset.metadata.columns:
        values = embedded.dataset.metadata[name]
        attribute, spoken = f"metadata.{name}", _spoken(str(name))
        if pd.api.types.is_bool_dtype(values):
            frame[attribute] = values.astype(object)
            columns.append(
                Column(attribute, "flag", "metadata", f"have {spoken}|do not have {spoken}", f"with the other {spoken}")
            )
        elif pd.api.types.is_numeric_dtype(values) and values.nunique() > _FEW:
            frame[attribute] = values.astype(float)
            columns.append(
                Column(attribute, "number", "metadata", f"have {spoken} {{value}}", f"with {spoken} not {{value}}")
            )
        else:
            frame[attribute] = values.map(_text, na_action="ignore").astype(object)
            columns.append(
                Column(
                    attribute, "category", "metadata", f"have {spoken} {{value}}", f"with {spoken} other than {{value}}"
                )
            )
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns))


def _spoken(name: str) -> str:
    """The user's name without what a phrase would take for its own marks."""
    return name.replace("|", "/").replace("{value}", "value")


def _text(value: object) -> str:
    # One gap makes a column of whole numbers floats; site 3 is still site 3.
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


FAMILY = SetFamily(_derive)
