"""What stands for an encoder where only its vectors are there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curator.errors import DataError, MissingExtraError
from curator.types import EncoderInfo, Floats, Preprocessing

NOTE = (
    "Embeddings were given and no picture was opened: nothing is measured of light, surroundings, sharpness, shape or files, "
    "nothing is edited, and this report shows no pictures."
)


class Given:
    """Vectors of `dim` numbers, from nobody knows which encoder."""

    def __init__(self, dim: int) -> None:
        key = hashlib.sha256(f"given/{dim}".encode()).hexdigest()
        self._info = EncoderInfo(
            f"given ({dim} numbers)", "given", dim, False, f"sha256:{key}", Preprocessing(224, 224), NOTE
        )

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        raise DataError("embeddings were given without their encoder; name it with --model to embed pictures.")

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        raise MissingExtraError("embeddings were given without their encoder; name the CLIP that made them by --model.")

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """None: nobody knows what the numbers mean."""
        return (), np.empty((len(vectors), 0), dtype=np.float32)
