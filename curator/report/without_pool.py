"""What can be done without new images: subset.csv, weights.csv, and the accuracy that each gives."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from curator.report import wording
from curator.report.serialise import guarded, write_text
from curator.types.document import Estimate
from curator.types.documents.plans import Group, RemedyFile, RemedyProbe, WithoutNewImages
from curator.types.without_pool import Remedy, Unaided

SUBSET, WEIGHTS = "subset.csv", "weights.csv"
_FILES = {"subset": SUBSET, "weights": WEIGHTS}
_USE = {
    "subset": "train on these images only; the file can be given as DATA (with --allow-outside)",
    "weights": "multiply each image's loss by its weight, or draw images by weight (in PyTorch, WeightedRandomSampler)",
}


def summary(found: Unaided) -> WithoutNewImages:
    """The part of recommend.json on it: each remedy, its file and use, and the worst group with it."""
    return WithoutNewImages(
        class_name=found.class_name,
        attribute=found.attribute,
        value=found.value,
        subset=RemedyFile(file=SUBSET, n=int(found.subset.sum()), use=_USE["subset"]),
        weights=RemedyFile(file=WEIGHTS, n=len(found.ids), use=_USE["weights"]),
        probe=tuple(
            RemedyProbe(
                name=r.name,
                n=r.n,
                worst_group=Group(
                    value=r.worst_group,
                    ci=r.ci,
                    class_name=found.classes[r.class_idx],
                    value_of_attribute=_group(found, r),
                    n=r.n_group,
                ),
                gain=Estimate(r.gain, r.gain_ci),
            )
            for r in found.remedies
        ),
    )


def write_unaided(found: Unaided, root: str, out: Path) -> None:
    """Write subset.csv (id, path, label) and weights.csv (id, weight), one training image per row."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "path", "label"])
    for id, label, taken in zip(found.ids.tolist(), found.labels, found.subset.tolist(), strict=True):
        if taken:
            writer.writerow([*map(guarded, (id, f"{root.rstrip('/')}/{id}", label))])
    write_text(text.getvalue(), out / SUBSET)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "weight"])
    for id, weight in zip(found.ids.tolist(), found.weights.tolist(), strict=True):
        writer.writerow([guarded(id), f"{weight:.6g}"])
    write_text(text.getvalue(), out / WEIGHTS)


def unaided_lines(found: Unaided) -> list[str]:
    """What the terminal shows of it."""
    lines = [
        f"{_FILES['subset']}: a subset of {wording.count(int(found.subset.sum()), 'image')} in which every class has as "
        f"many with {found.value} as without; {_USE['subset']}.",
        f"{_FILES['weights']}: sample weights with which every group counts equally; {_USE['weights']}.",
    ]
    if not found.remedies:
        return [*lines, "The effect of both is unknown: the groups are too small to test a probe on."]
    for r in found.remedies:
        share = wording.with_interval(r.worst_group, r.ci)
        gain = "" if r is found.remedies[0] else f", {wording.points(r.gain, r.gain_ci)}"
        who = f"{found.classes[r.class_idx]}, {_group(found, r)} (n = {r.n_group:,})"
        lines.append(f"Worst group of a probe, {_NAMES.get(r.name, r.name)}: {share}{gain}; {who}.")
    return lines


_NAMES = {"subset": "on the subset", "weights": "with the weights"}


def _group(found: Unaided, remedy: Remedy) -> str:
    return found.value if remedy.has_value else f"not {found.value}"
