"""A finding in words: the share in the class, the share in the other images, and what to add against it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from curator.report.wording import notes
from curator.report.wording.text import count, percent, probability, whole
from curator.shortcuts import indicators
from curator.types import Column, Finding, Untested

_REST = {"others": "of the others", "pool": "of the images in the pool"}
"""The words after a share for the images that a class is compared with."""


def sentence(f: Finding) -> str:
    """The finding in words, with its intervals.

    >>> f = Finding(
    ...     class_name="bunny", attribute="background.colour", value="green", kind="context", severity="high",
    ...     phrase="have a green background", share_in_class=0.93, share_in_class_ci=(0.87, 0.96), share_elsewhere=0.11,
    ...     share_elsewhere_ci=(0.08, 0.15), effect=0.82, p=1e-9, q=1e-8, n_class=60, n_with=56
    ... )
    >>> sentence(f)
    '93% of bunny images have a green background, against 11% of the others. (95 % intervals: 87 to 96 and 8 to 15)'
    >>> sentence(replace(f, p=None, q=None, share_elsewhere=None, n_class=4, n_with=4))
    '4 of 4 bunny images have a green background. There is nothing to compare them with.'
    >>> sentence(replace(f, p=None, q=None, n_class=4, n_with=4, against="pool"))
    '4 of 4 bunny images have a green background, against 11% of the images in the pool; 4 images are too few to tell.'
    """
    return " ".join(filter(None, (headline(f), intervals(f), known(f))))


def headline(f: Finding) -> str:
    """The finding in words, without intervals: the share in the class and in the images it is compared with."""
    who, rest = f"{f.class_name} images {phrase(f)}", _REST[f.against]
    if f.share_elsewhere is None:
        return f"{f.n_with} of {f.n_class} {who}. There is nothing to compare them with."
    against = f"against {percent(f.share_elsewhere)} {rest}"
    if f.p is None:
        return f"{f.n_with} of {f.n_class} {who}, {against}; {f.n_class} images are too few to tell."
    return f"{percent(f.share_in_class)} of {who}, {against}."


def known(f: Finding) -> str:
    """For how many images the attribute is known; "" if it is known for all."""
    c = f.coverage
    if c is None:
        return ""
    return f"Known for {c.known} of {c.size} of them, and for {c.known_elsewhere} of {c.size_elsewhere} {_REST[f.against]}."


def intervals(f: Finding) -> str:
    """The 95 % intervals of both shares, in per cent; "" if nothing was tested."""
    if f.p is None or f.share_elsewhere_ci is None:
        return ""
    own, other = (f"{whole(low)} to {whole(high)}" for low, high in (f.share_in_class_ci, f.share_elsewhere_ci))
    return f"(95 % intervals: {own} and {other})"


def phrase(f: Finding) -> str:
    """What the images have: "show grey, fine texture (2)"; the number distinguishes equal phrases."""
    return f"{f.phrase} ({f.nth})" if f.nth else f.phrase


def facts(f: Finding) -> tuple[str, ...]:
    """The facts under a finding in the terminal, the report and the App, each in a few words.

    >>> f = Finding(
    ...     class_name="bunny", attribute="a", value="b", kind="context", severity="high", effect=0.8, p=1e-9, q=1e-8,
    ...     times=19.0
    ... )
    >>> facts(f)
    ('19 times as common as in the others', 'q 1e-8')
    """
    out = (
        []
        if f.times is None
        else [f"{f.times:.2g} times as common as in {'the pool' if f.against == 'pool' else 'the others'}"]
    )
    return (*out, *([] if f.q is None else [f"q {probability(f.q)}"]))


def worded(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings, each with its `sentence` filled in."""
    return tuple(replace(f, sentence=sentence(f)) for f in findings)


def untested(u: Untested) -> str:
    """Why an attribute was not tested.

    >>> untested(Untested(attribute="metadata.file", reason="no value is common", n=2, n_known=500))
    'metadata.file: no value is in more than 2 of 500 images'
    """
    few = f"only {u.n} differ" if u.reason == "few differ" else f"no value is in more than {u.n}"
    return f"{u.attribute}: {few} of {u.n_known} images"


def spelt_out(column: Column, value: str) -> str:
    """The meaning of a visual word, whose name is a number; "" if the attribute's name already says it.

    >>> word = Column("words.24", "flag", "context", "show grass|do not show grass", "", learnt=True)
    >>> spelt_out(word, "yes"), spelt_out(Column("background.colour", "tags", "context", "", ""), "green")
    ('words.24=yes: images that show grass.', '')
    """
    return f"{column.name}={value}: images that {indicators.phrase(column, value)}." if column.learnt else ""


def seen_as(f: Finding, most: int) -> str:
    """The other values that describe the same shortcut, at most `most`: "also: are mostly blue; and 3 more"; "" if none."""
    if not f.same_as:
        return ""
    names = f.also or f.same_as
    rest = len(names) - most
    return f"also: {'; '.join(names[:most])}{f'; and {rest} more' if rest > 0 else ''}"


def accepted(f: Finding) -> str:
    """Why the user accepts the finding, and how severe it would be."""
    return f"accepted ({f.severity}): {f.intended}"


def verdict(verdict: str, n_shortcuts: int) -> str:
    """The verdict of an audit as a headline.

    >>> verdict("shortcuts found", 3), verdict("none found", 0), verdict("too few images to tell", 0)
    ('3 shortcuts found', 'No shortcut found', 'Too few images to tell')
    """
    if verdict == "shortcuts found":
        return f"{count(n_shortcuts, 'shortcut')} found"
    return "No shortcut found" if verdict == "none found" else "Too few images to tell"


def advice(f: Finding, column: Column | None, classes: Sequence[str]) -> str:
    """What to add against the finding, as a sentence: "Add bunny images on something other than green.".

    If most images of the class lack the value, images of the others must show it: "Add cat images that show a lawn.".
    `column` is that of the attribute; None if the data have none.
    """
    if f.kind == "file":
        return f"{notes.FILES[0].upper()}{notes.FILES[1:]}"
    if column is None:
        return f"Add {f.class_name} images without {f.value}."
    if f.share_elsewhere is None or f.share_in_class >= 0.5:
        return f"Add {f.class_name} images {indicators.instead(column, f.value)}."
    others = [name for name in classes if name != f.class_name]
    added = f"{others[0]} images" if len(others) == 1 else "images of the other classes"
    return f"Add {added} that {indicators.phrase(column, f.value)}."


def unlisted(n_more: int, n_objects: int, n_unclear: int = 0, strongest: str = "") -> str:
    """What only audit.json and the report list, as sentences; "" if nothing. `strongest` is the strongest unclear finding.

    >>> unlisted(2, 1)
    '2 more findings in audit.json. 1 further finding describes the object itself, not a shortcut; see audit.json.'
    >>> unlisted(0, 0, 3)
    '3 further findings may describe the object or its surroundings, which cannot be told apart here; see audit.json.'
    """
    more = f"{count(n_more, 'more finding')} in audit.json." if n_more > 0 else ""
    what = "describes the object itself, not a shortcut"
    if n_objects != 1:
        what = "describe the objects themselves, not shortcuts"
    looks = f"{count(n_objects, 'further finding')} {what}; see audit.json." if n_objects > 0 else ""
    verb = "may describe the object or its surroundings, which cannot be told apart here"
    either = f"{count(n_unclear, 'further finding')} {verb}; see audit.json." if n_unclear > 0 else ""
    if either and strongest:
        either = f"{either} The strongest: {strongest}"
    return " ".join(filter(None, (more, looks, either)))


UNCONFIRMED = "Not confirmed on any random half of the images, listed for completeness:"
NOT_TESTED = "Not tested (too few images to tell):"


def no_shortcut(n_tests: int, n_images: int, n_unconfirmed: int) -> str:
    """What an audit without a shortcut tested, as sentences.

    >>> no_shortcut(312, 500, 1)  # doctest: +NORMALIZE_WHITESPACE
    '312 pairs of class and attribute value were tested over 500 images. 1 weak finding is listed below; it was not
    confirmed on any random half of the images.'
    """
    tested = f"{n_tests:,} pairs of class and attribute value were tested over {count(n_images, 'image')}."
    if not n_unconfirmed:
        return tested
    verb, it = ("is", "it was") if n_unconfirmed == 1 else ("are", "they were")
    weak = f"{count(n_unconfirmed, 'weak finding')} {verb} listed below"
    return f"{tested} {weak}; {it} not confirmed on any random half of the images."


def cleanup(n_leaks: int, n_duplicates: int, n_labels: int, n_skipped: int) -> str:
    """The counts of everything that is not a finding, as a sentence; "" if there is nothing.

    >>> cleanup(1, 2, 0, 0)
    'Also: 1 group of duplicates lies in more than one split; 2 groups of duplicates.'
    """
    parts = (
        (
            n_leaks,
            "group of duplicates lies in more than one split",
            "groups of duplicates lie in more than one split",
        ),
        (n_duplicates, "group of duplicates", "groups of duplicates"),
        (n_labels, "doubtful label", "doubtful labels"),
        (n_skipped, "file skipped", "files skipped"),
    )
    lines = [count(n, one, many) for n, one, many in parts if n]
    return f"Also: {'; '.join(lines)}." if lines else ""
