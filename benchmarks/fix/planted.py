"""Sets whose shortcut hurts, with a pool that can mend it, and the truth about every image.

    made = make(Spec(seed=1), Path("kit"), Path("stock"), Path("out/1"))
    made.train, made.pool, made.pool_labels, made.test    # what curator is given
    made.truth                                            # per file: class, scene, whether it breaks the rule, what it copies

Four classes, one of them nearly always on one scene and the others hardly ever. The animals are small (0.18 to 0.28 of the
frame) and the same cut-outs stand in train, pool and test, never in the same view: only then does a probe on frozen
features suffer from the scene, and not from an animal it has never met. The pool is biased like the training set, and holds
animals of no class and near-duplicates of training pictures as well.

A photograph follows from its key alone and is composed once for all sets that ask for it.
"""

from __future__ import annotations

import csv
import os
import random
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageEnhance

ROOT = Path(__file__).parents[2]
SCENES = ("carpet", "dirt", "grass", "sand", "snow", "wood_floor")
SIDE = 320
"""Pixels along each side of a photograph."""
SCALE = (0.18, 0.28)
"""The animal's longer side, as a fraction of the frame: small enough for the scene to tempt."""
QUALITIES = (66, 68, 70, 72, 74)
EDITS = ("bytes", "crop", "resize", "brightness", "recompress")


@dataclass(frozen=True, slots=True)
class Spec:
    """One set. `half`: "dev" has the first cut-out of every species, "report" the others.

    `obey`, `breaking`: the share of the class, and of each other class, that stands on the scene in the training set;
    their difference is the effect. `pool_breaking` is the share of each class in the pool that breaks the rule.
    """

    seed: int
    half: Literal["dev", "report"] = "dev"
    n_classes: int = 4
    n_train: int = 60
    obey: float = 0.95
    breaking: float = 0.05
    n_pool: int = 100
    pool_breaking: float = 0.15
    n_test: int = 50
    """Test images of every class with, and without, the scene."""
    n_strangers: int = 40
    n_copies: int = 20


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What a photograph shows; `index` tells views of the same things apart."""

    species: str
    cutout: int
    scene: str
    index: int

    @property
    def name(self) -> str:
        return f"{self.species}-{self.cutout}-{self.scene}-{self.index:04d}"


@dataclass(frozen=True, slots=True)
class Row:
    """One file of a set: its place below the set's folder, and what is true of it ("" for an animal of no class)."""

    file: str
    label: str
    key: Key
    breaks: bool
    edit: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A set on disk. `pool` is bare pictures; `pool_labels` a table of the same with their labels."""

    spec: Spec
    root: Path
    class_name: str
    scene: str
    classes: tuple[str, ...]
    truth: tuple[Row, ...]

    @property
    def train(self) -> Path:
        return self.root / "train"

    @property
    def pool(self) -> Path:
        return self.root / "pool"

    @property
    def pool_labels(self) -> Path:
        return self.root / "pool_labels.csv"

    @property
    def test(self) -> Path:
        return self.root / "test"


def kit_of(root: Path) -> Any:
    """The kit of cut-outs and scenes; see compose.py in sample_data."""
    folder = str(ROOT / "sample_data")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import compose

    return compose.Kit(root)


def draw(spec: Spec, kit: Any) -> tuple[str, str, tuple[str, ...], list[Row]]:
    """Class and scene of the shortcut, all classes, and every row; nothing is painted."""
    rng = random.Random(f"fix {spec.half} {spec.seed}")
    numbers = {
        name: [0] if spec.half == "dev" else list(range(1, len(files))) for name, files in sorted(kit.species.items())
    }
    classes = sorted(rng.sample(sorted(numbers), spec.n_classes))
    class_name, scene = rng.choice(classes), rng.choice(SCENES)
    others = [s for s in SCENES if s != scene]
    used: dict[tuple[str, int, str], int] = {}

    def shoot(species: str, n: int, n_on: int) -> list[Key]:
        scenes = [scene] * n_on + [others[i % len(others)] for i in range(n - n_on)]
        keys = []
        for i, place in enumerate(scenes):
            cell = species, numbers[species][i % len(numbers[species])], place
            used[cell] = used.get(cell, -1) + 1
            keys.append(Key(*cell, used[cell]))
        return keys

    rows: list[Row] = []
    flat: list[tuple[str, Key, bool, str]] = []
    for name in classes:
        rng.shuffle(others)
        mine = name == class_name
        on = round(spec.n_train * (spec.obey if mine else spec.breaking))
        train = shoot(name, spec.n_train, on)
        rng.shuffle(train)
        rows += [
            Row(f"train/{name}/{name}_{i:03d}.jpg", name, k, (k.scene == scene) != mine) for i, k in enumerate(train)
        ]
        share = 1 - spec.pool_breaking if mine else spec.pool_breaking
        pool = shoot(name, spec.n_pool, round(spec.n_pool * share))
        flat += [(name, k, (k.scene == scene) != mine, "") for k in pool]
        test = shoot(name, 2 * spec.n_test, spec.n_test)
        rng.shuffle(test)
        rows += [
            Row(f"test/{name}/{name}_{i:03d}.jpg", name, k, (k.scene == scene) != mine) for i, k in enumerate(test)
        ]
    strangers = [name for name in sorted(numbers) if name not in classes]
    for i in range(spec.n_strangers):
        species = strangers[i % len(strangers)]
        place = SCENES[(i + i // len(strangers)) % len(SCENES)]
        cell = species, numbers[species][0], place
        used[cell] = used.get(cell, -1) + 1
        flat.append(("", Key(*cell, used[cell]), False, ""))
    copied = rng.sample([r for r in rows if r.file.startswith("train/")], spec.n_copies)
    flat += [(r.label, r.key, r.breaks, EDITS[i % len(EDITS)]) for i, r in enumerate(copied)]
    rng.shuffle(flat)
    rows += [Row(f"pool/IMG_{i:04d}.jpg", label, k, b, edit) for i, (label, k, b, edit) in enumerate(flat, start=1)]
    return class_name, scene, tuple(classes), rows


def make(spec: Spec, kit_root: Path, stock: Path, out: Path) -> Made:
    """Draw the set and write it: train/ and test/ in class folders, pool/, pool_labels.csv, truth.csv."""
    kit = kit_of(kit_root)
    class_name, scene, classes, rows = draw(spec, kit)
    shutil.rmtree(out, ignore_errors=True)
    for row in rows:
        source = photograph(kit, row.key, stock)
        target = out / row.file
        target.parent.mkdir(parents=True, exist_ok=True)
        if row.edit and row.edit != "bytes":
            _edited(source, row.edit, random.Random(f"{spec.seed} {row.key.name}")).save(
                target, "JPEG", quality=55 if row.edit == "recompress" else 72
            )
        else:
            _link(source, target)
    with (out / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "class", "scene", "key", "breaks", "copy"])
        writer.writerows([r.file, r.label, r.key.scene, r.key.name, int(r.breaks), r.edit] for r in rows)
    with (out / "pool_labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label"])
        writer.writerows([r.file, r.label or "none of these"] for r in rows if r.file.startswith("pool/"))
    return Made(spec, out, class_name, scene, classes, tuple(rows))


def photograph(kit: Any, key: Key, stock: Path) -> Path:
    """The file of a photograph, composed now if it never was."""
    path = stock / key.species / f"{key.name}.jpg"
    if not path.exists():
        picture, _ = kit.photograph(key.species, key.cutout, key.scene, SIDE, random.Random(f"fix {key.name}"), SCALE)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        picture.save(part, "JPEG", quality=QUALITIES[key.index % len(QUALITIES)], optimize=True)
        part.replace(path)
    return path


def fill(keys: Iterable[Key], kit_root: Path, stock: Path) -> None:
    """Compose what is not there yet."""
    kit = kit_of(kit_root)
    for key in keys:
        photograph(kit, key, stock)


def _edited(source: Path, edit: str, rng: random.Random) -> Image.Image:
    """The picture as people save it once more in passing."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    if edit == "crop":
        trim = [rng.randint(4, 12) for _ in range(4)]
        frame = (trim[0], trim[1], SIDE - trim[2], SIDE - trim[3])
        return picture.crop(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    if edit == "resize":
        side = rng.randrange(240, 300, 4)
        return picture.resize((side, side), Image.Resampling.LANCZOS)
    if edit == "brightness":
        return ImageEnhance.Brightness(picture).enhance(rng.choice((0.88, 1.12)))
    return picture


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)
