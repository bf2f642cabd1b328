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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    flags = parser.parse_args()
    results_page.keep("wild", table(json.loads(RESULT.read_text(encoding="utf-8"))), check=flags.check)
