"""The comparison table of docs/benchmarks.md, from results/quality.json: curator and its peers, also where it loses.

python benchmarks/quality/table.py           # write it into docs/benchmarks.md
python benchmarks/quality/table.py --check   # exit 1 if that page says anything else
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from scoring import EXACT

sys.path.insert(0, str(Path(__file__).parents[1]))
import results_page

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "benchmarks" / "results" / "quality.json"
PEERS = {"cleanlab": "cleanlab Datalab", "deepchecks": "Deepchecks vision"}
ROWS = {
    "first": "the planted shortcut is the first finding: effect 0.6 or more, 50 images a class",
    "few": "the same: effect 0.6, 25 images a class",
    "weaker": "the same: effect 0.4, 100 images a class",
    "weakest": "the same: effect 0.25, 200 images a class",
    "two": "two planted shortcuts, both among the first three findings",
}
KINDS = {
    "scene": "scene", "tint": "colour cast", "darkness": "dark image", "blur": "blur", "jpeg": "JPEG quality",
    "border": "border", "watermark": "corner watermark", "image_size": "image size", "exif": "camera (EXIF)",
    "object_size": "object size", "metadata": "metadata column",
}  # fmt: skip
SYNTHETIC = {
    1: "noise, balanced: silent",
    2: "noise, majority 70 to 95 %: silent",
    3: "two classes, 70 % aligned: flagged",
    4: "two classes, 80 to 95 % aligned: flagged",
    5: "one of five classes 90 %, the others 10 %: flagged",
    6: "one of ten or fifty classes, the same: flagged",
}
NOTHING = "–"


def percent(part: dict[str, Any] | None) -> str:
    """A share with its interval and how many.

    >>> percent({"share": 0.982, "ci": [0.903, 1.0], "n": 55})
    '98.2% [90, 100] of 55'
    """
    if not part or part.get("share") is None:
        return NOTHING
    low, high = part["ci"]
    return f"{100 * part['share']:.1f}% [{100 * low:.0f}, {100 * high:.0f}] of {part['n']}"


def bar(value: float | None, least: bool = True) -> str:
    return NOTHING if value is None else f"{'at least' if least else 'at most'} {100 * value:.0f}%"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _peer(result: dict[str, Any], name: str, row: str, measure: str) -> str:
    peer = (result.get("peers") or {}).get(name)
    if peer is None:
        return NOTHING
    if "error" in peer:
        return "not installable"
    return percent(peer["rows"].get(row, {}).get(measure))


def _present(result: dict[str, Any]) -> list[str]:
    return [name for name in PEERS if name in (result.get("peers") or {})]


def verdicts(result: dict[str, Any]) -> list[str]:
    """The table of the issue's measures."""
    rows, peers = result["rows"], _present(result)
    lines = [_row("measure", "bar", "curator", *(PEERS[p] for p in peers)), _row(*["---"] * (3 + len(peers)))]
    for row, words in ROWS.items():
        if row in rows:
            theirs = (_peer(result, p, row, "right") for p in peers)
            lines.append(_row(words, bar(rows[row]["bar"]), percent(rows[row]), *theirs))
    if "null" in rows:
        theirs = (_peer(result, p, "null", "flagged") for p in peers)
        words = "false alarm: nothing planted, but a finding of medium or high severity"
        lines.append(_row(words, bar(rows["null"]["bar"], False), percent(rows["null"]), *theirs))
    none = [NOTHING] * len(peers)
    precision = rows.get("precision_at_10")
    if precision and precision["mean"] is not None:
        value = f"{100 * precision['mean']:.0f}% of {precision['n']} findings"
        lines.append(
            _row(
                "of the first ten images listed as conflicting, truly conflicting", bar(precision["bar"]), value, *none
            )
        )
    if rows.get("placed", {}).get("n"):
        lines.append(
            _row(
                "told correctly whether on the object or around it",
                bar(rows["placed"]["bar"]),
                percent(rows["placed"]),
                *none,
            )
        )
    coverage = result.get("coverage")
    if coverage:
        value = f"{100 * coverage['k'] / coverage['found']:.1f}% of {coverage['found']}"
        lines.append(_row("intervals of the effect that contain the true effect", "93 to 97%", value, *none))
    return [*lines, *_six_rows(result, peers), _seconds(result, peers)]


def _six_rows(result: dict[str, Any], peers: list[str]) -> list[str]:
    ours = result.get("synthetic")
    if not ours:
        return []
    lines = []
    for row, words in SYNTHETIC.items():
        theirs = (_right(((result["peers"][p]).get("synthetic")) or [], row) for p in peers)
        lines.append(_row(f"table of 5000, {words}", bar(0.95) if row < 3 else "all", _right(ours, row), *theirs))
    return lines


def _right(cases: list[dict[str, Any]], row: int) -> str:
    mine = [c for c in cases if c["row"] == row]
    n = sum(c["n"] for c in mine)
    right = sum(c["flagged"] if c["right"] == "flag" else c["n"] - c["flagged"] for c in mine)
    return f"{right} of {n}" if n else NOTHING


def _seconds(result: dict[str, Any], peers: list[str]) -> str:
    cold = result.get("cold")
    if not cold:
        return _row("time for one set", NOTHING, NOTHING, *[NOTHING] * len(peers))
    theirs = ((result["peers"][p].get("sets") or {}).get(cold["set"], {}).get("seconds") for p in peers)
    words = f"time for {cold['n_images']} images, nothing cached"
    shown = (NOTHING if t is None else f"{t:.1f} s" for t in theirs)
    return _row(words, NOTHING, f"{cold['seconds']:.1f} s", *shown)


def kinds(result: dict[str, Any]) -> list[str]:
    """The first row, kind by kind: right answers of all. For a peer, a property that fits the kind is flagged first."""
    first, peers = result["rows"].get("first"), _present(result)
    if not first:
        return []
    lines = [
        _row("planted, by kind (first row above)", "curator", *(PEERS[p] for p in peers)),
        _row(*["---"] * (2 + len(peers))),
    ]
    for kind, words in KINDS.items():
        if kind in first["by_kind"]:
            theirs = (
                (result["peers"][p].get("rows") or {}).get("first", {}).get("by_kind", {}).get(kind, NOTHING)
                for p in peers
            )
            lines.append(_row(words, first["by_kind"][kind], *theirs))
    return lines


def remarks(result: dict[str, Any]) -> str:
    """What the table does not say."""
    rows = result["rows"]
    said = []
    sides = [
        f"{100 * rows[r]['first_or_mirrored']:.1f}% of {rows[r]['n']}"
        for r in list(ROWS)[:4]
        if rows.get(r, {}).get("first_or_mirrored") is not None
    ]
    if len(sides) == 4:
        said.append(
            "A row counts only if class and attribute are both right. With two classes, naming either class is the same "
            f"fact; counting both as right, the first four rows become {', '.join(sides[:3])} and {sides[3]}."
        )
    where = rows.get("placed")
    if where and where["n"]:
        said.append(
            f"Of what curator called surroundings, {where['context']['k']} of {where['context']['n']} lay off the animal; of "
            f"what it called the object, {where['object']['k']} of {where['object']['n']} lay on the animal."
        )
    cover = rows.get("planted_coverage")
    if cover and cover["exact"]["n"]:
        said.append(
            "On the composed images, intervals contain the planted effect in "
            f"{percent(cover['exact'])} findings where the attribute is read without error "
            f"({', '.join(KINDS[k] for k in EXACT)}), and in {percent(cover['all'])} findings of all kinds. "
            "If an attribute misses part of a scene, its interval describes what was measured, not the scene itself."
        )
    return " ".join(said)


def text(result: dict[str, Any]) -> str:
    """Everything between the markers."""
    seeds = ", ".join(map(str, result["seeds"]))
    half = (
        "no threshold was chosen on these cut-outs and seeds"
        if result["half"] == "report"
        else "the development half, whose figures are not for reporting"
    )
    words = [
        f"Encoder `{result['encoder']}`; composed images; {half} (seeds {seeds}).",
        "Brackets hold exact 95 % intervals.",
    ]
    for name in _present(result):
        peer = result["peers"][name]
        said = f"could not be installed here: {peer['error']}" if "error" in peer else f"version {peer['version']}"
        if "error" not in peer and sorted(peer["seeds"]) != sorted(result["seeds"]):
            said += f", measured on seeds {', '.join(map(str, sorted(peer['seeds'])))}"
        words.append(f"{PEERS[name]}: {said}.")
    if _present(result):
        words.append(
            "The peers name no class. They count as right when the property they flag first fits what was planted, "
            "which is easier."
        )
    parts = ["\n".join(verdicts(result)), "\n".join(kinds(result)), " ".join(words), remarks(result)]
    return "\n\n".join(p for p in parts if p)


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
    results_page.keep("quality", table, check=flags.check)
