"""Apply the decisions of a review: never choose rejected images, keep accepted ones first, and replace the rejected."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curator.commands._steps.candidates import class_indices
from curator.commands._steps.edited_tables import read_rows
from curator.errors import InputError
from curator.report import wording
from curator.report.serialise import guarded, write_text
from curator.selection.choice import Pool
from curator.selection.decisions import ACCEPT, DECISIONS, REJECT, Review
from curator.selection.plan import CellKey, Target
from curator.types import Cell, Dataset, Ints, Mask, Recommendation

LEDGER = "review.csv"
"""The file in a result folder that keeps all decisions of earlier rounds."""


def read_review(path: str | Path) -> Review:
    """Read a recommendation.csv with a column `decision` (accept, reject or empty) and labels that may be corrected.

    Raises:
        InputError: there is no such table, or `decision` has another word.
    """
    try:
        columns, rows = read_rows(path)
    except (OSError, ValueError) as e:
        raise InputError(
            f"cannot read the review {path} ({e}); give a recommendation.csv with a column decision."
        ) from e
    if not {"path", "decision"} <= set(columns):
        raise InputError(
            f"{path} has no columns path and decision; add a column decision with {' or '.join(DECISIONS)} to "
            "recommendation.csv."
        )
    accepted: dict[str, str] = {}
    rejected: set[str] = set()
    for k, record in enumerate(rows, start=2):
        word = record["decision"].strip().casefold()
        place = os.path.realpath(record["path"])
        if word == ACCEPT:
            accepted[place] = record.get("label", "")
        elif word == REJECT:
            rejected.add(place)
        elif word:
            raise InputError(
                f"{path}, line {k}: the decision {record['decision']!r} is neither {' nor '.join(DECISIONS)}; "
                "correct it or leave it empty."
            )
    return Review({p: label for p, label in accepted.items() if p not in rejected}, frozenset(rejected), str(path))


def earlier(out: Path) -> Review:
    """All decisions in a result folder: of earlier rounds in review.csv, and of the last round in recommendation.csv.

    Raises: InputError as in `read_review`.
    """
    found = Review()
    if (out / LEDGER).exists():
        found = read_review(out / LEDGER)
    last = out / "recommendation.csv"
    if last.exists() and _has_decisions(last):
        found = found.then(read_review(last))
    return found


def keep(review: Review, out: Path) -> None:
    """Write all decisions to review.csv, which stays when a new recommendation.csv is written."""
    if not review.accepted and not review.rejected:
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "label", "decision"])
    rows = [(path, label, ACCEPT) for path, label in review.accepted.items()]
    rows += [(path, "", REJECT) for path in review.rejected]
    writer.writerows([list(map(guarded, row)) for row in sorted(rows)])
    write_text(text.getvalue(), out / LEDGER)


def _has_decisions(path: Path) -> bool:
    try:
        _, rows = read_rows(path)
    except (OSError, ValueError):
        return False  # not a readable table, so it holds no decisions
    return any(row.get("decision", "").strip() for row in rows)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The pool after a review: `open` are candidates to choose from, `kept` the accepted rows, `pool` has both usable."""

    open: Pool
    pool: Pool
    kept: NDArray[np.intp]
    notes: tuple[str, ...]


def decided(candidates: Pool, pool: Dataset, classes: Sequence[str], review: Review) -> Reviewed:
    """Apply the decisions to the candidates: rejected images are not usable, accepted ones have the label of the review.

    An accepted image is used even if it had low confidence, poor quality or a duplicate in the data set.
    """
    place = {os.path.realpath(pool.path(i)): i for i in range(len(pool))}
    accepted = {os.path.realpath(path): label for path, label in review.accepted.items()}
    gone = [place[p] for p in map(os.path.realpath, review.rejected) if p in place]
    rows = np.array([place[p] for p in accepted if p in place], np.intp)
    said = class_indices(np.array([accepted[p] for p in accepted if p in place], np.str_), classes)
    blank = np.array([not accepted[p] for p in accepted if p in place], np.bool_)
    labels = np.where(blank, candidates.labels[rows], said)
    notes = list(review.notes)
    n_odd = int((labels < 0).sum())
    if n_odd:
        notes.append(wording.notes.accepted_of_other_class(n_odd, classes))
    strangers = len(accepted) + len(review.rejected) - len(rows) - len(gone)
    if strangers:
        notes.append(wording.notes.decided_elsewhere(strangers))
    # A label that is not a class of the data means that the image is not to be added.
    gone += rows[labels < 0].tolist()
    kept = rows[labels >= 0]
    usable, known = candidates.usable.copy(), candidates.labels.copy()
    source, sure = candidates.label_source.astype("<U16"), candidates.confidence.copy()
    usable[gone] = False
    usable[kept], known[kept], source[kept], sure[kept] = True, labels[labels >= 0], "confirmed", 1.0
    caveats = None if candidates.caveats is None else candidates.caveats.copy()
    if caveats is not None:
        caveats[kept] = ""
    both = replace(candidates, usable=usable, labels=known, label_source=source, confidence=sure, caveats=caveats)
    waiting = usable.copy()
    waiting[kept] = False
    return Reviewed(replace(both, usable=waiting), both, kept, tuple(notes))


def as_added(
    labels: Ints, targets: Sequence[Target], reviewed: Reviewed, classes: Sequence[str]
) -> tuple[Ints, Sequence[str], list[Target]]:
    """The labels, classes and targets of the data set with the accepted images added."""
    rows = reviewed.kept
    return (
        np.concatenate([labels, reviewed.pool.labels[rows]]).astype(np.int32),
        classes,
        [replace(t, has=np.concatenate([t.has, t.pool_has[rows]])) for t in targets],
    )


def kept_first(
    rec: Recommendation, reviewed: Reviewed, targets: Sequence[Target], classes: Sequence[str]
) -> Recommendation:
    """The recommendation with the accepted images first; the plan counts them as wanted and chosen."""
    keys: list[CellKey] = [(t, k, k != a.class_idx) for t, a in enumerate(targets) for k in range(len(classes))]
    filled = [_fills(int(row), keys, targets, reviewed.pool.labels) for row in reviewed.kept]
    n = np.bincount([c for c in filled if c >= 0], minlength=len(keys)) if keys else np.zeros(0, int)
    plan = tuple(_counted(cell, int(more)) for cell, more in zip(rec.plan, n, strict=True))
    rows = reviewed.kept
    confirmed: list[Literal["confirmed"]] = ["confirmed" for _ in rows]
    reasons = tuple("accepted in the review" + (f"; adds to {wording.cell(plan[c])}" if c >= 0 else "") for c in filled)
    return replace(
        rec,
        ids=(*(str(i) for i in reviewed.pool.ids[rows]), *rec.ids),
        labels=(*(classes[k] for k in reviewed.pool.labels[rows]), *rec.labels),
        label_sources=(*confirmed, *rec.label_sources),
        cells=(*filled, *rec.cells),
        reasons=(*reasons, *rec.reasons),
        last_resorts=(*([""] * len(rows)), *rec.last_resorts),
        plan=plan,
    )


def _fills(row: int, keys: Sequence[CellKey], targets: Sequence[Target], labels: Ints) -> int:
    """The index of the first cell that an image of the pool fills, -1 for none."""

    def fits(t: int, k: int, wanted: bool) -> bool:
        known: Mask | None = targets[t].pool_known
        return bool(labels[row] == k and targets[t].pool_has[row] == wanted and (known is None or known[row]))

    return next((c for c, key in enumerate(keys) if fits(*key)), -1)


def _counted(cell: Cell, more: int) -> Cell:
    available = None if cell.available is None else cell.available + more
    return replace(cell, have=cell.have - more, want=cell.want + more, got=cell.got + more, available=available)
