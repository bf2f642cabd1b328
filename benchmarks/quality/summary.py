"""From one line per set to one number per row of the table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from scoring import EXACT, share

BARS = {
    "first": 0.98, "few": 0.90, "weaker": 0.95, "weakest": 0.85, "two": 0.90,
    "null": 0.05, "precision_at_10": 0.95, "placed": 0.90,
}  # fmt: skip
"""What must be reached; for null sets, what must not be passed."""


def summarise(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Per row: how many of how many with an exact interval, and the same kind by kind."""
    of_row: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        of_row[line["row"]].append(line)
    out: dict[str, Any] = {}
    for row, mine in of_row.items():
        out[row] = _null(mine) if row == "null" else _planted(mine, "all_in_three" if row == "two" else "first")
        out[row]["bar"] = BARS[row]
        out[row]["seconds_per_set"] = round(sum(x["seconds"] for x in mine) / len(mine), 2)
    planted = [x for x in lines if x["row"] != "null"]
    if planted:
        out["precision_at_10"] = {**_precision(planted), "bar": BARS["precision_at_10"]}
        out["planted_coverage"] = _coverage(planted)
    placed = [p for x in lines for p in x["placed"] if p[3] is not None]
    words = [p for p in placed if p[1].startswith("words.")]
    out["placed"] = {
        **share([p[3] for p in placed]),
        "bar": BARS["placed"],
        "words": share([p[3] for p in words]),
        "or_on_the_rim": share([p[4] for p in placed]),
        "object": share([p[3] for p in placed if p[0] == "object"]),
        "context": share([p[3] for p in words if p[0] == "context"]),
    }
    return out


def _null(lines: list[dict[str, Any]]) -> dict[str, Any]:
    alarmed = [x["score"]["n_alarms"] > 0 for x in lines]
    return {
        **share(alarmed),
        "any_finding": share([x["score"]["n_findings"] > 0 for x in lines]),
        "n_alarms": sum(x["score"]["n_alarms"] for x in lines),
        "what": sorted(a for x in lines for a in x["score"]["alarms"]),
    }


def _planted(lines: list[dict[str, Any]], measure: str) -> dict[str, Any]:
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for x in lines:
        by_kind[x["spec"]["kind"]].append(x["score"][measure])
    others = ("first", "first_or_folded", "first_or_mirrored", "all_in_three")
    return {
        **share([x["score"][measure] for x in lines]),
        **{name: share([x["score"][name] for x in lines])["share"] for name in others if name != measure},
        "severity_medium_or_high": share(
            [s.get("severity") in ("medium", "high") for x in lines for s in x["score"]["shortcuts"]]
        )["share"],
        "with_unexplained_alarms": share([x["score"]["n_unexplained"] > 0 for x in lines]),
        "by_kind": {kind: f"{sum(hits)}/{len(hits)}" for kind, hits in by_kind.items()},
        "missed": [_miss(x) for x in lines if not x["score"][measure]],
    }


def _miss(line: dict[str, Any]) -> str:
    said = [f"{f['class_name']}:{f['attribute']}={f['value']}" for f in line["findings"][:3]]
    return f"{line['set']}: {'; '.join(said) or 'nothing found'}"


def _precision(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over the shortcuts that were found; 10 images each."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    for x in lines:
        for s in x["score"]["shortcuts"]:
            if s.get("precision_at_10") is not None:
                by_kind[s["kind"]].append(s["precision_at_10"])
    every = [v for values in by_kind.values() for v in values]
    return {
        "mean": round(sum(every) / len(every), 4) if every else None,
        "n": len(every),
        "by_kind": {kind: round(sum(v) / len(v), 3) for kind, v in by_kind.items()},
    }


def _coverage(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Of the planted effect by the interval of the finding that names it: exact attributes apart from the others.

    A word or a colour sees a scene with errors, so its own effect is smaller than the planted one, and its interval is
    about what it sees.
    """
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for x in lines:
        for s in x["score"]["shortcuts"]:
            if s.get("covers") is not None:
                by_kind[s["kind"]].append(s["covers"])
    exact = [v for kind in EXACT for v in by_kind.get(kind, [])]
    return {
        "exact": share(exact),
        "all": share([v for values in by_kind.values() for v in values]),
        "by_kind": {kind: f"{sum(v)}/{len(v)}" for kind, v in by_kind.items()},
    }
