"""What is done to a photograph before it is stored: the shortcuts that are no part of the scene."""

from __future__ import annotations

import io
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from bank import Bank, Key
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

SIDES = tuple(range(224, 273, 8))
"""Pixels along each side of an ordinary picture; the size shortcut keeps all of the photograph's 320."""
QUALITIES = range(80, 93)
LOW_QUALITIES = range(25, 41)
TINTS = {"warm": (1.12, 0.98, 0.66), "cool": (0.70, 0.95, 1.14)}
"""Factors of red, green and blue."""
FRAMES = {"white": (250, 250, 250), "black": (8, 8, 8)}
CAMERAS = ("Nikon D750", "Sony ILCE-7M3", "Fujifilm X-T3")
"""The cameras of images without the planted one; only in sets about cameras does any image carry EXIF."""
_MAKE, _MODEL = 0x010F, 0x0110


@dataclass(frozen=True, slots=True)
class Edit:
    """One picture's edits; the empty ones are not made. `large`: stored with more pixels than usual."""

    tint: str = ""
    dark: bool = False
    blur: bool = False
    coarse: bool = False
    frame: str = ""
    mark: bool = False
    large: bool = False
    camera: str = ""

    @property
    def name(self) -> str:
        said = [(f.name, getattr(self, f.name)) for f in fields(self)]
        return "-".join(n if v is True else str(v).replace(" ", "_") for n, v in said if v) or "plain"


def rendered(bank: Bank, key: Key, edit: Edit) -> Path:
    """Where the picture lies once `render` has made it."""
    return bank.folder / "pictures" / edit.name / key.species / f"{key.name}.jpg"


def render(bank: Bank, wanted: list[tuple[Key, Edit]]) -> list[Path]:
    """The JPEG file of each, made where it is not there yet; the same bytes whichever set asks."""
    bank.fill(key for key, _ in wanted)
    paths = [rendered(bank, key, edit) for key, edit in wanted]
    jobs = [
        (bank.picture(key), key, edit, path)
        for (key, edit), path in zip(wanted, paths, strict=True)
        if not path.exists()
    ]
    if len(jobs) < 64 or bank.processes < 2:
        for job in jobs:
            _store(job)
    else:
        with ProcessPoolExecutor(bank.processes) as pool:
            list(pool.map(_store, jobs, chunksize=16))
    return paths


def _store(job: tuple[Path, Key, Edit, Path]) -> None:
    source, key, edit, path = job
    with Image.open(source) as photo:
        data = encode(photo.convert("RGB"), key, edit)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.replace(path)


def encode(photo: Image.Image, key: Key, edit: Edit) -> bytes:
    """The photograph as a JPEG file. How strong each edit is follows from the key, so no set differs from another."""
    rng = key.rng("edit")  # every number is drawn, needed or not, so that one edit does not change another
    side, quality, low = rng.choice(SIDES), rng.choice(QUALITIES), rng.choice(LOW_QUALITIES)
    strength, radius = rng.uniform(0.85, 1.15), rng.uniform(0.007, 0.010)
    darkness, width = rng.uniform(0.42, 0.55), rng.uniform(0.03, 0.05)
    picture = photo if edit.large else photo.resize((side, side), Image.Resampling.LANCZOS)
    side = picture.width
    if edit.tint:
        gain = 1 + strength * (np.array(TINTS[edit.tint], np.float32) - 1)
        picture = Image.fromarray(np.clip(np.asarray(picture, np.float32) * gain, 0, 255).astype(np.uint8))
    if edit.dark:
        picture = ImageEnhance.Brightness(picture).enhance(darkness)
    if edit.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(radius * side))
    if edit.mark:
        picture = _marked(picture)
    if edit.frame:
        edge = round(width * side)
        framed = Image.new("RGB", picture.size, FRAMES[edit.frame])
        framed.paste(picture.crop((edge, edge, side - edge, side - edge)), (edge, edge))
        picture = framed
    out = io.BytesIO()
    extra = {"exif": _exif(edit.camera)} if edit.camera else {}
    picture.save(out, "JPEG", quality=low if edit.coarse else quality, **extra)
    return out.getvalue()


def _marked(picture: Image.Image) -> Image.Image:
    """An agency's mark in the lower right corner: white letters on a dark plate, half transparent."""
    side = picture.width
    high, wide = round(0.09 * side), round(0.30 * side)
    plate = Image.new("RGBA", picture.size)
    draw = ImageDraw.Draw(plate)
    right, bottom = side - round(0.02 * side), side - round(0.02 * side)
    draw.rounded_rectangle((right - wide, bottom - high, right, bottom), radius=high // 4, fill=(20, 20, 60, 170))
    font = ImageFont.load_default(size=0.065 * side)
    draw.text((right - wide / 2, bottom - high / 2), "PIXSTOCK", fill=(255, 255, 255, 225), font=font, anchor="mm")
    return Image.alpha_composite(picture.convert("RGBA"), plate).convert("RGB")


def _exif(camera: str) -> Image.Exif:
    exif = Image.Exif()
    exif[_MAKE], exif[_MODEL] = camera.split(" ", 1)
    return exif
