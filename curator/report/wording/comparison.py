"""What changed since an earlier audit, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from curator.report.wording.findings import untested
from curator.report.wording.text import count, points, visible
from curator.shortcuts.comparison import Change, Circumstances, Comparison, Gone, Images, Moved

MOST_IDS = 8
"""Maximum number of added or removed images that are named."""


def why(g: Gone) -> str:
    """Why a finding is gone, in a few words."""
    if g.why == "class gone":
        return f"the class {g.was.class_name} no longer exists"
    if g.untested is not None:
        return f"not tested now: {untested(g.untested).removeprefix(f'{g.was.attribute}: ')}"
    return "not tested now: this encoder cannot read prompts" if g.why == "no text" else "not found now"


def circumstances(c: Circumstances) -> list[str]:
    """Other differences between the two audits, as sentences."""
    out = []
    if c.encoder is not None:
        was, now = c.encoder
        other = "another version of it" if was == now else now
        out.append(f"The encoder changed: {was} before, {other} now. Visual words, reliance and labels depend on it.")
    if c.settings:
        out.append(f"Settings differ: {_changes(c.settings)}.")
    if c.seed is not None:
        out.append(f"The seed was {c.seed[0]} and is {c.seed[1]}.")
    if c.versions:
        out.append(f"Versions differ: {_changes(c.versions)}.")
    return out


def _changes(changes: Sequence[Change]) -> str:
    return "; ".join(f"{c.name} {_or_none(c.was)} before, {_or_none(c.now)} now" for c in changes)


def _or_none(value: Any) -> str:
    return "not set" if value in (None, "", [], ()) else str(value)


def headline(c: Comparison) -> str:
    """The result in one sentence: "Findings: 1 gone, 2 new, 1 changed; 3 as before."."""
    parts = [(len(c.gone), "gone"), (len(c.new), "new"), (len(c.changed), "changed")]
    same = len(c.kept) - len(c.changed)
    changes = [f"{n} {word}" for n, word in parts if n]
    if not changes:
        return "No finding is new, gone or changed." if same else "Both audits have no findings."
    rest = f"; {same} as before" if same else ""
    return f"Findings: {', '.join(changes)}{rest}."


def images(found: Images) -> str:
    """How the images changed, as sentences."""
    if found.same_data:
        return f"The same {count(found.now, 'image')}, byte for byte."
    text = f"{count(found.was, 'image')} before, {found.now:,} now"
    if found.added is not None and found.removed is not None:
        text += f": {len(found.added):,} added, {len(found.removed):,} removed"
        if not found.added and not found.removed:
            return f"{text}. The names are the same, so images, labels or columns changed."
    else:
        text += " (the earlier audit has no measures.parquet beside it, so the added and removed images are not known)"
    moved = [f"{name} {was:,} to {now:,}" for name, (was, now) in found.classes.items() if was != now]
    if not moved:
        return f"{text}."
    return f"{text}. By class: {', '.join(moved[:MOST_IDS])}{', …' if len(moved) > MOST_IDS else ''}."


def moved(m: Moved) -> str:
    """How a finding changed, as a sentence."""
    parts = []
    if m.difference is not None and m.ci is not None:
        was, now = (points(x.effect or 0.0) for x in (m.was, m.now))
        sizes = f"from {was.partition(' ')[0]} to {now}"
        verb = "Changed" if m.beyond else "Not changed beyond chance"
        parts.append(f"{verb}: {sizes}, {points(m.difference, m.ci)}")
    if m.was.severity != m.now.severity:
        parts.append(f"{m.was.severity} before, {m.now.severity} now")
    if bool(m.was.intended) != bool(m.now.intended):
        parts.append("accepted now" if m.now.intended else "no longer accepted")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def lines(c: Comparison) -> list[str]:
    """The lines that the terminal shows."""
    out = [headline(c), images(c.images)]
    for name, ids in (("Added", c.images.added), ("Removed", c.images.removed)):
        if ids:
            out.append(f"{name}: {_named(ids)}.")
    out += [f"Note: {line}" for line in circumstances(c.circumstances)]
    out += [f"gone     {g.was.sentence} ({why(g)})" for g in c.gone]
    out += [f"new      {f.severity.upper()} {f.sentence}" for f in c.new]
    out += [f"changed  {m.now.sentence} {moved(m)}" for m in c.changed]
    return [*out, *turnover(c)]


def turnover(c: Comparison) -> list[str]:
    """How many leaks and doubtful labels are new and gone, as sentences; none for what did not change."""
    kinds = (("Leaks between splits", c.leaks), ("Doubtful labels", c.label_errors))
    return [f"{name}: {new:,} new, {gone:,} gone." for name, (new, gone) in kinds if new or gone]


def verdicts(c: Comparison) -> str:
    """How the verdict changed, as a sentence; "" if it did not."""
    was, now = c.verdicts
    return "" if was == now else f"The verdict was “{was}” and is “{now}”."


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(visible(i, 60) for i in ids[:MOST_IDS])
    return f"{shown} and {len(ids) - MOST_IDS:,} more" if len(ids) > MOST_IDS else shown
