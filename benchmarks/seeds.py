"""The sample story again on other draws: is the finding first, and does the recommendation beat random?

    python benchmarks/seeds.py --kit PATH 201 202 203 204

Makes the bunnies anew with each seed (same recipe as sample_data, other pictures) and writes results/seeds.json. Seeds 101
to 103 were used while the thresholds were chosen; report on others.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from curator.commands import recommend, validate
from curator.commands.session import Session, default_cache, versions
from curator.report.json import dump, recommendation_csv, validation_document
from curator.report.serialise import plain

ROOT = Path(__file__).parent.parent
RESULT = Path(__file__).parent / "results" / "seeds.json"


def make(kit: Path, seed: int, out: Path) -> None:
    """The bunnies of sample_data, drawn with another seed."""
    folder = ROOT / "sample_data"
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("make", folder / "make.py")
    assert spec is not None
    assert spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    sys.modules["make"] = recipe
    spec.loader.exec_module(recipe)
    recipe.SEED = seed
    recipe.make_bunnies(recipe.Kit(kit), out / "bunnies")


def one(kit: Path, seed: int, session: Session) -> dict[str, Any]:
    """One draw: the first finding, and the proof with given and with predicted labels."""
    with tempfile.TemporaryDirectory() as folder:
        make(kit, seed, Path(folder))
        bunnies = Path(folder) / "bunnies"
        advice = recommend(bunnies / "train", bunnies / "pool", session)
        plan = Path(folder) / "plan.csv"
        recommendation_csv(advice.recommendation, advice.pool.dataset.root, plan)
        row: dict[str, Any] = {
            "seed": seed,
            "n_findings": len(advice.run.audit.findings),
            "first": advice.run.audit.findings[0].sentence,
            "found": [cell.got for cell in advice.recommendation.plan],
        }
        for name, pool in (("given", "pool_labels.csv"), ("predicted", "pool")):
            _, after = validate(bunnies / "train", bunnies / pool, session, plan=plan, test=bunnies / "test")
            report = plain(validation_document(after))
            row[name] = {
                "worst_group": {arm: v["worst_group"]["value"] for arm, v in report["arms"].items()},
                "gain_over_random": report["gain_over_random"],
                "verdict": report["verdict"],
            }
        return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("seeds", type=int, nargs="+")
    flags = parser.parse_args()
    session = Session.open("embedded", cache=flags.cache)
    rows = [one(flags.kit, seed, session) for seed in flags.seeds]
    dump(
        {
            "schema": "curator.benchmark.seeds/1",
            "versions": versions(),
            "encoder": session.encoder.info.name,
            "seeds": rows,
        },
        RESULT,
    )
    for row in rows:
        print(
            row["seed"],
            row["first"],
            row["given"]["worst_group"],
            row["given"]["verdict"],
            "| predicted:",
            row["predicted"]["verdict"],
        )
