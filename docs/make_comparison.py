"""Write docs/comparison.md from benchmarks/results; `--check` exits with 1 if the page is not what the results say now.

python docs/make_comparison.py
python docs/make_comparison.py --check
"""

from __future__ import annotations

import json
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

Every figure was measured on the same files for every tool. A script writes this page from
[`benchmarks/results`](https://github.com/curator-audit/curator/tree/main/benchmarks/results). The page also shows where
another tool does as well or better.

The tools differ more in what they do than in how well they do it:

- **cleanlab Datalab** and **Deepchecks** test whether labels go with an image property, such as brightness or shape.
- **curator** also tests surroundings, prompts and your own metadata. It names class and value, and gives intervals.
- cleanlab also audits text and tables. Deepchecks also checks drift, and data for detection and segmentation. FiftyOne also
  holds boxes, masks and video. curator does none of these.
- FiftyOne has no test for shortcuts. curator uses FiftyOne to show images.

Three more comparisons are in Benchmarks: [planted shortcuts](benchmarks.md#planted-shortcuts-beside-other-tools),
[which images to add](benchmarks.md#which-images-to-add) and [speed](benchmarks.md#speed).

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
        f"{len(sets)} sets in which {100 * result['noise']:.0f}% of the labels were changed. Both tools get the same "
        "probabilities. The first two rows score the list of suspects that a tool gives; a wrong label that is not on the "
        "list counts as never found. The other rows score an order of all images, which curator does not give. "
        f"cleanlab {', '.join(versions)}."
    )


def leaks(result: Mapping[str, Any]) -> str:
    """Copies that leak: found by curator, and by bytes, hash and embedding alone, which is what most tools look at."""
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
        "the copy was",
        "kept in the split of its original by `curator export`",
        "found by bytes, hash and embedding alone",
        "put into another split",
    )
    return (
        f"{table(head, rows)}\n\ncurator falsely joined {result['false_joins']} pair of the {result['unrelated_pairs']:,} "
        f"pairs of {result['unrelated_photographs']} unrelated images."
    )


def page(results: Path = BENCHMARKS / "results") -> str:
    """The whole page as Markdown."""

    def read(name: str) -> dict[str, Any]:
        return dict(json.loads((results / f"{name}.json").read_text(encoding="utf-8")))

    parts = [
        ("Wrong labels", label_errors(read("label_errors"))),
        ("Copies in two splits", leaks(read("leaks"))),
    ]
    sections = "\n\n".join(f"## {title}\n\n{text.strip()}" for title, text in parts)
    how = (
        "The scripts that measured this are in "
        "[`benchmarks`](https://github.com/curator-audit/curator/tree/main/benchmarks). [Limits](limits.md) says what the "
        "figures cannot show."
    )
    return f"{_HEAD}{sections}\n\n{how}\n"


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page():
            sys.exit(f"{PAGE} is not what the results say now; run `python docs/make_comparison.py`.")
    else:
        PAGE.write_text(page(), encoding="utf-8", newline="\n")
