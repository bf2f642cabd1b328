"""Vectors to draw learning curves from: many photographs of every species, embedded once and kept.

Very small animals on mixed scenes, so that a few dozen images of each are not enough. The two halves share no cut-out (see
`quality/bank.py`): the fit was developed on the one, figures come from the other.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curator.io.decoding.images import decode, prepare
from curator.types import Encoder, Floats, Ints

sys.path.insert(0, str(Path(__file__).parent / "quality"))
from bank import SCENES, SIDE, Bank, Half, _kit

PER_SPECIES = 420
"""Photographs of each species: 6 scenes, 70 views of each."""
SCALES = {"tiny": (0.08, 0.13), "little": (0.12, 0.18)}
"""The animal's longer side as a fraction of the picture's. At 0.2 and more 40 images of a species are enough for 98 %."""
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Stock:
    """Vectors (n, d) of unit norm with their labels (n,), and the names of the classes."""

    vectors: Floats
    labels: Ints
    classes: tuple[str, ...]

    def take(self, classes: Sequence[str]) -> Stock:
        """The images of these classes, labels counted anew."""
        rows = [np.flatnonzero(self.labels == self.classes.index(c)) for c in classes]
        labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(r) for r in rows])
        return Stock(self.vectors[np.concatenate(rows)], labels, tuple(classes))


def photokit(kit: Path, folder: Path, half: Half, size: str, encoder: Encoder) -> Stock:
    """Every species of the kit, `PER_SPECIES` photographs each."""
    vectors = []
    cutouts = Bank(kit, folder).cutouts(half)
    for species, which in cutouts.items():
        views = PER_SPECIES // len(SCENES) // len(which)
        names = [f"{species}-{c}-{scene}-{size}-{i:04d}" for c in which for scene in SCENES for i in range(views)]
        vectors.append(_kept(names, encoder, folder / f"{half}-{size}-{species}", partial(_composed, kit, encoder)))
    labels = np.repeat(np.arange(len(cutouts), dtype=np.int32), [len(v) for v in vectors])
    return Stock(np.concatenate(vectors), labels, tuple(cutouts))


def folders(root: Path, folder: Path, encoder: Encoder) -> Stock:
    """A folder of class folders."""
    classes = sorted(d.name for d in root.iterdir() if d.is_dir())

    def read(path: str) -> NDArray[np.uint8]:
        return decode(path, encoder.info.preprocessing).input

    vectors = [
        _kept([str(p) for p in sorted((root / c).glob("*.jpg"))], encoder, folder / f"{root.name}-{c}", read)
        for c in classes
    ]
    labels = np.repeat(np.arange(len(classes), dtype=np.int32), [len(v) for v in vectors])
    return Stock(np.concatenate(vectors), labels, tuple(classes))


def _composed(kit: Path, encoder: Encoder, name: str) -> NDArray[np.uint8]:
    species, cutout, scene, size, _ = name.split("-")
    rng = random.Random(f"{name} forecast")
    photo, _ = _kit(kit).photograph(species, int(cutout), scene, SIDE, rng, SCALES[size])
    return prepare(photo, encoder.info.preprocessing)


def _kept(names: Sequence[str], encoder: Encoder, beside: Path, read: Callable[[str], NDArray[np.uint8]]) -> Floats:
    """Vectors (n, d) of pictures, kept under the encoder and the pictures' names."""
    key = hashlib.sha256("\n".join([encoder.info.fingerprint, *names]).encode()).hexdigest()[:12]
    file = beside.with_name(f"{beside.name}-{key}.npy")
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        found = [
            encoder.encode(np.stack([read(name) for name in names[i : i + _BATCH]]))
            for i in range(0, len(names), _BATCH)
        ]
        np.save(file, np.concatenate(found))
    return np.asarray(np.load(file), np.float32)
