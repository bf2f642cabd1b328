"""Make `curator/attributes/scenes.npz`: the directions along which the encoder `embedded` tells scenes and grounds apart.

    python benchmarks/wild/make_scenes.py --real REAL --look OUT

A direction is the mean text vector of a scene's prompts, minus that of all prompts (or of the opposite's), so no photograph
teaches it. Only the mean of the surroundings of REAL's photographs, which is subtracted from every image, and the cuts are
from photographs. The cuts were chosen by eye: OUT gets a picture for each scene with 24 photographs from each of eight bands of
the score.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from curator.attributes import concepts, scenes
from curator.commands import Session
from curator.commands.session import default_cache
from curator.similarity.vectors import unit
from curator.types import Floats

SETS = ("cats_dogs", "ants_bees", "bar", "trash", "hive_bees/bees.csv")
SCENES = {  # each has the prompts for it, and those against it (none: all prompts)
    "flowers": (("flowers",), ()),
    "water": (("water", "the sea"), ()),
    "snow": (("snow",), ()),
    "a paved road": (("asphalt",), ()),
    "outdoors": (
        ("a field", "a meadow", "a garden", "a park", "a forest", "green grass", "dry grass", "a mountain", "the sea",
         "a street", "a blue sky", "a beach", "outdoors"),
        ("a living room", "a bedroom", "a kitchen", "a carpet", "a rug", "a sofa", "a blanket", "a bed sheet",
         "a wooden floor", "a tiled floor", "a curtain", "an office", "indoors"),
    ),
}  # fmt: skip
GROUNDS = {  # names for visual words
    "grass": ("green grass", "a field"),
    "flowers": ("flowers",),
    "leaves": ("leaves", "a forest"),
    "snow": ("snow",),
    "sand": ("sand",),
    "soil": ("bare soil",),
    "rocks": ("rocks", "a cliff"),
    "asphalt": ("asphalt", "a street"),
    "water": ("water", "the sea", "underwater"),
    "a floor": ("a wooden floor", "a carpet"),
    "cloth": ("a bed sheet", "fabric"),
    "paper": ("paper",),
    "a wall": ("a brick wall", "a white wall"),
    "sky": ("a blue sky",),
    "bark": ("tree bark",),
    "a stadium": ("a stadium",),
    "a room": ("a living room",),
}
BANDS = (-9.0, 0.0, 0.06, 0.1, 0.14, 0.17, 0.2, 0.23, 0.27, 9.0)
TILE, MOST = 78, 24


def text(session: Session, prompts: tuple[str, ...]) -> Floats:
    """The unit vectors (m, d) of prompts, each the mean of its wordings."""
    wordings = [template.format(prompt) for prompt in prompts for template in concepts.TEMPLATES]
    vectors = unit(session.encoder.encode_text(wordings)).reshape(len(prompts), len(concepts.TEMPLATES), -1)
    return unit(vectors.mean(1))


def make(session: Session, surround: Floats) -> dict[str, np.ndarray]:
    usual = [prompt for prompt, _ in concepts.read_vocabulary(concepts.VOCABULARY)]
    asked = {f"scene.{name}": prompts for name, prompts in SCENES.items()}
    asked |= {f"ground.{name}": (prompts, ()) for name, prompts in GROUNDS.items()}
    every = text(session, tuple(dict.fromkeys([*(p for mine, _ in asked.values() for p in mine), *usual])))
    names, directions = [], []
    for name, (mine, against) in asked.items():
        other = text(session, against).mean(0) if against else every.mean(0)
        # Each prompt alone if the others are all prompts: an image shows water if it looks like any of them.
        rows = text(session, mine) if not against else text(session, mine).mean(0, keepdims=True)
        names += [name] * len(rows)
        directions.append(unit(rows - other))
    return {
        "mean": surround.mean(0).astype(np.float16),
        "names": np.array(names),
        "directions": np.concatenate(directions).astype(np.float16),
    }


def look(scores: Floats, paths: list[Path], out: Path) -> None:
    rng = np.random.default_rng(0)
    picture = Image.new("RGB", (MOST * TILE + 40, (len(BANDS) - 1) * TILE))
    for band, (low, high) in enumerate(pairwise(BANDS)):
        rows = np.flatnonzero((scores >= low) & (scores < high))
        ImageDraw.Draw(picture).text((0, band * TILE), f"{low}\n{len(rows)}", fill="white")
        for k, row in enumerate(rng.permutation(rows)[:MOST]):
            shown = Image.open(paths[row]).convert("RGB")
            shown.thumbnail((TILE, TILE))
            picture.paste(shown, (40 + k * TILE, band * TILE))
    picture.save(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--look", type=Path)
    flags = parser.parse_args()
    session = Session.open("embedded", cache=flags.cache)
    sets = [session.embed(session.scan(flags.real / name)) for name in SETS]
    surround = np.concatenate([np.asarray(e.embeddings.surround, np.float64) for e in sets])
    np.savez_compressed(scenes.WEIGHTS, **make(session, surround))
    scenes.weights.cache_clear()
    if flags.look:
        flags.look.mkdir(parents=True, exist_ok=True)
        paths = [Path(e.dataset.path(k)) for e in sets for k in range(len(e.dataset))]
        for name, scores in scenes.scores(surround, "scene").items():
            look(scores, paths, flags.look / f"{name.replace(' ', '_')}.png")
