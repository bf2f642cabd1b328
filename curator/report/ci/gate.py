"""Decide what fails a build: findings at the level of --fail-on that are neither accepted nor in an earlier audit."""

from __future__ import annotations

from curator.types import Finding, Leak
from curator.types.documents import AuditDocument
from curator.types.findings import is_shortcut as is_shortcut

LEVELS = ("low", "medium", "high")
DEFAULT = "medium"
"""The level used by files that say pass or fail when --fail-on was not given."""


def failing_findings(audit: AuditDocument, level: str, before: AuditDocument | None) -> list[Finding]:
    """Findings at `level` (low, medium, high, or any) or above.

    Left out are intended findings, untested findings, findings about the object itself (unless the user counts them),
    and findings that `before` (an earlier audit) already had at that level. A finding that was accepted in `before` but
    is not accepted now is new.
    """
    if level == "leak":
        return []
    lowest = 0 if level == "any" else LEVELS.index(level)
    known = {f.id: f.severity for f in before.findings if not f.intended} if before else {}
    return [
        f
        for f in audit.findings
        if is_shortcut(f.kind, audit.counts_objects)
        and not f.intended and f.effect is not None and f.p is not None
        and LEVELS.index(f.severity) >= lowest
        and (f.id not in known or LEVELS.index(known[f.id]) < lowest)
    ]  # fmt: skip


def failing_leaks(audit: AuditDocument, level: str, before: AuditDocument | None) -> list[Leak]:
    """Groups of duplicates in more than one split that `before` does not have; none unless `level` is leak or any."""
    if level not in ("leak", "any"):
        return []
    known = leaks_of(before) if before else set()
    return [leak for leak in audit.duplicates.leaks if leak.ids not in known]


def is_met(audit: AuditDocument, level: str, before: AuditDocument | None) -> bool:
    """Whether the audit has a finding at `level` or a leak that `before` did not already have."""
    return bool(failing_findings(audit, level, before) or failing_leaks(audit, level, before))


def leaks_of(audit: AuditDocument) -> set[tuple[str, ...]]:
    """The ids of each leak."""
    return {leak.ids for leak in audit.duplicates.leaks}
