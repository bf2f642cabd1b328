"""How well do prompts of `embedded` find their scene? AUC of each scene against the others, by where one looks.

    python benchmarks/quality/text_tower.py --kit PATH

Photographs of the kit with cut-outs 1 and up and seeds that were not used in development (cut-out 0, seeds 1 to 20), 256
px. The kit has few pictures of each ground (three of dirt, eight of grass), and development saw them all: no ground here is
new, only its view, the animal and its place. `plain` is the cosine of centred vectors with the prompt; `varied` multiplies
the prompt by the covariance of the vectors first: of all directions the prompt names, those count in which these pictures
differ. Both know the six scenes, as prompts are centred by their mean. `asked` does not: it is the score of an audit
(`attributes.concepts`), which reads each prompt among its vocabulary, and the colours off the object with it. Writes
results/text_tower.json.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from curator.attributes import concepts
from curator.commands.session import default_cache, versions
from curator.encoders import embedded
from curator.io.decoding.images import prepare
from curator.regions import foreground, patches
from curator.types import Dataset, Embedded, Embeddings

RESULT = Path(__file__).parent.parent / "results" / "text_tower.json"
SCENES = {
    "grass": "grass", "snow": "snow", "carpet": "carpet", "wood_floor": "wooden floor", "sand": "sand", "dirt": "dirt",
}  # fmt: skip
ANIMALS = {
    "bunny": "a rabbit", "hen": "a hen", "dog": "a dog", "sheep": "a sheep", "cow": "a cow", "frog": "a frog",
    "squirrel": "a squirrel", "insect": "an insect", "ape": "an ape", "parrot": "a parrot", "songbird": "a songbird",
}  # fmt: skip
TEMPLATES = ("a photo of {}.", "a photo with {} in it.", "{}.")
SEED, N = 5101, 48
SIZES = {"large": (0.40, 0.62), "small": (0.18, 0.28)}


def photographs(kit: Path, scale: tuple[float, float], n: int) -> tuple[np.ndarray, np.ndarray, list[str], list[str]]:
    """(inputs, which of the 7 x 7 places are free of the animal, scenes, species), n for each scene."""
    sys.path.insert(0, str(kit))
    from compose import Kit

    made = Kit(kit)
    inputs, free, scenes, species = [], [], [], []
    for scene in SCENES:
        for i in range(n):
            rng = random.Random(f"{SEED}/{scene}/{i}")
            animal = list(made.species)[i % len(made.species)]
            cutout = rng.randrange(1, len(made.species[animal]))
            photo, mask = made.photograph(animal, cutout, scene, 256, rng, scale)
            inputs.append(prepare(photo, embedded.PREPROCESSING))
            inside = np.asarray(mask)[16:240, 16:240] > 0  # the crop that the encoder sees
            free.append(inside.reshape(7, 32, 7, 32).mean((1, 3)) < 0.05)
            scenes.append(scene)
            species.append(animal)
    return np.stack(inputs), np.stack(free), scenes, species


def audited(encoder: embedded.Embedded, inputs: np.ndarray) -> Embedded:
    """What an audit knows of these pictures when it asks prompts."""
    whole, around, rows = [], [], []
    for start in range(0, len(inputs), 32):
        batch = inputs[start : start + 32]
        vectors, places = encoder.look(batch)
        whole.append(vectors)
        around.append(encoder.encode(foreground.cover(batch, foreground.foreground(places))))
        rows.append(patches.pack(batch, places))
    n = len(inputs)
    ids = np.array([f"{i:04d}.jpg" for i in range(n)])
    nothing = pd.DataFrame(index=pd.Index(ids))
    return Embedded(
        Dataset("photographs", "", ids, np.zeros(n, np.int32), ("animal",), np.array([""] * n), nothing),
        Embeddings(ids, np.concatenate(whole), encoder.info, np.concatenate(around)),
        nothing,
        nothing,
        n,
        0.0,
        patches.unpack(ids, np.concatenate(rows), embedded.GRID, encoder.info.fingerprint),
    )


def unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12))


def pooled(encoder: embedded.Embedded, inputs: np.ndarray, free: np.ndarray) -> dict[str, np.ndarray]:
    """Unit vectors by where the features are averaged: the whole picture, its rim, the true background."""
    out: dict[str, list[np.ndarray]] = {"whole picture": [], "outer ring": [], "true background": []}
    for start in range(0, len(inputs), 32):
        grid = encoder.patches(inputs[start : start + 32])[0]
        keep = free[start : start + 32, :, :, None]
        out["whole picture"].append(grid.mean((1, 2)))
        out["outer ring"].append(grid[:, embedded.OUTER].mean(1))
        out["true background"].append((grid * keep).sum((1, 2)) / np.maximum(keep.sum((1, 2)), 1))
    return {name: unit(np.concatenate(parts)) for name, parts in out.items()}


def scores(vectors: np.ndarray, towers: np.ndarray, varied: bool) -> np.ndarray:
    """(n, m) agreement of pictures and prompts; both centred."""
    x = vectors - vectors.mean(0)
    found = x @ towers.T
    return np.asarray(x @ (x.T @ found) / len(x) if varied else found)


def prompts(encoder: embedded.Embedded, words: list[str]) -> np.ndarray:
    texts = [template.format(word) for word in words for template in TEMPLATES]
    return unit(encoder.encode_text(texts).reshape(len(words), len(TEMPLATES), -1).mean(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    args = parser.parse_args()
    encoder = embedded.Embedded(args.cache, "cpu")
    rows = []
    for size, scale in SIZES.items():
        inputs, free, scenes, species = photographs(args.kit, scale, N)
        views = pooled(encoder, inputs, free)
        known = audited(encoder, inputs)
        assert known.embeddings.surround is not None
        views["without the object"] = known.embeddings.surround
        for kind, words, truth in (("scene", SCENES, scenes), ("animal", ANIMALS, species)):
            towers = prompts(encoder, list(words.values()))
            for view, vectors in views.items():
                for how in ("plain", "varied", "asked, no colours", "asked"):
                    if not how.startswith("asked"):
                        found = scores(vectors, towers - towers.mean(0), how == "varied")
                    elif kind == "scene" and view == "without the object":
                        of = known if how == "asked" else replace(known, patches=None)
                        found = concepts.agreement(tuple(words.values()), encoder, of)
                    else:
                        continue
                    auc = {w: float(roc_auc_score(np.array(truth) == w, found[:, j])) for j, w in enumerate(words)}
                    rows.append(
                        {"of": kind, "animals": size, "view": view, "score": how, "auc": auc,
                         "mean": float(np.mean(list(auc.values())))}
                    )  # fmt: skip
                    print(kind, size, view, how, {k: round(v, 3) for k, v in auc.items()}, round(rows[-1]["mean"], 3))
    content = {
        "schema": "curator.benchmark/1", "seed": SEED, "n_per_scene": N, "encoder": encoder.info.fingerprint,
        "prompts": {**SCENES, **ANIMALS}, "templates": TEMPLATES, "rows": rows, "versions": dict(versions()),
    }  # fmt: skip
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
