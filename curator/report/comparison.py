"""What changed since an earlier audit: in words for the terminal and the report, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curator.report import wording
from curator.report.serialise import plain
from curator.shortcuts.comparison import Comparison, Images, Moved

NAME = "comparison.json"
MOST_IDS = 8
"""Names of added or removed images in the terminal and the report: enough to see what they are."""


def comparison_json(c: Comparison) -> dict[str, Any]:
    """What `comparison.json` holds. `images.added` and `removed` are null where the earlier audit does not name its images."""
    return {
        "schema": "curator.comparison/1",
        "verdict": {"was": c.verdicts[0], "now": c.verdicts[1]},
        "findings": {
            "new": [{"id": f["id"], "severity": f["severity"], "sentence": f["sentence"]} for f in c.new],
            "gone": [
                {"id": g.was["id"], "severity": g.was["severity"], "sentence": g.was["sentence"], "why": g.why}
                for g in c.gone
            ],
            "changed": [_moved(m) for m in c.kept if m.changed],
            "unchanged": [m.now["id"] for m in c.kept if not m.changed],
        },
        "images": {
            "was": c.images.was,
            "now": c.images.now,
            "classes": {name: {"was": was, "now": now} for name, (was, now) in c.images.classes.items()},
            "added": plain(c.images.added),
            "removed": plain(c.images.removed),
            "same_data": c.images.same_data,
        },
        "leaks": {"new": c.leaks[0], "gone": c.leaks[1]},
        "label_errors": {"new": c.label_errors[0], "gone": c.label_errors[1]},
        "circumstances": list(c.circumstances),
    }


def _moved(m: Moved) -> dict[str, Any]:
    return {
        "id": m.now["id"],
        "id_before": m.was["id"],
        "sentence": m.now["sentence"],
        "severity": {"was": m.was["severity"], "now": m.now["severity"]},
        "effect": {"was": m.was["effect"], "now": m.now["effect"]},
        "difference": m.difference,
        "difference_ci": plain(m.ci),
        "beyond_chance": m.beyond,
        "intended": {"was": m.was.get("intended") or "", "now": m.now.get("intended") or ""},
    }


def headline(c: Comparison) -> str:
    """The answer in a sentence.

    "1 finding is gone, 2 are new, 1 changed; 3 are as they were."
    """
    parts = [(len(c.gone), "gone"), (len(c.new), "new"), (len(c.changed), "changed")]
    same = len(c.kept) - len(c.changed)
    said = [f"{n} {word}" for n, word in parts if n]
    if not said:
        return "No finding is new, gone or changed." if same else "There was no finding, and there is none."
    rest = f"; {same} as before" if same else ""
    return f"Findings: {', '.join(said)}{rest}."


def images(found: Images) -> str:
    """What changed of the images, as sentences."""
    if found.same_data:
        return f"The same {wording.count(found.now, 'image')}, byte for byte."
    said = f"{wording.count(found.was, 'image')} before, {found.now:,} now"
    if found.added is not None and found.removed is not None:
        said += f": {len(found.added):,} added, {len(found.removed):,} removed"
        if not found.added and not found.removed:
            return f"{said}. The names are the same, so pictures, labels or columns behind them changed."
    else:
        said += " (the earlier audit has no measures.parquet beside it, so which ones is not known)"
    moved = [f"{name} {was:,} to {now:,}" for name, (was, now) in found.classes.items() if was != now]
    return f"{said}." + (
        f" By class: {', '.join(moved[:MOST_IDS])}{', …' if len(moved) > MOST_IDS else ''}." if moved else ""
    )


def moved(m: Moved) -> str:
    """How a finding changed, as a sentence."""
    said = []
    if m.difference is not None and m.ci is not None:
        was, now = (wording.points(x["effect"]) for x in (m.was, m.now))
        sizes = f"from {was.partition(' ')[0]} to {now}"
        verb = "Changed" if m.beyond else "Not changed beyond chance"
        said.append(f"{verb}: {sizes}, {wording.points(m.difference, m.ci)}")
    if m.was["severity"] != m.now["severity"]:
        said.append(f"{m.was['severity']} before, {m.now['severity']} now")
    if bool(m.was.get("intended")) != bool(m.now.get("intended")):
        said.append("accepted now" if m.now.get("intended") else "no longer accepted")
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}."


def lines(c: Comparison) -> list[str]:
    """What the terminal shows."""
    out = [headline(c), images(c.images)]
    for name, ids in (("Added", c.images.added), ("Removed", c.images.removed)):
        if ids:
            out.append(f"{name}: {_named(ids)}.")
    out += [f"Note: {line}" for line in c.circumstances]
    out += [f"gone     {g.was['sentence']} ({g.why})" for g in c.gone]
    out += [f"new      {f['severity'].upper()} {f['sentence']}" for f in c.new]
    out += [f"changed  {m.now['sentence']} {moved(m)}" for m in c.changed]
    for (new, gone), word in ((c.leaks, "leaks between splits"), (c.label_errors, "doubtful labels")):
        if new or gone:
            out.append(f"{word[:1].upper()}{word[1:]}: {new:,} new, {gone:,} gone.")
    return out


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(wording.visible(i, 60) for i in ids[:MOST_IDS])
    return f"{shown} and {len(ids) - MOST_IDS:,} more" if len(ids) > MOST_IDS else shown
