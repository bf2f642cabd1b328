"""A text tower for a classifier: one ridge regression maps prompts to pseudo class weights.

Source: Frome et al. 2013, DeViSE (NeurIPS 26), with the classifier's rows as the looks of classes, and closed-form ridge
instead of their ranking loss. Classes are nearly all objects. So `surroundings.txt` says where each kind of thing is usually
photographed, and the mean of its classes' rows represents such a place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from curator.encoders import _cache, _onnx, _sentences
from curator.types import Floats

VERSION = 1  # increase it when the text vectors change for any other reason than weights, names or surroundings
# Ridge strength, and the weight of a place relative to a class. Chosen by leaving out one place at a time, without photographs
# (mean cosine of its predicted with its true prototype 0.44; 0.41 to 0.44 for either at half or three times the value).
STRENGTH = 3.0
PLACE_WEIGHT = 3.0


def surroundings(names: Sequence[str]) -> list[tuple[tuple[str, ...], list[int]]]:
    """(words for a place, the classes photographed there), as rows of `names`, for each line of surroundings.txt."""
    row = {name: i for i, name in enumerate(names)}
    found = []
    for line in _surroundings_text().splitlines():
        if line and not line.startswith("#"):
            words, _, classes = line.partition(": ")
            found.append((tuple(words.split(" | ")), [row[name] for name in classes.split("; ")]))
    return found


def _surroundings_text() -> str:
    return resources.files(__package__).joinpath("surroundings.txt").read_text(encoding="utf-8")


def fit(weight: Floats, names: Sequence[str], encode: Callable[[Sequence[str]], Floats]) -> tuple[Floats, Floats]:
    """The mean sentence vector (e,), and the map (e, d) from a sentence vector minus that mean to image features.

    `weight` (k, d) are the classifier's rows for `names` (k,). `encode` makes (m, e) sentence vectors.
    Error: 1000 names say little about scenes; see docs/methods.md for how well prompts distinguish them.
    """
    rows = _unit(weight.astype(np.float64) - weight.mean(0, dtype=np.float64))
    places = surroundings(names)
    looks = np.stack([rows[members].mean(0) for _, members in places])
    looks = _unit(looks - looks.mean(0))  # what all places share (outdoors, no object) does not distinguish them
    x = np.asarray(encode([*names, *(word for words, _ in places for word in words)]), np.float64)
    lengths = [len(words) for words, _ in places]
    y = np.concatenate([rows, np.repeat(looks, lengths, axis=0)])
    share = np.concatenate([np.ones(len(rows)), np.repeat([PLACE_WEIGHT / n for n in lengths], lengths)])
    mean = share @ x / share.sum()
    centred = x - mean
    gram = centred.T @ (share[:, None] * centred) + STRENGTH * np.eye(x.shape[1])
    matrix = np.linalg.solve(gram, centred.T @ (share[:, None] * y))
    return mean.astype(np.float32), matrix.astype(np.float32)


class TextTower:
    """Prompts -> unit vectors in the space of a classifier's features. The sentence model is loaded only for new prompts."""

    def __init__(
        self, folder: Path, names: Callable[[], tuple[str, ...]], weight: Callable[[], Floats], dim: int
    ) -> None:
        key = hashlib.sha256(
            f"{VERSION}/{_sentences.FINGERPRINT}/{STRENGTH}/{PLACE_WEIGHT}/{_surroundings_text()}".encode()
        )
        self._folder = folder / f"text-{key.hexdigest()[:8]}"
        self._names, self._weight, self._dim = names, weight, dim
        self._model: _sentences.Sentences | None = None
        self._map: tuple[Floats, Floats] | None = None

    def encode(self, prompts: Sequence[str]) -> Floats:
        """(m,) prompts -> (m, dim) float32 of unit norm. Raises MissingExtraError if the sentence model is missing."""
        return _cache.remembered(self._folder / "prompts.npz", prompts, self._encode, self._dim)

    def _encode(self, prompts: list[str]) -> Floats:
        if self._model is None:
            self._model = _sentences.Sentences()
        if self._map is None:
            path = self._folder / "map.npz"
            kept = _cache.read_arrays(path, ("mean", "matrix"))
            self._map = (kept[0], kept[1]) if kept else fit(self._weight(), self._names(), self._model.encode)
            if not kept:
                mean, matrix = self._map
                _cache.try_to_write(path, lambda name: np.savez(name, mean=mean, matrix=matrix))
        mean, matrix = self._map
        return _onnx.unit((self._model.encode(prompts) - mean) @ matrix)


def _unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12))
