"""A few scenes that the encoder `embedded` tells without being asked: flowers, water, snow, a paved road, outdoors.

CLIP tests its whole vocabulary (see `concepts`). The text tower of `embedded` is too weak for that: most of its prompts
split a data set by something else. For these few the score of an image means the same in every data set.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.attributes import SetFamily
from curator.config import Settings
from curator.similarity.vectors import unit
from curator.types import Column, Embedded, Encoder, Floats, Measures

WEIGHTS = Path(__file__).with_name("scenes.npz")
"""Made by `benchmarks/wild/make_scenes.py` from text alone, and the mean of the surroundings of 3,481 photographs."""
CUTS = {"flowers": 0.2, "water": 0.2, "snow": 0.24, "a paved road": 0.15, "outdoors": 0.06}
"""Minimum score (cosine), chosen by eye on five real sets: about nine of ten photographs above it show the scene."""
BIAS = 0.1
"""Effect (0..1) that misread scenes may cause: pale boards are sometimes snow, and leaves flowers."""
_PHRASES = {
    "outdoors": ("were taken outdoors", "were not taken outdoors", "that were not taken outdoors"),
}


@cache
def weights() -> dict[str, NDArray[np.float64]]:
    """The directions (m, d) of each "scene.<name>" and "ground.<name>", and the mean surroundings (d,) as "mean"."""
    with np.load(WEIGHTS, allow_pickle=False) as file:
        names, directions = file["names"], file["directions"].astype(np.float64)
        found = {name: directions[names == name] for name in dict.fromkeys(names.tolist())}
        return {"mean": file["mean"].astype(np.float64), **found}


def scores(surround: Floats, kind: str) -> dict[str, NDArray[np.float64]]:
    """The score (n,) of every "scene", or of every "ground", for images by their vectors without the object (n, d): -1..1.

    Scenes have a cut that holds in every data set. Grounds have none; they only rank the images of one set.

    Error: the object is covered before the image is embedded, not taken away, so a bee leaves some of its flower.
    """
    known = weights()
    centred = unit(np.asarray(surround, np.float64) - known["mean"])
    mine = {name.removeprefix(f"{kind}."): rows for name, rows in known.items() if name.startswith(f"{kind}.")}
    return {name: (centred @ rows.T).max(1) for name, rows in mine.items()}


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    surround = embedded.embeddings.surround
    if encoder.info.kind != "embedded" or surround is None:
        return Measures(pd.DataFrame(index=embedded.rows.index), ())
    frame = {f"scene.{name}": score >= CUTS[name] for name, score in scores(surround, "scene").items()}
    columns = tuple(_column(name) for name in CUTS)
    return Measures(pd.DataFrame(frame, index=embedded.rows.index)[[c.name for c in columns]], columns)


def _column(name: str) -> Column:
    yes, no, without = _PHRASES.get(name, (f"show {name}", f"do not show {name}", f"that do not show {name}"))
    return Column(
        f"scene.{name}",
        "flag",
        "context",
        f"{yes}|{no}",
        without,
        absence=False,
        bias=BIAS,
        around=True,
        rank=-1,
        edit="surroundings",
        planted_by=("tint", "patch"),
    )


FAMILY = SetFamily(_derive)
