"""What can be done without new images: subset.csv, weights.csv, and the accuracy that each gives."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from curator.report.serialise import guarded, write_text
from curator.report.wording import plans
from curator.types.document import Estimate
from curator.types.documents.plans import Group, RemedyFile, RemedyProbe, WithoutNewImages
from curator.types.without_pool import Unaided

SUBSET, WEIGHTS = "subset.csv", "weights.csv"


def summary(found: Unaided) -> WithoutNewImages:
    """The part of recommend.json on it: each remedy, its file and use, and the worst group with it."""
    return WithoutNewImages(
        class_name=found.class_name,
        attribute=found.attribute,
        value=found.value,
        subset=RemedyFile(file=SUBSET, n=int(found.subset.sum()), use=plans.SUBSET_USE),
        weights=RemedyFile(file=WEIGHTS, n=len(found.ids), use=plans.WEIGHTS_USE),
        probe=tuple(
            RemedyProbe(
                name=r.name,
                n=r.n,
                worst_group=Group(
                    value=r.worst_group,
                    ci=r.ci,
                    class_name=found.classes[r.class_idx],
                    value_of_attribute=plans.value_of(found, r),
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
    return plans.without_new_images(found, SUBSET, WEIGHTS)
