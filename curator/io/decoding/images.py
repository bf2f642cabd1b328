"""Decodes images safely, once for all uses. PIL is used only in `curator.io`.

Every fault of a file becomes one DataError with a short reason. The reason does not name the path, because the caller knows it.
The formats are an explicit list, so a file cannot reach plug-ins that start other programs (EPS runs Ghostscript).
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import stat
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from curator.errors import DataError
from curator.io import remote
from curator.io.decoding import headers
from curator.types import FileFacts, Photo, Preprocessing

T = TypeVar("T")
MAX_PIXELS = 120_000_000
"""Images with more pixels are refused. The largest common phone sensor gives 108 Mpx. 120 Mpx is 360 MB as RGB, and decoding
needs about two copies. Below PIL's own error limit of 179 Mpx."""

LARGE_PIXELS = 24_000_000
"""Larger images are decoded one at a time, so that a thread pool does not multiply their memory."""

MAX_BYTES = 1 << 30
"""Larger files are refused before they are read. No image of MAX_PIXELS needs as many bytes."""

ANALYSIS_SIDE = 256
"""Longest side of the analysis image, in pixels."""

SPARE = 2
"""A large JPEG is decoded at a fraction of its size (its cosine transform is undone only for the lowest frequencies), but with
sides at least this many times those of the encoder's input and of the analysis image."""

DECODING = 2
"""Version of the decoding, which is part of the key of stored results. Increase it when pixels change."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "MPO", "PPM", "TGA", "ICO", "DIB")

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif", ".gif", ".bmp", ".dib",
    ".tif", ".tiff", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".ico",
))
# fmt: on
"""File name endings (lower case) of images."""

_RESAMPLING = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
}
_MAX_RESIZED_ASPECT = 16
_BLOCK_PIXELS = 1 << 22
_one_large: AbstractContextManager[object] = threading.Lock()


def prepare(
    image: Image.Image, preprocessing: Preprocessing, shape: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """The encoder's input (size, size, 3) uint8, before scaling to 0..1 and normalisation.

    `shape` is the stored width and height, if `image` was decoded smaller.

    The result equals, pixel for pixel, what `open_clip.image_transform` hands to `ToTensor` for the same RGB image: it uses
    torchvision's rounding of sizes and crop offsets. Images more than 16 times as long as wide are resized only inside the
    crop, which limits the memory. PIL may then round in another order, so the result is nearly equal.
    """
    p = preprocessing
    resample = _RESAMPLING[p.interpolation]
    if image.mode != "RGB":
        image = image.convert("RGB")
    target = _target(*(shape or image.size), p)
    fill = p.fill if p.mode == "longest" else 0
    if max(target) > _MAX_RESIZED_ASPECT * max(p.resize_to, p.size):
        return _resize_middle(image, target, p.size, resample, fill)
    if image.size != target:
        image = image.resize(target, resample)
    return np.array(_crop_or_pad(image, p.size, fill))


def _target(w: int, h: int, p: Preprocessing) -> tuple[int, int]:
    """The size to which an image is resized before its middle is cut out."""
    if p.mode == "squash":
        return p.resize_to, p.resize_to
    if p.mode == "longest":
        ratio = max(w, h) / p.resize_to
        return max(1, round(w / ratio)), max(1, round(h / ratio))
    short = p.resize_to
    return (short, int(short * h / w)) if w <= h else (int(short * w / h), short)


def _draft(image: Image.Image, preprocessing: Preprocessing) -> None:
    """Have a JPEG decoded at 1/2, 1/4 or 1/8 of its size, if this leaves `SPARE` times the needed pixels on each side."""
    w, h = image.size
    if image.format not in ("JPEG", "MPO"):
        return
    # EXIF may turn the image by a quarter, so both orientations are considered.
    needs = [_target(w, h, preprocessing), _target(h, w, preprocessing)[::-1], _shrunk(w, h, ANALYSIS_SIDE)]
    image.draft(image.mode, (max(n[0] for n in needs) * SPARE, max(n[1] for n in needs) * SPARE))


def fit(inputs: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize square images (b, s, s, 3) to (b, size, size, 3). Returns the same array if the size is already right."""
    if inputs.shape[1] == size:
        return inputs
    return np.stack([np.asarray(Image.fromarray(i).resize((size, size), Image.Resampling.BICUBIC)) for i in inputs])


def _crop_or_pad(image: Image.Image, size: int, fill: int) -> Image.Image:
    """torchvision's CenterCrop (fill 0), open_clip's CenterCropOrPad: pad to at least `size`, then cut the middle."""
    w, h = image.size
    if w < size or h < size:
        dx, dy = max(0, size - w), max(0, size - h)
        padded = Image.new("RGB", (w + dx, h + dy), (fill, fill, fill))
        padded.paste(image, (dx // 2, dy // 2))
        image = padded
        w, h = image.size
    if (w, h) == (size, size):
        return image
    left, top = round((w - size) / 2.0), round((h - size) / 2.0)
    return image.crop((left, top, left + size, top + size))


def _resize_middle(
    image: Image.Image, target: tuple[int, int], size: int, resample: Image.Resampling, fill: int
) -> NDArray[np.uint8]:
    """`_crop_or_pad(image.resize(target))` without computing the part of `target` outside the crop."""
    spans = []
    for have, want in zip(image.size, target, strict=True):
        kept = min(want, size)
        start = round((want - kept) / 2.0)
        spans.append((start * have / want, (start + kept) * have / want, kept))
    (x0, x1, kept_w), (y0, y1, kept_h) = spans
    return np.array(_crop_or_pad(image.resize((kept_w, kept_h), resample, box=(x0, y0, x1, y1)), size, fill))


def decode(path: str | os.PathLike[str], preprocessing: Preprocessing) -> Photo:
    """Decode all that later steps need from one file, with one read and one decode. See `decode_bytes`.

    Raises: DataError with a short reason for any fault of the file, and no other error.
    """
    return decode_bytes(read(path), preprocessing)


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file. Raises: DataError with a short reason (missing, no permission, empty, not a regular file)."""
    if remote.is_url(place := os.fspath(path)):
        return _bounded(remote.read(place, MAX_BYTES + 1))
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise DataError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise DataError(f"{status.st_size / 1e6:.0f} MB is over the limit of {MAX_BYTES / 1e6:.0f} MB")
            data = file.read()
    except FileNotFoundError:
        raise DataError("no such file") from None
    except IsADirectoryError:
        raise DataError("a folder, not a file") from None
    except PermissionError:
        raise DataError("no permission to read") from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or type(error).__name__})") from None
    except (ValueError, MemoryError) as error:  # a NUL in the name; a file larger than the memory
        raise DataError(f"cannot be read ({error or type(error).__name__})") from None
    return _bounded(data)


def _bounded(data: bytes) -> bytes:
    if not data:
        raise DataError("0 bytes")
    if len(data) > MAX_BYTES:
        raise DataError(f"more than the limit of {MAX_BYTES / 1e6:.0f} MB")
    return data


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a named pipe would block forever


def sha256(data: bytes) -> str:
    """The hexadecimal SHA-256 of the content."""
    return hashlib.sha256(data).hexdigest()


def take_turns(turn: AbstractContextManager[object]) -> None:
    """Decode images above `LARGE_PIXELS` inside `turn`, a lock that several processes share."""
    global _one_large
    _one_large = turn


def warm() -> None:
    """Import what decoding needs, before a process is forked."""
    _formats()
    _phash(Image.new("RGB", (8, 8)))


def decode_bytes(
    data: bytes, preprocessing: Preprocessing, *, known_sha256: str = "", on_size: Callable[[int], None] | None = None
) -> Photo:
    """Decode the content of an image file.

    `known_sha256` is its digest, if the caller has it. `on_size` is called with the number of pixels before decoding.

    The result is the first frame, turned as EXIF says, with alpha over white, as 8-bit RGB. 16-bit values are divided by 257
    for every image, so that brightness stays comparable. Floats in 0..1 are multiplied by 255, floats in 0..255 are kept, and
    others are stretched from their minimum to their maximum. The longest side of the analysis image is at most 256 pixels (a
    mean over areas, never enlarged). That is enough for backgrounds, colours and borders, and the attributes then cost less
    than the decode. A JPEG much larger than needed is decoded at a fraction of its size (`SPARE`). `phash` is the DCT hash of
    the analysis image. Positions (GPS) are never read.

    Raises: DataError with a short reason for any fault, and no other error.
    """
    _quiet()
    opened: Image.Image | None = None
    try:
        if not data:
            raise DataError("0 bytes")
        opened = _open(data)
        if on_size:
            on_size(opened.width * opened.height)
        large = opened.width * opened.height > LARGE_PIXELS
        with opened, _one_large if large else nullcontext():
            mode = opened.mode  # loading may change it
            width, height = opened.size
            _draft(opened, preprocessing)
            opened.load()
            rgb = _upright(opened, _rgb(opened))
            if headers.turn(opened) in headers.QUARTERS:
                width, height = height, width
            pixels = _shrink(rgb, ANALYSIS_SIDE, (width, height))
            # Before the other facts, because counting the frames may leave the file at a frame of another mode.
            seen, for_encoder, phash = np.asarray(pixels), prepare(rgb, preprocessing, (width, height)), _phash(pixels)
            facts = FileFacts(
                format=str(opened.format),
                mode=mode,
                width=width,
                height=height,
                n_bytes=len(data),
                sha256=known_sha256 or sha256(data),
                jpeg_quality=headers.jpeg_quality(opened),
                camera=headers.camera(opened),
                date=headers.date(opened),
                n_frames=headers.n_frames(opened),
            )
            return Photo(facts, seen, for_encoder, phash)
    except DataError:
        raise
    except Exception as error:
        # The decoders raise almost any error on hostile bytes (struct.error, SyntaxError, RecursionError, ...), and one bad
        # file must not stop a run. So every error becomes a reason here, and only here.
        raise DataError(_reason(error, data, opened.format if opened else None)) from None


def whole(path: str | os.PathLike[str] | bytes) -> NDArray[np.uint8]:
    """The image at its full size, (h, w, 3) uint8 RGB, upright. `path` may be the file's content.

    Raises: DataError with a short reason.
    """
    return _upright_from(path, lambda rgb: np.asarray(rgb))


def orientation(data: bytes) -> int:
    """EXIF's orientation 1..8 of a file's content; 1 if it is missing. Raises: DataError with a short reason."""
    _quiet()
    try:
        with _open(data) as opened:
            return headers.orientation(opened)
    except DataError:
        raise
    except Exception as error:  # as in decode_bytes
        raise DataError(_reason(error, data, None)) from None


def thumbnail(path: str | os.PathLike[str], size: int = 160) -> bytes:
    """A small JPEG (longest side at most `size` pixels, upright, without metadata) for reports.

    Raises: DataError with a short reason.
    """

    def small(rgb: Image.Image) -> bytes:
        out = io.BytesIO()
        Image.fromarray(np.asarray(_shrink(rgb, size))).save(out, "JPEG", quality=75, optimize=True)
        return out.getvalue()

    return _upright_from(path, small, (2 * size, 2 * size))


def _upright_from(
    path: str | os.PathLike[str] | bytes, use: Callable[[Image.Image], T], draft: tuple[int, int] | None = None
) -> T:
    """The result of `use` on the upright image of the file, which is decoded no larger than `draft` if the format allows."""
    _quiet()
    data = path if isinstance(path, bytes) else read(path)
    opened: Image.Image | None = None
    try:
        opened = _open(data)
        with opened, _one_large if opened.width * opened.height > LARGE_PIXELS else nullcontext():
            if draft:
                opened.draft("RGB", draft)
            opened.load()
            return use(_upright(opened, _rgb(opened)))
    except DataError:
        raise
    except Exception as error:  # as in decode_bytes
        raise DataError(_reason(error, data, opened.format if opened else None)) from None


def _quiet() -> None:
    """Stop PIL from printing warnings about what is handled here (size limits, damaged EXIF). Filters are only added, which is
    safe in threads."""
    if not any(f[2] is Image.DecompressionBombWarning and f[0] == "ignore" for f in warnings.filters):
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(f for f in FORMATS if f in Image.OPEN)


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
    except Image.DecompressionBombError:
        raise DataError(f"more than the limit of {MAX_PIXELS / 1e6:.0f} million pixels") from None
    n_pixels = image.width * image.height
    if n_pixels > MAX_PIXELS:
        raise DataError(f"{n_pixels / 1e6:.0f} million pixels are over the limit of {MAX_PIXELS / 1e6:.0f}")
    if not n_pixels:
        raise DataError("an image without pixels")
    return image


def _rgb(image: Image.Image) -> Image.Image:
    """Any loaded image as 8-bit RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bit(np.asarray(image))).convert("RGB")
    if image.mode == "LAB":
        lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        converted = ImageCms.applyTransform(image, lab)
        assert converted is not None  # None only when working in place
        return converted
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")
    return image.convert("RGB")


def _eight_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """16-bit, 32-bit and float grey values (h, w) as 0..255. Values that are not finite become black."""
    out = np.empty(values.shape, np.uint8)
    step = max(1, _BLOCK_PIXELS // values.shape[1])  # a whole large image as float64 would need gigabytes
    blocks = [slice(y, y + step) for y in range(0, len(values), step)]
    ends = [(float(v.min()), float(v.max())) for b in blocks if len(v := values[b][np.isfinite(values[b])])]
    low, high = min((e[0] for e in ends), default=0.0), max((e[1] for e in ends), default=0.0)
    is_float = np.issubdtype(values.dtype, np.floating)
    shift, factor = 0.0, 1.0  # 8-bit values in a wide type
    if is_float and low >= 0 and high <= 1:
        factor = 255.0
    elif not is_float and low >= 0 and high <= 65535 and (high > 255 or values.dtype.itemsize == 2):
        factor = 1 / 257.0
    elif low < 0 or high > 255:
        shift, factor = low, 255.0 / max(high - low, 1e-12)
    for b in blocks:
        with np.errstate(all="ignore"):
            v = np.clip(np.rint((values[b].astype(np.float64) - shift) * factor), 0, 255)
            out[b] = np.where(np.isfinite(values[b]), v, 0.0)
    return out


def _upright(opened: Image.Image, rgb: Image.Image) -> Image.Image:
    """Turn the image as EXIF says. Damaged EXIF leaves it as stored."""
    turn = headers.turn(opened)
    return rgb if turn is None else rgb.transpose(turn)


def _shrunk(w: int, h: int, side: int) -> tuple[int, int]:
    """The size of an image after its longest side is reduced to at most `side`."""
    longest = max(w, h)
    return (w, h) if longest <= side else (max(1, round(w * side / longest)), max(1, round(h * side / longest)))


def _shrink(image: Image.Image, side: int, shape: tuple[int, int] | None = None) -> Image.Image:
    """Reduce the longest side of an image, whose stored size is `shape`, to at most `side`, by means over areas."""
    target = _shrunk(*(shape or image.size), side)
    return image if image.size == target else image.resize(target, Image.Resampling.BOX)


def _phash(pixels: Image.Image) -> int:
    import imagehash  # imported late because it imports scipy

    bits = imagehash.phash(pixels).hash.ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _reason(error: Exception, data: bytes, kind: str | None) -> str:
    """A short reason for a decoder's exception. `kind` is the format, if the header could be read."""
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if kind is None:
        return headers.sniff(data)
    text = " ".join(str(error).split())
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return f"truncated {kind} at byte {len(data)}"
    return f"damaged {kind} ({(text or type(error).__name__)[:80]})"
