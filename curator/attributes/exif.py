"""What the camera wrote into the file. Places and names are never read."""

from __future__ import annotations

import pandas as pd

from curator.attributes import SetFamily
from curator.attributes._values import binned, pooled, read_dates, support
from curator.config import Settings
from curator.types import Column, Embedded, Encoder, Measures


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    """Cameras, with rare ones merged, and dates by day, month or year and by weekday, as fine as the reference allows."""
    camera, date = _written(embedded)
    usual_camera, usual_date = _written(reference)
    least = support(reference.dataset, settings.audit)
    frame = {
        "exif.camera": pooled(camera, usual_camera, least),
        "exif.present": (camera.notna() | date.notna()).astype(object),
    }
    columns = [
        Column(
            "exif.camera",
            "category",
            "file",
            "were taken with {value}",
            "taken with something other than {value}",
            in_header=True,
        ),
        Column(
            "exif.present",
            "flag",
            "file",
            "carry EXIF data|carry no EXIF data",
            "of the other kind, with or without EXIF data",
            in_header=True,
        ),
    ]
    for k, bins in enumerate(binned(read_dates(date), read_dates(usual_date), least)):
        name = "exif.date" if k == 0 else f"exif.{bins.name}"
        frame[name] = bins.values
        columns.append(
            Column(
                name,
                "category",
                "file",
                f"were taken {bins.preposition} {{value}}",
                f"not taken {bins.preposition} {{value}}",
                in_header=True,
            )
        )
    return Measures(pd.DataFrame({c.name: frame[c.name] for c in columns}, index=embedded.rows.index), tuple(columns))


def _written(embedded: Embedded) -> tuple[pd.Series, pd.Series]:
    """The camera and date of each image, None if the file does not contain them."""
    facts = embedded.facts.reindex(columns=["camera", "date"]).set_axis(embedded.rows.index).astype(object)
    known = facts.notna() & (facts != "")
    facts = facts.where(known, None)
    return facts["camera"], facts["date"]


FAMILY = SetFamily(_derive)
