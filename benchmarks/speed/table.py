"""The tables of speed in docs/benchmarks.md, from results/speed_stages.json and the others in `NAMES`.

python benchmarks/speed/table.py           # write it into docs/benchmarks.md
python benchmarks/speed/table.py --check   # exit 1 if that page says anything else
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
import results_page

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
NAMES = ("stages", "ray", "peers", "audit", "sample")


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def embedding(stages: dict[str, Any]) -> list[str]:
    """Each bar as a ratio within one run, the median of the repeats."""
    lines = [row("embedding, within one run", "bar", "measured"), row("---", "---", "---")]
    together = stages["together"]
    for encoder in ("embedded", "ViT-B/32"):
        found = together[encoder]
        low, high = min(found["ratios"]), max(found["ratios"])
        words = (
            f"images a second end to end, against the same {found['passes']} passes of the network alone, `{encoder}`"
        )
        lines.append(row(words, "at least 0.85", f"{found['ratio']:.2f} ({low:.2f} to {high:.2f})"))
    large, peer = f"{stages['large']['ratio']:.1f} times", f"{stages['cleanvision']['ratio']:.1f} times"
    lines.append(row("12-megapixel images, against Pillow's plain decode", "at least 3 times", large))
    lines.append(row("all pixel attributes, against CleanVision's checks", "at least 3 times", peer))
    second = together["embedded"]["second_run"]
    lines.append(row("a second run with nothing new, against the first", "at most 2%", f"{100 * second:.1f}%"))
    return lines


def nodes(ray: dict[str, Any]) -> list[str]:
    """What a second node of a Ray cluster brings, once it works."""
    low, high = min(ray["steady"]["ratios"]), max(ray["steady"]["ratios"])
    measured = f"{ray['steady']['ratio']:.2f} times ({low:.2f} to {high:.2f})"
    return [row("two Ray nodes of one processor, against one", "at least 1.8 times", measured)]


def peers(found: dict[str, Any]) -> list[str]:
    """Images a second as a multiple of each peer's, with the same checkpoint and files; there is no bar."""
    lines = []
    for peer in ("FiftyOne", "clip-retrieval"):
        for ours, words in (("curator, one pass", "decode, hashes, one vector, store"), ("curator", "all of `embed`")):
            speed = found["embedding"]["times_as_fast"][f"{ours} / {peer}"]
            low, high = min(speed["all"]), max(speed["all"])
            lines.append(row(f"{words}, against {peer}", "–", f"{speed['median']:.1f} times ({low:.1f} to {high:.1f})"))
    for size in found["near_duplicates"]["sizes"]:
        if "times_as_fast" in size:
            speed = size["times_as_fast"]
            words = f"near-duplicates of {size['n']:,} vectors, against FiftyOne Brain"
            lines.append(
                row(words, "–", f"{speed['median']:.1f} times ({min(speed['all']):.1f} to {max(speed['all']):.1f})")
            )
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


def samples(runs: list[dict[str, Any]]) -> list[str]:
    """The audit of a sample, and what it asked counted in all."""
    heads = ("`--sample`", "of", "processor seconds", "of these, counting: ms an image", "peak memory")
    lines = [row(*heads), row(*["---"] * len(heads))]
    for run in runs:
        what = "images, embedded anew" if run["model"] == "embedded" else "vectors of 512"
        counting = 1000 * run["stages"]["counts"]["cpu_seconds"] / run["n"]
        cells = (f"{run['sample']:,}", f"{run['n']:,} {what}", f"{run['cpu_seconds']:.0f}", f"{counting:.3f}")
        lines.append(row(*cells, f"{run['peak_mb'] / 1000:.1f} GB"))
    return lines


def text(
    stages: dict[str, Any], ray: dict[str, Any], beside: dict[str, Any], audit: dict[str, Any], sample: dict[str, Any]
) -> str:
    """Everything between the markers."""
    load = max(beside["load_before"], *(stages[part]["load"] for part in ("together", "large", "cleanvision")))
    first = audit["runs"][-1]
    said = (
        f"{stages['cores']} shared cores under a load of up to {load:.0f}: compare the ratios, not the seconds. "
        f"The audit covers duplicates, clusters, {first['attributes']} attributes of {first['classes']} classes, the probe "
        "with its intervals, audit.json and report.html. [Performance](performance.md) says where the time goes."
    )
    return "\n\n".join(
        (
            "\n".join([*embedding(stages), *nodes(ray), *peers(beside)]),
            "\n".join(audits(audit["runs"])),
            "\n".join(samples(sample["runs"])),
            said,
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is out of date")
    flags = parser.parse_args()
    stored = [
        json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS / f"speed_{name}.json" for name in NAMES)
    ]
    results_page.keep("speed", text(*stored), check=flags.check)
