"""The surroundings of the object: their colours, brightness and texture."""

from __future__ import annotations

import numpy as np

from curator.attributes import PhotoFamily, Value
from curator.attributes._surround import grey, surround
from curator.attributes.colour import NAMES, names_around, shares
from curator.types import Column, Photo

ENOUGH = 0.3
"""A background has a colour if the colour covers this fraction of it, so a background has at most three colours."""


def _measure(photo: Photo) -> dict[str, Value]:
    mask, _ = surround(photo)
    share = shares(names_around(photo))
    levels = grey(photo)
    across = np.abs(np.diff(levels, axis=1, append=levels[:, -1:]))
    return {
        "background.colour": "|".join(NAMES[k] for k in np.argsort(-share, kind="stable") if share[k] >= ENOUGH),
        "background.brightness": float(levels[mask].mean() / 255),
        "background.texture": float(across[mask].mean() / 255),
    }


FAMILY = PhotoFamily(
    columns=(
        Column(
            "background.colour",
            "tags",
            "context",
            "have a {value} background",
            "on something other than {value}",
            # Everything is grey in the dark. If the light predicts the class as well, the light names the finding.
            reported_late=("grey", "black"),
            place="colour",
            edit="surroundings",
            planted_by=("tint",),
            around=True,
        ),
        Column(
            "background.brightness",
            "number",
            "context",
            "have background brightness {value}",
            "with background brightness not {value}",
            "0..1",
            marked="below",
            rank=2,
            edit="surroundings",
            planted_by=("tint",),
            around=True,
            sides=("have a dark background", "have a bright background"),
        ),
        Column(
            "background.texture",
            "number",
            "context",
            "have background texture {value}",
            "with background texture not {value}",
            "mean step between neighbours, 0..1",
            rank=2,
            edit="surroundings",
            planted_by=("tint",),
            around=True,
            sides=("have a plain background", "have a busy background"),
        ),
    ),
    measure=_measure,
    version=2,
)
