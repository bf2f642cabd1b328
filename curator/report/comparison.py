"""comparison.json: what changed since an earlier audit."""

from __future__ import annotations

from msgspec import structs

from curator.report.wording import comparison
from curator.shortcuts.comparison import Comparison, Moved
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


def comparison_document(c: Comparison) -> ComparisonDocument:
    """What `comparison.json` holds. `images.added` and `removed` are null if the earlier audit does not name its images."""
    return ComparisonDocument(
        verdict=Verdicts(was=c.verdicts[0], now=c.verdicts[1]),
        findings=FindingChanges(
            new=tuple(NewFinding(id=f.id, severity=f.severity, sentence=f.sentence) for f in c.new),
            gone=tuple(
                GoneFinding(id=g.was.id, severity=g.was.severity, sentence=g.was.sentence, why=comparison.why(g))
                for g in c.gone
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
        circumstances=tuple(comparison.circumstances(c.circumstances)),
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


def with_changes(audit: AuditDocument, found: Comparison | None) -> AuditDocument:
    """The output of --json: the content of audit.json, with that of comparison.json under `comparison`."""
    return audit if found is None else structs.replace(audit, comparison=comparison_document(found))
