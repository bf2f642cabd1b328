"""Usual colours of things, from language: dirt is brown, snow is white. They improve prompts if the text tower is weak."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from curator.attributes.colour import NAMES, name_map
from curator.types import Floats, Patches

TABLE = Path(__file__).with_name("usual_colours.txt")
SHARPNESS = 0.05
"""A word of the table gets e times less weight for each 0.05 of cosine that it is further from the prompt."""
KNOWN = 0.7
"""Cosine at which a word's colours and the mean colours of the table have equal weight."""

CHUNK = 4096  # images at a time; each needs about 10 kB for its colour names


@cache
def table() -> tuple[tuple[str, ...], Floats]:
    """The words of the table and their expected shares (k, 11) of `colour.NAMES`. The k-th colour of a word has weight 1/k."""
    words, rows = [], []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            names, _, colours = line.partition(": ")
            row = np.zeros(len(NAMES), np.float32)
            for rank, colour in enumerate(colours.split()):
                row[NAMES.index(colour)] = 1 / (rank + 1)
            for name in names.split(" | "):
                words.append(name)
                rows.append(row / row.sum())
    return tuple(words), np.stack(rows)


def expected(prompts: Floats, words: Floats, shares: Floats) -> Floats:
    """The colours that prompts imply: unit vectors (m, 11), the square roots of shares.

    `prompts` (m, d) and `words` (k, d) are unit text vectors. `shares` (k, 11) are the table's colours of the words. The
    result is a mean over the words weighted by nearness (Nadaraya 1964, Watson 1964). Prompts far from all words are drawn
    towards the mean of the table.

    Error: a prompt that is not in the table gets the mean colours, or the colours of a word that is only near.
    """
    near = np.exp((prompts @ words.T - 1) / SHARPNESS)
    nothing = np.exp((KNOWN - 1) / SHARPNESS)
    found = (near @ shares + nothing * shares.mean(0)) / (near.sum(1, keepdims=True) + nothing)
    return np.asarray(np.sqrt(found / found.sum(1, keepdims=True)), np.float32)


def seen(patches: Patches) -> Floats:
    """The colours of the places off the object: unit vectors (n, 11), the square roots of shares.

    The product of two such vectors is the Bhattacharyya coefficient: 1 for equal colours, 0 if they share none.
    """
    found = np.concatenate([_areas(patches, k) for k in range(0, max(len(patches), 1), CHUNK)])
    return np.asarray(np.sqrt(found / found.sum(1, keepdims=True)), np.float32)


def _areas(patches: Patches, start: int) -> Floats:
    """The area (b, 11) of each colour outside the object, for `CHUNK` images from `start` on."""
    names = name_map(patches.colour[start : start + CHUNK])
    # The small offset makes all places count equally in an image that is all object.
    free = 1.001 - patches.foreground[start : start + CHUNK].astype(np.float32) / 255
    return np.stack([(free * (names == colour)).sum((1, 2)) for colour in range(len(NAMES))], axis=1)
