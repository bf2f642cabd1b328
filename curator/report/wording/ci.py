"""An audit in words for CI: why a test case fails or is skipped, and what a rule of the SARIF file is about."""

from __future__ import annotations

from curator.report.wording.text import count
from curator.types import LabelError, Leak

FOLLOWS, BREAKS = "follows the rule", "breaks the rule"
SAME_IMAGE, THE_IMAGE = "the same image", "the image"
ACCEPTED = "accepted"
ABOUT_OBJECT = "about the object itself, not a shortcut"
UNCLEAR = "about the object or its surroundings, which cannot be told apart here"
IN_BASELINE = "in the baseline"
BELOW_LEVEL = "below the level of --fail-on"


def in_two_splits(n_leaks: int, is_failure: bool) -> str:
    """How many groups of duplicates lie in more than one split."""
    what = f"{count(n_leaks, 'image is', 'images are')} in more than one split"
    return what if is_failure else f"--fail-on does not include leaks: {what}"


def leak(one: Leak) -> str:
    """The splits of a leak and its images, in one line."""
    return f"{', '.join(one.splits)}: {'; '.join(one.ids)}"


def leak_sentence(one: Leak) -> str:
    """A leak as a sentence."""
    return f"The same image is in {', '.join(one.splits)}: {count(len(one.ids), 'copy', 'copies')}."


def to_check(n_labels: int) -> str:
    """How many labels a person should check."""
    return f"to be checked: {count(n_labels, 'doubtful label')}"


def label(error: LabelError) -> str:
    """A doubtful label in one line."""
    return f"{error.id}: {error.given} or {error.suggested}? ({error.score:.2f})"


def label_sentence(error: LabelError) -> str:
    """A doubtful label as a sentence."""
    return f"Labelled {error.given}, looks like {error.suggested} (score {error.score:.2f})."


def more(n: int) -> str:
    """What is left out of a test case."""
    return f"and {n} more in audit.json"


def rule(id: str) -> tuple[str, str]:
    """The title and the meaning of a SARIF rule: "leak", "label", "shortcut/FAMILY", "object/FAMILY" or "unclear/FAMILY"."""
    if id in _RULES:
        return _RULES[id]
    what, _, family = id.partition("/")
    if what == "object":
        return (
            f"Looks of the object: {family}",
            f"A value of {family} lies on the object. It is part of the class, not a shortcut.",
        )
    if what == "unclear":
        return (
            f"The object or its surroundings: {family}",
            f"A value of {family} predicts the class. It cannot be told whether it lies on the object or around it.",
        )
    return (
        f"Shortcut: {family}",
        f"A value of {family} predicts the class but is not part of it. A network may learn it instead of the class.",
    )


_RULES = {
    "leak": (
        "The same image in two splits",
        "Duplicates in more than one split: the test set repeats images of the training set.",
    ),
    "label": ("Doubtful label", "A probe that was not trained on the image assigns it to another class."),
}
