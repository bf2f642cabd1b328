"""The README's table of speed, from results/speed_stages.json and results/speed_audit.json.

python benchmarks/speed/table.py           # write it between the markers of README.md
python benchmarks/speed/table.py --check   # exit 1 if the README says anything else
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import readme

ROOT = Path(__file__).parents[2]
STAGES = ROOT / "benchmarks" / "results" / "speed_stages.json"
AUDIT = ROOT / "benchmarks" / "results" / "speed_audit.json"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def embedding(stages: dict[str, Any]) -> list[str]:
    """Each bar as a ratio within one run, the median of the repeats."""
    lines = [row("embedding, within one run", "bar", "measured"), row("---", "---", "---")]
    together = stages["together"]
    for encoder in ("embedded", "ViT-B/32"):
        found = together[encoder]
        low, high = min(found["ratios"]), max(found["ratios"])
        words = f"end to end against the same {found['passes']} passes of the network alone, `{encoder}`"
        lines.append(row(words, "at least 0.85", f"{found['ratio']:.2f} ({low:.2f} to {high:.2f})"))
    large, peer = f"{stages['large']['ratio']:.1f} times", f"{stages['cleanvision']['ratio']:.1f} times"
    lines.append(row("12-megapixel photographs, against Pillow's plain decode", "at least 3 times", large))
    lines.append(row("all pixel attributes, against CleanVision's checks", "at least 3 times", peer))
    second = together["embedded"]["second_run"]
    lines.append(row("a second run with nothing new, against the first", "at most 2%", f"{100 * second:.1f}%"))
    return lines


def audits(runs: list[dict[str, Any]]) -> list[str]:
    """The audit of embedded images by their number: what one image costs, and the most memory."""
    heads = (
        "audit of n vectors of 512",
        "seconds",
        "processor ms an image",
        "peak memory",
        "kB an image",
        "copies found",
    )
    lines = [row(*heads), row(*["---"] * len(heads))]
    for run in runs:
        n = run["n"]
        lines.append(
            row(
                f"{n:,}", f"{run['seconds']:.0f}", f"{1000 * run['cpu_seconds'] / n:.2f}", f"{run['peak_mb'] / 1000:.1f} GB",
                f"{1000 * run['peak_mb'] / n:.1f}", f"{100 * run['planted_pairs_found']:.1f}% of {run['planted_pairs']:,}",
            )
        )  # fmt: skip
    return lines


def text(stages: dict[str, Any], audit: dict[str, Any]) -> str:
    """Everything between the markers."""
    load = max(stages[part]["load"] for part in ("together", "large", "cleanvision"))
    first = audit["runs"][-1]
    said = (
        f"{stages['cores']} shared cores (a load of up to {load:.0f}, this work's own and other): ratios last, seconds do not. "
        f"The audit: duplicates, clusters, {first['attributes']} attributes of {first['classes']} classes, the probe with its "
        "intervals, audit.json and report.html. [docs/performance.md](docs/performance.md) says where the time goes."
    )
    return "\n\n".join(("\n".join(embedding(stages)), "\n".join(audits(audit["runs"])), said))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the README is out of date")
    flags = parser.parse_args()
    stored = [json.loads(path.read_text(encoding="utf-8")) for path in (STAGES, AUDIT)]
    readme.keep("speed", text(*stored), check=flags.check)
