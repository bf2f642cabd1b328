"""Stands for the encoder if only its vectors are given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curator.errors import DataError, MissingExtraError
from curator.types import EncoderInfo, Floats, Preprocessing

NOTE = (
    "Embeddings were given, so no image was opened. Light, surroundings, sharpness, shape and files were not measured, no "
    "image was edited, and this report shows no images."
)


class Given:
    """Vectors of `dim` numbers from an unknown encoder."""

    def __init__(self, dim: int) -> None:
        key = hashlib.sha256(f"given/{dim}".encode()).hexdigest()
        self._info = EncoderInfo(
            f"given ({dim} numbers)", "given", dim, False, f"sha256:{key}", Preprocessing(224, 224), NOTE
        )

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        raise DataError("the embeddings were given without their encoder; name it with --model to embed images.")

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        raise MissingExtraError("the embeddings were given without their encoder; name its CLIP with --model.")

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """No concepts, because the meaning of the numbers is unknown."""
        return (), np.empty((len(vectors), 0), dtype=np.float32)
