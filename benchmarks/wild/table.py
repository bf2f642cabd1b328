"""The table of docs/benchmarks.md on photographs that nobody composed, from results/wild.json.

python benchmarks/wild/table.py           # write it into docs/benchmarks.md
python benchmarks/wild/table.py --check   # exit 1 if that page says anything else
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import results_page

RESULT = Path(__file__).parents[1] / "results" / "wild.json"
BAR = RESULT.with_name("bar.json")


def table(result: dict[str, Any]) -> str:
    lines = [
        "| set | images | loud findings | of these patterns | first one a known shortcut | known ones in the first three | "
        "known ones anywhere loud | on the subject, of those with a mask |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in result["sets"]:
        first = "–" if not row["n_loud"] else "yes" if row["first_true"] else "no"
        lines.append(
            f"| {row['set']} | {row['n_images']:,} | {row['n_loud']} | {row['n_words']} | {first} | "
            f"{row['in_three']} of {row['n_known']} | {row['anywhere']} of {row['n_known']} | "
            f"{row['n_on_subject']} of {row['n_located']} |"
        )
    none = result["nulls"]
    lines += [
        "",
        f"Of {none['n']} sets of 1,000 photographs with labels drawn at random, {none['n_with_alarm']} had a loud finding.",
    ]
    return "\n".join(lines)


def flagship(result: dict[str, Any]) -> str:
    actions, proof = result["conflicting"], result["proof"]
    mean = {k: sum(a[f"precision_of_{k}"] for a in actions) / len(actions) for k in ("first", "best")}
    lines = [
        "| action | first finding | of its first ten, conflicting | of the best finding's |",
        "| --- | --- | --- | --- |",
    ]
    for a in actions:
        said = a["first"].partition(". (")[0]
        lines.append(f"| {a['class']} | {said} | {a['precision_of_first']:.0%} | {a['precision_of_best']:.0%} |")
    lines += [f"| **mean** | | {mean['first']:.0%} | {mean['best']:.0%} |", ""]
    low, high = proof["gain_ci"]
    worst = {k: f"{arm['worst_group']:.2f}" for k, arm in proof["arms"].items()}
    gain = f"{100 * proof['gain_over_random']:.0f} points [{100 * low:.0f}, {100 * high:.0f}]"
    lines.append(
        f"With {proof['n_added']} images from half of the test split, the worst group's accuracy on the other half is "
        f"{worst['recommended']} instead of {worst['before']}; with as many random images {worst['random']}. In the group that "
        f"was worst before, the gain over random is {gain}. "
        f"The attribute examined is {proof['attribute']} {proof['value']}."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    flags = parser.parse_args()
    results_page.keep("wild", table(json.loads(RESULT.read_text(encoding="utf-8"))), check=flags.check)
    results_page.keep("bar", flagship(json.loads(BAR.read_text(encoding="utf-8"))), check=flags.check)
