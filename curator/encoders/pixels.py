"""An encoder without weights: colour and gradient histograms. For tests, for CI, and as a baseline for other encoders."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curator.errors import InputError, MissingExtraError
from curator.types import EncoderInfo, Floats, Preprocessing

SIZE = 64
GRID = 3  # cells per side
HUES, GREYS, ANGLES = 8, 4, 8  # bins per cell
JOINT = 4  # levels per channel of the colour histogram of the whole image
DIM = GRID * GRID * (HUES + GREYS + ANGLES) + JOINT**3  # 9 * 20 + 64 = 244
VERSION = 1
PREPROCESSING = Preprocessing(size=SIZE, resize_to=SIZE, mode="squash", interpolation="box")


class Pixels:
    """244 numbers: 8 hues, 4 greys and 8 gradient directions for each cell of a 3 x 3 grid, and 64 colours of the whole image.

    They are square roots of shares, so that a dot product compares histograms (Bhattacharyya). Needs only numpy.
    """

    def __init__(self) -> None:
        key = hashlib.sha256(f"pixels/{VERSION}/{DIM}/{PREPROCESSING}".encode()).hexdigest()
        self._info = EncoderInfo("pixels", "pixels", DIM, False, f"sha256:{key}", PREPROCESSING)

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        """(b, 64, 64, 3) uint8 -> (b, 244) float32 of unit norm."""
        if inputs.ndim != 4 or inputs.shape[1:] != (SIZE, SIZE, 3) or inputs.dtype != np.uint8:
            raise InputError(
                f"--model pixels got images of {inputs.shape} {inputs.dtype}; (n, 64, 64, 3) uint8 is needed."
            )
        out = np.empty((len(inputs), DIM), dtype=np.float32)
        for i, image in enumerate(inputs):
            out[i] = _histograms(image)
        return out

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        raise MissingExtraError("--model pixels cannot read text prompts; use a CLIP model for these (see --model).")

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """No concepts, because pixels have no names."""
        return (), np.empty((len(vectors), 0), dtype=np.float32)


def _histograms(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    rgb = image.astype(np.float64) / 255
    high, low = rgb.max(axis=2), rgb.min(axis=2)
    chroma = high - low
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    safe = np.where(chroma > 0, chroma, 1)
    sixths = np.select(
        [chroma == 0, high == red, high == green],
        [np.zeros_like(chroma), ((green - blue) / safe) % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    hue = np.minimum((sixths / 6 * HUES).astype(int), HUES - 1)
    grey = np.minimum((rgb.mean(axis=2) * GREYS).astype(int), GREYS - 1)
    dy, dx = np.gradient(rgb.mean(axis=2))
    angle = np.minimum((np.mod(np.arctan2(dy, dx), np.pi) / np.pi * ANGLES).astype(int), ANGLES - 1)
    row, column = np.indices((SIZE, SIZE)) * GRID // SIZE
    cell = row * GRID + column

    def per_cell(bins: NDArray[np.int_], n_bins: int, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = (cell * n_bins + bins).ravel()
        found = np.bincount(flat, weights=weights.ravel(), minlength=GRID * GRID * n_bins)
        return np.asarray(found, dtype=np.float64)

    levels = np.minimum((rgb * JOINT).astype(int), JOINT - 1)
    joint = np.bincount((levels @ [JOINT * JOINT, JOINT, 1]).ravel(), minlength=JOINT**3)
    colour = np.concatenate([per_cell(hue, HUES, chroma), per_cell(grey, GREYS, 1 - chroma)])
    blocks = [colour, per_cell(angle, ANGLES, np.hypot(dx, dy)), joint.astype(np.float64)]
    # Each block has the same weight. An image without gradients has only the other two blocks.
    found = np.concatenate([np.sqrt(block / max(block.sum(), 1e-9)) for block in blocks])
    return np.asarray(found / np.linalg.norm(found), dtype=np.float64)


def create(argument: str, *, cache: Path, device: str = "auto", jobs: int = 0, precision: str = "fp32") -> Pixels:
    """`--model pixels`, which takes no argument and runs exactly, on the CPU, for every device and precision."""
    if argument:
        raise InputError(f"--model pixels takes nothing after it; found {argument!r}; leave it out.")
    return Pixels()


FACTORY = create
