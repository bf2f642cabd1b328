"""Photographs composed once and kept: the stock that every planted set draws from.

A photograph costs tens of milliseconds to compose and a benchmark wants thousands, so each is written under a folder with
its mask beside it and never made twice. What it shows follows from its key alone: any two banks hold the same pictures.

The two halves share no cut-out: `dev` has the first of every species, `report` has the others. Thresholds are chosen on
the one, figures come from the other. The textures of the scenes are shared: there are too few to part them.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

Half = Literal["dev", "report"]
Size = Literal["usual", "large", "small"]

_COMPOSE = Path(__file__).parents[2] / "sample_data" / "compose.py"
SCENES = ("carpet", "dirt", "grass", "sand", "snow", "wood_floor")
SIDE = 320
"""Pixels along each side of a composed photograph."""
SCALES: dict[str, tuple[float, float]] = {"usual": (0.22, 0.45), "large": (0.45, 0.62), "small": (0.20, 0.30)}
"""The animal's longer side as a fraction of the picture's: a range for each size of object."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a photograph shows; `index` tells views of the same things apart."""

    species: str
    cutout: int
    scene: str
    size: Size
    index: int

    @property
    def name(self) -> str:
        return f"{self.species}-{self.cutout}-{self.scene}-{self.size}-{self.index:04d}"

    def rng(self, purpose: str) -> random.Random:
        """A stream of its own for each purpose, the same in every set the photograph appears in."""
        return random.Random(f"{self.name} {purpose}")


class Bank:
    """Composed photographs under `folder`, made when they are first asked for."""

    def __init__(self, kit: Path, folder: Path, processes: int = 2) -> None:
        self.kit = Path(kit)
        self.folder = Path(folder)
        self.processes = processes

    def cutouts(self, half: Half) -> dict[str, tuple[int, ...]]:
        """The cut-outs of each species in this half, by position."""
        counts = {name: len(files) for name, files in _kit(self.kit).species.items()}
        return {name: (0,) if half == "dev" else tuple(range(1, n)) for name, n in counts.items()}

    def picture(self, key: Key) -> Path:
        return self.folder / "photographs" / key.species / f"{key.name}.png"

    def mask(self, key: Key) -> Path:
        """An L picture of the same size: 255 where the animal stands."""
        return self.folder / "masks" / key.species / f"{key.name}.png"

    def fill(self, keys: Iterable[Key]) -> int:
        """Compose what is not there yet; returns how many that were."""
        # The mask is written last, so where it is the photograph is whole.
        missing = sorted({k for k in keys if not self.mask(k).exists()})
        jobs = [(self.kit, key, self.picture(key), self.mask(key)) for key in missing]
        if len(jobs) < 8 or self.processes < 2:
            for job in jobs:
                _compose(job)
        else:
            with ProcessPoolExecutor(self.processes) as pool:
                list(pool.map(_compose, jobs, chunksize=8))
        return len(missing)


def _compose(job: tuple[Path, Key, Path, Path]) -> None:
    kit, key, picture, mask = job
    rng = key.rng("compose")
    photo, where = _kit(kit).photograph(key.species, key.cutout, key.scene, SIDE, rng, SCALES[key.size])
    for image, path in ((photo, picture), (where, mask)):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        image.save(part, "PNG", compress_level=1)
        part.replace(path)


@lru_cache(maxsize=2)
def _kit(root: Path) -> Any:
    if not (root / "cutouts").is_dir():
        raise SystemExit(
            f"Error: no cutouts/ in {root}; --kit needs the folder with cutouts/, textures/ and panoramas/."
        )
    return _compose_module().Kit(root)


def _compose_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_data_compose", _COMPOSE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
