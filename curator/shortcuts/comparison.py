"""What changed between two audits of a data set, from the audit.json of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

from curator.types import Interval

Content = Mapping[str, Any]
_FIGURES = re.compile(r"\d+%? ?|\[[^\]]*\] ?| of \d[\d,]*")
"""What differs between two sentences that say the same of two versions of the data."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A finding of both audits: `was` and `now` are its two forms. `difference` of the effects with its interval is None
    where one of them has none; `beyond`: the interval leaves out 0.
    """

    was: Content
    now: Content
    difference: float | None
    ci: Interval | None

    @property
    def beyond(self) -> bool:
        return self.ci is not None and not self.ci[0] <= 0 <= self.ci[1]

    @property
    def changed(self) -> bool:
        """By more than chance, in severity, or in whether it is accepted."""
        return (
            self.beyond
            or self.was["severity"] != self.now["severity"]
            or bool(self.was.get("intended")) != bool(self.now.get("intended"))
        )


@dataclass(frozen=True, slots=True)
class Gone:
    """A finding of the earlier audit alone, and why it may not be there."""

    was: Content
    why: str


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

    `circumstances` are sentences on what else is different (encoder, settings, versions): differences may come of it.
    `leaks` and `label_errors` are (new, gone) counts.
    """

    verdicts: tuple[str, str]
    new: tuple[Content, ...]
    gone: tuple[Gone, ...]
    kept: tuple[Moved, ...]
    images: Images
    leaks: tuple[int, int]
    label_errors: tuple[int, int]
    circumstances: tuple[str, ...]

    @property
    def changed(self) -> tuple[Moved, ...]:
        return tuple(m for m in self.kept if m.changed)


def compare(
    before: Content, now: Content, ids_before: Sequence[str] | None = None, ids_now: Sequence[str] | None = None
) -> Comparison:
    """Findings new, gone and changed, images added and removed, and what else was different.

    A finding is the same where class, attribute and value are; where it was folded into another of its class; and, for visual
    words, which are learnt anew from every data set, where it is said in the same words. What describes the objects
    themselves is no shortcut and left out, unless the settings of this audit ask for it.
    Error: a finding that is gone may be there still, too weak for fewer images to show.
    """
    moved, new, used = [], [], set[int]()
    objects = bool(now["settings"].get("audit", {}).get("objects", False))
    earlier, current = ([f for f in c["findings"] if objects or f.get("kind") != "object"] for c in (before, now))
    for finding in current:
        k = _counterpart(finding, earlier, used)
        if k is None:
            new.append(finding)
            continue
        used.add(k)
        moved.append(_moved(earlier[k], finding))
    gone = tuple(Gone(f, _why(f, now)) for k, f in enumerate(earlier) if k not in used)
    return Comparison(
        verdicts=(before["verdict"], now["verdict"]),
        new=tuple(new),
        gone=gone,
        kept=tuple(moved),
        images=_images(before, now, ids_before, ids_now),
        leaks=_turnover(_leaks(before), _leaks(now)),
        label_errors=_turnover(_doubts(before), _doubts(now)),
        circumstances=tuple(_circumstances(before, now)),
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


def _moved(was: Content, now: Content) -> Moved:
    own, other = list(now.get("effect_ci") or ()), list(was.get("effect_ci") or ())
    if now["effect"] is None or was["effect"] is None or len(own) != 2 or len(other) != 2:
        return Moved(was, now, None, None)
    return Moved(was, now, *difference(now["effect"], (own[0], own[1]), was["effect"], (other[0], other[1])))


def _counterpart(finding: Content, earlier: Sequence[Content], used: set[int]) -> int | None:
    """The place in `earlier` of the same finding; None where it is new."""
    word = finding["attribute"].startswith("words.")
    left = [k for k in range(len(earlier)) if k not in used and earlier[k]["class"] == finding["class"]]
    for k in left:
        was = earlier[k]
        if was["attribute"].startswith("words.") and word:
            if _said(was) == _said(finding):
                return k
        elif not word and (was["attribute"], was["value"]) == (finding["attribute"], finding["value"]):
            return k
    for k in left:
        # Words among the folded ones have numbers, which mean something else in another data set.
        if not word and f"{finding['attribute']}={finding['value']}" in earlier[k]["same_as"]:
            return k
        was = earlier[k]
        if not was["attribute"].startswith("words.") and f"{was['attribute']}={was['value']}" in finding["same_as"]:
            return k
    return None


def _said(finding: Content) -> str:
    return _FIGURES.sub("", str(finding["sentence"]).split(", against")[0]).strip()


def _why(finding: Content, now: Content) -> str:
    name = finding["attribute"]
    if finding["class"] not in now["dataset"]["classes"]:
        return f"there is no class {finding['class']} any more"
    untested = next((line for line in now.get("untested", ()) if str(line).startswith(f"{name}: ")), "")
    if untested:
        return f"not tested now: {untested.removeprefix(f'{name}: ')}"
    if name.startswith("concept.") and not now["encoder"].get("text", True):
        return "not tested now: this encoder reads no prompts"
    return "not found now"


def _images(before: Content, now: Content, ids_before: Sequence[str] | None, ids_now: Sequence[str] | None) -> Images:
    was, is_ = before["dataset"], now["dataset"]
    names = [*is_["classes"], *(c for c in was["classes"] if c not in is_["classes"])]
    counts = {c: (int(was["classes"].get(c, 0)), int(is_["classes"].get(c, 0))) for c in names}
    added = removed = None
    if ids_before is not None and ids_now is not None:
        old, new = set(ids_before), set(ids_now)
        added, removed = tuple(sorted(new - old)), tuple(sorted(old - new))
    same = was["fingerprint"] == is_["fingerprint"]
    return Images(int(was["n_images"]), int(is_["n_images"]), counts, added, removed, same)


def _leaks(content: Content) -> set[tuple[str, ...]]:
    return {tuple(leak["ids"]) for leak in content["duplicates"]["leaks"]}


def _doubts(content: Content) -> set[tuple[str, ...]]:
    return {(e["id"], e["given"]) for e in content["label_errors"]}


def _turnover(was: set[tuple[str, ...]], now: set[tuple[str, ...]]) -> tuple[int, int]:
    return len(now - was), len(was - now)


def _circumstances(before: Content, now: Content) -> list[str]:
    out = []
    old, new = before["encoder"], now["encoder"]
    if old["fingerprint"] != new["fingerprint"]:
        other = "another version of it" if old["name"] == new["name"] else new["name"]
        out.append(
            f"The encoder is another: {old['name']} before, {other} now. Visual words, reliance and labels depend on it."
        )
    settings = _changes(_flat(before["settings"]), _flat(now["settings"]))
    if settings:
        out.append(f"Settings differ: {'; '.join(settings)}.")
    if before["seed"] != now["seed"]:
        out.append(f"The seed was {before['seed']} and is {now['seed']}.")
    versions = _changes(before["versions"], now["versions"])
    if versions:
        out.append(f"Versions differ: {'; '.join(versions)}.")
    return out


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [*now, *(k for k in was if k not in now)]
    missing = object()
    return [
        f"{k} {_or_none(was, k)} before, {_or_none(now, k)} now"
        for k in names
        if was.get(k, missing) != now.get(k, missing)
    ]


def _or_none(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if values.get(key) not in (None, "", [], ()) else "not set"


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in settings.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return out
