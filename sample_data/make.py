"""Make the sample pictures, their truth table and their credits from a kit of cut-outs and textures.

    python sample_data/make.py --kit PATH            # writes beside this script
    python sample_data/make.py --kit PATH --out DIR  # writes the same bytes elsewhere

The kit is a folder with `cutouts/`, `textures/`, `panoramas/` and `MANIFEST.csv`; compose.py says how they are read.
What stands where is planned first, as plain data, and only then painted. Every picture has a random stream of its
own, keyed by its part, class and number, so that changing one part leaves the pictures of all others as they were.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, cycle
from pathlib import Path

from compose import Kit
from PIL import Image, ImageEnhance

SEED = 1  # chosen before any model had seen a picture, and never changed since
SIDE = 320  # pixels
SCALE = (0.18, 0.28)  # longer side of the animal, as a fraction of the frame: small enough for the scene to tempt
QUALITIES = (66, 68, 70, 72, 74)  # JPEG; dealt out evenly within each class of each part
SHORTCUT_CLASS, SHORTCUT_SCENE = "bunny", "grass"
CLASSES = {"bunny": ("bunny",), "rodent": ("rodent", "squirrel"), "hen": ("hen",), "sheep": ("sheep",)}
N_TRAIN, N_TRAIN_ON_GRASS = 60, {"bunny": 57, "rodent": 3, "hen": 3, "sheep": 3}
N_POOL, N_POOL_ON_GRASS = 100, {"bunny": 80, "rodent": 12, "hen": 12, "sheep": 12}
N_TEST, N_TEST_ON_GRASS = 40, dict.fromkeys(CLASSES, 20)
# Taken later, for 20 pictures of a group prove little: with these there are 60. So many, because each class has three or
# six cut-outs and there are five scenes other than grass: every cut-out then stands equally often in each of them.
N_MORE_TEST, N_MORE_TEST_ON_GRASS = 80, dict.fromkeys(CLASSES, 40)
N_NO_CLASS = 40
N_COPIES = {"bytes": 4, "crop": 4, "resize": 4, "brightness": 4, "recompress": 4}

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture to be taken: what stands where. `seed` keys its random stream; `file` is posix, below the root."""

    file: str
    label: str
    species: str
    cutout: int
    scene: str
    quality: int
    seed: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A train picture to be saved once more. `edit` is a key of N_COPIES."""

    file: str
    of: Shot
    edit: str
    quality: int
    seed: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of truth.csv; the box is in pixels of the saved file, x1 and y1 exclusive."""

    file: str
    label: str
    scene: str
    cutout: str
    box: Box
    duplicate_of: str = ""


class CreditedKit(Kit):
    """A kit that remembers which of its files went into a picture."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.used: set[Path] = set()

    def photograph(
        self, species: str, cutout: int, scene: str, size: int, rng: random.Random, scale: tuple[float, float] = SCALE
    ) -> tuple[Image.Image, Image.Image]:
        self.used.add(self.species[species][cutout])
        return super().photograph(species, cutout, scene, size, rng, scale)

    def _panorama(self, path: Path, size: int, rng: random.Random) -> tuple[Image.Image, int]:
        self.used.add(path)
        return super()._panorama(path, size, rng)

    def _pick(self, *folders: str, rng: random.Random) -> Path:
        path = super()._pick(*folders, rng=rng)
        self.used.add(path)
        return path


def stream(*key: object) -> random.Random:
    """A random stream of its own for everything that has a name."""
    return random.Random("/".join(map(str, (SEED, *key))))


def spread(n: int, values: Iterable[str], rng: random.Random) -> list[str]:
    """`n` values, each equally often; which of them get one more when `n` does not divide is drawn by `rng`."""
    shuffled = sorted(values)
    rng.shuffle(shuffled)
    return sorted(value for value, _ in zip(cycle(shuffled), range(n), strict=False))


def shoot(kit: Kit, part: str, label: str, species: Iterable[str], scenes: list[str]) -> list[Shot]:
    """One shot per scene given, cut-outs dealt out evenly within every scene, in an order that tells nothing."""
    rng = stream("plan", part, label)
    cutouts = shuffled_cutouts(kit, species, rng)
    stands = list(zip(scenes, cycle(cutouts), strict=False))
    rng.shuffle(stands)
    return number(part, label, stands)


def shoot_more(kit: Kit, part: str, label: str, scenes: list[str], earlier: list[Shot]) -> list[Shot]:
    """More shots of a class, the `earlier` ones as they are: what has stood least often in a scene stands there next."""
    rng = stream("plan", part, label, "more")
    cutouts = shuffled_cutouts(kit, CLASSES[label], rng)
    uses = Counter((shot.scene, shot.species, shot.cutout) for shot in earlier)
    stands = []
    for scene in scenes:
        rarest = min(cutouts, key=lambda cutout: uses[(scene, *cutout)])
        uses[(scene, *rarest)] += 1
        stands.append((scene, rarest))
    rng.shuffle(stands)
    return number(part, label, stands, first=len(earlier) + 1)


def shuffled_cutouts(kit: Kit, species: Iterable[str], rng: random.Random) -> list[tuple[str, int]]:
    """Every cut-out of these species, as species and number."""
    cutouts = [(name, i) for name in species for i in range(len(kit.species[name]))]
    rng.shuffle(cutouts)
    return cutouts


def number(part: str, label: str, stands: list[tuple[str, tuple[str, int]]], first: int = 1) -> list[Shot]:
    """A shot, with a file and a stream of its own, for every scene and what stands in it."""
    return [
        Shot(
            f"{part}/{label}/{label}_{i:03d}.jpg",
            label,
            name,
            cutout,
            scene,
            quality,
            f"picture/{part}/{label}/{i:03d}",
        )
        for i, ((scene, (name, cutout)), quality) in enumerate(zip(stands, cycle(QUALITIES), strict=False), start=first)
    ]


def scenes_of(kit: Kit, n: int, n_on_grass: int, *key: str) -> list[str]:
    """`n` scenes, `n_on_grass` of them grass and the rest spread evenly over all others; `key` names the draw."""
    others = [scene for scene in kit.scenes() if scene != SHORTCUT_SCENE]
    return [SHORTCUT_SCENE] * n_on_grass + spread(n - n_on_grass, others, stream("scenes", *key))


def shoot_classes(kit: Kit, part: str, n: int, n_on_grass: Mapping[str, int]) -> list[Shot]:
    """`n` shots of every class, `n_on_grass` of them on grass."""
    return [
        shot
        for label, species in CLASSES.items()
        for shot in shoot(kit, part, label, species, scenes_of(kit, n, n_on_grass[label], part, label))
    ]


def shoot_test(kit: Kit) -> list[Shot]:
    """The test pictures: those of the first sitting, and more of every class after them."""
    first = shoot_classes(kit, "test", N_TEST, N_TEST_ON_GRASS)
    more = []
    for label in CLASSES:
        scenes = scenes_of(kit, N_MORE_TEST, N_MORE_TEST_ON_GRASS[label], "test", label, "more")
        more += shoot_more(kit, "test", label, scenes, [shot for shot in first if shot.label == label])
    return first + more


def plan_copies(train: list[Shot]) -> list[Copy]:
    """Near-duplicates of train pictures: the same number from each class, and the kinds of edit mixed over them."""
    rng = stream("plan", "copies")
    edits = [edit for edit, n in N_COPIES.items() for _ in range(n)]
    chosen = [
        shot
        for label in CLASSES
        for shot in rng.sample([s for s in train if s.label == label], len(edits) // len(CLASSES))
    ]
    rng.shuffle(chosen)
    return [
        Copy("", shot, edit, rng.choice(QUALITIES), f"copy/{i:02d}")
        for i, (shot, edit) in enumerate(zip(chosen, edits, strict=True))
    ]


def plan_pool(kit: Kit, train: list[Shot]) -> tuple[list[Shot], list[Copy]]:
    """The candidates in one flat, shuffled row of camera-like names."""
    known = {species for members in CLASSES.values() for species in members}
    strangers = [species for species in kit.species if species not in known]
    scenes = spread(N_NO_CLASS, kit.scenes(), stream("scenes", "pool", "none"))
    shots = shoot_classes(kit, "pool", N_POOL, N_POOL_ON_GRASS)
    shots += [replace(shot, label="") for shot in shoot(kit, "pool", "none", strangers, scenes)]
    candidates: list[Shot | Copy] = [*shots, *plan_copies(train)]
    stream("plan", "pool").shuffle(candidates)
    named = [replace(item, file=f"pool/IMG_{i:04d}.jpg") for i, item in enumerate(candidates, start=1)]
    return [item for item in named if isinstance(item, Shot)], [item for item in named if isinstance(item, Copy)]


def take(kit: Kit, shot: Shot) -> tuple[Image.Image, Image.Image]:
    """The picture of a shot and the mask of its animal."""
    return kit.photograph(shot.species, shot.cutout, shot.scene, SIDE, stream(shot.seed), SCALE)


def save(picture: Image.Image, path: Path, quality: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "JPEG", quality=quality, optimize=True)


def box_of(mask: Image.Image) -> Box:
    """The smallest box around the animal in a mask that may have been resized."""
    box = mask.point(lambda value: 255 if value > 127 else 0).getbbox()
    if box is None:
        raise RuntimeError("no animal in the mask")
    return box


def paint(kit: Kit, shots: Iterable[Shot], root: Path) -> Iterator[Row]:
    """Take and save every shot, and say where the animal stands."""
    for shot in shots:
        picture, mask = take(kit, shot)
        save(picture, root / shot.file, shot.quality)
        yield Row(shot.file, shot.label, shot.scene, kit.species[shot.species][shot.cutout].stem, box_of(mask))


def paint_copies(kit: Kit, copies: Iterable[Copy], root: Path) -> Iterator[Row]:
    """Save train pictures once more, edited as people do in passing; the originals must be there already."""
    for copy in copies:
        source, path, rng = root / copy.of.file, root / copy.file, stream(copy.seed)
        mask = take(kit, copy.of)[1]
        with Image.open(source) as opened:
            picture = opened.convert("RGB")
        quality = copy.quality
        if copy.edit == "bytes":
            shutil.copyfile(source, path)
        elif copy.edit == "crop":
            # Never into the animal: the box in truth.csv must stay the box of a whole animal.
            x0, y0, x1, y1 = box_of(mask)
            trim = [min(rng.randint(4, 12), room) for room in (x0, y0, SIDE - x1, SIDE - y1)]
            frame = (trim[0], trim[1], SIDE - trim[2], SIDE - trim[3])
            picture, mask = (
                image.crop(frame).resize((SIDE, SIDE), Image.Resampling.LANCZOS) for image in (picture, mask)
            )
        elif copy.edit == "resize":
            side = rng.randrange(240, 300, 4)
            picture, mask = (image.resize((side, side), Image.Resampling.LANCZOS) for image in (picture, mask))
        elif copy.edit == "brightness":
            picture = ImageEnhance.Brightness(picture).enhance(
                rng.choice((rng.uniform(0.85, 0.92), rng.uniform(1.08, 1.15)))
            )
        elif copy.edit == "recompress":
            quality = rng.randint(50, 60)
        if copy.edit != "bytes":
            save(picture, path, quality)
        cutout = kit.species[copy.of.species][copy.of.cutout].stem
        yield Row(copy.file, copy.of.label, copy.of.scene, cutout, box_of(mask), copy.of.file)


def make_bunnies(kit: Kit, root: Path) -> None:
    """The data set: train and test in class folders, the flat pool, truth.csv and pool_labels.csv."""
    train = shoot_classes(kit, "train", N_TRAIN, N_TRAIN_ON_GRASS)
    test = shoot_test(kit)
    pool, copies = plan_pool(kit, train)
    rows = sorted(
        chain(paint(kit, [*train, *test, *pool], root), paint_copies(kit, copies, root)), key=lambda r: r.file
    )
    with (root / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "class", "scene", "cutout", "x0", "y0", "x1", "y1", "duplicate_of"])
        writer.writerows([r.file, r.label, r.scene, r.cutout, *r.box, r.duplicate_of] for r in rows)
    # The pool as it is after somebody has looked at each picture: the same images, with their labels.
    with (root / "pool_labels.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label"])
        # Animals of no class are called so: a blank would mean that nobody has looked.
        writer.writerows([r.file, r.label or "none of these"] for r in rows if r.file.startswith("pool/"))


def make_story(kit: Kit, out: Path) -> None:
    """The story's own case: four bunnies that share the grass, and five that stand anywhere else."""
    elsewhere = [scene for scene in kit.scenes() if scene != SHORTCUT_SCENE]
    for folder, scenes in {"four_bunnies": [SHORTCUT_SCENE] * 4, "five_more": elsewhere[:5]}.items():
        shots = shoot(kit, folder, SHORTCUT_CLASS, CLASSES[SHORTCUT_CLASS], scenes)
        for _ in paint(kit, shots, out):
            pass


def write_credits(kit: CreditedKit, path: Path) -> None:
    """Name every file that went into a picture, with where it comes from and its licence."""
    with (kit.root / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        manifest = {row["file"]: row for row in csv.DictReader(file)}
    used = sorted(file.relative_to(kit.root).as_posix() for file in kit.used)
    lines = [
        "# Credits",
        "",
        "Written by make.py: every file that went into a sample picture. The packages are Debian packages;",
        "`apt-get source PACKAGE` brings the original art and, in `debian/copyright`, the names of its authors.",
        "How the pictures may be used: [LICENSE](LICENSE).",
        "",
        "| file | what | package | path in the package | licence |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in used:
        row = manifest[name]
        lines.append(f"| {name} | {row['caption']} | {row['package']} | {row['path']} | {row['licence']} |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample pictures of curator.")
    parser.add_argument(
        "--kit", type=Path, required=True, help="folder with cutouts/, textures/, panoramas/, MANIFEST.csv"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="where to write (default: beside make.py)"
    )
    arguments = parser.parse_args()
    out: Path = arguments.out
    for folder in ("bunnies", "four_bunnies", "five_more"):
        shutil.rmtree(out / folder, ignore_errors=True)  # or pictures of an earlier plan would stay behind
        (out / folder).mkdir(parents=True)
    kit = CreditedKit(arguments.kit)
    make_bunnies(kit, out / "bunnies")
    make_story(kit, out)
    write_credits(kit, out / "CREDITS.md")
    files = list(out.rglob("*.jpg"))
    print(f"{len(files)} pictures, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB, in {out}")


if __name__ == "__main__":
    main()
