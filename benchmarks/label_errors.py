"""Are wrong labels ranked first? Average precision on sets with changed labels. Writes results/label_errors.json.

    python benchmarks/label_errors.py --kit PATH --bank DIR --half report --seeds 301 302 303 --cleanlab PYTHON

Every set is drawn without a shortcut, in every class a twentieth of the images gets the label of another class. All rankings
see the same out-of-fold probabilities. PYTHON is that of an environment with cleanlab, which curator does not need.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

sys.path.insert(0, str(Path(__file__).parent / "quality"))

from bank import Bank
from planted import Spec, make

from curator.commands import Session
from curator.commands._steps.evidence import PROBE_C
from curator.commands.session import default_cache, versions
from curator.probe import linear
from curator.report.json import dump

RESULT = Path(__file__).parent / "results" / "label_errors.json"
SETS = ((4, 50), (4, 100), (10, 50), (10, 100))
"""(classes, images of each)."""
NOISE = 0.05
_CLEANLAB = """
import sys, numpy as np, cleanlab
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
data = np.load(sys.argv[1])
labels, p = data["labels"], data["probabilities"]
out = {m: get_label_quality_scores(labels, p, method=m) for m in ("self_confidence", "normalized_margin")}
out["issues"] = find_label_issues(labels, p, return_indices_ranked_by="self_confidence")
np.savez(sys.argv[2], version=cleanlab.__version__, **out)
"""


def flip(labels: NDArray[np.int32], share: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """The labels with this share of every class (rounded) exchanged for another class, each as likely."""
    given = labels.copy()
    n_classes = labels.max() + 1
    for k in range(n_classes):
        rows = np.flatnonzero(labels == k)
        chosen = rng.choice(rows, round(share * len(rows)), replace=False)
        given[chosen] = (k + rng.integers(1, n_classes, len(chosen))) % n_classes
    return given


def listed(order: NDArray[np.integer], wrong: NDArray[np.bool_]) -> dict[str, float | int]:
    """Of a list that stops: its average precision, where what it does not name counts as never found."""
    hits = wrong[order]
    precision = np.cumsum(hits) / np.arange(1, len(order) + 1)
    return {
        "average_precision": float((precision * hits).sum() / wrong.sum()),
        "listed": len(order),
        "right": int(hits.sum()),
    }


def cleanlab(python: Path, labels: NDArray[np.int32], probabilities: NDArray[np.float64]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(asked, labels=labels, probabilities=probabilities)
        subprocess.run([python, "-c", _CLEANLAB, asked, answer], check=True)
        with np.load(answer) as found:
            return {name: found[name] for name in found.files}


def one(session: Session, bank: Bank, out: Path, spec: Spec, python: Path | None) -> dict[str, Any]:
    planted = make(spec, bank, out / spec.name)
    embedded = session.embed(session.scan(planted.path))
    truth, classes = embedded.dataset.labels, embedded.dataset.classes
    given = flip(truth, NOISE, np.random.default_rng(spec.seed))
    wrong = given != truth
    vectors = embedded.embeddings.vectors
    probabilities = linear.out_of_fold(vectors, given, len(classes), PROBE_C, session.seed)
    ids = embedded.dataset.ids.tolist()
    at = {id: k for k, id in enumerate(ids)}
    found = linear.label_errors(ids, given, classes, probabilities)
    clean = linear.label_errors(
        ids, truth, classes, linear.out_of_fold(vectors, truth, len(classes), PROBE_C, session.seed)
    )
    guess = probabilities.argmax(1)
    row: dict[str, Any] = {
        "classes": len(classes),
        "n": len(ids),
        "wrong": int(wrong.sum()),
        "seed": spec.seed,
        "accuracy_of_the_probe": float((guess == truth).mean()),
        "curator": listed(np.array([at[e.id] for e in found], np.intp), wrong),
        "suggested_right": sum(e.suggested == classes[truth[at[e.id]]] for e in found if wrong[at[e.id]]),
        "listed_without_errors": len(clean),
    }
    if python:
        theirs = cleanlab(python, given, probabilities)
        row["cleanlab"] = listed(theirs["issues"], wrong)
        for method in ("self_confidence", "normalized_margin"):
            row[f"cleanlab_{method}"] = float(average_precision_score(wrong, -theirs[method]))
        row["cleanlab_version"] = str(theirs["version"])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--bank", type=Path, required=True, help="folder of composed photographs, filled as needed")
    parser.add_argument("--half", choices=("dev", "report"), default="report")
    parser.add_argument("--seeds", type=int, nargs="+", default=[301, 302, 303])
    parser.add_argument("--cleanlab", type=Path, help="the Python of an environment with cleanlab")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--result", type=Path, default=RESULT)
    args = parser.parse_args()
    session = Session.open("embedded", cache=args.cache)
    bank = Bank(args.kit, args.bank, processes=1)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for n_classes, n in SETS:
            for seed in args.seeds:
                spec = Spec(kind="none", effect=0, n_classes=n_classes, n_per_class=n, seed=seed, half=args.half)
                rows.append(one(session, bank, Path(scratch), spec, args.cleanlab))
                print(rows[-1], file=sys.stderr)
    names = ["curator", *(["cleanlab"] if args.cleanlab else [])]
    mean = {name: float(np.mean([r[name]["average_precision"] for r in rows])) for name in names}
    worst = {name: float(np.min([r[name]["average_precision"] for r in rows])) for name in names}
    head = {"half": args.half, "noise": NOISE, "encoder": session.encoder.info.name, "versions": versions()}
    dump({**head, "mean_average_precision": mean, "worst_average_precision": worst, "sets": rows}, args.result)


if __name__ == "__main__":
    main()
