"""Sets of photographs with a shortcut of known size in them, and the truth about every image.

    bank = Bank(Path("kit"), Path("bank"))
    planted = make(Spec(kind="scene", effect=0.6, seed=1), bank, Path("out/scene-1"))
    planted.path    # what an auditor is given: a folder of class folders, or a table where a column is planted
    planted.truth   # per image: which shortcuts it has, its scene, the mask of its animal; not under `path`

An effect is a difference of *population* shares: in the class an image has the attribute with probability
elsewhere + effect, in every other class with probability elsewhere. Counts are drawn, not fixed, so an interval can be
asked to cover the effect. Everything that is not planted is drawn without looking at the class.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from bank import SCENES, Bank, Half, Key, Size
from edits import CAMERAS, FRAMES, TINTS, Edit, render

KINDS = (
    "scene", "tint", "darkness", "blur", "jpeg", "border", "watermark", "image_size", "exif", "object_size", "metadata",
)  # fmt: skip
STOCK = 40
"""Views of the same things that sets choose from; more are composed where one set needs more."""
SITES = ("north", "south", "east", "west")
CAMERA = "Canon EOS 80D"


@dataclass(frozen=True, slots=True)
class Spec:
    """One set to make.

    `kind`: one of `KINDS`, two of them joined by "+", or "none". `effect`, `elsewhere`: population shares, 0..1.
    `balance` "90/10": one class, drawn by the seed, holds 90 % of all images; the others have n_per_class each.
    `together`: two shortcuts lie on one class instead of two.
    """

    kind: str = "scene"
    effect: float = 0.6
    elsewhere: float = 0.1
    n_per_class: int = 50
    n_classes: int = 4
    balance: Literal["even", "90/10"] = "even"
    together: bool = False
    seed: int = 0
    half: Half = "dev"

    def __post_init__(self) -> None:
        unknown = set(self.kinds) - set(KINDS)
        if unknown or len(set(self.kinds)) != len(self.kinds):
            raise ValueError(f"{self.kind} is no kind of set; kinds are {', '.join(KINDS)}, two joined by +, and none")
        if min(self.effect, self.elsewhere) < 0 or self.effect + self.elsewhere > 1:
            raise ValueError(f"shares of {self.elsewhere} and {self.elsewhere + self.effect} are not both in 0..1")

    @property
    def kinds(self) -> tuple[str, ...]:
        return () if self.kind == "none" else tuple(self.kind.split("+"))

    @property
    def name(self) -> str:
        words = [self.kind, f"e{self.effect:g}", f"p{self.elsewhere:g}", f"n{self.n_per_class}", f"k{self.n_classes}"]
        words += ["skewed"] * (self.balance != "even") + ["together"] * self.together
        return "-".join([*words, self.half, f"s{self.seed}"])


@dataclass(frozen=True, slots=True)
class Shortcut:
    """What was planted. `share_in_class`, `share_elsewhere` are of the population; `n_*` count what was drawn."""

    kind: str
    class_name: str
    value: str
    share_in_class: float
    share_elsewhere: float
    n_with: int
    n_class: int

    @property
    def effect(self) -> float:
        return self.share_in_class - self.share_elsewhere


@dataclass(frozen=True, slots=True)
class Planted:
    """`path`: the data. `truth`: index = the image's id as curator gives it; columns label, scene, size, key, mask and,
    for each kind planted, has_KIND (and `has`, for the first). With effect 0 there is a `Shortcut` of effect 0."""

    spec: Spec
    path: Path
    truth: pd.DataFrame
    shortcuts: tuple[Shortcut, ...]


def make(spec: Spec, bank: Bank, out: Path) -> Planted:
    """Draw the set and write it under `out`: data/ or data.csv with images/, truth.csv and spec.json."""
    plan, shortcuts = draw(spec, bank)
    files = render(bank, list(zip(plan["photograph"], plan["edit"], strict=True)))
    shutil.rmtree(out, ignore_errors=True)
    table = "metadata" in spec.kinds
    names = [f"{hashlib.sha256(k.name.encode()).hexdigest()[:12]}.jpg" for k in plan["photograph"]]
    plan["id"] = [f"images/{n}" if table else f"{c}/{n}" for c, n in zip(plan["label"], names, strict=True)]
    root = out if table else out / "data"
    for name, file in zip(plan["id"], files, strict=True):
        _link(file, root / name)
    path = root
    if table:
        path = out / "data.csv"
        rows = plan.sort_values("id")[["id", "label", "site", "batch"]].rename(columns={"id": "path"})
        rows.to_csv(path, index=False)
    truth = plan.drop(columns=["photograph", "edit"]).set_index("id").sort_index()
    truth.to_csv(out / "truth.csv", quoting=csv.QUOTE_MINIMAL)
    (out / "spec.json").write_text(
        json.dumps({"spec": asdict(spec), "shortcuts": [asdict(s) for s in shortcuts]}, indent=1) + "\n"
    )
    return Planted(spec, path, truth, shortcuts)


def sizes(spec: Spec, rng: np.random.Generator) -> list[int]:
    """Images of each class."""
    if spec.balance == "even" or spec.n_classes < 2:
        return [spec.n_per_class] * spec.n_classes
    out = [spec.n_per_class] * spec.n_classes
    out[int(rng.integers(spec.n_classes))] = 9 * spec.n_per_class * (spec.n_classes - 1)
    return out


def draw(spec: Spec, bank: Bank) -> tuple[pd.DataFrame, tuple[Shortcut, ...]]:
    """Which photograph, edited how, is which image of which class; nothing is written."""
    rng = np.random.default_rng([spec.seed, int.from_bytes(hashlib.sha256(spec.name.encode()).digest()[:4], "big")])
    cutouts = bank.cutouts(spec.half)
    classes = sorted(rng.choice(sorted(cutouts), spec.n_classes, replace=False).tolist())
    counts = sizes(spec, rng)
    label = np.repeat(classes, counts)
    chosen = rng.choice(len(classes), len(spec.kinds), replace=spec.together and len(spec.kinds) > 1)
    if spec.together and len(spec.kinds) > 1:
        chosen[:] = chosen[0]
    frame = pd.DataFrame({"label": label})
    shortcuts = []
    values = _values(spec, rng)
    for kind, c in zip(spec.kinds, chosen, strict=True):
        has = np.zeros(len(label), np.bool_)
        for k, n in enumerate(counts):
            share = spec.elsewhere + spec.effect * (k == c)
            rows = rng.permutation(np.flatnonzero(label == classes[k]))[: rng.binomial(n, share)]
            has[rows] = True
        frame[f"has_{kind}"] = has
        inside = label == classes[c]
        shortcuts.append(
            Shortcut(
                kind, classes[c], values[kind], spec.elsewhere + spec.effect, spec.elsewhere,
                int((has & inside).sum()), int(inside.sum()),
            )
        )  # fmt: skip
    frame["has"] = frame[f"has_{spec.kinds[0]}"] if spec.kinds else False
    _scenes_and_sizes(frame, spec, values, rng)
    frame["photograph"] = _photographs(frame, cutouts, rng)
    frame["edit"] = _edits(frame, spec, values)
    frame["key"] = [k.name for k in frame["photograph"]]
    frame["mask"] = [str(bank.mask(k)) for k in frame["photograph"]]
    return frame, tuple(shortcuts)


def _values(spec: Spec, rng: np.random.Generator) -> dict[str, str]:
    """What is planted, kind by kind: which scene, which colour."""
    return {
        "scene": str(rng.choice(SCENES)),
        "tint": str(rng.choice(sorted(TINTS))),
        "border": str(rng.choice(sorted(FRAMES))),
        "exif": CAMERA,
        "metadata": SITES[0],
        "object_size": "large",
        **dict.fromkeys(("darkness", "blur", "jpeg", "watermark", "image_size"), "yes"),
    }


def _column(frame: pd.DataFrame, kind: str) -> np.ndarray:
    column = f"has_{kind}"
    return frame[column].to_numpy(bool) if column in frame else np.zeros(len(frame), np.bool_)


def _scenes_and_sizes(frame: pd.DataFrame, spec: Spec, values: dict[str, str], rng: np.random.Generator) -> None:
    others = [s for s in SCENES if "scene" not in spec.kinds or s != values["scene"]]
    elsewhere = rng.choice(others, len(frame))
    frame["scene"] = np.where(_column(frame, "scene"), values["scene"], elsewhere)
    size = "small" if "object_size" in spec.kinds else "usual"
    frame["size"] = np.where(_column(frame, "object_size"), "large", size)
    if "metadata" in spec.kinds:
        frame["site"] = np.where(_column(frame, "metadata"), SITES[0], rng.choice(SITES[1:], len(frame)))
        frame["batch"] = rng.choice(["a", "b", "c"], len(frame))


def _photographs(frame: pd.DataFrame, cutouts: dict[str, tuple[int, ...]], rng: np.random.Generator) -> list[Key]:
    """One photograph for each image, none twice."""
    numbers = [int(rng.choice(cutouts[c])) for c in frame["label"]]
    cells: list[tuple[str, int, str, Size]] = list(
        zip(frame["label"], numbers, frame["scene"], frame["size"], strict=True)
    )
    queues = {
        cell: iter(rng.permutation(max(STOCK, need))[:need].tolist()) for cell, need in sorted(Counter(cells).items())
    }
    return [Key(*cell, index=next(queues[cell])) for cell in cells]


def _edits(frame: pd.DataFrame, spec: Spec, values: dict[str, str]) -> list[Edit]:
    has = {kind: _column(frame, kind) for kind in KINDS}
    camera = [""] * len(frame)
    if "exif" in spec.kinds:  # then every image says what took it
        others = (key.rng("camera").choice(CAMERAS) for key in frame["photograph"])
        camera = [values["exif"] if h else c for h, c in zip(has["exif"], others, strict=True)]
    return [
        Edit(
            tint=values["tint"] if has["tint"][i] else "",
            dark=bool(has["darkness"][i]),
            blur=bool(has["blur"][i]),
            coarse=bool(has["jpeg"][i]),
            frame=values["border"] if has["border"][i] else "",
            mark=bool(has["watermark"][i]),
            large=bool(has["image_size"][i]),
            camera=camera[i],
        )
        for i in range(len(frame))
    ]


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copyfile(source, target)
