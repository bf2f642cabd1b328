"""The decisions of a person in a review: which recommended images to accept or reject, and which findings are accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from curator.intended import Intended
from curator.report.wording import notes as words

ACCEPT, REJECT, INTENDED = "accept", "reject", "intended"
DECISIONS = (ACCEPT, REJECT)
_BECAUSE = " because "
_NO_REASON = "accepted in the FiftyOne App"
_REFUSED = "rejected in the FiftyOne App: no shortcut"


@dataclass(frozen=True, slots=True)
class Tagged:
    """One image of a review: its path, its displayed label ("" for none), its tags, and its `source` (data or pool)."""

    path: str
    label: str
    tags: tuple[str, ...]
    source: str = "pool"


@dataclass(frozen=True, slots=True)
class Review:
    """Decisions by image path: `accepted` maps to the label to use ("" = as predicted); `rejected` is a set.

    `source` says where the decisions come from, for readers of the result. `notes` are sentences that the user must see.
    """

    accepted: Mapping[str, str] = field(default_factory=dict)
    rejected: frozenset[str] = frozenset()
    source: str = ""
    notes: tuple[str, ...] = ()

    def then(self, later: Review) -> Review:
        """Both reviews together. If both decide on an image, the later decision holds.

        >>> Review({"a": "hen"}).then(Review(rejected=frozenset("a"))).accepted
        {}
        """
        accepted = {path: label for path, label in self.accepted.items() if path not in later.rejected}
        rejected = frozenset(path for path in self.rejected if path not in later.accepted) | later.rejected
        notes = tuple(dict.fromkeys((*self.notes, *later.notes)))
        return Review({**accepted, **later.accepted}, rejected, later.source or self.source, notes)


def of_tags(images: Iterable[Tagged], source: str = "") -> Review:
    """Read the tags accept and reject of the pool's images. An image with both tags is undecided, and a note says so.

    >>> of_tags([Tagged("a", "hen", ("reject",)), Tagged("b", "", ("accept", "mine"))]).accepted
    {'b': ''}
    """
    accepted: dict[str, str] = {}
    rejected: set[str] = set()
    n_both = 0
    for image in images:
        if image.source != "pool":
            continue
        tags = {tag.strip().casefold() for tag in image.tags}
        if ACCEPT in tags and REJECT in tags:
            n_both += 1
        elif ACCEPT in tags:
            accepted[image.path] = image.label
        elif REJECT in tags:
            rejected.add(image.path)
    notes = (words.undecided(n_both),) if n_both else ()
    return Review(accepted, frozenset(rejected), source, notes)


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding as the App shows it: its id, its name in the App, and the tag of the images that have its value."""

    id: str
    name: str
    tag: str


def intended_by_tags(
    images: Sequence[Tagged], findings: Sequence[Shown], entries: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[tuple[Intended, ...], tuple[str, ...]]:
    """The findings that the user accepts, each with a reason, and notes on tags that do not identify a finding.

    There are three ways to accept a finding. `entries` (id -> decision, reason) are stored with the data set. The tag
    `intended: FINDING`, or `intended: FINDING because REASON`, on any image accepts the finding with this id or name. The tag
    `intended` on all images with the finding's value accepts it too. An image can belong to several findings. Then the plain
    tag counts if the tagged images of these findings are exactly the images of this finding, or if no other of them has all
    of its images tagged. `reject` instead of `intended` means that the finding is not a shortcut, and has the same effect.
    """
    reasons: dict[str, str] = {}
    notes: list[str] = []
    for id, entry in (entries or {}).items():
        if entry.get("decision") in (INTENDED, REJECT):
            usual = _NO_REASON if entry.get("decision") == INTENDED else _REFUSED
            reasons[id] = (entry.get("reason") or "").strip() or usual
    by_name = {f.name.casefold(): f.id for f in findings} | {f.id.casefold(): f.id for f in findings}
    for tag in dict.fromkeys(tag for image in images for tag in image.tags):
        word, colon, rest = tag.partition(":")
        word = word.strip().casefold()
        if not colon or word not in (INTENDED, REJECT):
            continue
        which, because, why = rest.strip().partition(_BECAUSE)
        usual = _NO_REASON if word == INTENDED else _REFUSED
        # An id is accepted even if the last audit did not show the finding, because the next audit may find it.
        id = by_name.get(which.strip().casefold(), which.strip() if "=" in which else "")
        if id:
            reasons.setdefault(id, why.strip() if because and why.strip() else usual)
        else:
            notes.append(words.unknown_tag(tag, word, _example(findings)))
    tagged = {i.path for i in images if any(tag.strip().casefold() == INTENDED for tag in i.tags)}
    mine = {f.id: {i.path for i in images if f.tag in i.tags} for f in findings}
    whole = [f.id for f in findings if mine[f.id] and mine[f.id] <= tagged]
    for id in whole:
        rivals = [other for other in whole if mine[other] & mine[id]]
        if rivals == [id] or tagged & set().union(*(mine[other] for other in rivals)) == mine[id]:
            reasons.setdefault(id, _NO_REASON)
    left = tagged - set().union(*(mine[id] for id in reasons if id in mine))
    if left:
        behind = [id for id in mine if mine[id] & left] or [_example(findings)]
        notes.append(words.unclear_tag(len(left), behind[0]))
    return tuple(Intended(reason, finding=id) for id, reason in reasons.items()), tuple(notes)


def _example(findings: Sequence[Shown]) -> str:
    return findings[0].id if findings else "bunny:background.colour=green"
