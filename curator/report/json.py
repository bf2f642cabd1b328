"""The JSON and CSV files that scripts read; docs/schema describes each of them.

`audit.json` holds nothing that differs between two runs over the same data, settings, seed and versions: no times, no
dates, no cache paths. Those are in `run.json`.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from msgspec.structs import replace

from curator.report import wording
from curator.report.serialise import dump as dump
from curator.report.serialise import dumps as dumps
from curator.report.serialise import guarded, plain, write_text
from curator.types import (
    Arm,
    AuditRun,
    Cell,
    CurvePoint,
    ExpectedPoint,
    GroupAccuracy,
    Interval,
    ProbeReport,
    Recommendation,
    Removal,
    SplitPlan,
)
from curator.types.document import ABSENT, EncoderSummary, Estimate, Optional, SkippedFile
from curator.types.documents import AuditDocument, RecommendDocument, RunDocument, SplitsDocument, ValidationDocument
from curator.types.documents.audit import (
    ClusterSummary,
    DatasetSummary,
    DrawnFrom,
    Duplicates,
    LeftOut,
    Search,
    Source,
)
from curator.types.documents.plans import (
    ArmResult,
    CurveControl,
    CurvePointResult,
    ExpectedGain,
    Group,
    PlannedCell,
    RecommendedImage,
    RemovedImage,
    SplitCell,
)

CSV_COLUMNS = ("rank", "id", "path", "label", "label_source", "class", "attribute", "value", "reason")
_ROW_FIELDS = tuple("class_name" if name == "class" else name for name in CSV_COLUMNS)
CLUSTER_EXAMPLES = 8
MOST_LISTED = 10_000
"""Maximum number of duplicate groups, of images per group and of doubtful labels in audit.json, which counts the rest.
All leaks are listed, because a build may fail on them."""
_BLOCK = 1 << 14


def audit_document(run: AuditRun, source: Source | None = None) -> AuditDocument:
    """What `audit.json` holds. `source` says how DATA was read, so that `curator verify` can read it again."""
    data, found = run.dataset, run.audit
    named, n_named = np.unique(data.splits[data.splits != ""], return_counts=True)
    return AuditDocument(
        dataset=DatasetSummary(
            name=data.name,
            root=data.root,
            n_images=len(data),
            classes=data.class_counts(),
            splits={str(name): int(n) for name, n in zip(named, n_named, strict=True)},
            skipped=tuple(SkippedFile(s.id, s.reason) for s in data.skipped),
            fingerprint=run.fingerprint,
        ),
        encoder=_encoder(run),
        settings=plain(run.settings),
        seed=int(run.seed),
        versions={k: str(v) for k, v in run.versions.items()},
        expected_false_findings=found.expected_false_findings,
        verdict=found.verdict,
        findings=found.findings,
        shared_patterns=dict(found.shared_patterns),
        clusters=cluster_summaries(run),
        duplicates=Duplicates(
            groups=tuple(replace(g, ids=g.ids[:MOST_LISTED]) for g in run.duplicates[:MOST_LISTED]),
            leaks=run.every_leak,
            search=_search(run),
        ),
        label_errors=run.label_errors[:MOST_LISTED],
        left_out=_left_out(run),
        n_tests=int(found.n_tests),
        notes=tuple(run.notes),
        untested=tuple(wording.untested(u) for u in found.untested),
        untested_attributes=found.untested,
        drawn_from=ABSENT
        if run.whole is None
        else DrawnFrom(n_images=run.whole.n_images, fingerprint=run.whole.fingerprint),
        source=ABSENT if source is None else source,
        surroundings_alone=ABSENT if run.surroundings_alone is None else run.surroundings_alone,
    )


def _encoder(run: AuditRun) -> EncoderSummary:
    e = run.encoder
    return EncoderSummary(
        name=e.name, kind=e.kind, dim=int(e.dim), text=bool(e.text), fingerprint=e.fingerprint, note=e.note
    )


def cluster_summaries(run: AuditRun) -> tuple[ClusterSummary, ...]:
    """The clusters, ordered by number, each with its classes and the images nearest to its centre."""
    out = []
    labels = run.dataset.labels
    for k, name in enumerate(run.clusters.names):
        rows = np.flatnonzero(run.clusters.assignment == k)
        parts = [rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK)] or [rows]
        counts = np.bincount(labels[rows][labels[rows] >= 0], minlength=len(run.dataset.classes))
        # Rounded, with ties broken by id, because the last bits of a product depend on the number of threads.
        near = np.round(np.concatenate([run.embeddings.vectors[p] @ run.clusters.centres[k] for p in parts]), 5)
        best = near >= np.sort(near)[-CLUSTER_EXAMPLES:][:1] if len(near) else near > 0
        nearest = rows[best][np.lexsort((run.dataset.ids[rows[best]], -near[best]))][:CLUSTER_EXAMPLES]
        out.append(
            ClusterSummary(
                id=k,
                n=len(rows),
                name=str(name),
                classes={c: int(n) for c, n in zip(run.dataset.classes, counts, strict=True) if n},
                example_ids=tuple(str(i) for i in run.dataset.ids[nearest]),
            )
        )
    return tuple(out)


def _search(run: AuditRun) -> Search | Optional:
    """How duplicates were searched, if not every pair of images was compared."""
    r = run.recall
    if r is None:
        return ABSENT
    recall = r.n_found / r.n_pairs if r.n_pairs else None
    return Search(method="index", n_sampled=r.n_sampled, n_pairs=r.n_pairs, n_found=r.n_found, recall=recall)


def _left_out(run: AuditRun) -> LeftOut | Optional:
    """How many entries of each list are not in the file. A list that is complete has no key."""
    counts = {
        "duplicate_groups": len(run.duplicates) - MOST_LISTED,
        "duplicate_ids": sum(max(0, len(g.ids) - MOST_LISTED) for g in run.duplicates[:MOST_LISTED]),
        "label_errors": len(run.label_errors) - MOST_LISTED,
    }
    left = {name: n for name, n in counts.items() if n > 0}
    return LeftOut(**left) if left else ABSENT


def run_document(
    run: AuditRun, *, command: str = "audit", started: str = "", out: str = "", files: Sequence[str] = (), **kept: Any
) -> RunDocument:
    """What `run.json` holds: how this run went, without its findings.

    `started` is an ISO 8601 time, `out` the folder written to and `files` the names written there. `kept` is what a later
    run compares to see that nothing has changed.
    """
    speed = run.n_new / run.seconds if run.n_new and run.seconds > 0 else None
    return RunDocument(
        command=command,
        started=started or None,
        data=run.dataset.root,
        out=out or None,
        files=tuple(files),
        n_images=len(run.dataset),
        n_new=int(run.n_new),
        n_skipped=len(run.dataset.skipped),
        n_tests=int(run.audit.n_tests),
        n_findings=len(run.audit.findings),
        seconds=plain(run.seconds),
        images_per_second=plain(speed),
        fingerprint=run.fingerprint,
        encoder=_encoder(run),
        settings=plain(run.settings),
        seed=int(run.seed),
        versions={k: str(v) for k, v in run.versions.items()},
        notes=tuple(run.notes),
        **kept,
    )


def recommend_document(
    rec: Recommendation,
    pool_root: str,
    *,
    run: AuditRun | None = None,
    seed: int | None = None,
    notes: Sequence[str] = (),
    **more: Any,
) -> RecommendDocument:
    """The content of `recommend.json`: the rows of the CSV as `images`, the plan, and what the pool lacks.

    If the images of a cell must not have the value, its `value` is written like "not green". Scripts should read
    `has_value` and `attribute_value` instead. `more` are further fields: `review`, `without_new_images`, `synthetic`.
    """
    lasts = rec.last_resorts or ("",) * len(rec.ids)
    return RecommendDocument(
        pool=pool_root,
        seed=seed,
        **_of(run),
        images=tuple(
            RecommendedImage(**dict(zip(_ROW_FIELDS, row, strict=True)), last_resort=last)
            for row, last in zip(_rows(rec, pool_root), lasts, strict=True)
        ),
        plan=tuple(_cell(c) for c in rec.plan),
        shopping_list=rec.shopping_list,
        expected_worst_group_gain=_estimate(rec.expected_gain),
        expected_curve=tuple(
            ExpectedGain(n_added=p.n_added, worst_group=p.worst_group, gain=p.gain, ci=p.ci) for p in rec.expected_curve
        ),
        enough=rec.enough,
        removals=tuple(
            RemovedImage(
                rank=k, id=r.id, class_name=r.class_name, attribute=r.attribute, value=r.value, reason=r.reason
            )
            for k, r in enumerate(rec.removals, start=1)
        ),
        notes=tuple(notes),
        **more,
    )


def _cell(c: Cell) -> PlannedCell:
    return PlannedCell(
        class_name=c.class_name,
        attribute=c.attribute,
        value=c.value_name,
        have=int(c.have),
        want=int(c.want),
        got=int(c.got),
        missing=int(c.missing),
        has_value=bool(c.has_value),
        attribute_value=c.value,
        available=c.available,
        words=wording.cell(c),
        what=c.words,
    )


def _rows(rec: Recommendation, pool_root: str) -> Iterator[tuple[Any, ...]]:
    columns = zip(rec.ids, rec.labels, rec.label_sources, rec.cells, rec.reasons, strict=True)
    for rank, (id, label, source, cell, reason) in enumerate(columns, start=1):
        # An image of the random control has no cell, so its class is its label.
        where = (label, "", "")
        if 0 <= cell < len(rec.plan):
            c = rec.plan[cell]
            where = (c.class_name, c.attribute, c.value_name)
        yield rank, str(id), f"{pool_root.rstrip('/')}/{id}", label, source, *where, reason


def recommendation_csv(
    rec: Recommendation, pool_root: str, path: str | os.PathLike[str], *, data_root: str = "", decisions: bool = False
) -> None:
    """Write `recommendation.csv` atomically: one image per row, best first. No cell can run as a spreadsheet formula.

    If the plan leaves out images of the data set, a column `action` says "add" or "drop", and images to drop come last. With
    `decisions` the last column is `decision`: "accept" if a person has confirmed the image, otherwise empty to be filled in.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    extra = [*(["action"] if rec.removals else []), *(["decision"] if decisions else [])]
    writer.writerow([*CSV_COLUMNS, *extra])
    rows = [(*row, "add") for row in _rows(rec, pool_root)]
    for rank, r in enumerate(rec.removals, start=len(rows) + 1):
        place = f"{data_root.rstrip('/')}/{r.id}"
        rows.append((rank, r.id, place, r.class_name, "given", r.class_name, r.attribute, r.value, r.reason, "drop"))
    for row in rows:
        cells = [*row[1:-1], *(row[-1:] if rec.removals else [])]
        cells += ["accept" if row[4] == "confirmed" else ""] if decisions else []
        writer.writerow([row[0], *map(guarded, cells)])
    write_text(text.getvalue(), path)


def shopping_csv(rec: Recommendation, path: str | os.PathLike[str]) -> None:
    """Write `shopping_list.csv`: the images that are missing in the pool, one cell per row, the largest number first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["n", "class", "attribute", "value", "photographs"])
    for cell in sorted(rec.plan, key=lambda c: -c.missing):
        if cell.missing:
            row = cell.class_name, cell.attribute, cell.value_name, wording.cell(cell)
            writer.writerow([cell.missing, *map(guarded, row)])
    write_text(text.getvalue(), path)


def _of(run: AuditRun | None) -> dict[str, Any]:
    """The data and the encoder that a plan or a validation belongs to."""
    return {} if run is None else {"fingerprint": run.fingerprint, "encoder_fingerprint": run.encoder.fingerprint}


def recommendation_of(document: RecommendDocument) -> Recommendation:
    """The recommendation that a recommend.json holds."""
    cells = {(c.class_name, c.attribute, c.value): k for k, c in enumerate(document.plan)}
    images, gain = document.images, document.expected_worst_group_gain
    return Recommendation(
        ids=tuple(i.id for i in images),
        labels=tuple(i.label for i in images),
        label_sources=tuple(i.label_source for i in images),
        cells=tuple(cells.get((i.class_name, i.attribute, i.value), -1) for i in images),
        reasons=tuple(i.reason for i in images),
        plan=tuple(
            Cell(c.class_name, c.attribute, c.attribute_value, c.has_value, c.have, c.want, c.got, c.available, c.what)
            for c in document.plan
        ),
        shopping_list=document.shopping_list,
        expected_gain=None if gain is None else (gain.value, gain.ci),
        expected_curve=tuple(ExpectedPoint(p.n_added, p.worst_group, p.gain, p.ci) for p in document.expected_curve),
        enough=document.enough,
        removals=tuple(Removal(r.id, r.class_name, r.attribute, r.value, r.reason) for r in document.removals),
        last_resorts=tuple(i.last_resort for i in images),
    )


def probe_of(document: ValidationDocument) -> ProbeReport:
    """The validation that a validation.json holds."""
    gain, change = document.gain_over_random, document.average_change
    return ProbeReport(
        arms={
            name: Arm(
                name,
                a.n_train,
                a.accuracy,
                a.accuracy_ci,
                a.balanced_accuracy,
                _accuracy(a.worst_group),
                tuple(map(_accuracy, a.groups)),
                a.average_accuracy,
            )
            for name, a in document.arms.items()
        },
        gain_over_random=None if gain is None else (gain.value, gain.ci),
        verdict=document.verdict,
        attribute=document.attribute,
        value=document.value,
        curve=tuple(_point(p, None if p.random is None else _point(p.random)) for p in document.curve),
        notes=document.notes,
        average_change=None if change is None else (change.value, change.ci),
        c=document.c,
    )


def _accuracy(g: Group) -> GroupAccuracy:
    unknown = float("nan")
    value = unknown if g.value is None else g.value
    return GroupAccuracy(g.class_name, g.value_of_attribute, g.n, value, g.ci or (unknown, unknown))


def _point(p: CurveControl, random: CurvePoint | None = None) -> CurvePoint:
    reliance = float("nan") if p.reliance is None else p.reliance
    return CurvePoint(p.n_added, p.worst_group, p.ci, reliance, p.reliance_ci, p.average_accuracy, random)


def validation_document(
    report: ProbeReport,
    run: AuditRun | None = None,
    plan: RecommendDocument | None = None,
    beside: str | None = None,
) -> ValidationDocument:
    """What `validation.json` holds: the arms of the linear probe, the gain over the random control, the verdict.

    `plan` is what was validated, `beside` the digest of the recommend.json in the same folder.
    """
    return ValidationDocument(
        **_of(run),
        recommendation=plan,
        beside=beside,
        arms={name: _arm(arm) for name, arm in report.arms.items()},
        gain_over_random=_estimate(report.gain_over_random),
        average_change=_estimate(report.average_change),
        curve=tuple(
            CurvePointResult(
                **_curve_point(p), random=None if p.random is None else CurveControl(**_curve_point(p.random))
            )
            for p in report.curve
        ),
        verdict=report.verdict,
        c=plain(report.c),
        attribute=report.attribute,
        value=report.value,
        notes=tuple(report.notes),
    )


def _curve_point(p: CurvePoint) -> dict[str, Any]:
    return {
        "n_added": p.n_added,
        "worst_group": p.worst_group,
        "ci": p.ci,
        "reliance": plain(p.reliance),
        "reliance_ci": p.reliance_ci,
        "average_accuracy": plain(p.average_accuracy),
    }


def _arm(arm: Arm) -> ArmResult:
    return ArmResult(
        n_train=int(arm.n_train),
        accuracy=arm.accuracy,
        average_accuracy=plain(arm.average_accuracy),
        balanced_accuracy=arm.balanced_accuracy,
        worst_group=_group(arm.worst_group),
        groups=tuple(_group(g) for g in arm.groups),
        accuracy_ci=arm.accuracy_ci,
    )


def _group(g: GroupAccuracy) -> Group:
    # A group without test images has no accuracy and no interval.
    ci = g.ci if np.isfinite(g.ci).all() else None
    return Group(value=plain(g.accuracy), ci=ci, class_name=g.class_name, value_of_attribute=g.value, n=int(g.n))


def _estimate(pair: tuple[float, Interval] | None) -> Estimate | None:
    return None if pair is None else Estimate(*pair)


def splits_document(plan: SplitPlan) -> SplitsDocument:
    """What `splits.json` holds: the split of each image, and the wanted and actual counts per class x value."""
    asked = plan.asked.reindex(plan.got.index)
    names = sorted({*plan.assignment.values(), *map(str, plan.got.columns)})
    counts = dict.fromkeys(names, 0)
    for split in plan.assignment.values():
        counts[split] += 1
    return SplitsDocument(
        n_images=len(plan.assignment),
        splits=counts,
        cells=tuple(
            SplitCell(class_name=c, value=v, asked=_counts(asked, i), got=_counts(plan.got, i))
            for i, (c, v) in enumerate(map(_cell_key, plan.got.index))
        ),
        assignment={str(k): str(v) for k, v in sorted(plan.assignment.items())},
        left_out=plan.left_out or ABSENT,
        weights={k: float(v) for k, v in sorted(plan.weights.items())} or ABSENT,
        shopping_list=plan.shopping_list or ABSENT,
        notes=plan.notes or ABSENT,
    )


def _cell_key(key: Any) -> tuple[str, str]:
    return (str(key[0]), " ".join(map(str, key[1:]))) if isinstance(key, tuple) else (str(key), "")


def _counts(frame: pd.DataFrame, i: int) -> dict[str, Any]:
    return {str(c): plain(v) for c, v in zip(frame.columns, frame.iloc[i].tolist(), strict=True)}
