"""Does a copy of a training image reach the test split? Plants altered copies, exports, and counts. Writes results/leaks.json.

    python benchmarks/leaks.py --kit PATH --bank DIR --half report --seed 301

Photographs composed from the kit, none of them twice; of each of some of them one copy is planted per kind of change. Many
share a scene, a cut-out or both without being copies: these are the false joins that are counted. Thresholds were chosen on
the half `dev`.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

sys.path.insert(0, str(Path(__file__).parent / "quality"))

from bank import SCENES, Bank, Half, Key

from curator.commands import Session, export
from curator.commands.export import kept_together
from curator.commands.session import default_cache, versions
from curator.config import DuplicateSettings
from curator.report.json import dump
from curator.selection.splits import pieces
from curator.similarity.duplicates import groups
from curator.types import AuditRun

RESULT = Path(__file__).parent / "results" / "leaks.json"
QUALITY = 90


def _cropped(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Without 5 % of the width and of the height, cut off on sides that are drawn."""
    w, h = picture.size
    left, top = rng.choice((0.0, 0.025, 0.05)), rng.choice((0.0, 0.025, 0.05))
    return picture.crop((round(w * left), round(h * top), round(w * (left + 0.95)), round(h * (top + 0.95))))


def _resized(picture: Image.Image, rng: random.Random) -> Image.Image:
    k = rng.choice((0.5, 0.6, 0.75, 1.5))
    return picture.resize((round(picture.width * k), round(picture.height * k)), Image.Resampling.LANCZOS)


Change = Callable[[Image.Image, random.Random], Image.Image]
CHANGES: dict[str, tuple[Change, Sequence[int]]] = {
    "re-encoded": (lambda picture, rng: picture, (50, 60, 70, 80)),
    "resized": (_resized, (QUALITY,)),
    "cropped 5 %": (_cropped, (QUALITY,)),
    "mirrored": (lambda picture, rng: ImageOps.mirror(picture), (QUALITY,)),
    "brightened": (
        lambda picture, rng: ImageEnhance.Brightness(picture).enhance(rng.choice((1.2, 1.3, 1.4))),
        (QUALITY,),
    ),
    "cropped, mirrored and resized": (
        lambda picture, rng: _resized(ImageOps.mirror(_cropped(picture, rng)), rng),
        (80,),
    ),
}
"""What is done to a copy, and the JPEG qualities it may be saved with."""


def plant(bank: Bank, half: Half, n: int, n_planted: int, seed: int, out: Path) -> list[tuple[str, str, str]]:
    """`n` photographs in class folders, and copies of `n_planted` of them for each kind: (kind, original, copy)."""
    rng = random.Random(seed)
    stock = [
        Key(species, number, scene, "usual", index)
        for species, numbers in bank.cutouts(half).items()
        for number in numbers
        for scene in SCENES
        for index in range(20)
    ]
    keys = sorted(rng.sample(stock, n))
    bank.fill(keys)
    names = [f"{key.species}/{k:04d}.jpg" for k, key in enumerate(keys)]
    for name, key in zip(names, keys, strict=True):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        with Image.open(bank.picture(key)) as picture:
            picture.convert("RGB").save(out / name, quality=92)
    planted = []
    for kind, (change, qualities) in CHANGES.items():
        for at in rng.sample(range(n), n_planted):
            copy = f"{names[at].removesuffix('.jpg')}-{'-'.join(kind.replace(',', '').split()).replace('%', 'percent')}.jpg"
            with Image.open(out / names[at]) as picture:
                change(picture.convert("RGB"), rng).save(out / copy, quality=rng.choice(qualities))
            planted.append((kind, names[at], copy))
    return planted


def found_without(run: AuditRun, planted: list[tuple[str, str, str]]) -> dict[str, int]:
    """How many pairs of each kind bytes, hashes and embeddings join without `likeness`: the control."""
    assert run.facts is not None
    phash = run.facts["phash"].to_numpy(np.uint64)
    plain = groups(run.dataset.ids, list(run.facts["sha256"]), phash, run.embeddings, DuplicateSettings())
    member = {i: k for k, group in enumerate(plain) for i in group.ids}
    out = dict.fromkeys(CHANGES, 0)
    for kind, one, other in planted:
        out[kind] += one in member and member[one] == member.get(other)
    return out


def measure(folder: Path, planted: list[tuple[str, str, str]], session: Session, n: int) -> dict[str, Any]:
    run, plan, _ = export(folder, folder.parent / "out", session, dry_run=True)
    found = pieces(run.dataset.ids, kept_together(run), np.random.default_rng(0))
    together = [[str(run.dataset.ids[i]) for i in piece] for piece in found]
    member = {i: k for k, ids in enumerate(together) for i in ids}
    origin = {copy: original for _, original, copy in planted}
    control = found_without(run, planted)
    kinds: dict[str, dict[str, int]] = {}
    for kind in CHANGES:
        pairs = [(one, other) for k, one, other in planted if k == kind]
        kinds[kind] = {
            "planted": len(pairs),
            "found": sum(one in member and member[one] == member.get(other) for one, other in pairs),
            "found_by_bytes_hash_and_embedding_only": control[kind],
            "leaked": sum(plan.assignment[one] != plan.assignment[other] for one, other in pairs),
        }
    # Groups are transitive; n unrelated photographs in one group are n - 1 joins that should not be.
    shown = [{origin.get(i, i) for i in ids} for ids in together]
    return {
        "kinds": kinds,
        "false_joins": sum(len(unrelated) - 1 for unrelated in shown),
        "images_in_them": sum(len(unrelated) for unrelated in shown if len(unrelated) > 1),
        "unrelated_photographs": n,
        "unrelated_pairs": n * (n - 1) // 2,
        "falsely_joined": [sorted(unrelated) for unrelated in shown if len(unrelated) > 1],
        "splits": {name: sum(s == name for s in plan.assignment.values()) for name in plan.got.columns},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True, help="folder of composed photographs, filled as needed")
    parser.add_argument("--half", choices=("dev", "report"), default="report")
    parser.add_argument("--seed", type=int, default=301)
    parser.add_argument("--photographs", type=int, default=400)
    parser.add_argument("--planted", type=int, default=80, help="copies of each kind")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--result", type=Path, default=RESULT)
    args = parser.parse_args()
    session = Session.open("embedded", cache=args.cache)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "data"
        planted = plant(Bank(args.kit, args.bank), args.half, args.photographs, args.planted, args.seed, folder)
        found = measure(folder, planted, session, args.photographs)
    head = {"half": args.half, "seed": args.seed, "encoder": session.encoder.info.name, "versions": versions()}
    dump({**head, **found}, args.result)


if __name__ == "__main__":
    main()
