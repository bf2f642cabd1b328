"""Findings that the user knows and accepts, each with a reason. They stay in the report and never fail a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from msgspec import structs

from curator.errors import InputError
from curator.types import Audit, Finding
from curator.types.findings import is_shortcut

_KEYS = ("finding", "class", "attribute", "value", "reason")
_EXAMPLE = '{finding = "bunny:background.colour=green", reason = "shot in one garden"}'


@dataclass(frozen=True, slots=True)
class Intended:
    """One accepted finding or group of findings, and the reason.

    Either `finding` is given, the id of a finding in audit.json, or any of class, attribute and value. A missing one matches
    everything. `*` stands for any text; no other character is special.

    Raises:
        InputError: the reason is missing, or the entry does not say which finding is meant.
    """

    reason: str
    finding: str = ""
    class_name: str = ""
    attribute: str = ""
    value: str = ""

    def __post_init__(self) -> None:
        parts = (self.class_name, self.attribute, self.value)
        if not self.reason.strip():
            raise InputError(f"settings: intended {self.name!r} has no reason; a reason is needed, such as {_EXAMPLE}.")
        if bool(self.finding) == any(parts):
            raise InputError(
                "settings: an entry of intended needs either `finding`, or any of `class`, `attribute` and `value`, such as "
                f"{_EXAMPLE}."
            )

    @property
    def name(self) -> str:
        """The entry in the form of an id."""
        return self.finding or f"{self.class_name or '*'}:{self.attribute or '*'}={self.value or '*'}"

    def matches(self, finding: Finding) -> bool:
        """Whether the entry means this finding.

        Parts are compared separately, because ids of the class `bunny:x` begin like ids of the class `bunny`.
        """
        if self.finding:
            return _fits(self.finding, finding.id)
        pairs = (
            (self.class_name, finding.class_name), (self.attribute, finding.attribute), (self.value, finding.value),
        )  # fmt: skip
        return all(not pattern or _fits(pattern, text) for pattern, text in pairs)

    def folded_into(self, finding: Finding) -> bool:
        """Whether the entry equals one of the finding's `same_as` entries of the same class, without `*`."""
        # `same_as` entries of another class do not count: a user who accepted those has not seen this finding.
        return self.name in {f"{finding.class_name}:{same}" for same in finding.same_as}

    def as_dict(self) -> dict[str, str]:
        """The entry as in the settings file, without empty keys."""
        values = (self.finding, self.class_name, self.attribute, self.value, self.reason)
        return {key: value for key, value in zip(_KEYS, values, strict=True) if value}


def _fits(pattern: str, text: str) -> bool:
    """Whether the text is what the pattern says; `*` stands for any text, and nothing else is special.

    >>> _fits("* or above", "0.14 or above"), _fits("[a]?", "a1"), _fits("*", "")
    (True, False, True)
    >>> _fits("a*b*c", "abbc"), _fits("a*a", "a"), _fits("a*bc*c", "abc"), _fits("*" * 99 + "b", "a" * 9999)
    (True, False, False, False)
    """
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))


def read(value: Any, where: str) -> tuple[Intended, ...]:
    """Read the entries of a settings file: a list of tables of text.

    Raises:
        InputError: the value has another form, a key is unknown, or an entry is incomplete.
    """
    if isinstance(value, tuple) and all(isinstance(v, Intended) for v in value):
        return value
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, Mapping) for v in value):
        raise InputError(f"{where} = {value!r}; a list of tables is needed, such as [{_EXAMPLE}].")
    out = []
    for entry in value:
        for key, text in entry.items():
            if key not in _KEYS:
                raise InputError(f"{where} has an entry with the unknown key {key!r}; use one of: {', '.join(_KEYS)}.")
            if not isinstance(text, str):
                raise InputError(f"{where} has {key} = {text!r}; a text is needed; put it in quotes.")
        names = {key: entry.get(key, "") for key in _KEYS}
        out.append(Intended(class_name=names.pop("class"), **names))
    return tuple(out)


def accept(audit: Audit, entries: Sequence[Intended], objects: bool = False) -> tuple[Audit, tuple[str, ...]]:
    """Mark the accepted findings with their reasons and put them after all others. Also returns notes for the user.

    Each entry is first looked for among the ids of the findings. If no id matches, it is looked for in `same_as` within the
    class. The first matching entry gives the reason. The verdict is about the remaining findings; those about the object
    itself count if `objects` is set.
    """
    reasons: dict[str, str] = {}
    notes = []
    for entry in entries:
        found = [f for f in audit.findings if entry.matches(f)]
        if not found:
            found = [f for f in audit.findings if entry.folded_into(f)]
            notes += [
                f"Intended {entry.name!r} is now part of the finding {f.id!r}, which is accepted too." for f in found
            ]
        if not found:
            notes.append(f"Intended {entry.name!r} no longer matches a finding; remove it from the settings.")
        for finding in found:
            reasons.setdefault(finding.id, entry.reason)
    marked = [structs.replace(f, intended=reasons.get(f.id, "")) for f in audit.findings]
    left = [f for f in marked if not f.intended]
    accepted = [f for f in marked if f.intended]
    verdict = audit.verdict
    if accepted:
        notes.insert(
            0,
            f"{len(accepted)} of {len(marked)} findings are accepted by the settings (intended) "
            "and do not count in the verdict.",
        )
        counts = any(f.is_confirmed and is_shortcut(f.kind, objects) for f in left)
        if not counts and verdict == "shortcuts found":
            verdict = "none found"
    return replace(audit, findings=(*left, *accepted), verdict=verdict), tuple(notes)
