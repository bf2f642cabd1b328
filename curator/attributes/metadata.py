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
        attribute = f"metadata.{name}"
        if pd.api.types.is_bool_dtype(values):
            frame[attribute] = values.astype(object)
            columns.append(
                Column(attribute, "flag", "metadata", f"have {name}|do not have {name}", f"with the other {name}")
            )
        elif pd.api.types.is_numeric_dtype(values) and values.nunique() > _FEW:
            frame[attribute] = values.astype(float)
            columns.append(
                Column(attribute, "number", "metadata", f"have {name} {{value}}", f"with {name} not {{value}}")
            )
        else:
            frame[attribute] = values.map(str, na_action="ignore").astype(object)
            columns.append(
                Column(attribute, "category", "metadata", f"have {name} {{value}}", f"with {name} other than {{value}}")
            )
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns))


FAMILY = SetFamily(_derive)
