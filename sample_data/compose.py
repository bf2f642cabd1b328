"""Photographs with a known truth: animal cut-outs on photographic scenes.

    kit = Kit(Path("kit"))
    photo, mask = kit.photograph("bunny", cutout=0, scene="grass", size=320, rng=random.Random(7))

`photo` is an RGB image, `mask` an L image that is 255 where the animal stands. The scene, the cut-out, the animal's
size and its place are therefore known for every picture, so a detector's answer can be marked right or wrong.

Does the shortcut hurt? That depends on the animal's size. Small animals (scale 0.18-0.28), the same cut-outs in train,
pool and test, never the same view: a probe on frozen features falls to 0.35-0.60 on the conflicting group. Large
animals: it hardly falls. A split by cut-out tests a new animal as well, which with two to four cut-outs a species
drowns the shortcut.
Needs Pillow and NumPy. Sources and licences, file by file: MANIFEST.csv.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

Scene = tuple[Image.Image, int]  # the picture and its horizon, in rows from the top

PANORAMAS = {"grass": "guereins", "snow": "hurricane", "sea": "ocean", "field": "garching"}
GROUNDS = {  # scene -> (texture folder, folder of the wall behind it; None = open sky)
    "grass": ("grass", None),
    "dry_grass": ("dry_grass", None),
    "snow": ("snow", None),
    "sand": ("sand", None),
    "dirt": ("dirt", None),
    "rock": ("rock", None),
    "wood_floor": ("wood_floor", "wallpaper"),
    "carpet": ("carpet", "wallpaper"),
    "tile_floor": ("tile_floor", "wall"),
}


class Kit:
    """The pictures under one folder, and the ways to put them together."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.species = {
            d.name: sorted(d.glob("*.png")) for d in sorted((self.root / "cutouts").iterdir()) if d.is_dir()
        }

    def scenes(self) -> list[str]:
        """The scenes that this kit has pictures for."""
        textured = [s for s, (ground, _) in GROUNDS.items() if (self.root / "textures" / ground).is_dir()]
        wide = [s for s, name in PANORAMAS.items() if (self.root / "panoramas" / f"{name}.png").exists()]
        return sorted(set(textured) | set(wide))

    def scene(self, name: str, size: int, rng: random.Random) -> Scene:
        """A new view of the scene, `size` x `size` pixels."""
        panorama = self.root / "panoramas" / f"{PANORAMAS.get(name, '-')}.png"
        textures = self.root / "textures" / GROUNDS[name][0] if name in GROUNDS else None
        if panorama.exists() and (textures is None or not textures.is_dir() or rng.random() < 0.6):
            return self._panorama(panorama, size, rng)
        return self._room(name, size, rng)

    def photograph(
        self,
        species: str,
        cutout: int,
        scene: str,
        size: int,
        rng: random.Random,
        scale: tuple[float, float] = (0.40, 0.62),
    ) -> tuple[Image.Image, Image.Image]:
        """The animal on the scene, and where it stands."""
        background, horizon = self.scene(scene, size, rng)
        return paste(background, horizon, self.species[species][cutout], rng, scale)

    def _panorama(self, path: Path, size: int, rng: random.Random) -> Scene:
        wide = _load(path, "RGBA")
        opaque = (np.asarray(wide)[..., 3] > 128).mean(1) > 0.97
        horizon_row = int(np.argmax(opaque))
        side = min(wide.height, int((wide.height - horizon_row) * 1.55))
        top, left = wide.height - side, rng.randrange(wide.width)
        ring = Image.new("RGBA", (wide.width + side, wide.height))
        ring.paste(wide, (0, 0))
        ring.paste(wide.crop((0, 0, side, wide.height)), (wide.width, 0))
        view = ring.crop((left, top, left + side, wide.height)).resize((size, size), Image.Resampling.LANCZOS)
        if rng.random() < 0.5:
            view = ImageOps.mirror(view)
        picture = self._sky(size, size, rng).convert("RGBA")
        picture.alpha_composite(view)
        return picture.convert("RGB"), max(int((horizon_row - top) / side * size), int(0.2 * size))

    def _room(self, name: str, size: int, rng: random.Random) -> Scene:
        ground_folder, wall_folder = GROUNDS[name]
        horizon = int(size * rng.uniform(0.30, 0.42))
        picture = Image.new("RGB", (size, size))
        texture = np.asarray(_load(self._pick("textures", ground_folder, rng=rng), "RGB"), np.float32)
        if wall_folder:
            tile = _load(self._pick("textures", wall_folder, rng=rng), "RGB")
            width = int(size * 0.55)
            tile = tile.resize((width, max(1, width * tile.height // tile.width)))
            for x in range(0, size, tile.width):
                for y in range(0, horizon, tile.height):
                    picture.paste(tile, (x, y))
            picture.paste(_ground(texture, size, size - horizon, rng, pitch=1.6, repeat=2.3), (0, horizon))
            ImageDraw.Draw(picture).rectangle((0, horizon - max(4, size // 40), size, horizon), fill=(225, 220, 210))
        else:
            picture.paste(self._sky(size, horizon + 2, rng), (0, 0))
            picture.paste(_ground(texture, size, size - horizon, rng, pitch=0.35, repeat=3.0), (0, horizon))
            seam = Image.new("L", (size, size))
            seam.paste(255, (0, horizon - 3, size, horizon + 4))
            picture = Image.composite(picture.filter(ImageFilter.GaussianBlur(2)), picture, seam)
        return picture, horizon

    def _sky(self, width: int, height: int, rng: random.Random) -> Image.Image:
        sky = _load(self._pick("textures", "sky", rng=rng), "RGB")
        cut = min(sky.width, max(1, int(sky.height * width / max(height, 1))))
        x = rng.randrange(max(1, sky.width - cut + 1))
        return sky.crop((x, 0, x + cut, sky.height)).resize((width, height), Image.Resampling.LANCZOS)

    def _pick(self, *folders: str, rng: random.Random) -> Path:
        return rng.choice(sorted(self.root.joinpath(*folders).glob("*.jpg")))


def paste(
    background: Image.Image, horizon: int, cutout: Path, rng: random.Random, scale: tuple[float, float]
) -> tuple[Image.Image, Image.Image]:
    """Stand the cut-out on the ground: feathered edge, soft shadow, tone drawn towards the scene, a little noise."""
    size = background.width
    animal = _load(cutout, "RGBA").copy()
    if rng.random() < 0.5:
        animal = ImageOps.mirror(animal)
    factor = rng.uniform(*scale) * size / max(animal.size)
    animal = animal.resize(
        (max(2, int(animal.width * factor)), max(2, int(animal.height * factor))), Image.Resampling.LANCZOS
    )
    alpha = animal.getchannel("A").filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(0.8))
    pixels = np.asarray(animal.convert("RGB"), np.float32)
    inside = np.asarray(alpha) > 128
    scene_tone = np.asarray(background, np.float32).reshape(-1, 3).mean(0)
    animal_tone = pixels[inside].mean(0) if inside.any() else scene_tone
    gain = 1 + 0.12 * (scene_tone / scene_tone.mean() - animal_tone / animal_tone.mean())
    gain += 0.10 * (scene_tone.mean() / max(animal_tone.mean(), 1) - 1)
    animal = Image.fromarray(np.clip(pixels * np.clip(gain, 0.8, 1.25), 0, 255).astype(np.uint8))
    animal.putalpha(alpha)
    bottom = min(size - 1, max(int(size * rng.uniform(0.80, 0.95)), horizon + animal.height // 3))
    left = rng.randrange(int(0.04 * size), max(int(0.04 * size) + 1, int(0.96 * size) - animal.width))
    top = max(0, bottom - animal.height)
    shadow = Image.new("L", background.size)
    height = max(6, animal.height // 6)
    ImageDraw.Draw(shadow).ellipse(
        (left, bottom - int(height * 0.65), left + animal.width, bottom + int(height * 0.35)), fill=115
    )
    shadow = shadow.filter(ImageFilter.GaussianBlur(size * 0.012))
    dark = Image.eval(background, lambda value: int(value * 0.35))
    picture = Image.composite(dark, background, shadow).convert("RGBA")
    picture.alpha_composite(animal, (left, top), (0, max(0, animal.height - (bottom - top))))
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(0, 2.5, (size, size, 1))
    out = Image.fromarray(np.clip(np.asarray(picture.convert("RGB"), np.float32) + noise, 0, 255).astype(np.uint8))
    mask = Image.new("L", (size, size))
    mask.paste(alpha.point(lambda value: 255 if value > 128 else 0), (left, top))
    return out, mask


def _ground(
    texture: NDArray[np.float32], width: int, height: int, rng: random.Random, pitch: float, repeat: float
) -> Image.Image:
    """A tiling texture laid on a plane that runs back to the horizon."""
    over = 3
    rows, cols = np.mgrid[0 : height * over, 0 : width * over].astype(np.float32)
    depth = 1.0 / ((rows + height * over * pitch * 0.25) / (height * over) + 0.02)
    across = (cols - width * over / 2) / (width * over) * depth * 1.2
    tall, wide = texture.shape[:2]
    u = (across * repeat * wide / 3 + rng.random() * wide).astype(int) % wide
    v = (depth * 1.6 * repeat * tall / 3 + rng.random() * tall).astype(int) % tall
    flat = Image.fromarray(texture[v, u].astype(np.uint8)).resize((width, height), Image.Resampling.BOX)
    haze = np.clip(1 - np.linspace(0, 1, height) * 3.2, 0, 0.85)[:, None, None]
    return Image.fromarray((np.asarray(flat) * (1 - haze) + texture.mean((0, 1)) * haze).astype(np.uint8))


@lru_cache(maxsize=256)
def _load(path: Path, mode: str) -> Image.Image:
    return Image.open(path).convert(mode)


if __name__ == "__main__":  # a contact sheet: every species on every scene
    kit = Kit(Path(__file__).parent)
    sheet = Image.new("RGB", (128 * len(kit.scenes()), 128 * len(kit.species)))
    for row, species in enumerate(kit.species):
        for column, scene in enumerate(kit.scenes()):
            photo, _ = kit.photograph(species, 0, scene, 256, random.Random(row * 100 + column))
            sheet.paste(photo.resize((128, 128)), (column * 128, row * 128))
    sheet.save("contact_sheet.png")
    print("contact_sheet.png:", ", ".join(kit.species), "on", ", ".join(kit.scenes()))
