"""Reads the headers of image files: EXIF, JPEG tables, frames. Recognises files that are not images."""

from __future__ import annotations

import datetime
import re

import numpy as np
from PIL import Image

_ORIENTATION, _MAKE, _MODEL, _EXIF_IFD, _DATE_ORIGINAL = 0x0112, 0x010F, 0x0110, 0x8769, 0x9003

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTERS = frozenset(_TURNS[k] for k in (5, 6, 7, 8))
"""The turns that swap width and height."""

# The luminance table of the JPEG standard (ITU-T T.81, table K.1), in reading order.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
).ravel()
_QUALITIES = np.arange(1, 101)
# How libjpeg scales the table for each quality 1..100 (jcparam.c, jpeg_quality_scaling).
_SCALES = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
_TABLES = np.clip((_LUMINANCE * _SCALES[:, None] + 50) // 100, 1, 255)


def orientation(image: Image.Image) -> int:
    """EXIF's orientation 1..8; 1 if it is missing or invalid."""
    value = _tag(image, _ORIENTATION)
    return value if isinstance(value, int) and value in _TURNS else 1


def turn(image: Image.Image) -> Image.Transpose | None:
    """How to turn a loaded image upright. None if it already is, or if its EXIF cannot be read."""
    orientation = _tag(image, _ORIENTATION)
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def camera(image: Image.Image) -> str:
    """Maker and model ("Canon EOS 5D"), or "" if they are missing."""
    make, model = (_text(_tag(image, tag)) for tag in (_MAKE, _MODEL))
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def date(image: Image.Image) -> str:
    """The day the image was taken as YYYY-MM-DD, or "" if it is missing or invalid."""
    found = re.match(r"(\d{4})[:\-/](\d{2})[:\-/](\d{2})", _text(_tag(image, _DATE_ORIGINAL, _EXIF_IFD)))
    try:
        return datetime.date(*map(int, found.groups())).isoformat() if found else ""
    except ValueError:
        return ""


def jpeg_quality(image: Image.Image) -> int | None:
    """The quality 1..100 whose luminance table is nearest (mean absolute difference). None if the file is not a JPEG.

    Error: exact for files written with libjpeg's tables. Programs with their own tables get the nearest of libjpeg's.
    """
    tables = getattr(image, "quantization", None)
    if image.format not in ("JPEG", "MPO") or not tables:
        return None
    luminance = np.asarray(tables[min(tables)], dtype=np.int64)
    if luminance.shape != _LUMINANCE.shape:
        return None
    return int(_QUALITIES[np.abs(_TABLES - luminance).sum(axis=1).argmin()])


def n_frames(image: Image.Image) -> int:
    """The number of frames or pages; 1 if they cannot be counted."""
    try:
        return int(getattr(image, "n_frames", 1))
    except Exception:  # counting reads bytes that have not been checked yet; the first frame is usable
        return 1


def _tag(image: Image.Image, tag: int, ifd: int | None = None) -> object:
    try:
        exif = image.getexif()
        return (exif if ifd is None else exif.get_ifd(ifd)).get(tag)
    except Exception:  # damaged EXIF raises almost any error, and the image is usable without it
        return None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", "ignore")
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())[:80]


_SIGNS: tuple[tuple[bytes, str], ...] = (
    (rb"\s*<(!doctype html|html|head|body)", "not an image (looks like HTML)"),
    (rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype )?svg", "not a pixel image (looks like SVG)"),
    (rb"version https://git-lfs", "a Git LFS pointer, not the image (run: git lfs pull)"),
    (rb"%PDF", "not an image (looks like PDF)"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "not a pixel image (looks like PostScript)"),
    (rb"PK\x03\x04", "not an image (looks like a ZIP archive)"),
    (rb"\x1f\x8b", "not an image (looks like gzip)"),
    (rb"....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)", "HEIC is not supported (convert it to JPEG)"),
    (rb"....ftypavi[fs]", "damaged or truncated AVIF"),
    (rb"....ftyp", "not an image (looks like a video)"),
    (rb"8BPS", "Photoshop files are not supported (convert to PNG or JPEG)"),
    (rb"\xff\xd8\xff", "damaged or truncated JPEG"),
    (rb"\x89PNG", "damaged or truncated PNG"),
    (rb"GIF8", "damaged or truncated GIF"),
    (rb"RIFF....WEBP", "damaged or truncated WEBP"),
    (rb"II\*\x00|MM\x00\*", "damaged or truncated TIFF"),
    (rb"\x00+\Z", "not an image (only zero bytes)"),
)


def sniff(data: bytes) -> str:
    """A short reason why undecodable bytes are not an image, from their beginning."""
    head = data[:2048]
    for pattern, reason in _SIGNS:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            return reason
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        text = head[: error.start].decode("utf-8") if error.start >= len(head) - 3 else "\x00"
    if all(c.isprintable() or c.isspace() for c in text):
        return "not an image (looks like text)"
    return "not an image in a known format"
