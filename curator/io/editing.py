"""Edits images, for self-tests (planting a value) and interventions (removing one), and encodes the results.

Images are (h, w, 3) uint8 RGB and keep their shape. Only `noise_like` is random; it gets its generator from the caller. A mask
is (h, w), bool or 0..1, and says where an edit applies (values in between: how much).
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from curator.errors import InputError
from curator.io.decoding.images import prepare
from curator.types import Preprocessing

Pixels = NDArray[np.uint8]
Where = NDArray[np.bool_] | NDArray[np.floating]
CORNERS = ("top left", "top right", "bottom left", "bottom right")
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 weights of red, green and blue."""
QUALITY = 95
"""JPEG quality that preserves an edit: the upper end of what the IJG library recommends."""
_FEATHER = 0.02
"""Width of a soft edge, as a fraction of the shorter side: two or three pixels of an encoder's 224, so that the cut does not
become a new contour."""
_BLUR = 0.05
"""Radius of `blur` as a fraction of the shorter side. It preserves colours and large shapes but not texture."""
_OBJECT, _FADES = 0.3, 0.2
"""Foreground from which `without_object` begins to remove, and how much more foreground is removed completely."""
_GAMMAS = (0.1, 10.0)
"""Range of exponents of `relight`. Beyond it an image is black or white."""


def tint(pixels: Pixels, colour: Sequence[int], strength: float) -> Pixels:
    """A colour cast: each pixel blended with `colour` at the pixel's own luminance. `strength` 0 = none, 1 = one hue."""
    luma = _luma(pixels)[..., None]
    tone = np.asarray(colour, np.float32)
    return _bytes((1 - strength) * pixels + strength * luma * (tone / max(float(tone @ LUMA), 1.0)))


def frame(pixels: Pixels, colour: Sequence[int], width_frac: float) -> Pixels:
    """A border of one colour, `width_frac` of the shorter side wide (at least one pixel)."""
    width = _width(pixels, width_frac)
    out = np.empty_like(pixels)
    out[:] = np.asarray(colour, np.uint8)
    out[width:-width, width:-width] = pixels[width:-width, width:-width]
    return out


def patch(pixels: Pixels, corner: str, size_frac: float) -> Pixels:
    """A small mark in a corner, like a watermark or a hospital's token: a white square with a red disc and a black bar.

    `size_frac` is its side as a fraction of the image's shorter side. Its distance from the edges is a quarter of its side.

    Raises:
        InputError: `corner` is unknown.
    """
    if corner not in CORNERS:
        raise InputError(f"{corner!r} is not a corner; use one of: {', '.join(CORNERS)}.")
    height, width = pixels.shape[:2]
    side = max(1, round(size_frac * min(height, width)))
    gap = side // 4
    y, x = (np.indices((side, side)) + 0.5) / side
    logo = np.full((side, side, 3), 255, np.uint8)
    logo[np.hypot(y - 0.42, x - 0.5) < 0.3] = (210, 30, 30)
    logo[(y > 0.8) & (y < 0.92) & (x > 0.15) & (x < 0.85)] = (20, 20, 20)
    top = gap if corner.startswith("top") else height - gap - side
    left = gap if corner.endswith("left") else width - gap - side
    out = pixels.copy()
    out[max(0, top) : top + side, max(0, left) : left + side] = logo[: height - max(0, top), : width - max(0, left)]
    return out


def recompress(pixels: Pixels, quality: int) -> Pixels:
    """The image after JPEG compression at this quality (IJG scale, 1..100)."""
    with Image.open(io.BytesIO(jpeg(pixels, quality)), formats=("JPEG",)) as image:
        return np.array(image.convert("RGB"))


def grey(pixels: Pixels, mask: Where) -> Pixels:
    """The masked region without colour: every pixel at its own luminance."""
    return mix(pixels, np.repeat(_luma(pixels)[..., None], 3, axis=2), mask)


def fill(pixels: Pixels, mask: Where) -> Pixels:
    """Fill the masked region with the mean colour of the rest, with a soft edge, or with mid grey if there is no rest."""
    rest = 1 - np.asarray(mask, np.float32)
    total = float(rest.sum())
    # If less than a hundredth of the image is left, it is only the edge of the mask and gives no useful colour.
    mean = (pixels * rest[..., None]).sum((0, 1)) / total if total > 0.01 * rest.size else np.full(3, 128.0)
    return mix(pixels, np.broadcast_to(mean, pixels.shape), soft(mask))


def blur(pixels: Pixels, mask: Where, radius: float | None = None) -> Pixels:
    """Blur the masked region with a Gaussian of `radius` pixels, by default a twentieth of the shorter side."""
    wide = _BLUR * min(pixels.shape[:2]) if radius is None else radius
    return mix(pixels, np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(wide))), mask)


def swap(pixels: Pixels, mask: Where, donor: Pixels) -> Pixels:
    """Replace the masked region by the same region of another image (resized to this one), with a soft edge."""
    return mix(pixels, as_large(donor, pixels), soft(mask))


def as_large(donor: Pixels, pixels: Pixels) -> Pixels:
    """The donor at the size of the other image, stretched if the shapes differ."""
    if donor.shape == pixels.shape:
        return donor
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(donor).resize((width, height), Image.Resampling.BICUBIC))


def without_object(pixels: Pixels, mask: Where) -> Pixels:
    """Fill the object (mask 1) from mirror images of the image. Where these show the object too, fill it with the mean colour
    of the rest."""
    closed = np.clip((np.asarray(mask, np.float32) - _OBJECT) / _FADES, 0, 1)
    out, left = pixels.astype(np.float32), closed
    for turned in ((slice(None), slice(None, None, -1)), (slice(None, None, -1),), (slice(None, None, -1),) * 2):
        share = left * (1 - closed[turned])
        out = out * (1 - share[..., None]) + pixels[turned] * share[..., None]
        left = left * closed[turned]
    rest = 1 - closed
    mean = (pixels * rest[..., None]).sum((0, 1)) / max(float(rest.sum()), 1.0)
    return mix(_bytes(out), np.broadcast_to(mean, pixels.shape), left)


def crop_border(pixels: Pixels, frac: float) -> Pixels:
    """Cut an edge of `frac` of the shorter side off the image, and enlarge the rest to the old size."""
    height, width = pixels.shape[:2]
    edge = _width(pixels, frac)
    inner = Image.fromarray(pixels[edge:-edge, edge:-edge])
    return np.asarray(inner.resize((width, height), Image.Resampling.BICUBIC))


def crop_inside(pixels: Pixels, frac: float) -> Pixels:
    """Apply `crop_border` to everything inside the edge. The edge stays, and the inner part is enlarged as much."""
    edge = _width(pixels, frac)
    out, inner = pixels.copy(), pixels[edge:-edge, edge:-edge]
    if min(inner.shape[:2]) >= 3:
        out[edge:-edge, edge:-edge] = crop_border(np.ascontiguousarray(inner), frac)
    return out


def relight(pixels: Pixels, brightness: float, mask: Where | None = None) -> Pixels:
    """Bring the image (or the masked region) to the mean luminance `brightness` 0..1 by a gamma curve; black and white stay."""
    where = np.ones(pixels.shape[:2], np.float32) if mask is None else np.asarray(mask, np.float32)
    values = pixels.astype(np.float32) / 255
    low, high = _GAMMAS
    for _ in range(12):  # halving a range of 100 twelve times gives 0.1 %
        middle = float(np.sqrt(low * high))
        luma = (values**middle) @ LUMA
        low, high = (middle, high) if (luma * where).sum() > brightness * where.sum() else (low, middle)
    return mix(pixels, 255 * values ** float(np.sqrt(low * high)), where)


def spread(pixels: Pixels, factor: float) -> Pixels:
    """Multiply the contrast by `factor`: spread the luminance around its own mean."""
    luma = _luma(pixels)
    return _bytes(pixels + ((factor - 1) * (luma - luma.mean()))[..., None])


def saturate(pixels: Pixels, factor: float) -> Pixels:
    """Multiply the colourfulness by `factor` at the same luminance. 0 gives a grey image."""
    luma = _luma(pixels)[..., None]
    return _bytes(luma + factor * (pixels - luma))


def shift(pixels: Pixels, step: Sequence[float] | NDArray[np.floating], mask: Where | None = None) -> Pixels:
    """Add `step` (levels of red, green and blue, of 255) to the image or to the masked region."""
    moved = pixels + np.asarray(step, np.float32)
    return _bytes(moved) if mask is None else mix(pixels, moved, mask)


def shift_by(
    pixels: Pixels, direction: Sequence[float] | NDArray[np.floating], size: float, mask: Where | None = None
) -> Pixels:
    """`shift` along `direction` until the `distance` to the original is `size`, in spite of clipping."""
    unit = np.asarray(direction, np.float64)
    unit = unit / max(float(np.linalg.norm(unit)), 1e-12)
    low, high = 0.0, 512.0
    for _ in range(10):  # to half a level of 255
        middle = (low + high) / 2
        far = distance(shift(pixels, middle * unit, mask), pixels) > size
        low, high = (low, middle) if far else (middle, high)
    return shift(pixels, high * unit, mask)


def noise_like(pixels: Pixels, edited: Pixels, rng: np.random.Generator) -> Pixels:
    """The image plus noise with the size and the spectrum of what the edit changed, at places unrelated to the edit.

    Source: phase randomisation (Theiler et al. 1992, surrogate data), one set of phases for the three channels.
    """
    change = edited.astype(np.float32) - pixels
    # The phases of white noise have the symmetry that keeps the result real.
    phases = np.fft.rfft2(rng.normal(size=change.shape[:2]))
    phases /= np.maximum(np.abs(phases), 1e-12)
    noise = np.fft.irfft2(np.abs(np.fft.rfft2(change, axes=(0, 1))) * phases[..., None], change.shape[:2], axes=(0, 1))
    return _bytes(pixels + noise)


def as_input(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """The encoder's input for an image: see `images.prepare`."""
    return prepare(Image.fromarray(pixels), preprocessing)


def distance(a: Pixels, b: Pixels) -> float:
    """The difference of two images of one shape: root mean square over pixels of the step in colour, levels of 255.

    >>> float(distance(np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), (3, 0, 4), np.uint8)))
    5.0
    """
    return float(np.sqrt(((a.astype(np.float32) - b) ** 2).sum(-1).mean()))


def mix(pixels: Pixels, other: NDArray[np.number], mask: Where) -> Pixels:
    """`other` where the mask is 1, the image where it is 0."""
    m = np.asarray(mask, np.float32)[..., None]
    return _bytes(pixels * (1 - m) + other * m)


def enlarge(region: Where, height: int, width: int) -> NDArray[np.float32]:
    """Enlarge a coarse mask (a, b) to (height, width), bilinear."""
    small = Image.fromarray(np.asarray(region, np.float32), mode="F")
    return np.clip(np.asarray(small.resize((width, height), Image.Resampling.BILINEAR), np.float32), 0, 1)


def soft(mask: Where) -> NDArray[np.float32]:
    """The mask with a soft edge."""
    levels = Image.fromarray(_bytes(255 * np.asarray(mask, np.float32)))
    softened = levels.filter(ImageFilter.GaussianBlur(_FEATHER * min(mask.shape)))
    return np.asarray(softened, np.float32) / np.float32(255)


def shrink(pixels: Pixels, side: int) -> Pixels:
    """The image with its longer side reduced to at most `side` pixels (a mean over areas, never enlarged)."""
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(image)


def jpeg(pixels: Pixels, quality: int = QUALITY) -> bytes:
    """The image as a JPEG file at this quality (IJG scale, 1..100), without metadata."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def png(pixels: Pixels) -> bytes:
    """The image as a PNG file, without metadata."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _width(pixels: Pixels, frac: float) -> int:
    """The width of an edge in pixels: at least one, and never so wide that nothing is left inside."""
    shorter = min(pixels.shape[:2])
    if shorter < 3:
        raise InputError(
            f"an image of {pixels.shape[1]}x{pixels.shape[0]} pixels is too small for an edge; at least 3x3 is needed."
        )
    return int(min(max(1, round(frac * shorter)), (shorter - 1) // 2))


def _luma(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(pixels.astype(np.float32) @ LUMA, np.float32)


def _bytes(values: NDArray[np.number]) -> Pixels:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
