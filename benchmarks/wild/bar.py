"""BAR from finding to proof: what breaks the rule, which images to add, and whether they help.

    python benchmarks/wild/bar.py --real REAL

BAR (Nam et al. 2020) shows each of six actions at one place in its training split and at others in its test split.

- *Conflicting images*: both splits are audited as one set. Of the first ten images that a finding lists as breaking the rule,
  the share that is from the test split; for the finding that comes first for an action, and for the best of an action's
  findings (an oracle's choice, as ConceptScope's protocol has it).
- *Images to add*: every second image of the test split, by name, is the pool, and the others are the test set. 60 images are
  added.

Writes results/bar.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from curator.commands import Session, validate
from curator.commands.audit import audit_embedded
from curator.commands.session import default_cache, versions
from curator.report.json import dump
from curator.types.findings import is_shortcut

RESULT = Path(__file__).parents[1] / "results" / "bar.json"
FIRST, ADDED = 10, 60


def conflicting(real: Path, session: Session) -> list[dict[str, Any]]:
    embedded = session.looked_at(session.embed(session.scan(real / "bar")))
    is_test = dict(zip(embedded.dataset.ids.tolist(), (embedded.dataset.splits == "test").tolist(), strict=True))
    splits = np.full(len(embedded.dataset), "", embedded.dataset.splits.dtype)
    run = audit_embedded(replace(embedded, dataset=replace(embedded.dataset, splits=splits)), session)
    out = []
    for name in run.dataset.classes:
        own = [f for f in run.findings if f.class_name == name and is_shortcut(f.kind, False) and f.counterexample_ids]
        precision = [float(np.mean([is_test[i] for i in f.counterexample_ids[:FIRST]])) for f in own]
        out.append({
            "class": name,
            "first": own[0].sentence if own else "", "precision_of_first": precision[0] if own else None,
            "best": own[int(np.argmax(precision))].sentence if own else "", "precision_of_best": max(precision, default=None),
        })  # fmt: skip
    return out


def proof(real: Path, session: Session) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        for action in sorted((real / "bar" / "test").iterdir()):
            for k, file in enumerate(sorted(action.iterdir())):
                place = Path(folder) / ("pool", "test")[k % 2] / action.name
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, place / file.name)
        done = validate(
            real / "bar" / "train", Path(folder) / "pool", test=Path(folder) / "test", budget=ADDED, session=session
        )
    report = done.report
    gain, ci = report.gain_over_random or (None, None)
    return {
        "attribute": report.attribute, "value": report.value, "verdict": report.verdict, "n_added": ADDED,
        "gain_over_random": gain, "gain_ci": ci,
        "arms": {
            name: {
                "worst_group": arm.worst_group.accuracy, "class": arm.worst_group.class_name, "n": arm.worst_group.n,
                "balanced_accuracy": arm.balanced_accuracy,
            }
            for name, arm in report.arms.items()
        },
        "notes": report.notes,
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, default=RESULT)
    flags = parser.parse_args()
    session = Session.open("embedded", cache=flags.cache)
    more = replace(session.settings, audit=replace(session.settings.audit, n_examples=FIRST))
    result = {
        "schema": "curator.benchmark.bar/1", "versions": versions(), "encoder": session.encoder.info.name,
        "conflicting": conflicting(flags.real, replace(session, settings=more)), "proof": proof(flags.real, session),
    }  # fmt: skip
    dump(result, flags.out)
    print(json.dumps(result, indent=1))
