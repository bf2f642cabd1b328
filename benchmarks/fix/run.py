"""Does what is recommended mend the worst group? Planted sets through the whole pipeline, against random, rivals and an oracle.

    python benchmarks/fix/run.py --kit PATH --stock FOLDER --half report 21 22 23

The whole pipeline, from files: the audit must find the shortcut by itself, and the recommendation is made twice: from the pool
with labels and from bare pictures. What is examined are true classes and scenes. Every set is added to results/fix.json as it
is done. Seeds 1 to 6 of the half "dev" were for development; report on others.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from planted import Made, Spec, make
from rivals import RIVALS

from curator.commands._steps.candidates import repeats
from curator.commands._steps.targets import to_undo
from curator.commands.audit import audit_embedded
from curator.commands.recommend import Advice, advise
from curator.commands.session import Session, default_cache, one_class, versions
from curator.probe.groups import TrainingSet
from curator.probe.linear import group_weights
from curator.probe.refits import choose_c, refit
from curator.report.json import dump

RESULT = Path(__file__).parents[1] / "results" / "fix.json"
C_GRID = (0.001, 0.01, 0.1, 1.0, 10.0)
N_RANDOM, N_ORACLE, N_DRAWS = 40, 20, 2000
One = Callable[[Made, Session, int, Path], dict[str, Any]]
"""What is measured of one planted set: (the set, the session, how many images to add, a folder that is not there yet)."""


class Examiner:
    """Probes on the training set and whatever is added, examined on the true groups of the test set."""

    def __init__(self, train: Any, pool: Any, test: Any, made: Made) -> None:
        truth = {row.file: row for row in made.truth}
        self.k = len(made.classes)
        self.cls = made.classes.index(made.class_name)
        rows = [
            [truth[f"{part}/{i}"] for i in e.dataset.ids]
            for part, e in (("train", train), ("pool", pool), ("test", test))
        ]
        labels = [np.array([made.classes.index(r.label) if r.label else -1 for r in part], np.int32) for part in rows]
        scenes = [np.array([r.key.scene == made.scene for r in part]) for part in rows]
        self.y, self.pool_y, self.test_y = labels
        self.on, self.pool_on, self.test_on = scenes
        self.copy = np.array([bool(r.edit) for r in rows[1]])
        self.x, self.pool_x, self.test_x = (e.embeddings.vectors for e in (train, pool, test))
        self.groups = np.stack([(self.test_y == g // 2) & (self.test_on == g % 2) for g in range(2 * self.k)])
        # One penalty for every arm, chosen inside the training set.
        self.c = choose_c(TrainingSet(self.x, self.y, self.on), self.k, C_GRID, 0)

    def right(self, sets: list[tuple[NDArray, NDArray]]) -> NDArray[np.bool_]:
        """Which test images (sets, n_test) are right once rows of the pool with these labels are added."""
        out = []
        for rows, labels in sets:
            x = np.concatenate([self.x, self.pool_x[rows]])
            y = np.concatenate([self.y, labels]).astype(np.int32)
            out.append(refit(x, y, self.k, self.c, np.ones((1, len(y))), jobs=1).predict(self.test_x)[0] == self.test_y)
        return np.stack(out)

    def true(self, rows: NDArray) -> tuple[NDArray, NDArray]:
        """What is added once somebody has looked: the rows that are of a class, with their true labels."""
        rows = np.asarray(rows, np.intp)
        rows = rows[self.pool_y[rows] >= 0]
        return rows, self.pool_y[rows]

    def reweighted(self) -> NDArray[np.bool_]:
        w = group_weights(self.y, self.on)[None]
        return refit(self.x, self.y, self.k, self.c, w, jobs=1).predict(self.test_x) == self.test_y

    def accuracies(self, right: NDArray, weights: NDArray | None = None) -> NDArray:
        w = self.groups.astype(float) if weights is None else weights
        return right @ w.T / w.sum(-1)

    def worst(self, right: NDArray) -> float:
        """Accuracy of the worst group, the mean over fits."""
        return float(self.accuracies(right.astype(float)).min(1).mean())

    def gain(self, one: NDArray, other: NDArray, rng: np.random.Generator) -> dict[str, Any]:
        """Worst-group accuracy of one arm less another's, paired over test images and drawn over fits, 95 % interval."""
        draws = []
        for _ in range(N_DRAWS):
            w = np.zeros(self.groups.shape)
            for g, mask in enumerate(self.groups):
                w[g, mask] = rng.multinomial(mask.sum(), np.full(mask.sum(), 1 / mask.sum()))
            a, b = (self.accuracies(r.astype(float), w).min(1) for r in (one, other))
            draws.append(rng.choice(a, len(a)).mean() - rng.choice(b, len(b)).mean())
        low, high = np.percentile(draws, [2.5, 97.5])
        return {"value": self.worst(one) - self.worst(other), "ci": [float(low), float(high)]}


def balanced(e: Examiner, n: int, rng: np.random.Generator) -> NDArray:
    """The oracle: true labels and scenes known, the breaking cells filled alike, at random within each."""
    cells = [
        list(rng.permutation(np.flatnonzero((e.pool_y == k) & ~e.copy & (e.pool_on == (k != e.cls)))))
        for k in range(e.k)
    ]
    out: list[int] = []
    while len(out) < n and any(cells):
        for cell in cells:
            if cell and len(out) < n:
                out.append(int(cell.pop()))
    return np.array(out)


def one(made: Made, session: Session, budget: int) -> dict[str, Any]:
    """One set: the finding, both recommendations, and every arm."""
    train, test = session.embed(one_class(session.scan(made.train))), session.embed(session.scan(made.test))
    bare = session.embed(session.scan(made.pool))
    named = session.embed(session.scan(made.pool_labels))
    run = audit_embedded(train, session)
    first = run.audit.findings[0] if run.audit.findings else None
    e = Examiner(train, bare, test, made)
    row: dict[str, Any] = {
        "seed": made.spec.seed, "class": made.class_name, "scene": made.scene, "classes": list(made.classes),
        "first": first.id if first else None, "severity": first.severity if first else None,
        "first_class": first.class_name == made.class_name if first else False, "c": e.c,
    }  # fmt: skip
    rng = np.random.default_rng([made.spec.seed, 7])
    before = e.right([(np.array([], np.intp), np.array([], np.int32))])
    arms: dict[str, NDArray] = {"before": before, "reweighted": e.reweighted()}
    open_ = np.flatnonzero(~repeats(bare, run, session))
    of_class = open_[e.pool_y[open_] >= 0]
    arms["oracle"] = e.right([e.true(balanced(e, budget, rng)) for _ in range(N_ORACLE)])
    arms["random"] = e.right([e.true(rng.permutation(of_class)[:budget]) for _ in range(N_RANDOM)])
    arms["random_bare"] = e.right([e.true(rng.permutation(open_)[:budget]) for _ in range(N_RANDOM)])
    for name, choose in RIVALS.items():
        arms[name] = e.right([e.true(open_[choose(e.pool_x[open_], e.x, budget, rng)])])
    for name, pool in (("given", named), ("predicted", bare)):
        advice = advise(run, pool, session, to_undo(run, None), budget=budget)
        row[name] = _advised(advice, e, made)
        ids = {_file(str(i)): k for k, i in enumerate(bare.dataset.ids)}
        rows = np.array([ids[_file(i)] for i in advice.recommendation.ids], np.intp)
        labels = np.array([made.classes.index(label) for label in advice.recommendation.labels], np.int32)
        arms[name] = e.right([e.true(rows)])
        if name == "predicted":
            arms["predicted_unseen"] = e.right([(rows, labels)])
    row["worst_group"] = {name: e.worst(right) for name, right in arms.items()}
    row["accuracy"] = {name: float(right.mean()) for name, right in arms.items()}
    for name, control in (("given", "random"), ("predicted", "random_bare"), ("predicted_unseen", "random_bare")):
        row.setdefault("over_random", {})[name] = e.gain(arms[name], arms[control], rng)
    room = row["worst_group"]["oracle"] - row["worst_group"]["before"]
    for name in ("given", "predicted", "predicted_unseen"):
        gained = row["worst_group"][name] - row["worst_group"]["before"]
        row.setdefault("of_oracle", {})[name] = gained / room if room > 0 else None
    return row


def _file(id: str) -> str:
    return id.rsplit("/", 1)[-1]


def _advised(advice: Advice, e: Examiner, made: Made) -> dict[str, Any]:
    rec = advice.recommendation
    truth = {_file(r.file): r for r in made.truth if r.file.startswith("pool/")}
    rows = [truth[_file(i)] for i in rec.ids]
    lead = advice.targets[0]
    return {
        "n": len(rec.ids), "targets": [f.id for f in advice.findings],
        "breaking": sum(r.breaks for r in rows), "strangers": sum(not r.label for r in rows),
        "wrong_labels": sum(bool(r.label) and r.label != label for r, label in zip(rows, rec.labels, strict=True)),
        "copies": sum(bool(r.edit) for r in rows),
        "reading": float(np.corrcoef(lead.pool_has, e.pool_on)[0, 1]) if lead.pool_has.any() else 0.0,
        "got": [c.got for c in rec.plan],
        "expected": None if rec.expected_gain is None else {"value": rec.expected_gain[0], "ci": list(rec.expected_gain[1])},
        "enough": rec.enough,
        "notes": list(advice.notes),
    }  # fmt: skip


def measure_sets(one: One, schema: str, result: Path, about: str) -> None:
    """The command line of a benchmark of planted sets: `one` on each seed, every row written as it is done."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--stock", type=Path, required=True, help="folder for composed photographs, kept between runs")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--half", choices=["dev", "report"], default="report")
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--result", type=Path, default=result)
    parser.add_argument("seeds", type=int, nargs="+")
    flags = parser.parse_args()
    session = Session.open("embedded", cache=flags.cache, jobs=1)
    rows: list[dict[str, Any]] = []
    if flags.result.exists():
        rows = [r for r in json.loads(flags.result.read_text(encoding="utf-8"))["sets"] if r["seed"] not in flags.seeds]
    for seed in flags.seeds:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=flags.stock) as folder:
            made = make(Spec(seed=seed, half=flags.half), flags.kit, flags.stock, Path(folder) / "set")
            row = one(made, session, flags.budget, Path(folder) / "scratch")
        rows = sorted([*rows, row], key=lambda r: r["seed"])
        dump(
            {
                "schema": schema,
                "versions": versions(),
                "encoder": session.encoder.info.name,
                "half": flags.half,
                "budget": flags.budget,
                "recipe": {k: v for k, v in asdict(Spec(0)).items() if k not in ("seed", "half")},
                "sets": rows,
            },
            flags.result,
        )
        print(seed, f"{time.monotonic() - started:.0f} s", row["worst_group"], flush=True)


if __name__ == "__main__":
    measure_sets(
        lambda made, session, budget, _: one(made, session, budget),
        "curator.benchmark.fix/1",
        RESULT,
        __doc__.splitlines()[0],
    )
