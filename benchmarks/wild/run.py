"""The wild benchmark: audit photographs that nobody composed, and compare with what a careful person sees in them.

    python benchmarks/wild/run.py --real REAL

REAL holds the folders that truth.json names. A finding names a known shortcut if it, or a value folded into it, is on the
shortcut's list, or if it is a pattern that judged.json says to show it; a judgement is of the pattern's number, so it holds for
the code that it was made with. Whether a finding lies on the subject is measured by the masks in masks/, drawn by hand on 100
images. Writes results/wild.json, with every loud finding and its sentence.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from curator.attributes import words
from curator.commands import Session
from curator.commands.audit import audit_embedded
from curator.commands.session import default_cache, versions
from curator.report.json import dump
from curator.shortcuts import indicators
from curator.types import Embedded, Finding, Floats
from curator.types.findings import is_shortcut

HERE = Path(__file__).parent
RESULT = HERE.parent / "results" / "wild.json"
MOSTLY = 0.5
"""A finding lies on the subject if at least this fraction of its places, in images with a mask, does."""


def masks(name: str, embedded: Embedded) -> dict[int, Floats]:
    """The masks of a set by row of the data set: (g, g), the fraction of each place that the subject covers."""
    index = json.loads((HERE / "masks" / "index.json").read_text(encoding="utf-8"))
    grid = 1 if embedded.patches is None else embedded.patches.grid
    seen, out = embedded.embeddings.encoder.preprocessing, {}
    at = {str(i): k for k, i in enumerate(embedded.dataset.ids)}
    for entry in index:
        if entry["set"] != name or entry["image"] not in at:
            continue
        row = at[entry["image"]]
        size = (int(embedded.facts["width"].iloc[row]), int(embedded.facts["height"].iloc[row]))
        left, top, right, bottom = seen.view(*size)
        mask = Image.open(HERE / "masks" / entry["mask"]).convert("L").resize(size)
        box = (left * size[0], top * size[1], right * size[0], bottom * size[1])
        shown = mask.transform((16 * grid, 16 * grid), Image.Transform.EXTENT, box)
        out[row] = np.asarray(shown, np.float32).reshape(grid, 16, grid, 16).mean((1, 3)) / 255
    return out


def on_subject(finding: Finding, run: Any, embedded: Embedded, drawn: dict[int, Floats]) -> float | None:
    """The fraction of what the finding shows that lies on the subject; None if it is not about places, or no mask shows it."""
    column = run.measures.column(finding.attribute)
    patches = embedded.patches
    if patches is None or not (column.around or column.place == "word") or not drawn:
        return None
    spelt = words.spelling(embedded, embedded)
    has, _ = indicators.read(run.measures, finding.attribute, finding.value)
    own = embedded.dataset.labels == embedded.dataset.classes.index(finding.class_name)
    covered = total = 0.0
    for row, mask in drawn.items():
        if not (has[row] and own[row]):
            continue
        where = spelt[row] == column.word if column.place == "word" else ~patches.on_object_of([row])[0]
        covered, total = covered + float(mask[where].sum()), total + float(where.sum())
    return round(covered / total, 3) if total else None


def names(finding: Finding, shortcut: dict[str, Any], judged: dict[str, str]) -> bool:
    said = [finding.id, *(s if ":" in s.partition("=")[0] else f"{finding.class_name}:{s}" for s in finding.same_as)]
    return any(fnmatchcase(s, p) for s in said for p in shortcut["findings"]) or any(
        judged.get(s) == shortcut["what"] for s in said
    )


def one(name: str, truth: dict[str, Any], judged: dict[str, str], real: Path, session: Session) -> dict[str, Any]:
    embedded = session.looked_at(session.embed(session.scan(real / truth["data"])))
    run = audit_embedded(embedded, session)
    loud = [f for f in run.findings if f.severity != "low" and is_shortcut(f.kind, False)]
    drawn = masks(name, embedded)
    rows = []
    for finding in loud:
        told = [s["what"] for s in truth["known"] if names(finding, s, judged)]
        where = on_subject(finding, run, embedded, drawn)
        rows.append({"id": finding.id, "severity": finding.severity, "kind": finding.kind, "known": told,
                     "on_subject": where, "sentence": finding.sentence})  # fmt: skip
    known = [s["what"] for s in truth["known"]]
    return {
        "set": name, "n_images": len(run.dataset), "n_known": len(known), "n_loud": len(loud),
        "n_words": sum(f.learnt for f in loud),
        "first_true": bool(rows and rows[0]["known"]),
        "in_three": sum(any(w in r["known"] for r in rows[:3]) for w in known),
        "anywhere": sum(any(w in r["known"] for r in rows) for w in known),
        "n_located": sum(r["on_subject"] is not None for r in rows),
        "n_on_subject": sum(r["on_subject"] is not None and r["on_subject"] >= MOSTLY for r in rows),
        "loud": rows,
    }  # fmt: skip


def nulls(real: Path, session: Session, n: int) -> dict[str, Any]:
    """Audits of 1000 photographs of BAR whose labels are drawn at random: what is loud is a false alarm."""
    embedded = session.looked_at(session.embed(session.scan(real / "bar")))
    alarms = []
    for seed in range(n):
        rng = np.random.default_rng([16, seed])
        rows = np.sort(rng.permutation(len(embedded.dataset))[:1000])
        some, n_classes = embedded.take(rows), (2, 5)[seed % 2]
        data = replace(
            some.dataset,
            labels=rng.integers(0, n_classes, len(rows)).astype(np.int32),
            classes=tuple("abcde"[:n_classes]),
            splits=np.full(len(rows), "", dtype=some.dataset.splits.dtype),
        )
        run = audit_embedded(replace(some, dataset=data), session)
        loud = [f for f in run.findings if f.severity != "low" and is_shortcut(f.kind, False)]
        alarms.append([f.sentence for f in loud])
    return {"n": n, "n_with_alarm": sum(bool(a) for a in alarms), "alarms": [a for one in alarms for a in one]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--nulls", type=int, default=0, help="audits of photographs with random labels")
    parser.add_argument("sets", nargs="*")
    flags = parser.parse_args()
    session = Session.open("embedded", cache=flags.cache)
    truth = json.loads((HERE / "truth.json").read_text(encoding="utf-8"))
    judged = json.loads((HERE / "judged.json").read_text(encoding="utf-8"))
    out = [one(n, t, judged.get(n, {}), flags.real, session) for n, t in truth.items() if n in (flags.sets or truth)]
    dump({"schema": "curator.benchmark.wild/1", "versions": versions(), "encoder": session.encoder.info.name, "sets": out,
          "nulls": nulls(flags.real, session, flags.nulls) if flags.nulls else None}, flags.out)  # fmt: skip
    for row in out:
        print(json.dumps({k: v for k, v in row.items() if k != "loud"}))
