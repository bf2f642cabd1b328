"""What are synthetic counter-examples worth? Against as many real ones of a labelled pool, on planted sets.

    python benchmarks/fix/synthetic.py --kit PATH --stock FOLDER --half dev 1 2 3

The audit finds the shortcut by itself; what it leads to is made three times as large: `synthetic` images put together from
the training set, as many `real` ones recommended from the labelled pool, and as many `random` ones. Every set is added to
results/synthetic.json as it is done. All seeds of the half "dev" were for development.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from planted import Made
from run import Examiner, balanced, measure_sets

from curator.commands._steps.candidates import repeats
from curator.commands._steps.targets import to_undo
from curator.commands.audit import audit_embedded
from curator.commands.recommend import advise
from curator.commands.session import Session, one_class
from curator.commands.synthesize import synthesize
from curator.io.decoding import images
from curator.io.editing import as_input
from curator.probe.refits import refit

N_RANDOM, N_ORACLE = 10, 5
RESULT = Path(__file__).parents[1] / "results" / "synthetic.json"


def one(made: Made, session: Session, budget: int, folder: Path) -> dict[str, Any]:
    """One set: worst group and mean accuracy of every arm, and the gain of synthetic images over none and over real ones."""
    train, test = session.embed(one_class(session.scan(made.train))), session.embed(session.scan(made.test))
    bare, named = session.embed(session.scan(made.pool)), session.embed(session.scan(made.pool_labels))
    run = audit_embedded(train, session)
    e = Examiner(train, bare, test, made)
    advice = advise(run, named, session, to_undo(run, None), budget=budget)
    new, notes = synthesize(advice, budget, folder, session)
    preprocessing = session.encoder.info.preprocessing
    inputs = [as_input(images.whole(folder / m.path), preprocessing)[None] for m in new]
    vectors = np.concatenate([session.encoder.encode(one_input) for one_input in inputs])
    labels = np.array([made.classes.index(m.label) for m in new], np.int32)

    def with_new(added: NDArray, named_: NDArray) -> NDArray[np.bool_]:
        x, y = np.concatenate([e.x, added]), np.concatenate([e.y, named_]).astype(np.int32)
        return refit(x, y, e.k, e.c, np.ones((1, len(y))), jobs=1).predict(e.test_x) == e.test_y

    ids = {str(i).rsplit("/", 1)[-1]: k for k, i in enumerate(bare.dataset.ids)}
    rows = np.array([ids[i.rsplit("/", 1)[-1]] for i in advice.recommendation.ids], np.intp)
    rng = np.random.default_rng([made.spec.seed, 11])
    open_ = np.flatnonzero(~repeats(bare, run, session) & (e.pool_y >= 0))
    both = np.concatenate([vectors, e.pool_x[rows]]), np.concatenate([labels, e.pool_y[rows]])
    arms = {
        "before": with_new(vectors[:0], labels[:0]),
        "synthetic": with_new(vectors, labels),
        "real": e.right([e.true(rows)]),
        "real and synthetic": with_new(*both),
        "random": e.right([e.true(rng.permutation(open_)[:budget]) for _ in range(N_RANDOM)]),
        "oracle": e.right([e.true(balanced(e, budget, rng)) for _ in range(N_ORACLE)]),
        "reweighted": e.reweighted(),
    }
    return {
        "seed": made.spec.seed, "class": made.class_name, "scene": made.scene, "c": e.c,
        "targets": [f.id for f in advice.findings], "n": len(new), "notes": list(notes),
        "cells": dict(Counter(f"{m.cell.class_name}, {m.cell.value_name}" for m in new)),
        "worst_group": {name: e.worst(right) for name, right in arms.items()},
        "accuracy": {name: float(right.mean()) for name, right in arms.items()},
        "gain": e.gain(arms["synthetic"], arms["before"], rng),
        "over_real": e.gain(arms["synthetic"], arms["real"], rng),
        "over_reweighted": e.gain(arms["synthetic"], arms["reweighted"], rng),
    }  # fmt: skip


if __name__ == "__main__":
    measure_sets(one, "curator.benchmark.synthetic/1", RESULT, __doc__.splitlines()[0])
