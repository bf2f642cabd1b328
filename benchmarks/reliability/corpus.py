"""Hostile images made of the sample data: the same bytes for the same seed and number, and nothing stored.

`systematic()` lists what can be counted out: every format Pillow writes, cut at every 1/64, lying headers, bombs, garbage
in EXIF and ICC. `mutated(rng)` draws from the rest: a few random edits of a random picture.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

BUNNIES = Path(__file__).parents[2] / "sample_data" / "bunnies"
SIDE = 96
"""Pixels of the pictures that are edited: what breaks a decoder is in headers and tables, and small ones are quick."""
CUTS = 64
MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F")
HUGE = (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 65535, 65536, 30000, 0, 1)
"""Sizes that a header may claim: the ends of what fits, and what a picture of 9 kB cannot have."""
MAGIC = (
    b"8BPS\0\1", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"SIMPLE  =", b"GRIB", b"BUFR", b"\x89HDF\r\n\x1a\n",
    b"\xd7\xcd\xc6\x9a\0\0", b"BLP2", b"DDS |\0\0\0", b"qoif", b"icns", b"\0\0\1\0", b"\0\0\2\0", b"FORM\0\0\0\0ILBM",
    b"\x59\xa6\x6a\x95", b"/* XPM */", b"#define x_width 9\n", b"\1\xda", b"\0\0\1\xb3", b"RIFF\0\0\0\0WEBPVP8X", b"P7\n",
    b"BM",
    b"\0\0\0\x1cftypavif", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"GIF89a",
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0",
)  # fmt: skip
"""How files begin that Pillow knows and does not write, or that other programs open."""
TEXTS = {
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "html": b"<!DOCTYPE html><html><body onload=alert(1)><img src=x></body></html>",
    "javascript": b"fetch('http://127.0.0.1:9/')",
    "pickle": b"\x80\x04\x95\x17\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true\x94\x85\x94R\x94.",
    "zip": b"PK\x03\x04" + bytes(60),
    "zeros": bytes(4096),
    "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "empty": b"",
    "one byte": b"\xff",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One input: its family for the table, a name that says how to make it again, its bytes."""

    family: str
    name: str
    data: bytes


@cache
def photographs() -> tuple[Image.Image, ...]:
    """Four photographs of the sample data, RGB, at most SIDE pixels long."""
    paths = [sorted((BUNNIES / "train" / name).iterdir())[7] for name in ("bunny", "hen", "rodent", "sheep")]
    out = []
    for path in paths:
        with Image.open(path) as image:
            image.thumbnail((SIDE, SIDE))
            out.append(image.convert("RGB"))
    return tuple(out)


def as_mode(image: Image.Image, mode: str) -> Image.Image:
    """The picture in a mode of Pillow, with something to see in its alpha or its deep values."""
    grey = np.asarray(image.convert("L"))
    if mode == "I;16":
        return Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(grey.astype(np.int32) * 1000 - 9)
    if mode == "F":
        values = grey.astype(np.float32) / 200 - 0.1
        values[::7] = np.nan
        values[1::7] = np.inf
        return Image.fromarray(values)
    if mode in ("LA", "RGBA"):
        image = image.copy()
        image.putalpha(Image.fromarray(grey[::-1].copy()))
        return image.convert(mode)
    if mode == "LAB":
        change = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        return ImageCms.applyTransform(image, change) or image
    return image.convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes | None:
    """The picture as a file of that format; None where the format has no such mode."""
    out = io.BytesIO()
    try:
        image.save(out, kind, **options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SystemError):
        return None
    return out.getvalue() or None


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """(name, content) of sound files: every format that Pillow writes in every mode it takes, moving pictures, EXIF and ICC."""
    Image.init()
    photo, *others = photographs()
    found: list[tuple[str, bytes]] = []
    for kind in sorted(Image.SAVE):
        if kind == "PDF":  # holds the hour it was written
            continue
        for mode in MODES:
            data = encoded(as_mode(photo, mode), kind)
            if data:
                found.append((f"{kind} {mode}", data))
    for kind in ("GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"):
        data = encoded(photo, kind, save_all=True, append_images=list(others))
        if data:
            found.append((f"{kind} of 4 frames", data))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110], exif[0x013B] = 6, "Maker", "Model", "=cmd|' /C calc'!A0"
    exif.get_ifd(0x8769)[0x9003] = "2021:06:05 10:11:12"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 1.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile[:24] + bytes(12) + profile[36:]  # without the hour it was made
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF"):
        data = encoded(photo, kind, exif=exif, icc_profile=profile)
        if data:
            found.append((f"{kind} with EXIF and ICC", data))
    for options in ({"progressive": True}, {"quality": 1}, {"subsampling": 0}, {"restart_marker_rows": 1}):
        found.append((f"JPEG {options}", encoded(photo, "JPEG", **options) or b""))
    for compression in (
        "tiff_lzw",
        "tiff_adobe_deflate",
        "packbits",
        "jpeg",
        "tiff_ccitt",
        "group3",
        "group4",
        "lzma",
        "zstd",
    ):
        data = encoded(
            photo if "cc" not in compression and "group" not in compression else photo.convert("1"),
            "TIFF",
            compression=compression,
        )
        if data:
            found.append((f"TIFF {compression}", data))
    return tuple(found)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG, with its right checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, content: bytes, *extra: bytes) -> bytes:
    """A PNG of any header and any (compressed) content; `extra` are chunks before the picture."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = b"".join(extra) + png_chunk(b"IDAT", content)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + body + png_chunk(b"IEND", b"")


def systematic() -> Iterator[Case]:
    """Every case that can be counted out, in a fixed order."""
    found = seeds()
    for name, data in found:
        yield Case("sound", name, data)
    for name, data in found:
        for k in range(1, CUTS):
            yield Case("truncated", f"{name} at {k}/{CUTS}", data[: len(data) * k // CUTS])
    for name, data in TEXTS.items():
        yield Case("no image", name, data)
        yield Case("no image", f"JPEG and then {name}", found[0][1][:64] + data)
    for k, magic in enumerate(MAGIC):
        for fill in (b"", bytes(512), b"\xff" * 512, bytes(range(256)) * 2):
            yield Case("magic", f"{k} and {len(fill)} of {fill[:2]!r}", magic + fill)
    yield from _lying(dict(found))
    yield from _bombs()
    yield from _metadata(dict(found))
    yield from _shapes()


def _lying(found: dict[str, bytes]) -> Iterator[Case]:
    """Headers whose width and height are not those of the picture."""
    places: dict[str, tuple[str, Callable[[bytes], int]]] = {
        "PNG RGB": (">I", lambda d: 16), "JPEG RGB": (">H", lambda d: d.index(b"\xff\xc0") + 5), "GIF RGB": ("<H", lambda d: 6),
        "BMP RGB": ("<I", lambda d: 18), "TGA RGB": ("<H", lambda d: 12), "WEBP RGB": ("<H", lambda d: 26),
        "JPEG2000 RGB": (">I", lambda d: d.index(b"ihdr") + 4), "AVIF RGB": (">I", lambda d: d.index(b"ispe") + 8),
        "ICO RGB": ("<H", lambda d: 6), "PPM RGB": (">H", lambda d: 3),
    }  # fmt: skip
    for name, (form, where) in places.items():
        data = found.get(name)
        if data is None:
            continue
        n, at = struct.calcsize(form), where(data)
        for w in HUGE:
            for h in HUGE:
                size = struct.pack(form, w & (256**n - 1)) + struct.pack(form, h & (256**n - 1))
                lying = data[:at] + size + data[at + 2 * n :]
                if name.startswith("PNG"):
                    lying = lying[:29] + struct.pack(">I", zlib.crc32(lying[12:29])) + lying[33:]
                yield Case("lying header", f"{name} {w} x {h}", lying)
    for width, height in ((30000, 4000), (4000, 30001), (2**31 - 1, 1), (1, 2**31 - 1)):
        yield Case("lying header", f"PPM text {width} x {height}", b"P6\n%d %d\n255\n" % (width, height) + bytes(99))
        tiff = encoded(photographs()[0], "TIFF") or b""
        for tag in (256, 257, 278, 279):
            entry = tiff.find(struct.pack("<H", tag))
            if entry > 0:
                yield Case(
                    "lying header",
                    f"TIFF {tag} {width}",
                    tiff[: entry + 8] + struct.pack("<I", width) + tiff[entry + 12 :],
                )


def _bombs() -> Iterator[Case]:
    """Small files that ask for a lot of memory or time."""
    for width, height, depth, colour in (
        (30000, 30000, 8, 2),
        (65535, 65535, 1, 0),
        (11000, 10000, 1, 0),
        (5000, 5000, 8, 6),
    ):
        rows = height * (1 + (width * depth * {0: 1, 2: 3, 6: 4}[colour] + 7) // 8)
        pack = zlib.compressobj(9)
        content = b"".join(pack.compress(bytes(1 << 20)) for _ in range(min(rows >> 20, 120))) + pack.flush()
        yield Case("bomb", f"PNG {width} x {height}", png(width, height, depth, colour, content))
    flat = zlib.compress(bytes(9 * 28), 9)
    for kind in (b"zTXt", b"iTXt", b"iCCP"):
        between = b"x\0\0" if kind != b"iTXt" else b"x\0\1\0\0\0"
        chunk = png_chunk(kind, between + zlib.compress(bytes(1 << 27), 9))
        yield Case("bomb", f"PNG {kind.decode()} of 128 MB", png(9, 9, 8, 2, flat, chunk))
        yield Case(
            "bomb",
            f"PNG {kind.decode()} 200 times",
            png(9, 9, 8, 2, flat, *[png_chunk(kind, between + zlib.compress(bytes(1 << 19)))] * 200),
        )
    for size in (1 << 20, 1 << 24):
        yield Case(
            "huge chunk", f"PNG tEXt of {size} bytes", png(9, 9, 8, 2, flat, png_chunk(b"tEXt", b"k\0" + b"v" * size))
        )
        yield Case("huge chunk", f"PNG unknown of {size} bytes", png(9, 9, 8, 2, flat, png_chunk(b"vpAg", bytes(size))))
    for claimed in (0xFFFFFFFF, 0x7FFFFFFF, 1 << 28):
        for kind in (b"tEXt", b"IDAT", b"iCCP", b"eXIf", b"PLTE", b"acTL", b"fcTL"):
            head = png(9, 9, 8, 2, flat)[:33]
            yield Case(
                "huge chunk",
                f"PNG {kind.decode()} claims {claimed}",
                head + struct.pack(">I", claimed) + kind + bytes(64),
            )
    frame = b"\x21\xf9\x04\x04\x01\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    gif = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    for n in (1000, 20000):
        yield Case("bomb", f"GIF of {n} frames", gif + frame * n + b"\x3b")
    for n in (2000, 60000):
        ring = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 256, 3, 1, 9) + struct.pack("<I", 8)
        yield Case("bomb", f"TIFF whose pages are a ring, {n}", ring + bytes(n))
    jpeg = encoded(photographs()[0], "JPEG", progressive=True) or b""
    scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    yield Case("bomb", "JPEG of 5000 scans", jpeg[:-2] + scan * 5000 + b"\xff\xd9")


def _metadata(found: dict[str, bytes]) -> Iterator[Case]:
    """EXIF and ICC that are none, and EXIF that points at itself or far away."""
    photo = photographs()[0]
    rng = random.Random(1)
    entries = [struct.pack("<HHII", tag, kind, count, at) for tag in (0x0112, 0x010F, 0x8769, 0x8825, 0x013B, 0x9003)
               for kind in (1, 2, 3, 4, 5, 7, 12, 99) for count in (1, 0xFFFFFFFF) for at in (8, 0xFFFFFFF0)]  # fmt: skip
    payloads = [b"", b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0" + rng.randbytes(300), rng.randbytes(65000)]
    payloads += [b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4) for entry in entries]
    payloads += [b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 0xFFFF) + bytes(9)]
    for k, payload in enumerate(payloads):
        for kind in ("JPEG", "PNG", "WEBP"):
            data = encoded(photo, kind, exif=payload[:65000])
            if data:
                yield Case("EXIF garbage", f"{kind} {k}", data)
    sound = found.get("JPEG with EXIF and ICC", b"")
    at = sound.find(b"ICC_PROFILE")
    icc = sound[at + 14 : at + 600] if at > 0 else bytes(500)
    profiles = [b"", bytes(128), rng.randbytes(500), icc[:100], icc[:4] + b"\xff" * 124 + icc[128:], icc * 100]
    for k, profile in enumerate(profiles):
        for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
            data = encoded(photo, kind, icc_profile=profile)
            if data:
                yield Case("ICC garbage", f"{kind} {k}", data)


def _shapes() -> Iterator[Case]:
    """Very long and very small pictures, and numbers that are none."""
    for width, height in ((30000, 1), (1, 30000), (65000, 2), (1, 1), (2, 1)):
        for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000", "AVIF"):
            for mode in ("1", "RGB"):
                data = encoded(Image.new(mode, (width, height), 1), kind)
                if data:
                    yield Case("shape", f"{kind} {mode} {width} x {height}", data)
    for name, value in (
        ("NaN", np.nan),
        ("inf", np.inf),
        ("-inf", -np.inf),
        ("largest", 3.4e38),
        ("-largest", -3.4e38),
    ):
        values = np.full((9, 9), value, np.float32)
        yield Case("NaN TIFF", f"all {name}", encoded(Image.fromarray(values), "TIFF") or b"")
        values[4, 4], values[0, 0] = 0.5, -value
        yield Case("NaN TIFF", f"{name} and half", encoded(Image.fromarray(values), "TIFF") or b"")


def mutated(rng: random.Random) -> Case:
    """A sound file with one to five random edits: bits, numbers, pieces left out, doubled, or of another file."""
    found = seeds()
    name, data = rng.choice(found)
    edits = []
    for _ in range(rng.randint(1, 5)):
        edit = rng.choice(EDITS)
        # Half of all edits go where formats keep their tables.
        at = rng.randrange(min(len(data), 256 if rng.random() < 0.5 else len(data))) if data else 0
        data = edit(rng, data, at)
        edits.append(edit.__name__.strip("_"))
    return Case("mutated", f"{name}: {', '.join(edits)}", data)


def _flip(rng: random.Random, data: bytes, at: int) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 4, 32))):
        if out:
            k = min(len(out) - 1, at + rng.randrange(64))
            out[k] ^= 1 << rng.randrange(8)
    return bytes(out)


def _number(rng: random.Random, data: bytes, at: int) -> bytes:
    form = rng.choice(("<I", ">I", "<H", ">H", "B"))
    n = struct.calcsize(form)
    return data[:at] + struct.pack(form, rng.choice(HUGE) & (256**n - 1)) + data[at + n :]


def _drop(rng: random.Random, data: bytes, at: int) -> bytes:
    return data[:at] + data[at + rng.choice((1, 4, 40, 400)) :]


def _double(rng: random.Random, data: bytes, at: int) -> bytes:
    piece = data[at : at + rng.choice((1, 4, 40, 400))]
    return data[:at] + piece * rng.choice((2, 3, 50)) + data[at + len(piece) :]


def _noise(rng: random.Random, data: bytes, at: int) -> bytes:
    n = rng.choice((1, 4, 40))
    return data[:at] + rng.randbytes(n) + data[at + rng.choice((0, n)) :]


def _splice(rng: random.Random, data: bytes, at: int) -> bytes:
    other = rng.choice(seeds())[1]
    return data[:at] + other[rng.randrange(len(other)) :]


def _cut(rng: random.Random, data: bytes, at: int) -> bytes:
    return data[: max(at, len(data) // 3)]


EDITS = (_flip, _flip, _number, _number, _drop, _double, _noise, _splice, _cut)
