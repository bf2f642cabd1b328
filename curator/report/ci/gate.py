"""What of an audit fails a build: the level of --fail-on, less what is accepted and what an earlier audit had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEVELS = ("low", "medium", "high")
DEFAULT = "medium"
"""The level of files that say pass or fail, where no --fail-on was given."""

Content = Mapping[str, Any]


def is_shortcut(kind: str, settings: Content) -> bool:
    """Whether a finding of this kind counts: a class's own looks do only where the user asked (`audit.objects`)."""
    return kind != "object" or bool(settings.get("audit", {}).get("objects", False))


def failing_findings(content: Content, level: str, before: Content) -> list[Content]:
    """Findings of audit.json at `level` (low, medium, high, or any) or above.

    Left out: what is intended, what was not tested, what describes the object itself, and what `before` (an earlier
    audit.json, or {}) has at that level already. What was accepted then and is no longer is new.
    """
    if level == "leak":
        return []
    lowest = 0 if level == "any" else LEVELS.index(level)
    known = {f["id"]: f["severity"] for f in before.get("findings", []) if not f.get("intended")}
    return [
        f
        for f in content["findings"]
        if is_shortcut(f["kind"], content["settings"])
        and not f.get("intended") and f["effect"] is not None and f["p"] is not None
        and LEVELS.index(f["severity"]) >= lowest
        and (f["id"] not in known or LEVELS.index(known[f["id"]]) < lowest)
    ]  # fmt: skip


def failing_leaks(content: Content, level: str, before: Content) -> list[Content]:
    """Groups of duplicates in more than one split that `before` does not have, if `level` is leak or any."""
    if level not in ("leak", "any"):
        return []
    known = leaks_of(before)
    return [leak for leak in content["duplicates"]["leaks"] if tuple(leak["ids"]) not in known]


def leaks_of(content: Content) -> set[tuple[str, ...]]:
    """The ids of each leak of an audit.json."""
    return {tuple(leak["ids"]) for leak in content.get("duplicates", {}).get("leaks", [])}
