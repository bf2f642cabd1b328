"""Write docs/comparison.md from benchmarks/results; `--check` exits with 1 if the page is not what the results say now.

python docs/make_comparison.py
python docs/make_comparison.py --check
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
PAGE = Path(__file__).with_name("comparison.md")
NOTHING = "–"
_HEAD = """# Comparison with other tools

<!-- Written by docs/make_comparison.py from benchmarks/results. Run it again when a result changes. -->

Every figure here was measured on the same files for every tool. A script writes this page from
[`benchmarks/results`](https://github.com/curator-audit/curator/tree/main/benchmarks/results). Where another tool does as well,
or better, that is in it too.

What these tools do differs more than how well they do it. cleanlab Datalab and Deepchecks look for labels that go with an
image property, such as brightness or shape. curator also looks at surroundings, prompts and your own metadata, names class and
value, and gives intervals. cleanlab also audits text and tables. Deepchecks also checks drift, and data for detection and
segmentation. FiftyOne also holds boxes, masks and video; it has no test for shortcuts, and curator uses it to show images.
curator does none of these.

"""


def share(part: Mapping[str, Any] | None) -> str:
    """A share in whole per cent; a dash where nothing was measured.

    >>> share({"k": 39, "n": 40}), share(None)
    ('98% of 40', '–')
    """
    return f"{100 * part['k'] / part['n']:.0f}% of {part['n']}" if part and part["n"] else NOTHING


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def label_errors(result: Mapping[str, Any]) -> str:
    """Wrong labels: how high the planted ones stand in each tool's list."""
    mean, worst = result["mean_average_precision"], result["worst_average_precision"]
    rows = [
        ("average precision, mean over the sets", *(f"{mean[t]:.2f}" for t in mean)),
        ("in the worst set", *(f"{worst[t]:.2f}" for t in mean)),
    ]
    sets = result["sets"]
    whole = {key: [s[f"cleanlab_{key}"] for s in sets] for key in ("self_confidence", "normalized_margin")}
    rows += [
        (f"all images in order of {key.replace('_', ' ')}, mean", NOTHING, f"{sum(scores) / len(scores):.2f}")
        for key, scores in whole.items()
    ]
    versions = sorted({s["cleanlab_version"] for s in sets if "cleanlab_version" in s})
    return (
        f"{table(('wrong labels', *mean), rows)}\n\n"
        f"{len(sets)} sets in which {100 * result['noise']:.0f}% of the labels were changed; both tools are given the same "
        "probabilities. The first two rows are of the list of suspects that a tool gives; what it does not name counts as "
        "never found. The others are of an order of all images, which curator does not give. "
        f"cleanlab {', '.join(versions)}."
    )


def leaks(result: Mapping[str, Any]) -> str:
    """Copies that leak: found, and by bytes, hash and embedding alone, which is what most tools look at."""
    rows = [
        (
            kind,
            share({"k": seen["found"], "n": seen["planted"]}),
            share({"k": seen["found_by_bytes_hash_and_embedding_only"], "n": seen["planted"]}),
            str(seen["leaked"]),
        )
        for kind, seen in result["kinds"].items()
    ]
    head = (
        "a copy that was",
        "kept together by `curator export`",
        "by bytes, hash and embedding alone",
        "in another split",
    )
    return (
        f"{table(head, rows)}\n\nFalsely joined: {result['false_joins']} pair of the {result['unrelated_pairs']:,} that "
        f"{result['unrelated_photographs']} unrelated photographs make."
    )


def _printed(script: str, result: Path) -> str:
    """What a script of the benchmarks says of a result, in a process of its own: it imports its neighbours by name."""
    words = [sys.executable, str(BENCHMARKS / script), "--print", "--result", str(result)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, encoding="utf-8", env=environment).stdout


def page(results: Path = BENCHMARKS / "results") -> str:
    """The whole page as Markdown."""

    def read(name: str) -> dict[str, Any]:
        return dict(json.loads((results / f"{name}.json").read_text(encoding="utf-8")))

    parts = [
        ("Planted shortcuts", _printed("quality/table.py", results / "quality.json")),
        ("Which images to add", _printed("fix/table.py", results / "fix.json")),
        ("Wrong labels", label_errors(read("label_errors"))),
        ("Copies in two splits", leaks(read("leaks"))),
    ]
    sections = "\n\n".join(f"## {title}\n\n{text.strip()}" for title, text in parts)
    how = (
        "How it was measured stands beside the code, in "
        "[`benchmarks`](https://github.com/curator-audit/curator/tree/main/benchmarks); what the figures cannot show, in "
        "[Limits](limits.md)."
    )
    return f"{_HEAD}{sections}\n\n{how}\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit(f"{PAGE} is not what the results say now; run `python docs/make_comparison.py`.")
    else:
        PAGE.write_text(page(), encoding="utf-8", newline="\n")
