"""Photos and embedded data sets made of arrays, for the tests of what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from curator.similarity.vectors import unit
from curator.types import Dataset, Embedded, Embeddings, EncoderInfo, FileFacts, Photo, Preprocessing


def photo(pixels: np.ndarray, **facts: object) -> Photo:
    """A decoded photo of these pixels; its file is an 8-bit RGB JPEG of their size unless `facts` says otherwise."""
    height, width = pixels.shape[:2]
    about: dict[str, object] = {
        "format": "JPEG", "mode": "RGB", "width": width, "height": height, "n_bytes": 1000, "sha256": "0" * 64,
    }  # fmt: skip
    return Photo(FileFacts(**{**about, **facts}), pixels.astype(np.uint8), np.zeros((8, 8, 3), np.uint8), 0)  # type: ignore[arg-type]


def plain(colour: Sequence[int], height: int = 60, width: int = 80) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


class Texts:
    """An encoder whose text tower knows the vectors of a few prompts; every other prompt is far from all images."""

    def __init__(self, known: Mapping[str, np.ndarray], dim: int, text: bool = True) -> None:
        self.known, self.dim = known, dim
        self.info = EncoderInfo("texts", "open_clip", dim, text, "sha256:0", Preprocessing(8, 8))

    def encode(self, inputs: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def encode_text(self, prompts: Sequence[str]) -> np.ndarray:
        nothing = np.eye(self.dim)[-1]
        return np.stack([next((v for k, v in self.known.items() if k in p), nothing) for p in prompts]).astype("f4")

    def concepts(self, vectors: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        return (), np.zeros((len(vectors), 0), np.float32)


def embedded(
    vectors: np.ndarray, metadata: Mapping[str, object] | None = None, rows: pd.DataFrame | None = None
) -> Embedded:
    """A data set of one class with these vectors and the user's columns."""
    n = len(vectors)
    ids = np.array([f"{i:04d}.jpg" for i in range(n)], dtype=np.str_)
    frame = pd.DataFrame(metadata or {}, index=pd.Index(ids))
    dataset = Dataset("made", "/nowhere", ids, np.zeros(n, np.int32), ("thing",), np.array([""] * n), frame)
    info = EncoderInfo("texts", "open_clip", vectors.shape[1], True, "sha256:0", Preprocessing(8, 8))
    measured = pd.DataFrame(index=pd.Index(ids)) if rows is None else rows.set_axis(pd.Index(ids))
    return Embedded(dataset, Embeddings(ids, unit(vectors), info), measured, pd.DataFrame(index=pd.Index(ids)), n, 0.0)
