"""Removes metadata about people and places from image files and leaves every pixel unchanged.

Nothing is decoded. The code walks through the parts of the file and leaves out EXIF, XMP, IPTC, comments and everything
unknown. It keeps what the colours need (ICC profiles, Adobe's marker, PNG's gamma). The orientation, the only part of EXIF that
describes the image itself, is written anew. Data after the end of the image, such as a phone's film, is removed.

Source: ITU-T T.81 (JPEG), PNG 3rd edition, RFC 9649 (WebP), GIF89a.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from curator.errors import DataError
from curator.io.decoding import images

_PNG, _RIFF, _GIF, _JPEG = b"\x89PNG\r\n\x1a\n", b"RIFF", (b"GIF87a", b"GIF89a"), b"\xff\xd8\xff"
_PNG_KEPT = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs",
     b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT")
)  # fmt: skip
_WEBP_KEPT = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))
_GIF_KEPT = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
"""GIF extensions that say how often an animation repeats."""
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""JPEG markers that have no length."""


def without_metadata(data: bytes) -> bytes:
    """The file without its metadata. The old and the new file are decoded and compared: pixels and orientation must be equal.

    Raises:
        DataError: as `bare`, or the image would change.
    """
    out = bare(data, images.orientation(data))
    if not np.array_equal(images.whole(out), images.whole(data)):
        raise DataError("the image would change without its metadata")
    return out


def bare(data: bytes, turn: int = 1) -> bytes:
    """The file without its metadata. `turn` is EXIF's orientation 1..8, or 1 if there is none to keep.

    Raises:
        DataError: the file is damaged, or metadata of its format cannot be removed without encoding the image again.
    """
    try:
        if data.startswith(_JPEG):
            return _jpeg(data, turn)
        if data.startswith(_PNG):
            return _png(data, turn)
        if data.startswith(_RIFF) and data[8:12] == b"WEBP":
            return _webp(data, turn)
        if data.startswith(_GIF):
            return _gif(data)
    except (IndexError, struct.error):
        raise DataError("the file is damaged, so its metadata cannot be found") from None
    raise DataError("metadata can be removed only from JPEG, PNG, WebP and GIF; convert the file, or leave it out")


def _exif(turn: int) -> bytes:
    """EXIF data that contains only the orientation."""
    return b"II*\0\x08\0\0\0" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, turn, 0, 0)


def _jpeg(data: bytes, turn: int) -> bytes:
    out = [data[:2]]
    exif = b"Exif\0\0" + _exif(turn)
    mine = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif if turn != 1 else b""
    if data[2:4] != b"\xff\xe0":
        out.append(mine)
        mine = b""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise DataError("the file is damaged, so its metadata cannot be found")
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        marker = data[at + 1]
        if marker == 0xD9:
            return b"".join((*out, data[at : at + 2]))
        end = at + 2 if marker in _STANDALONE else at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        segment = data[at:end]
        if len(segment) != end - at:
            raise IndexError
        if _jpeg_kept(marker, segment[4:]):
            out.append(segment)
            if marker == 0xE0:
                out.append(mine)
                mine = b""
        at = end
        if marker == 0xDA:
            end = _end_of_scan(data, at)
            out.append(data[at:end])
            at = end


def _jpeg_kept(marker: int, content: bytes) -> bool:
    if marker == 0xE0:  # JFIF is kept; JFXX contains a thumbnail
        return content.startswith(b"JFIF\0")
    if marker == 0xE2:
        return content.startswith(b"ICC_PROFILE\0")
    if marker == 0xEE:
        return content.startswith(b"Adobe")
    return not (0xE0 <= marker <= 0xEF or marker == 0xFE or 0xF0 <= marker <= 0xFD)


def _end_of_scan(data: bytes, at: int) -> int:
    """The end of the coded pixels from `at` on: the next marker that is neither a stuffed byte nor a restart."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise IndexError
        if data[at + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8)):
            return at
        at += 1 if data[at + 1] == 0xFF else 2


def _png(data: bytes, turn: int) -> bytes:
    out, at = [_PNG], len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        chunk = data[at : at + 12 + length]
        if len(chunk) != 12 + length:
            raise IndexError
        if kind in _PNG_KEPT:
            out.append(chunk)
        if kind == b"IHDR" and turn != 1:
            body = b"eXIf" + _exif(turn)
            out.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
        if kind == b"IEND":
            return b"".join(out)
        at += len(chunk)


def _webp(data: bytes, turn: int) -> bytes:
    chunks = [(kind, body) for kind, body in _riff(data) if kind in _WEBP_KEPT]
    extended = next((k for k, (kind, _) in enumerate(chunks) if kind == b"VP8X"), None)
    if extended is not None:
        kind, body = chunks[extended]
        # Flags: 0x08 means EXIF, 0x04 means XMP.
        chunks[extended] = kind, bytes([body[0] & ~0x0C | (0x08 if turn != 1 else 0)]) + body[1:]
        if turn != 1:  # a file without the extended header has no EXIF
            chunks.append((b"EXIF", _exif(turn)))
    packed = b"".join(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in chunks)
    return _RIFF + struct.pack("<I", len(packed) + 4) + b"WEBP" + packed


def _riff(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at, end = 12, min(len(data), 8 + struct.unpack_from("<I", data, 4)[0])
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        if len(body) != length:
            raise IndexError
        yield kind, body
        at += 8 + length + length % 2


def _gif(data: bytes) -> bytes:
    at = 13 + _colours(data[10])
    out = [data[:at]]
    while True:
        start, block = at, data[at]
        if block == 0x3B:
            return b"".join((*out, b"\x3b"))
        if block == 0x2C:
            at = _blocks(data, at + 10 + _colours(data[at + 9]) + 1)
            kept = True
        elif block == 0x21:
            at = _blocks(data, start + 2)
            label = data[start + 1]
            kept = label == 0xF9 or (label == 0xFF and data[start + 3 : start + 14] in _GIF_KEPT)
        else:
            raise IndexError
        if kept:
            out.append(data[start:at])


def _colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks(data: bytes, at: int) -> int:
    """The end of a chain of blocks from `at` on. Each block is preceded by its length."""
    while data[at]:
        at += 1 + data[at]
    return at + 1
