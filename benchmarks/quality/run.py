"""The quality benchmark: plant shortcuts of known size, audit the sets, mark the answers. Writes results/quality.json.

    python benchmarks/quality/run.py --kit PATH --bank DIR --half report --seeds 301 302 303 304 305
    python benchmarks/quality/run.py --kit PATH --bank DIR --half dev --seeds 1 2 --rows first --kinds scene blur

One line per set goes to a scratch file beside the result, and a set that is there already (same curator, same encoder) is
not audited again: a run that was stopped goes on where it was. Seeds below 300 were used while the audit was developed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cells
import numpy as np
import placement
import synthetic
from bank import Bank
from planted import KINDS, Planted, Spec, make
from scoring import Found, phi, score
from summary import summarise

from curator.commands import Session, audit
from curator.commands.audit import audit_embedded
from curator.commands.session import default_cache, versions
from curator.errors import CuratorError
from curator.report.json import dump
from curator.shortcuts import indicators
from curator.types import AuditRun, Embedded, Finding

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "quality.json"
ROWS = ("first", "few", "weaker", "weakest", "two", "null")
N_KEPT = 10
"""Findings of each set that are written down."""
N_PLACED = 16
"""Images of a finding that are held against their masks."""


def examine(planted: Planted, session: Session) -> tuple[AuditRun, list[Found], float]:
    """The audit of one set, its findings made ready for scoring, and the seconds the audit took."""
    start = time.perf_counter()
    embedded = session.embed(session.scan(planted.path))
    run = audit_embedded(embedded, session)
    seconds = time.perf_counter() - start
    return run, [found(f, run, embedded, planted) for f in run.audit.findings], seconds


def found(finding: Finding, run: AuditRun, embedded: Embedded, planted: Planted) -> Found:
    truth = planted.truth.loc[[str(i) for i in run.dataset.ids]]
    on_object, on_rim = _on_object(finding, run, embedded, truth)
    return Found(
        class_name=finding.class_name,
        attribute=finding.attribute,
        value=finding.value,
        kind=finding.kind,
        severity=finding.severity,
        effect=finding.effect,
        effect_ci=finding.effect_ci,
        q=finding.q,
        same_as=finding.same_as,
        counterexample_ids=finding.counterexample_ids,
        agreement=_agreement(finding, run, planted, truth),
        sentence=finding.sentence,
        on_object=on_object,
        on_rim=on_rim,
    )


def _agreement(finding: Finding, run: AuditRun, planted: Planted, truth: Any) -> tuple[float | None, ...]:
    try:
        has, known = indicators.read(run.measures, finding.attribute, finding.value)
    except (CuratorError, KeyError):
        return tuple(None for _ in planted.shortcuts)
    return tuple(phi(has[known], truth[f"has_{s.kind}"].to_numpy(bool)[known]) for s in planted.shortcuts)


def _on_object(finding: Finding, run: AuditRun, embedded: Embedded, truth: Any) -> tuple[float | None, float | None]:
    try:
        has, _ = indicators.read(run.measures, finding.attribute, finding.value)
    except (CuratorError, KeyError):
        return None, None
    rows = np.flatnonzero((truth["label"].to_numpy() == finding.class_name) & has)[:N_PLACED]
    places = placement.where(embedded, finding, rows) if len(rows) else None
    if places is None:
        return None, None
    masks = [Path(p) for p in truth["mask"].iloc[rows]]
    animal = placement.truth(masks, places.shape[1], run.encoder.preprocessing)
    return placement.on_object(places, animal), placement.on_object(places, placement.widened(animal, placement.RIM))


def one_set(row: str, spec: Spec, bank: Bank, session: Session) -> dict[str, Any]:
    """One line of the scratch file."""
    with tempfile.TemporaryDirectory(dir=bank.folder) as folder:  # on the bank's disk, where pictures can be linked
        planted = make(spec, bank, Path(folder))
        run, findings, seconds = examine(planted, session)
    return {
        "row": row,
        "set": spec.name,
        "spec": asdict(spec),
        "n_images": len(run.dataset),
        "n_new": run.n_new,
        "seconds": round(seconds, 3),
        "n_tests": run.audit.n_tests,
        "expected_false_findings": run.audit.expected_false_findings,
        "score": score(findings, planted),
        "findings": [f.as_dict() for f in findings[:N_KEPT]],
        "placed": [
            [
                f.kind,
                f.said,
                round(f.on_object, 3),
                placement.placed_right(f.kind, f.on_object),
                placement.placed_right(f.kind, f.on_object) or placement.placed_right(f.kind, f.on_rim),
            ]
            for f in findings
            if f.on_object is not None
        ],
    }


def natural(path: Path, session: Session) -> dict[str, Any]:
    """The photographs of cats and dogs: what the audit says first. Nearly all cats are indoors, half of the dogs on grass."""
    run = audit(path, session)
    return {
        "set": path.name,
        "n_images": len(run.dataset),
        "verdict": run.audit.verdict,
        "findings": [
            {
                "sentence": f.sentence,
                "attribute": f.attribute,
                "kind": f.kind,
                "severity": f.severity,
                "same_as": f.same_as,
            }
            for f in run.audit.findings[:N_KEPT]
        ],
    }


def cold_seconds(bank: Bank, flags: argparse.Namespace) -> dict[str, Any]:
    """One audit of 200 photographs with nothing cached, the encoder's start included; what the peers take is beside it."""
    spec = cells.specs("first", flags.seeds[:1], flags.half)[0]
    with tempfile.TemporaryDirectory(dir=bank.folder) as folder:
        planted = make(spec, bank, Path(folder) / "set")
        start = time.perf_counter()
        audit(planted.path, Session.open(flags.model, cache=Path(folder) / "cache", jobs=flags.jobs))
        return {"set": spec.name, "n_images": len(planted.truth), "seconds": round(time.perf_counter() - start, 2)}


def code_fingerprint() -> str:
    """Changes when curator does, or how the sets are made and scored: what was measured before is then out of date."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    mine = [here / f"{n}.py" for n in ("bank", "edits", "planted", "scoring", "placement")]
    for path in [*sorted((ROOT / "curator").rglob("*.py")), *mine]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def planned(rows: Sequence[str], seeds: list[int], flags: argparse.Namespace) -> Iterator[tuple[str, Spec]]:
    for row in rows:
        for spec in cells.specs(row, seeds, flags.half):
            if not flags.kinds or (spec.kinds or ("none",))[0] in flags.kinds:
                yield row, spec


def read_lines(path: Path, stamp: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The sets measured so far by the same code; a line cut short by a stop is left out."""
    done = {}
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            continue
        if line.get("stamp") == stamp:
            done[line["row"], line["set"]] = line
    return done


def measure(flags: argparse.Namespace) -> dict[str, Any]:
    bank = Bank(flags.kit, flags.bank, flags.processes)
    bank.folder.mkdir(parents=True, exist_ok=True)
    session = Session.open(flags.model, cache=flags.cache, jobs=flags.jobs)
    session = replace(session, seed=0)
    # The order of the findings is by association; what is edited bears on severity, which only the null sets are asked for.
    fewer = replace(session.settings.audit, n_edited=flags.edited, n_permutations=0)
    quick = replace(session, settings=replace(session.settings, audit=fewer))
    stamp = f"{code_fingerprint()} {session.encoder.info.fingerprint}"
    done = {} if flags.again else read_lines(flags.scratch, stamp)
    todo = list(planned([r for r in ROWS if r in flags.rows], flags.seeds, flags))
    lines = []
    flags.scratch.parent.mkdir(parents=True, exist_ok=True)
    for i, (row, spec) in enumerate(todo):
        line = done.get((row, spec.name))
        if line is None and flags.measured:
            continue
        if line is None:
            line = {"stamp": stamp, **one_set(row, spec, bank, session if row == "null" else quick)}
            with flags.scratch.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        lines.append(line)
        told = line["score"]
        verdict = f"first={told['first']}" if "first" in told else f"alarms={told['n_alarms']}"
        one = line["findings"][0] if line["findings"] else None
        said = f"{one['class_name']}:{one['attribute']}={one['value']} ({one['severity']})" if one else "nothing"
        print(f"[{i + 1}/{len(todo)}] {row} {spec.name}: {verdict}; {said}; {line['seconds']:.1f} s", file=sys.stderr)
    seed = flags.seeds[0]
    return {
        "schema": "curator.benchmark.quality/1",
        "half": flags.half,
        "edited": {"null": session.settings.audit.n_edited, "planted": flags.edited},
        "seeds": flags.seeds,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "versions": versions(),
        "encoder": session.encoder.info.name,
        "code": code_fingerprint(),
        "rows": summarise(lines),
        "synthetic": synthetic.six_rows(seed) if "synthetic" in flags.rows else None,
        "coverage": synthetic.coverage(seed, 2000) if "coverage" in flags.rows else None,
        "cold": cold_seconds(bank, flags),
        "natural": natural(flags.real, session) if flags.real else None,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kit", type=Path, required=True, help="folder with cutouts/, textures/ and panoramas/")
    parser.add_argument("--bank", type=Path, required=True, help="where composed photographs are kept; never committed")
    parser.add_argument("--half", choices=("dev", "report"), default="dev")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--rows", nargs="+", default=[*ROWS, "synthetic", "coverage"], help="of " + " ".join(ROWS))
    parser.add_argument(
        "--kinds", nargs="*", choices=(*KINDS, "none"), help="only sets whose first shortcut is of these"
    )
    parser.add_argument("--real", type=Path, help="a folder of photographs of cats and dogs")
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--edited", type=int, default=0, help="findings of a planted set whose attribute is edited")
    parser.add_argument("--processes", type=int, default=1, help="for composing and storing pictures")
    parser.add_argument("--measured", action="store_true", help="sum up the sets of the scratch file, measure no other")
    parser.add_argument("--again", action="store_true", help="measure sets anew that the scratch file has")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--scratch", type=Path, help="one JSON line per set; default: OUT with .jsonl")
    flags = parser.parse_args()
    if "weak" in flags.rows:
        flags.rows = [*flags.rows, *cells.WEAK]
    unknown = set(flags.rows) - {*ROWS, "weak", "synthetic", "coverage"}
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; rows are {', '.join(ROWS)}, weak, synthetic, coverage")
    flags.scratch = flags.scratch or flags.out.with_suffix(".jsonl")
    return flags


if __name__ == "__main__":
    chosen = arguments()
    result = measure(chosen)
    before = json.loads(chosen.out.read_text(encoding="utf-8")) if chosen.out.exists() else {}
    kept = {"peers": before["peers"]} if "peers" in before else {}  # peers.py adds them, and ours do not change theirs
    dump({**result, **kept}, chosen.out)
    for name, told in result["rows"].items():
        print(name, json.dumps(told))
