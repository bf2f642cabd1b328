"""The JSON and CSV files that scripts read; docs/schema describes each of them.

`audit.json` holds nothing that differs between two runs over the same data, settings, seed and versions: no times, no
dates, no cache paths. Those are in `run.json`.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from curator.report.serialise import dump as dump
from curator.report.serialise import dumps as dumps
from curator.report.serialise import guarded, plain, write_text
from curator.types import (
    Arm,
    AuditRun,
    Cell,
    CurvePoint,
    Finding,
    GroupAccuracy,
    Interval,
    ProbeReport,
    Recommendation,
    SharedPattern,
    SplitPlan,
)

CSV_COLUMNS = ("rank", "id", "path", "label", "label_source", "class", "attribute", "value", "reason")
CLUSTER_EXAMPLES = 8
MOST_LISTED = 10_000
"""Groups of duplicates, images of one group and doubtful labels in audit.json, at most: what is left out is counted there.
Leaks are all listed, since a build may fail by them."""
_BLOCK = 1 << 14


def audit_json(run: AuditRun, source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `audit.json` holds.

    `source` is how DATA was read (docs/schema/audit.json lists its keys), so that `curator verify` can read it again.
    """
    data = run.dataset
    named, n_named = np.unique(data.splits[data.splits != ""], return_counts=True)
    return {
        "schema": "curator.audit/1",
        "dataset": {
            "root": data.root,
            "n_images": len(data),
            "classes": data.class_counts(),
            "splits": {str(name): int(n) for name, n in zip(named, n_named, strict=True)},
            "skipped": [{"id": s.id, "reason": s.reason} for s in data.skipped],
            "fingerprint": run.fingerprint,
        },
        "encoder": _encoder(run),
        "settings": plain(run.settings),
        "seed": int(run.seed),
        "versions": {k: str(v) for k, v in run.versions.items()},
        "expected_false_findings": plain(run.audit.expected_false_findings),
        "verdict": run.audit.verdict,
        "findings": [_finding(f) for f in run.audit.findings],
        "shared_patterns": {
            name: [_pattern(p) for p in patterns] for name, patterns in run.audit.shared_patterns.items()
        },
        "clusters": clusters_json(run),
        "duplicates": {
            "groups": [{"kind": g.kind, "ids": list(g.ids[:MOST_LISTED])} for g in run.duplicates[:MOST_LISTED]],
            "leaks": [{"ids": list(leak.ids), "splits": list(leak.splits)} for leak in run.every_leak],
            **_search(run),
        },
        "label_errors": [
            {"id": e.id, "given": e.given, "suggested": e.suggested, "score": plain(e.score)}
            for e in run.label_errors[:MOST_LISTED]
        ],
        **_left_out(run),
        "n_tests": int(run.audit.n_tests),
        "notes": list(run.notes),
        "untested": list(run.audit.untested),
        **_whole(run),
        **({} if source is None else {"source": plain(source)}),
    }


def _encoder(run: AuditRun) -> dict[str, Any]:
    e = run.encoder
    return {
        "name": e.name,
        "kind": e.kind,
        "dim": int(e.dim),
        "text": bool(e.text),
        "fingerprint": e.fingerprint,
        "note": e.note,
    }


def _finding(f: Finding) -> dict[str, Any]:
    r = f.reliance
    reliance = None
    if r is not None:
        reliance = {
            "gap": r.gap,
            "gap_ci": r.gap_ci,
            "intervention_drop": r.intervention_drop,
            "control_drop": r.control_drop,
            "n_conflicting": r.n_conflicting,
            "intervention_ci": r.intervention_ci,
            "control_ci": r.control_ci,
            "excess_ci": r.excess_ci,
            "n_edited": r.n_edited,
            "edit": r.edit,
            "control_edit": r.control_edit,
        }
    c, a = f.confirmation, f.adjusted
    out: dict[str, Any] = plain(
        {
            "id": f.id,
            "class": f.class_name,
            "attribute": f.attribute,
            "value": f.value,
            "kind": f.kind,
            "share_in_class": f.share_in_class,
            "share_in_class_ci": f.share_in_class_ci,
            "share_elsewhere": f.share_elsewhere,
            "share_elsewhere_ci": f.share_elsewhere_ci,
            "effect": f.effect,
            "effect_ci": f.effect_ci,
            "p": f.p,
            "q": f.q,
            "reliance": reliance,
            "severity": f.severity,
            "same_as": f.same_as,
            "sentence": f.sentence,
            "example_ids": f.example_ids,
            "counterexample_ids": f.counterexample_ids,
            "n_class": f.n_class,
            "n_with": f.n_with,
            "confirmation": c
            and {
                "n_splits": c.n_splits,
                "discovered": c.discovered,
                "confirmed": c.confirmed,
                "effect": c.effect,
                "effect_ci": c.effect_ci,
            },
            "adjusted_for": a.held if a else (),
            "adjusted_effect": a and a.effect,
            "adjusted_ci": a and a.effect_ci,
            "adjusted_p": a and a.p,
            "intended": f.intended,
        }
    )
    return out


def _pattern(p: SharedPattern) -> dict[str, Any]:
    boxes = p.boxes or (None,) * len(p.example_ids)
    return {
        "name": p.name,
        "kind": p.kind,
        "share": plain(p.share),
        "example_crops": [{"id": i, "box": box and list(box)} for i, box in zip(p.example_ids, boxes, strict=True)],
        "attribute": p.attribute,
        "value": p.value,
        "share_elsewhere": plain(p.share_elsewhere),
    }


def clusters_json(run: AuditRun) -> list[dict[str, Any]]:
    """The clusters in the order of their number, each with its classes and the images nearest to its centre."""
    out = []
    labels = run.dataset.labels
    for k, name in enumerate(run.clusters.names):
        rows = np.flatnonzero(run.clusters.assignment == k)
        parts = [rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK)] or [rows]
        counts = np.bincount(labels[rows][labels[rows] >= 0], minlength=len(run.dataset.classes))
        # Rounded, and ties broken by id: the last bits of a product depend on how many threads made it.
        near = np.round(np.concatenate([run.embeddings.vectors[p] @ run.clusters.centres[k] for p in parts]), 5)
        best = near >= np.sort(near)[-CLUSTER_EXAMPLES:][:1] if len(near) else near > 0
        nearest = rows[best][np.lexsort((run.dataset.ids[rows[best]], -near[best]))][:CLUSTER_EXAMPLES]
        out.append(
            {
                "id": k,
                "n": len(rows),
                "name": str(name),
                "classes": {c: int(n) for c, n in zip(run.dataset.classes, counts, strict=True) if n},
                "example_ids": [str(i) for i in run.dataset.ids[nearest]],
            }
        )
    return out


def _search(run: AuditRun) -> dict[str, Any]:
    """How duplicates were looked for, where not every pair of images was compared."""
    r = run.recall
    if r is None:
        return {}
    found = {"n_sampled": r.n_sampled, "n_pairs": r.n_pairs, "n_found": r.n_found}
    return {"search": {"method": "index", **found, "recall": r.n_found / r.n_pairs if r.n_pairs else None}}


def _whole(run: AuditRun) -> dict[str, Any]:
    """What the images were drawn from; no key where all were audited."""
    w = run.whole
    return {} if w is None else {"drawn_from": {"n_images": w.n_images, "fingerprint": w.fingerprint}}


def _left_out(run: AuditRun) -> dict[str, Any]:
    """How many entries of each list are not in the file; no key where all are."""
    counts = {
        "duplicate_groups": len(run.duplicates) - MOST_LISTED,
        "duplicate_ids": sum(max(0, len(g.ids) - MOST_LISTED) for g in run.duplicates[:MOST_LISTED]),
        "label_errors": len(run.label_errors) - MOST_LISTED,
    }
    left = {name: n for name, n in counts.items() if n > 0}
    return {"left_out": left} if left else {}


def run_json(
    run: AuditRun, *, command: str = "audit", started: str = "", out: str = "", files: Sequence[str] = ()
) -> dict[str, Any]:
    """What `run.json` holds: how this run went, apart from what it found.

    `started` is an ISO 8601 time, `out` the folder written to and `files` the names written there.
    """
    speed = run.n_new / run.seconds if run.n_new and run.seconds > 0 else None
    return {
        "schema": "curator.run/1",
        "command": command,
        "started": started or None,
        "data": run.dataset.root,
        "out": out or None,
        "files": list(files),
        "n_images": len(run.dataset),
        "n_new": int(run.n_new),
        "n_skipped": len(run.dataset.skipped),
        "n_tests": int(run.audit.n_tests),
        "n_findings": len(run.audit.findings),
        "seconds": plain(run.seconds),
        "images_per_second": plain(speed),
        "fingerprint": run.fingerprint,
        "encoder": _encoder(run),
        "settings": plain(run.settings),
        "seed": int(run.seed),
        "versions": {k: str(v) for k, v in run.versions.items()},
        "notes": list(run.notes),
    }


def recommend_json(
    rec: Recommendation, pool_root: str, *, seed: int | None = None, review: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What `recommend.json` holds: the rows of the CSV as `images`, the plan, and what the pool lacks.

    The `value` of a cell of images that must NOT have the value reads "not green"; `has_value` and `attribute_value`
    say the same to a script. `review` is where the decisions of a person came from, and how many there were.
    """
    return {
        "schema": "curator.recommend/1",
        "pool": pool_root,
        "seed": seed,
        "images": [dict(zip(CSV_COLUMNS, row, strict=True)) for row in _rows(rec, pool_root)],
        "plan": [_cell(c) for c in rec.plan],
        "shopping_list": list(rec.shopping_list),
        "expected_worst_group_gain": _value_ci(rec.expected_gain),
        "expected_curve": [
            plain({"n_added": p.n_added, "worst_group": p.worst_group, "gain": p.gain, "ci": p.ci})
            for p in rec.expected_curve
        ],
        "enough": rec.enough,
        "removals": [
            {
                "rank": k,
                "id": r.id,
                "class": r.class_name,
                "attribute": r.attribute,
                "value": r.value,
                "reason": r.reason,
            }
            for k, r in enumerate(rec.removals, start=1)
        ],
        **({"review": plain(review)} if review else {}),
    }


def _cell(c: Cell) -> dict[str, Any]:
    return {
        "class": c.class_name,
        "attribute": c.attribute,
        "value": c.value_name,
        "have": int(c.have),
        "want": int(c.want),
        "got": int(c.got),
        "missing": int(c.missing),
        "has_value": bool(c.has_value),
        "attribute_value": c.value,
        "available": c.available,
        "words": c.photographs,
    }


def _rows(rec: Recommendation, pool_root: str) -> Iterator[tuple[Any, ...]]:
    columns = zip(rec.ids, rec.labels, rec.label_sources, rec.cells, rec.reasons, strict=True)
    for rank, (id, label, source, cell, reason) in enumerate(columns, start=1):
        # An image chosen for no cell (the random control) fills none: its class is its label.
        where = (label, "", "")
        if 0 <= cell < len(rec.plan):
            c = rec.plan[cell]
            where = (c.class_name, c.attribute, c.value_name)
        yield rank, str(id), f"{pool_root.rstrip('/')}/{id}", label, source, *where, reason


def recommendation_csv(
    rec: Recommendation, pool_root: str, path: str | os.PathLike[str], *, data_root: str = "", decisions: bool = False
) -> None:
    """Write `recommendation.csv`: one image a row, best first, atomically; no cell can run as a spreadsheet formula.

    Where images of the data set are left out, a column `action` says "add" or "drop", and those to drop come last. With
    `decisions` the last column is `decision`: "accept" where a person has confirmed the image, and else to be filled in.
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
    """Write `shopping_list.csv`: what the pool could not give, one cell a row, most first."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["n", "class", "attribute", "value", "photographs"])
    for cell in sorted(rec.plan, key=lambda c: -c.missing):
        if cell.missing:
            row = cell.class_name, cell.attribute, cell.value_name, cell.photographs
            writer.writerow([cell.missing, *map(guarded, row)])
    write_text(text.getvalue(), path)


def validation_json(report: ProbeReport) -> dict[str, Any]:
    """What `validation.json` holds: the arms of the linear probe, the gain over the random control, the verdict."""
    return {
        "schema": "curator.validation/1",
        "arms": {name: _arm(arm) for name, arm in report.arms.items()},
        "gain_over_random": _value_ci(report.gain_over_random),
        "average_change": _value_ci(report.average_change),
        "curve": [{**_curve_point(p), "random": p.random and _curve_point(p.random)} for p in report.curve],
        "verdict": report.verdict,
        "c": plain(report.c),
        "attribute": report.attribute,
        "value": report.value,
        "notes": list(report.notes),
    }


def _curve_point(p: CurvePoint) -> dict[str, Any]:
    out: dict[str, Any] = plain(
        {
            "n_added": p.n_added,
            "worst_group": p.worst_group,
            "ci": p.ci,
            "reliance": p.reliance,
            "reliance_ci": p.reliance_ci,
            "average_accuracy": p.average_accuracy,
        }
    )
    return out


def _arm(arm: Arm) -> dict[str, Any]:
    return {
        "n_train": int(arm.n_train),
        "accuracy": plain(arm.accuracy),
        "average_accuracy": plain(arm.average_accuracy),
        "balanced_accuracy": plain(arm.balanced_accuracy),
        "worst_group": _group(arm.worst_group),
        "groups": [_group(g) for g in arm.groups],
        "accuracy_ci": plain(arm.accuracy_ci),
    }


def _group(g: GroupAccuracy) -> dict[str, Any]:
    return {
        "value": plain(g.accuracy),
        # A group without test images has no accuracy, so no interval either.
        "ci": plain(g.ci) if np.isfinite(g.ci).all() else None,
        "class": g.class_name,
        "value_of_attribute": g.value,
        "n": int(g.n),
    }


def _value_ci(pair: tuple[float, Interval] | None) -> dict[str, Any] | None:
    return None if pair is None else {"value": plain(pair[0]), "ci": plain(pair[1])}


def splits_json(plan: SplitPlan) -> dict[str, Any]:
    """What `splits.json` holds: the split of each image, and per class x value what was asked for and got."""
    asked = plan.asked.reindex(plan.got.index)
    names = sorted({*plan.assignment.values(), *map(str, plan.got.columns)})
    counts = dict.fromkeys(names, 0)
    for split in plan.assignment.values():
        counts[split] += 1
    return {
        "schema": "curator.splits/1",
        "n_images": len(plan.assignment),
        "splits": counts,
        "cells": [
            {"class": c, "value": v, "asked": _counts(asked, i), "got": _counts(plan.got, i)}
            for i, (c, v) in enumerate(map(_cell_key, plan.got.index))
        ],
        "assignment": {str(k): str(v) for k, v in sorted(plan.assignment.items())},
        **({"left_out": list(plan.left_out)} if plan.left_out else {}),
        **({"weights": {k: plain(v) for k, v in sorted(plan.weights.items())}} if plan.weights else {}),
        **({"shopping_list": list(plan.shopping_list)} if plan.shopping_list else {}),
        **({"notes": list(plan.notes)} if plan.notes else {}),
    }


def _cell_key(key: Any) -> tuple[str, str]:
    return (str(key[0]), " ".join(map(str, key[1:]))) if isinstance(key, tuple) else (str(key), "")


def _counts(frame: pd.DataFrame, i: int) -> dict[str, Any]:
    return {str(c): plain(v) for c, v in zip(frame.columns, frame.iloc[i].tolist(), strict=True)}
