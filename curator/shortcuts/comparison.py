"""What changed between two audits of a data set, from the audit.json of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any, Literal

from curator.types import Finding, Interval, Untested
from curator.types.documents import AuditDocument


@dataclass(frozen=True, slots=True)
class Moved:
    """A finding of both audits: `was` and `now` are its two forms. `difference` of the effects with its interval is None
    where one of them has none; `beyond`: the interval leaves out 0.
    """

    was: Finding
    now: Finding
    difference: float | None
    ci: Interval | None

    @property
    def beyond(self) -> bool:
        return self.ci is not None and not self.ci[0] <= 0 <= self.ci[1]

    @property
    def changed(self) -> bool:
        """By more than chance, in severity, or in whether it is accepted."""
        return (
            self.beyond or self.was.severity != self.now.severity or bool(self.was.intended) != bool(self.now.intended)
        )


@dataclass(frozen=True, slots=True)
class Gone:
    """A finding of the earlier audit alone, and why it may not be there; `untested` says why it was not tested."""

    was: Finding
    why: Literal["class gone", "not tested", "no text", "not found"]
    untested: Untested | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A setting or a version that is not what it was; None where it is not set."""

    name: str
    was: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else differs between two audits (was, now); None or () where nothing does. `encoder` holds names."""

    encoder: tuple[str, str] | None
    settings: tuple[Change, ...]
    seed: tuple[int, int] | None
    versions: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Images:
    """How many images there were and are, in all and by class (was, now); `added` and `removed` ids, None where unknown."""

    was: int
    now: int
    classes: Mapping[str, tuple[int, int]]
    added: tuple[str, ...] | None
    removed: tuple[str, ...] | None
    same_data: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from an earlier audit to this one.

    Differences may come from `circumstances`: another encoder, other settings, another version.
    `leaks` and `label_errors` are (new, gone) counts.
    """

    verdicts: tuple[str, str]
    new: tuple[Finding, ...]
    gone: tuple[Gone, ...]
    kept: tuple[Moved, ...]
    images: Images
    leaks: tuple[int, int]
    label_errors: tuple[int, int]
    circumstances: Circumstances

    @property
    def changed(self) -> tuple[Moved, ...]:
        return tuple(m for m in self.kept if m.changed)


def compare(
    before: AuditDocument,
    now: AuditDocument,
    ids_before: Sequence[str] | None = None,
    ids_now: Sequence[str] | None = None,
) -> Comparison:
    """Findings new, gone and changed, images added and removed, and what else was different.

    A finding is the same where class, attribute and value are; where it was folded into another of its class; and, for visual
    words, which are learnt anew from every data set, where it is said in the same words. What describes the objects
    themselves is no shortcut and left out, unless the settings of this audit ask for it.
    Error: a finding that is gone may be there still, too weak for fewer images to show.
    """
    moved, new, used = [], [], set[int]()
    objects = now.counts_objects
    earlier, current = ([f for f in c.findings if objects or f.kind != "object"] for c in (before, now))
    for finding in current:
        k = _counterpart(finding, earlier, used)
        if k is None:
            new.append(finding)
            continue
        used.add(k)
        moved.append(_moved(earlier[k], finding))
    gone = tuple(_gone(f, now) for k, f in enumerate(earlier) if k not in used)
    return Comparison(
        verdicts=(before.verdict, now.verdict),
        new=tuple(new),
        gone=gone,
        kept=tuple(moved),
        images=_images(before, now, ids_before, ids_now),
        leaks=_turnover(_leaks(before), _leaks(now)),
        label_errors=_turnover(_doubts(before), _doubts(now)),
        circumstances=_circumstances(before, now),
    )


def difference(now: float, now_ci: Interval, was: float, was_ci: Interval) -> tuple[float, Interval]:
    """How far an estimate moved, with the 95 % interval of the move, from the intervals of the two.

    Error: coverage 0.95 to 0.98 for differences of shares from 30 images a class on, if the two share no images; two versions
    of one data set share most of theirs, and then it is too wide: what it calls a change is one.
    Source: Zou and Donner (2008), eq. 6 (method of variance estimates recovery).

    >>> move, (low, high) = difference(0.5, (0.4, 0.6), 0.9, (0.8, 0.95))
    >>> round(move, 3), round(low, 3), round(high, 3)
    (-0.4, -0.512, -0.259)
    """
    move = now - was
    low = move - hypot(now - now_ci[0], was_ci[1] - was)
    high = move + hypot(now_ci[1] - now, was - was_ci[0])
    return move, (low, high)


def _moved(was: Finding, now: Finding) -> Moved:
    if now.effect is None or was.effect is None or now.effect_ci is None or was.effect_ci is None:
        return Moved(was, now, None, None)
    return Moved(was, now, *difference(now.effect, now.effect_ci, was.effect, was.effect_ci))


def _counterpart(finding: Finding, earlier: Sequence[Finding], used: set[int]) -> int | None:
    """The place in `earlier` of the same finding; None where it is new."""
    left = [k for k in range(len(earlier)) if k not in used and earlier[k].class_name == finding.class_name]
    for k in left:
        was = earlier[k]
        if was.learnt and finding.learnt:
            if was.phrase == finding.phrase:
                return k
        elif not finding.learnt and (was.attribute, was.value) == (finding.attribute, finding.value):
            return k
    for k in left:
        was = earlier[k]
        # Words among the folded ones have numbers, which mean something else in another data set.
        if not finding.learnt and f"{finding.attribute}={finding.value}" in was.same_as:
            return k
        if not was.learnt and f"{was.attribute}={was.value}" in finding.same_as:
            return k
    return None


def _gone(finding: Finding, now: AuditDocument) -> Gone:
    """Why a finding of the earlier audit may not be there now."""
    if finding.class_name not in now.dataset.classes:
        return Gone(finding, "class gone")
    untested = next((u for u in now.untested_attributes if u.attribute == finding.attribute), None)
    if untested is not None:
        return Gone(finding, "not tested", untested)
    return Gone(finding, "no text" if finding.needs_text and not now.encoder.text else "not found")


def _images(
    before: AuditDocument, now: AuditDocument, ids_before: Sequence[str] | None, ids_now: Sequence[str] | None
) -> Images:
    was, is_ = before.dataset, now.dataset
    names = [*is_.classes, *(c for c in was.classes if c not in is_.classes)]
    counts = {c: (was.classes.get(c, 0), is_.classes.get(c, 0)) for c in names}
    added = removed = None
    if ids_before is not None and ids_now is not None:
        old, new = set(ids_before), set(ids_now)
        added, removed = tuple(sorted(new - old)), tuple(sorted(old - new))
    return Images(was.n_images, is_.n_images, counts, added, removed, was.fingerprint == is_.fingerprint)


def _leaks(audit: AuditDocument) -> set[tuple[str, ...]]:
    return {leak.ids for leak in audit.duplicates.leaks}


def _doubts(audit: AuditDocument) -> set[tuple[str, ...]]:
    return {(e.id, e.given) for e in audit.label_errors}


def _turnover(was: set[tuple[str, ...]], now: set[tuple[str, ...]]) -> tuple[int, int]:
    return len(now - was), len(was - now)


def _circumstances(before: AuditDocument, now: AuditDocument) -> Circumstances:
    old, new = before.encoder, now.encoder
    return Circumstances(
        encoder=None if old.fingerprint == new.fingerprint else (old.name, new.name),
        settings=_changes(_flat(before.settings), _flat(now.settings)),
        seed=None if before.seed == now.seed else (before.seed, now.seed),
        versions=_changes(before.versions, now.versions),
    )


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...]:
    names = [*now, *(k for k in was if k not in now)]
    missing = object()
    return tuple(Change(k, was.get(k), now.get(k)) for k in names if was.get(k, missing) != now.get(k, missing))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in settings.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return out
