"""The peers on the sets that curator is measured on: cleanlab Datalab (with CleanVision) and Deepchecks vision.

    python benchmarks/quality/peers.py --kit PATH --bank DIR --venv DIR --half report --seeds 301 302 303 304 305

Each is installed into a virtual environment of its own under --venv (they want other versions of the same libraries), is
handed the very files, and its answers are added to results/quality.json under "peers". What cannot be installed says so
there, with pip's last line.

A peer scores properties of a picture and names no class. It is `flagged` when any property passes its threshold, and
`right` when those that pass it most fit what was planted (the first; for two shortcuts, the first three fit both).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cells
import numpy as np
import synthetic
from bank import Bank
from planted import Planted, Spec, make
from scoring import share

from curator.report.json import dump

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "quality.json"
N_NULL, N_PLANTED = 40, 16
"""Tables of rows 1-2 and of rows 3-6."""
_LIGHT = ("Brightness", "RMS Contrast")
_COLOUR = ("Mean Red Relative Intensity", "Mean Green Relative Intensity", "Mean Blue Relative Intensity")


@dataclass(frozen=True, slots=True)
class Peer:
    """`threshold`: a property is flagged below it (`low_flags`) or from it on. `fits`: properties that name a kind."""

    name: str
    packages: tuple[str, ...]
    threshold: float
    low_flags: bool
    fits: Mapping[str, tuple[str, ...]]

    def flagged(self, scores: Mapping[str, float]) -> list[str]:
        """The properties that are flagged, the clearest first."""
        sign = 1 if self.low_flags else -1
        over = [p for p, s in scores.items() if (s < self.threshold if self.low_flags else s >= self.threshold)]
        return sorted(over, key=lambda p: (sign * scores[p], p))


PEERS = (
    Peer(
        "cleanlab",
        ("cleanlab[datalab]==2.9.0", "cleanvision==0.3.7"),
        0.3,
        True,
        {
            "scene": ("dark", "light", "low_information"),
            "darkness": ("dark", "light", "low_information"),
            "blur": ("blurry",),
            "image_size": ("odd_size",),
        },
    ),
    Peer(
        "deepchecks",
        (
            "deepchecks[vision]==0.19.1",
            "torch",
            "torchvision",
            "numpy<2",
            "scikit-learn<1.6",
            "category-encoders<2.7",
            "setuptools<81",
        ),
        0.3,
        False,
        {
            "scene": (*_LIGHT, *_COLOUR),
            "tint": _COLOUR,
            "darkness": _LIGHT,
            "blur": ("RMS Contrast",),
            "image_size": ("Area",),
        },
    ),
)


def install(peer: Peer, folder: Path, python: str) -> tuple[Path, str | None]:
    """The environment's python, and why there is none that works."""
    home = folder / peer.name
    runs = home / "bin" / "python"
    done, wanted = home / "installed", "\n".join(peer.packages) + "\n"
    if done.exists() and done.read_text() == wanted:
        return runs, None
    made = subprocess.run([python, "-m", "venv", str(home)], capture_output=True, text=True)
    if made.returncode == 0:
        made = subprocess.run([str(runs), "-m", "pip", "install", "-q", *peer.packages], capture_output=True, text=True)
    if made.returncode != 0:
        lines = [line for line in made.stderr.splitlines() if line.startswith("ERROR")] or made.stderr.splitlines()
        return runs, (lines or ["no word from pip"])[-1]
    done.write_text(wanted)
    return runs, None


def rows(planted: Planted) -> list[list[str]]:
    """Path and label of every image."""
    root = planted.path if planted.path.is_dir() else planted.path.parent
    return [[str(root / str(i)), str(label)] for i, label in planted.truth["label"].items()]


def tables(seed: int) -> list[synthetic.Draw]:
    return [synthetic.draw(row, i, seed) for row in range(1, 7) for i in range(N_NULL if row < 3 else N_PLANTED)]


def judge(peer: Peer, spec: Spec, answer: Mapping[str, Any]) -> dict[str, Any]:
    """One set's answer."""
    flagged = peer.flagged(answer.get("scores", {}))
    shown = flagged[: 3 if len(spec.kinds) > 1 else 1]
    right = bool(spec.kinds) and all(any(p in peer.fits.get(k, ()) for p in shown) for k in spec.kinds)
    return {"flagged": bool(flagged), "right": right, "first": flagged[0] if flagged else None, **answer}


def summarise(peer: Peer, specs: Sequence[tuple[str, Spec]], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Per row, as curator's own rows are."""
    of_row: dict[str, list[tuple[Spec, dict[str, Any]]]] = defaultdict(list)
    for row, spec in specs:
        of_row[row].append((spec, judge(peer, spec, answers[spec.name])))
    out = {}
    for row, mine in of_row.items():
        by_kind: dict[str, list[bool]] = defaultdict(list)
        for spec, told in mine:
            by_kind[spec.kind].append(told["right"])
        out[row] = {
            "flagged": share([t["flagged"] for _, t in mine]),
            "right": share([t["right"] for _, t in mine]),
            "by_kind": {k: f"{sum(v)}/{len(v)}" for k, v in by_kind.items()},
            "errors": sorted({t["error"] for _, t in mine if "error" in t}),
            "seconds_per_set": sum(t["seconds"] for _, t in mine) / len(mine),
        }
    return out


def on_tables(peer: Peer, drawn: Sequence[synthetic.Draw], scores: Sequence[float]) -> list[dict[str, Any]]:
    """The six rows, in the form of `synthetic.six_rows`."""
    tally: dict[tuple[int, str, bool], list[bool]] = defaultdict(list)
    for table, value in zip(drawn, scores, strict=True):
        tally[table.row, table.case, table.flagged].append(bool(peer.flagged({"attribute": value})))
    return [
        {"row": row, "case": case, "n": len(v), "flagged": sum(v), "right": "flag" if planted else "pass"}
        for (row, case, planted), v in sorted(tally.items())
    ]


def measure(flags: argparse.Namespace) -> dict[str, Any]:
    """Every peer's answers."""
    bank = Bank(flags.kit, flags.bank, flags.processes)
    bank.folder.mkdir(parents=True, exist_ok=True)
    specs = [(row, spec) for row in flags.rows for spec in cells.specs(row, flags.seeds, flags.half)]
    drawn = tables(flags.seeds[0])
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=bank.folder) as name:
        folder = Path(name)
        print(f"making {len(specs)} sets", file=sys.stderr)
        jobs = [{"set": s.name, "rows": rows(make(s, bank, folder / row / s.name))} for row, s in specs]
        (folder / "jobs.json").write_text(json.dumps(jobs))
        arrays = {f"values{i}": d.values for i, d in enumerate(drawn)}
        np.savez(folder / "tables.npz", **arrays, **{f"labels{i}": d.labels for i, d in enumerate(drawn)})
        for peer in PEERS:
            print(f"installing {peer.name}", file=sys.stderr)
            python, error = install(peer, flags.venv, flags.python)
            if error is None:
                script = Path(__file__).with_name(f"peer_{peer.name}.py")
                answer = folder / f"{peer.name}.json"
                line = [str(python), str(script), str(folder / "jobs.json"), str(folder / "tables.npz"), str(answer)]
                ran = subprocess.run(line, stderr=subprocess.PIPE, text=True)
                error = None if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["no word"])[-1]
            if error is not None:
                out[peer.name] = {"error": error}
                continue
            told = json.loads(answer.read_text())
            out[peer.name] = {
                "version": told["version"],
                "threshold": peer.threshold,
                "half": flags.half,
                "seeds": flags.seeds,
                "rows": summarise(peer, specs, told["sets"]),
                "synthetic": on_tables(peer, drawn, told["tables"]),
                "sets": {k: judge(peer, s, told["sets"][k]) for _, s in specs for k in [s.name]},
            }
    return out


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--venv", type=Path, required=True, help="where the peers' environments are made and kept")
    parser.add_argument("--python", default=sys.executable, help="the python to make them with; 3.10 or 3.11")
    parser.add_argument("--half", choices=("dev", "report"), default="dev")
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--rows", nargs="+", default=["first", "two", "null"])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULT, help="the result that the answers are added to")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = arguments()
    peers = measure(chosen)
    result = json.loads(chosen.out.read_text(encoding="utf-8")) if chosen.out.exists() else {}
    dump({**result, "peers": peers}, chosen.out)
    for name, told in peers.items():
        print(name, json.dumps({k: v for k, v in told.items() if k != "sets"}))
