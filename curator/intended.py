"""What the user knows of a data set and accepts, each with a reason: such findings stay in the report and fail nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from curator.errors import InputError
from curator.types import Audit, Finding

_KEYS = ("finding", "class", "attribute", "value", "reason")
_EXAMPLE = '{finding = "bunny:background.colour=green", reason = "shot in one garden"}'


@dataclass(frozen=True, slots=True)
class Intended:
    """One thing that is accepted, and why.

    Either `finding`, the id of a finding as audit.json has it, or any of class, attribute and value; one that is left
    out is `*`. In all of them `*` stands for any text, and nothing else is special.

    Raises:
        InputError: no reason, or nothing that says which finding is meant.
    """

    reason: str
    finding: str = ""
    class_name: str = ""
    attribute: str = ""
    value: str = ""

    def __post_init__(self) -> None:
        parts = (self.class_name, self.attribute, self.value)
        if not self.reason.strip():
            raise InputError(f"settings: intended {self.name!r} has no reason; say why it is accepted: {_EXAMPLE}.")
        if bool(self.finding) == any(parts):
            raise InputError(
                "settings: an entry of intended has either `finding`, or any of `class`, `attribute` and `value`, such as "
                f"{_EXAMPLE}."
            )

    @property
    def name(self) -> str:
        """What the entry says, in the form of an id."""
        return self.finding or f"{self.class_name or '*'}:{self.attribute or '*'}={self.value or '*'}"

    def matches(self, finding: Finding) -> bool:
        """Whether this is the finding that is meant.

        Parts are compared with parts: the class `bunny` is not the class `bunny:x`, whose ids begin alike.
        """
        if self.finding:
            return _fits(self.finding, finding.id)
        pairs = (
            (self.class_name, finding.class_name), (self.attribute, finding.attribute), (self.value, finding.value),
        )  # fmt: skip
        return all(not pattern or _fits(pattern, text) for pattern, text in pairs)

    def folded_into(self, finding: Finding) -> bool:
        """Whether it is, to the letter, one of the things of the same class that the finding stands for (`same_as`)."""
        # Another class's part of the same shortcut does not count: who accepts that one has not seen this one.
        return self.name in {f"{finding.class_name}:{same}" for same in finding.same_as}

    def as_dict(self) -> dict[str, str]:
        """As in the settings file; empty keys are left out."""
        values = (self.finding, self.class_name, self.attribute, self.value, self.reason)
        return {key: value for key, value in zip(_KEYS, values, strict=True) if value}


def _fits(pattern: str, text: str) -> bool:
    """Whether the text is what the pattern says.

    >>> _fits("* or above", "0.14 or above"), _fits("[a]?", "a1"), _fits("*", "")
    (True, False, True)
    >>> _fits("a*b*c", "abbc"), _fits("a*a", "a"), _fits("a*bc*c", "abc"), _fits("*" * 99 + "b", "a" * 9999)
    (True, False, False, False)
    """
    # No regular expression: one of many stars takes for ever on a long name, and an audit.json may bring it along.
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *between, last = rest
    end = len(text) - len(last)
    if not text.startswith(first) or not text.endswith(last) or end < len(first):
        return False
    at = len(first)
    for piece in between:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def read(value: Any, where: str) -> tuple[Intended, ...]:
    """The entries of a settings file: a list of tables of text.

    Raises:
        InputError: it is anything else, with a key that is unknown, or an entry says too little.
    """
    if isinstance(value, tuple) and all(isinstance(v, Intended) for v in value):
        return value
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, Mapping) for v in value):
        raise InputError(f"{where} is a list of tables, such as [{_EXAMPLE}]; found {value!r}.")
    out = []
    for entry in value:
        for key, text in entry.items():
            if key not in _KEYS:
                raise InputError(f"{where} has an entry with the key {key!r}; there are: {', '.join(_KEYS)}.")
            if not isinstance(text, str):
                raise InputError(f"{where} has {key} = {text!r}; a text between quotes is needed.")
        names = {key: entry.get(key, "") for key in _KEYS}
        out.append(Intended(class_name=names.pop("class"), **names))
    return tuple(out)


def accept(audit: Audit, entries: Sequence[Intended]) -> tuple[Audit, tuple[str, ...]]:
    """The audit with the findings that are intended marked with their reason, after all others; and what to say of it.

    An entry is looked for among the ids first; only where it is none of them, among what the findings of its class stand
    for. The first entry that matches gives the reason. The verdict is of the findings that are left.
    """
    reasons: dict[str, str] = {}
    notes = []
    for entry in entries:
        found = [f for f in audit.findings if entry.matches(f)]
        if not found:
            found = [f for f in audit.findings if entry.folded_into(f)]
            notes += [f"Intended {entry.name!r} is now part of {f.id!r}, which is accepted with it." for f in found]
        if not found:
            notes.append(f"Intended {entry.name!r} matches no finding any more: remove it from the settings.")
        for finding in found:
            reasons.setdefault(finding.id, entry.reason)
    marked = [structs.replace(f, intended=reasons.get(f.id, "")) for f in audit.findings]
    left = [f for f in marked if not f.intended]
    accepted = [f for f in marked if f.intended]
    verdict = audit.verdict
    if accepted:
        notes.insert(
            0,
            f"Accepted by the settings (intended), so not counted in the verdict: {len(accepted)} of "
            f"{len(marked)} findings.",
        )
        if not any(f.kind != "object" and f.borne_out for f in left) and verdict == "shortcuts found":
            verdict = "none found"
    return replace(audit, findings=(*left, *accepted), verdict=verdict), tuple(notes)
