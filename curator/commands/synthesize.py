"""Synthetic counter-examples: objects of a class on backgrounds of other images, written and marked as synthetic."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from curator.commands._steps.targets import training
from curator.commands.recommend import Advice
from curator.commands.session import Session
from curator.errors import DataError
from curator.exporters.imagefolder import folder_names
from curator.io import editing
from curator.io.decoding import images
from curator.io.editing import Pixels
from curator.report.serialise import guarded, write_text
from curator.report.wording import notes as words
from curator.selection import plan, synthesis
from curator.selection.synthesis import PREFIX, Pair
from curator.shortcuts import indicators
from curator.types import AuditRun, Cell, Floats

MANIFEST = "manifest.csv"
COLUMNS = (
    "path", "label", "synthetic", "label_source", "class", "attribute", "value", "object_of", "background_of",
)  # fmt: skip
_LONGEST = 1024
"""Maximum pixels of the longer side of an image that is written: four times the size an encoder sees."""


@dataclass(frozen=True, slots=True)
class Synthetic:
    """One synthetic image: its file below the folder, its label, the cell that it fills, and the images it is made of."""

    path: str
    label: str
    cell: Cell
    object_of: str
    background_of: str


def synthesize(advice: Advice, n: int, folder: Path, session: Session) -> tuple[tuple[Synthetic, ...], tuple[str, ...]]:
    """Write up to `n` counter-examples below `folder`, one folder per class, and manifest.csv.

    Returns the images and notes. The cells are those of the plan for `n` images without a pool: emptier cells get more
    images. Objects and backgrounds come from training images only. The output of an earlier call in the folder is replaced.

    Error: the position of the object is estimated on 14 x 14 places. A rim of its own surroundings stays around it, and a
    trace of the background's own object may remain. docs/limits.md says how useful these images are.

    Raises:
        DataError: there are no patch features, so objects cannot be told from surroundings, or no cell lacks images.
    """
    run, targets = advice.run, advice.targets
    if run.patches is None:
        raise DataError(
            "this --model cannot separate an object from its surroundings, which is needed; use --model embedded."
        )
    rows = training(run)
    labels, classes = run.dataset.labels[rows], run.dataset.classes
    here = [plan.Target(t.class_idx, t.column, t.value, t.has[rows], t.pool_has) for t in targets]
    cells = plan.plan(labels, classes, here, n)
    keys = [(t, k, k != a.class_idx) for t, a in enumerate(targets) for k in range(len(classes))]
    known = [indicators.read(run.measures, f.attribute, f.value)[1][rows] for f in advice.findings]
    foreground = np.asarray(run.patches.foreground[rows] / np.float32(255), np.float32)
    objects, backgrounds = synthesis.per_cell(labels, [t.has for t in here], known, keys, foreground)
    chosen = synthesis.pairs([c.want for c in cells], objects, backgrounds, session.rng("synthesize"))
    if not chosen:
        raise DataError(
            "no counter-example can be made: no cell lacks images, or no image of the data shows a suitable object or "
            "background."
        )
    made = []
    places = folder_names(classes)
    _empty(folder)
    for i, pair in enumerate(chosen, start=1):
        cell = cells[pair.cell]
        image = compose(run, rows, foreground, pair, session)
        path = f"{places[cell.class_name]}/{PREFIX}{i:04d}.jpg"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(editing.jpeg(image))
        ids = (str(run.dataset.ids[rows[row]]) for row in (pair.object_row, pair.background_row))
        made.append(Synthetic(path, cell.class_name, cell, *ids))
        session.progress("making synthetic images", i, len(chosen))
    _write_manifest(made, folder)
    asked = sum(c.want for c in cells)
    notes = [] if len(made) == n else [words.composed(n, asked, len(made))]
    return tuple(made), tuple(notes)


def compose(
    run: AuditRun, rows: NDArray[np.intp], foreground: Floats, pair: Pair, session: Session
) -> Pixels:  # fmt: skip
    """The object on the background of another image, from which that image's own object is removed."""
    preprocessing = session.encoder.info.preprocessing

    def read(row: int) -> tuple[Pixels, Floats]:
        image = editing.shrink(images.whole(run.dataset.path(int(rows[row]))), _LONGEST)
        height, width = image.shape[:2]
        return image, synthesis.over_image(foreground[row], height, width, preprocessing)

    image, mine = read(pair.object_row)
    ground, theirs = read(pair.background_row)
    empty = editing.without_object(ground, theirs)
    return editing.mix(editing.as_large(empty, image), image, synthesis.kept(mine))


def _empty(folder: Path) -> None:
    """Delete what an earlier call wrote, and nothing else."""
    manifest = folder / MANIFEST
    if not folder.exists():
        return
    if not manifest.is_file() and any(folder.iterdir()):
        raise DataError(f"{folder} has files that curator did not make; move them or choose another --out.")
    shutil.rmtree(folder)


def _write_manifest(made: Sequence[Synthetic], folder: Path) -> None:
    """Write a table that can be given as DATA: what each image shows, that it is synthetic, and its sources."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for m in made:
        row = (m.path, m.label, "true", "synthetic", m.cell.class_name, m.cell.attribute, m.cell.value_name)
        writer.writerow([*map(guarded, (*row, m.object_of, m.background_of))])
    write_text(text.getvalue(), folder / MANIFEST)
