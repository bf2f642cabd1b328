"""Learn `curator/regions/foreground_weights.txt`: where the object is, from the features of the places.

    python benchmarks/wild/train_foreground.py --real REAL --kit KIT --bank BANK

REAL holds folders of photographs, KIT and BANK are those of the quality benchmark. The labels are the salient objects that
U2-Net finds in the photographs, where it is sure, and the true masks of composed images of the development half. With
--without NAME a folder is left out, which shows how the weights do on images of another kind.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

from curator.commands.session import default_cache
from curator.encoders import _saliency
from curator.encoders.embedded import PREPROCESSING, Embedded
from curator.errors import DataError
from curator.io.decoding import images
from curator.regions import foreground
from curator.types import Floats, Mask

sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))
from bank import SCENES, Bank, Key

N_IMAGES = 200
"""Photographs of each folder; every folder has the same weight."""
SURELY_NOT, SURELY, PLACES = 0.1, 0.8, 4
"""Below the first mean salience a place surely belongs to the surroundings, from the second on to the object. Images with fewer
sure places of the object than the third are left out."""
TOUCHES = 0.05
"""A composed place with this much of the object in it is a place of the object."""
STRENGTH, N_PLACES = 0.02, 120_000
"""Inverse regularisation, and places that the weights are fitted on."""

Part = tuple[Floats, Mask]


def photographs(folder: Path, eye: Embedded, rng: np.random.Generator) -> Part:
    """Cues (m, c) and labels (m,) of the sure places of some photographs."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png", ".ppm"))
    shown = []
    for k in rng.permutation(len(paths)):
        try:
            shown.append(images.decode(paths[k], PREPROCESSING).input)
        except DataError:
            continue
        if len(shown) == N_IMAGES:
            break
    inputs = np.stack(shown)
    maps = _saliency.SalientObjects().maps(inputs, eye.grid)
    found = (maps >= SURELY).sum((1, 2)) >= PLACES
    sure = ((maps < SURELY_NOT) | (maps >= SURELY)) & found[:, None, None]
    return foreground.cues(features(inputs, eye))[sure], (maps > 0.5)[sure]


def composed(kit: Path, bank: Path, eye: Embedded) -> Part:
    """Cues and labels of all places of composed images of the development half."""
    stock = Bank(kit, bank)
    keys = [Key(s, 0, scene, "usual", i) for s in sorted(stock.cutouts("dev")) for scene in SCENES for i in (0, 1)]
    stock.fill(keys)
    inputs = np.stack([images.decode(stock.picture(key), PREPROCESSING).input for key in keys])
    side = PREPROCESSING.size // eye.grid
    masks = np.stack([_seen(stock.mask(key)) for key in keys]).reshape(len(keys), eye.grid, side, eye.grid, side)
    return foreground.cues(features(inputs, eye)).reshape(-1, foreground.N_CUES), masks.mean((2, 4)).ravel() >= TOUCHES


def features(inputs: NDArray[np.uint8], eye: Embedded) -> Floats:
    return np.concatenate([eye.look(inputs[k : k + 32])[1] for k in range(0, len(inputs), 32)])


def _seen(path: Path) -> NDArray[np.float64]:
    """A mask (size, size), 0..1, as the encoder sees the image."""
    image = Image.open(path).convert("L")
    scale = PREPROCESSING.resize_to / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = ((s - PREPROCESSING.size) // 2 for s in image.size)
    return np.asarray(image.crop((left, top, left + PREPROCESSING.size, top + PREPROCESSING.size))) / 255.0


def fit(parts: list[Part], rng: np.random.Generator) -> Floats:
    """The weights (c + 1,), the last being the intercept. Every part has the same weight."""
    share = np.concatenate([np.full(len(y), 1 / len(y)) for _, y in parts]) / len(parts)
    picked = rng.choice(len(share), N_PLACES, p=share)
    x, y = np.concatenate([a for a, _ in parts]), np.concatenate([b for _, b in parts])
    fitted = LogisticRegression(C=STRENGTH, max_iter=300).fit(x[picked], y[picked])
    return np.asarray(np.r_[fitted.coef_[0], fitted.intercept_], np.float32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--without", default="")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, default=foreground.WEIGHTS)
    flags = parser.parse_args()
    rng = np.random.default_rng(0)
    eye = Embedded(flags.cache)
    folders = [f for f in sorted(flags.real.iterdir()) if f.is_dir() and f.name != flags.without]
    found = [*(photographs(f, eye, rng) for f in folders), composed(flags.kit, flags.bank, eye)]
    weights = fit(found, rng)
    flags.out.write_text("\n".join(f"{w:.5g}" for w in weights) + "\n", encoding="utf-8")
    print(json.dumps({"folders": [f.name for f in folders], "places": [len(y) for _, y in found]}))
