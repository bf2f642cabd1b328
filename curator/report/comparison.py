"""What changed since an earlier audit: as text for the terminal and the report, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import structs

from curator.report import wording
from curator.shortcuts.comparison import Change, Circumstances, Comparison, Gone, Images, Moved
from curator.types.documents import AuditDocument, ComparisonDocument
from curator.types.documents.comparison import (
    Acceptances,
    Counts,
    Effects,
    FindingChanges,
    GoneFinding,
    ImageChanges,
    MovedFinding,
    NewFinding,
    Severities,
    Turnover,
    Verdicts,
)

NAME = "comparison.json"
MOST_IDS = 8
"""Maximum number of added or removed images that the terminal and the report name."""


def comparison_document(c: Comparison) -> ComparisonDocument:
    """What `comparison.json` holds. `images.added` and `removed` are null if the earlier audit does not name its images."""
    return ComparisonDocument(
        verdict=Verdicts(was=c.verdicts[0], now=c.verdicts[1]),
        findings=FindingChanges(
            new=tuple(NewFinding(id=f.id, severity=f.severity, sentence=f.sentence) for f in c.new),
            gone=tuple(
                GoneFinding(id=g.was.id, severity=g.was.severity, sentence=g.was.sentence, why=why(g)) for g in c.gone
            ),
            changed=tuple(_moved(m) for m in c.kept if m.changed),
            unchanged=tuple(m.now.id for m in c.kept if not m.changed),
        ),
        images=ImageChanges(
            was=c.images.was,
            now=c.images.now,
            classes={name: Counts(was=was, now=now) for name, (was, now) in c.images.classes.items()},
            added=c.images.added,
            removed=c.images.removed,
            same_data=c.images.same_data,
        ),
        leaks=Turnover(new=c.leaks[0], gone=c.leaks[1]),
        label_errors=Turnover(new=c.label_errors[0], gone=c.label_errors[1]),
        circumstances=tuple(circumstances(c.circumstances)),
    )


def _moved(m: Moved) -> MovedFinding:
    return MovedFinding(
        id=m.now.id,
        id_before=m.was.id,
        sentence=m.now.sentence,
        severity=Severities(was=m.was.severity, now=m.now.severity),
        effect=Effects(was=m.was.effect, now=m.now.effect),
        difference=m.difference,
        difference_ci=m.ci,
        beyond_chance=m.beyond,
        intended=Acceptances(was=m.was.intended, now=m.now.intended),
    )


def why(g: Gone) -> str:
    """Why a finding is gone, in a few words."""
    if g.why == "class gone":
        return f"the class {g.was.class_name} no longer exists"
    if g.untested is not None:
        return f"not tested now: {wording.untested(g.untested).removeprefix(f'{g.was.attribute}: ')}"
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


def with_changes(audit: AuditDocument, found: Comparison | None) -> AuditDocument:
    """The output of --json: the content of audit.json, with that of comparison.json under `comparison`."""
    return audit if found is None else structs.replace(audit, comparison=comparison_document(found))


def headline(c: Comparison) -> str:
    """The result in one sentence, for example:

    "1 finding is gone, 2 are new, 1 changed; 3 are as they were."
    """
    parts = [(len(c.gone), "gone"), (len(c.new), "new"), (len(c.changed), "changed")]
    same = len(c.kept) - len(c.changed)
    said = [f"{n} {word}" for n, word in parts if n]
    if not said:
        return "No finding is new, gone or changed." if same else "Both audits have no findings."
    rest = f"; {same} as before" if same else ""
    return f"Findings: {', '.join(said)}{rest}."


def images(found: Images) -> str:
    """How the images changed, as sentences."""
    if found.same_data:
        return f"The same {wording.count(found.now, 'image')}, byte for byte."
    said = f"{wording.count(found.was, 'image')} before, {found.now:,} now"
    if found.added is not None and found.removed is not None:
        said += f": {len(found.added):,} added, {len(found.removed):,} removed"
        if not found.added and not found.removed:
            return f"{said}. The names are the same, so images, labels or columns changed."
    else:
        said += " (the earlier audit has no measures.parquet beside it, so the added and removed images are not known)"
    moved = [f"{name} {was:,} to {now:,}" for name, (was, now) in found.classes.items() if was != now]
    return f"{said}." + (
        f" By class: {', '.join(moved[:MOST_IDS])}{', …' if len(moved) > MOST_IDS else ''}." if moved else ""
    )


def moved(m: Moved) -> str:
    """How a finding changed, as a sentence."""
    said = []
    if m.difference is not None and m.ci is not None:
        was, now = (wording.points(x.effect or 0.0) for x in (m.was, m.now))
        sizes = f"from {was.partition(' ')[0]} to {now}"
        verb = "Changed" if m.beyond else "Not changed beyond chance"
        said.append(f"{verb}: {sizes}, {wording.points(m.difference, m.ci)}")
    if m.was.severity != m.now.severity:
        said.append(f"{m.was.severity} before, {m.now.severity} now")
    if bool(m.was.intended) != bool(m.now.intended):
        said.append("accepted now" if m.now.intended else "no longer accepted")
    text = "; ".join(said)
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
    for (new, gone), word in ((c.leaks, "leaks between splits"), (c.label_errors, "doubtful labels")):
        if new or gone:
            out.append(f"{word[:1].upper()}{word[1:]}: {new:,} new, {gone:,} gone.")
    return out


def _named(ids: Sequence[str]) -> str:
    shown = ", ".join(wording.visible(i, 60) for i in ids[:MOST_IDS])
    return f"{shown} and {len(ids) - MOST_IDS:,} more" if len(ids) > MOST_IDS else shown
