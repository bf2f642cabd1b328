"""Compares two audits of a data set by their audit.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any, Literal

from curator.types import Finding, Interval, Untested
from curator.types.documents import AuditDocument
from curator.types.findings import is_shortcut


@dataclass(frozen=True, slots=True)
class Moved:
    """A finding that is in both audits, in its old form (`was`) and its new form (`now`).

    `difference` of the effects and its interval are None if either effect is missing. `beyond` is true if the interval
    excludes 0.
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
        """Whether the effect changed by more than chance, or the severity changed, or whether the finding is accepted."""
        return (
            self.beyond or self.was.severity != self.now.severity or bool(self.was.intended) != bool(self.now.intended)
        )


@dataclass(frozen=True, slots=True)
class Gone:
    """A finding of the earlier audit only, and why it may be missing now. `untested` says why it was not tested."""

    was: Finding
    why: Literal["class gone", "not tested", "no text", "not found"]
    untested: Untested | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A setting or version that differs between the audits. None where it is not set."""

    name: str
    was: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Other differences between two audits (was, now). None or () means no difference. `encoder` holds names."""

    encoder: tuple[str, str] | None
    settings: tuple[Change, ...]
    seed: tuple[int, int] | None
    versions: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Images:
    """The number of images in total and by class (was, now). `added` and `removed` are ids, or None if unknown."""

    was: int
    now: int
    classes: Mapping[str, tuple[int, int]]
    added: tuple[str, ...] | None
    removed: tuple[str, ...] | None
    same_data: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes from an earlier audit to this one.

    The changes may be caused by `circumstances`: another encoder, other settings or another version.
    `leaks` and `label_errors` are counts (new, gone).
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
    """Find new, gone and changed findings, added and removed images, and differences in the circumstances.

    Two findings are the same if class, attribute and value are equal, or if one was folded into the other within the class.
    Visual words are learnt anew from every data set, so two of them are the same if their phrases are equal. Findings about
    the objects themselves are not shortcuts and are left out, unless the settings of this audit include them.
    Error: a finding that is gone may still exist, but be too weak to show with fewer images.
    """
    moved, new, used = [], [], set[int]()
    objects = now.counts_objects
    earlier, current = ([f for f in c.findings if is_shortcut(f.kind, objects)] for c in (before, now))
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
    """The change of an estimate and the 95 % interval of the change, from the intervals of the two estimates.

    Error: the coverage is 0.95 to 0.98 for differences of shares from 30 images a class on, if the two sets share no images.
    Two versions of one data set share most images. The interval is then too wide, so a reported change is real.
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
    """The position in `earlier` of the same finding, or None if the finding is new."""
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
        # Visual words in `same_as` are named by numbers, and a number means another word in another data set.
        if not finding.learnt and f"{finding.attribute}={finding.value}" in was.same_as:
            return k
        if not was.learnt and f"{was.attribute}={was.value}" in finding.same_as:
            return k
    return None


def _gone(finding: Finding, now: AuditDocument) -> Gone:
    """Why a finding of the earlier audit may be missing now."""
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
