"""What a person decided in a review: which recommended images to take or not, and which findings are accepted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from curator.intended import Intended

ACCEPT, REJECT, INTENDED = "accept", "reject", "intended"
DECISIONS = (ACCEPT, REJECT)
_BECAUSE = " because "
_NO_REASON = "accepted in the FiftyOne App"
_REFUSED = "rejected in the FiftyOne App: no shortcut"


@dataclass(frozen=True, slots=True)
class Tagged:
    """One image of a review: its path, the label it is shown with ("" for none), its tags; `source` is data or pool."""

    path: str
    label: str
    tags: tuple[str, ...]
    source: str = "pool"


@dataclass(frozen=True, slots=True)
class Review:
    """Decisions by path of the image: `accepted` with the label to take it with ("" = as predicted), and `rejected`.

    `source` says where they are from, for whoever reads the result; `notes` are sentences the user must see.
    """

    accepted: Mapping[str, str] = field(default_factory=dict)
    rejected: frozenset[str] = frozenset()
    source: str = ""
    notes: tuple[str, ...] = ()

    def then(self, later: Review) -> Review:
        """Both; of an image that both decide on, what the later says.

        >>> Review({"a": "hen"}).then(Review(rejected=frozenset("a"))).accepted
        {}
        """
        accepted = {path: label for path, label in self.accepted.items() if path not in later.rejected}
        rejected = frozenset(path for path in self.rejected if path not in later.accepted) | later.rejected
        notes = tuple(dict.fromkeys((*self.notes, *later.notes)))
        return Review({**accepted, **later.accepted}, rejected, later.source or self.source, notes)


def of_tags(images: Iterable[Tagged], source: str = "") -> Review:
    """What the tags accept and reject say of the images of the pool. One with both is undecided, and said to be.

    >>> of_tags([Tagged("a", "hen", ("reject",)), Tagged("b", "", ("accept", "mine"))]).accepted
    {'b': ''}
    """
    accepted: dict[str, str] = {}
    rejected: set[str] = set()
    n_both = 0
    for image in images:
        if image.source != "pool":
            continue
        said = {tag.strip().casefold() for tag in image.tags}
        if ACCEPT in said and REJECT in said:
            n_both += 1
        elif ACCEPT in said:
            accepted[image.path] = image.label
        elif REJECT in said:
            rejected.add(image.path)
    notes = (f"Images tagged both accept and reject, which are left undecided: {n_both}.",) if n_both else ()
    return Review(accepted, frozenset(rejected), source, notes)


@dataclass(frozen=True, slots=True)
class Shown:
    """A finding as the App shows it: its id, its name there, and the tag of the images that have its value."""

    id: str
    name: str
    tag: str


def intended_by_tags(
    images: Sequence[Tagged], findings: Sequence[Shown], entries: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[tuple[Intended, ...], tuple[str, ...]]:
    """The findings that the user accepts, each with a reason, and notes on tags that do not say which is meant.

    A finding is accepted by `entries` (id -> decision, reason), kept with the data set; by the tag `intended: FINDING`, or
    `intended: FINDING because REASON`, on any image, where FINDING is its id or its name; or by the tag `intended` on all
    images that have its value. Images stand behind several findings at times: then `intended` counts where the tagged
    images of those are just the finding's, or where it is the only one with all of its images tagged. `reject` in place
    of `intended` says that it is no shortcut, which comes to the same.
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
        # A finding that the last audit did not show may be there in the next: an id is taken as it is.
        id = by_name.get(which.strip().casefold(), which.strip() if "=" in which else "")
        if id:
            reasons.setdefault(id, why.strip() if because and why.strip() else usual)
        else:
            notes.append(
                f"The tag {tag!r} names no finding; write {word}: and its id, such as {word}: {_example(findings)}."
            )
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
        notes.append(
            f"The tag intended is on {len(left)} images that do not say which finding is meant; "
            f"tag one of them with intended: and its id, such as intended: {behind[0]}."
        )
    return tuple(Intended(reason, finding=id) for id, reason in reasons.items()), tuple(notes)


def _example(findings: Sequence[Shown]) -> str:
    return findings[0].id if findings else "bunny:background.colour=green"
