"""File properties: format, mode, JPEG quality and bytes per pixel."""

from __future__ import annotations

from curator.attributes import PhotoFamily, Value
from curator.types import Column, Photo


def _measure(photo: Photo) -> dict[str, Value]:
    facts = photo.facts
    return {
        "file.format": facts.format,
        "file.mode": facts.mode,
        "file.jpeg_quality": facts.jpeg_quality,
        "file.bytes_per_pixel": facts.n_bytes / (facts.width * facts.height),
    }


FAMILY = PhotoFamily(
    columns=(
        Column(
            "file.format",
            "category",
            "file",
            "are {value} files",
            "in a format other than {value}",
            planted_by=("recompress",),
        ),
        Column(
            "file.mode",
            "category",
            "file",
            "are stored in mode {value}",
            "in a mode other than {value}",
            planted_by=("recompress",),
        ),
        Column(
            "file.jpeg_quality",
            "number",
            "file",
            "have JPEG quality {value}",
            "with JPEG quality not {value}",
            "IJG scale, 1..100",
            marked="below",
            edit="quality",
            planted_by=("recompress",),
            sides=("are strongly compressed", "are lightly compressed"),
        ),
        Column(
            "file.bytes_per_pixel",
            "number",
            "file",
            "have bytes per pixel {value}",
            "with bytes per pixel not {value}",
            "bytes",
            bias=0.1,  # smooth animals need fewer bytes: without a planted shortcut 1 of 12 ten-class sets reached this
            marked="below",
            follows=True,
            edit="quality",
            planted_by=("recompress",),
            sides=("have few bytes for their size", "have many bytes for their size"),
        ),
    ),
    measure=_measure,
)
