"""What language knows of colour: dirt is brown, snow is white. A second reading of prompts, for a weak text tower."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from curator.attributes.colour import NAMES, name_map
from curator.types import Floats, Patches

TABLE = Path(__file__).with_name("usual_colours.txt")
SHARPNESS = 0.05
"""A word of the table counts e times less for each 0.05 of cosine that it lies further from the prompt."""
KNOWN = 0.7
"""The cosine at which what the table says of a word counts as much as knowing nothing."""

CHUNK = 4096  # images at once; the names of one take about 10 kB on the way


@cache
def table() -> tuple[tuple[str, ...], Floats]:
    """The words of the table and the shares (k, 11) of `colour.NAMES` that are expected; the k-th colour counts 1/k."""
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
    """The colours that prompts speak of: unit vectors (m, 11), the roots of shares.

    `prompts` (m, d) and `words` (k, d) are unit text vectors, `shares` (k, 11) what the table says of the words. A mean over
    the words by nearness (Nadaraya 1964, Watson 1964), drawn towards the mean of the table for prompts far from all of them.

    Error: a prompt that the table does not know gets no colour, or that of a word which is merely near.
    """
    near = np.exp((prompts @ words.T - 1) / SHARPNESS)
    nothing = np.exp((KNOWN - 1) / SHARPNESS)
    found = (near @ shares + nothing * shares.mean(0)) / (near.sum(1, keepdims=True) + nothing)
    return np.asarray(np.sqrt(found / found.sum(1, keepdims=True)), np.float32)


def seen(patches: Patches) -> Floats:
    """The colours of the places off the object: unit vectors (n, 11), the roots of shares.

    The product of two such roots is the Bhattacharyya coefficient: 1 for the colours expected, 0 for none of them.
    """
    found = np.concatenate([_areas(patches, k) for k in range(0, max(len(patches), 1), CHUNK)])
    return np.asarray(np.sqrt(found / found.sum(1, keepdims=True)), np.float32)


def _areas(patches: Patches, start: int) -> Floats:
    """How much (b, 11) of what is not the object has each colour, in `CHUNK` images from the one at `start` on."""
    names = name_map(patches.colour[start : start + CHUNK])
    # A picture that is all object has nothing else to show; then its places count alike.
    free = 1.001 - patches.foreground[start : start + CHUNK].astype(np.float32) / 255
    return np.stack([(free * (names == colour)).sum((1, 2)) for colour in range(len(NAMES))], axis=1)
