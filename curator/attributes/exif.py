"""What the camera wrote into the file. Places and names are never read."""

from __future__ import annotations

from curator.attributes import PhotoFamily, Value
from curator.types import Column, Photo


def _measure(photo: Photo) -> dict[str, Value]:
    facts = photo.facts
    return {
        "exif.camera": facts.camera or None,
        "exif.month": facts.date[:7] or None,
        "exif.present": bool(facts.camera or facts.date),
    }


FAMILY = PhotoFamily(
    columns=(
        Column(
            "exif.camera", "category", "file", "were taken with a {value}", "taken with something other than a {value}"
        ),
        Column("exif.month", "category", "file", "were taken in {value}", "taken in another month than {value}"),
        Column(
            "exif.present",
            "flag",
            "file",
            "carry EXIF data|carry no EXIF data",
            "of the other kind, with or without EXIF data",
        ),
    ),
    measure=_measure,
)
