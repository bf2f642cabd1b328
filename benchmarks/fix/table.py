"""The table of docs/benchmarks.md on which images to add, from results/fix.json.

python benchmarks/fix/table.py           # write it into docs/benchmarks.md
python benchmarks/fix/table.py --check   # exit 1 if that page says anything else
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from curator import stats

sys.path.insert(0, str(Path(__file__).parents[1]))
import results_page

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "fix.json"
ARMS = {
    "before": "before",
    "random": "random images of the classes",
    "random_bare": "random images of the pool without labels",
    "reweighted": "reweighted, nothing added",
    "uniqueness": "FiftyOne uniqueness (its formula)",
    "k_centre": "k-centre diversity",
    "typiclust": "TypiClust",
    "oracle": "oracle: true labels and scenes, cells filled evenly",
    "given": "recommended, pool with labels",
    "predicted": "recommended, pool without labels, then labelled by a person",
    "predicted_unseen": "recommended, pool without labels, predicted labels",
}
WAYS = ("given", "predicted", "predicted_unseen")


def share(hits: list[bool]) -> str:
    """How many, with the exact number of sets.

    >>> share([True, True, False])
    '2 of 3 (67% [21, 94])'
    """
    if not hits:
        return "–"
    low, high = stats.wilson(sum(hits), len(hits))
    return f"{sum(hits)} of {len(hits)} ({100 * np.mean(hits):.0f}% [{100 * float(low):.0f}, {100 * float(high):.0f}])"


def arms(result: dict[str, Any]) -> list[str]:
    """Worst-group accuracy of each arm: mean over sets, lowest and highest."""
    lines = [
        "| added | worst-group accuracy: mean | lowest | highest | accuracy, all test images |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, words in ARMS.items():
        worst = [row["worst_group"][name] for row in result["sets"]]
        mean = np.mean([row["accuracy"][name] for row in result["sets"]])
        lines.append(f"| {words} | {np.mean(worst):.2f} | {min(worst):.2f} | {max(worst):.2f} | {mean:.2f} |")
    return lines


def _inside(row: dict[str, Any], way: str) -> bool:
    low, high = row[way]["expected"]["ci"]
    return bool(low <= row["worst_group"][way] - row["worst_group"]["before"] <= high)


def bars(result: dict[str, Any]) -> list[str]:
    """What was asked for, beside what came of it."""
    sets = result["sets"]
    lines = [f"| measure | {' | '.join(ARMS[w] for w in WAYS)} | bar |", "| --- |" + " --- |" * (len(WAYS) + 1)]

    def row(words: str, bar: str, hits: Any) -> None:
        lines.append(f"| {words} | {' | '.join(share(hits(way)) for way in WAYS)} | {bar} |")

    row("gain over random images, interval above 0", "90%", lambda w: [s["over_random"][w]["ci"][0] > 0 for s in sets])
    row(
        "at least 90 % of the oracle's gain",
        "all",
        lambda w: [s["of_oracle"][w] >= 0.9 for s in sets if s["of_oracle"][w] is not None],
    )
    row(
        "worst group 0.85 or more, in sets where the oracle reaches it", "all",
        lambda w: [s["worst_group"][w] >= 0.85 for s in sets if s["worst_group"]["oracle"] >= 0.85],
    )  # fmt: skip
    inside = {way: [_inside(s, way) for s in sets if s[way]["expected"]] for way in ("given", "predicted")}
    row("gain within its expected interval", "90%", lambda w: inside.get(w, []))
    strangers, wrong, n = (sum(s["predicted"][key] for s in sets) for key in ("strangers", "wrong_labels", "n"))
    lines.append(
        f"| images of none of the classes, and wrong labels, from pools without labels | | {strangers} and {wrong} of {n} | | |"
    )
    return lines


def text(result: dict[str, Any]) -> str:
    seeds = ", ".join(str(s["seed"]) for s in result["sets"])
    told = "not for reporting" if result["half"] == "dev" else "no setting was chosen on these cut-outs and seeds"
    words = f"Encoder `{result['encoder']}`, {result['budget']} images added to 240; {told} (seeds {seeds})."
    words += " Brackets hold Wilson intervals."
    return "\n".join([*arms(result), "", *bars(result), "", words])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is out of date")
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--print", action="store_true", help="print the table and write nothing")
    flags = parser.parse_args()
    table = text(json.loads(flags.result.read_text(encoding="utf-8")))
    if flags.print:
        print(table)
        sys.exit()
    results_page.keep("fix", table, check=flags.check)
