"""Size and shape of the stored image."""

from __future__ import annotations

from curator.attributes import PhotoFamily, Value
from curator.types import Column, Photo

_SQUARE = 1.05
"""Images whose sides differ by less than 5 % count as square."""


def _measure(photo: Photo) -> dict[str, Value]:
    width, height = photo.facts.width, photo.facts.height
    aspect = width / height
    shape = "landscape" if aspect > _SQUARE else "portrait" if aspect < 1 / _SQUARE else "square"
    return {"geometry.size": f"{width}x{height}", "geometry.megapixels": width * height / 1e6, "geometry.shape": shape}


FAMILY = PhotoFamily(
    columns=(
        Column("geometry.size", "category", "file", "are {value} pixels", "in a size other than {value}"),
        Column(
            "geometry.megapixels",
            "number",
            "file",
            "have a size in megapixels {value}",
            "with a size in megapixels not {value}",
            "megapixels",
            sides=("are small", "are large"),
        ),
        Column("geometry.shape", "category", "file", "are {value}", "in a shape other than {value}"),
    ),
    measure=_measure,
)
