"""Two classes of images of which only what is seen at each place is made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
from changed import replace
from photos import Texts, embedded

from curator import attributes
from curator.commands._steps.pattern_places import illustrate
from curator.config import Settings
from curator.shortcuts import indicators
from curator.shortcuts.shared_patterns import shared_patterns
from curator.types import Box, Embedded, Patches, Preprocessing, Salience, SharedPattern

GRID, N = 14, 40


CUT = Preprocessing(size=224, resize_to=256)


GROUND, STICKER, OBJECT = 0, 1, 2


GREEN, SAND = (60, 120, 40), (200, 170, 110)


class World:
    """Two classes of 40 pictures of many sizes: the object lies in the middle of all; around that of the first, a sticker.

    Only what is seen at each place is made up. Words, kinds, shares and boxes are found by the real code.
    """

    def __init__(self, stuck: int = N) -> None:
        rng = np.random.default_rng(3)
        seen = np.full((2 * N, GRID, GRID), GROUND)
        self.sizes = [(int(w), int(h)) for w, h in rng.integers(200, 900, (2 * N, 2))]
        self.sticker: dict[str, tuple[int, int]] = {}
        for i in range(stuck):
            y, x = (int(v) for v in rng.integers(0, 3, 2))
            x += 8 * int(rng.integers(0, 2))
            seen[i, y : y + 3, x : x + 3] = STICKER
            self.sticker[f"{i:04d}.jpg"] = x, y
        seen[:, 6:10, 5:9] = OBJECT
        features = np.zeros((*seen.shape, 8), np.int8)
        np.put_along_axis(features, seen[..., None], 127, axis=3)
        colour = np.broadcast_to(np.array(SAND, np.uint8), (*seen.shape, 3)).copy()
        colour[:N, 10:] = GREEN
        base = embedded(rng.normal(size=(2 * N, 6)), rows=self.rows())
        # The object is located, and it is what stands out.
        located = np.where(seen == OBJECT, 255, 0).astype(np.uint8)
        patches = Patches(
            base.dataset.ids, features, located, colour, np.zeros(seen.shape, np.uint8), "made",
            Salience(np.arange(2 * N), located),
        )  # fmt: skip
        self.labels = np.repeat([0, 1], N).astype(np.int32)
        facts = pd.DataFrame(self.sizes, columns=["width", "height"], index=base.facts.index)
        self.data: Embedded = replace(
            base,
            patches=patches,
            facts=facts,
            dataset=replace(base.dataset, labels=self.labels, classes=("cat", "dog")),
            embeddings=replace(base.embeddings, encoder=replace(base.embeddings.encoder, preprocessing=CUT)),
        )

    @staticmethod
    def rows() -> pd.DataFrame:
        return pd.DataFrame(
            {"background.colour": ["green"] * N + ["brown"] * N, "file.format": ["PNG"] * N + ["JPEG"] * N}
        )

    def patterns(self, data: Embedded | None = None) -> tuple[SharedPattern, ...]:
        data = data or self.data
        found = attributes.measures(self.data, Texts({}, 4, text=False), Settings())
        table = indicators.build(found, (0.5,))
        shared = shared_patterns(table, self.labels, ("cat", "dog"))
        return illustrate(shared, data, self.labels, table)["cat"]

    def on_disk(self, x: int, y: int, side: int, id: str) -> Box:
        """Where places of the input lie in the picture, worked out from how the input is cut."""
        width, height = self.sizes[int(id[:4])]
        scale = 256 / min(width, height)
        left, top = (scale * width - 224) / 2, (scale * height - 224) / 2
        return tuple(round((o + 16 * v) / scale) for o, v in ((left, x), (top, y), (left, x + side), (top, y + side)))  # type: ignore[return-value]
