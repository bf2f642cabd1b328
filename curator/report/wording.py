"""The texts for numbers, names and findings, which the terminal and the HTML report share."""

from __future__ import annotations

import unicodedata
from math import isfinite

from msgspec.structs import replace

from curator.shortcuts import indicators
from curator.types import (
    Adjusted,
    Cell,
    Column,
    Confirmation,
    Finding,
    Interval,
    ProbeReport,
    Recommendation,
    Reliance,
    Untested,
)
from curator.types.surroundings_alone import SurroundingsAlone

# Characters that reorder the text around them. A file name must not change the sentence that contains it.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})


def visible(text: str, limit: int = 0) -> str:
    r"""The text with control, surrogate and direction characters escaped, shortened in the middle to `limit` characters.

    >>> visible("bunny\x1b[31m.jpg")
    'bunny\\x1b[31m.jpg'
    >>> visible("abcdefghij", limit=5)
    'ab…ij'
    """
    if 0 < limit < len(text):
        head = (limit - 1) // 2
        text = f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(c) if c in _BIDI or unicodedata.category(c) in _UNSEEN else c for c in text)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def percent(share: float) -> str:
    """A fraction in whole per cent. A fraction above 0 is at least 1%, and a fraction below 1 is at most 99%.

    >>> percent(0.934), percent(0.002), percent(0.998), percent(1.0)
    ('93%', '1%', '99%', '100%')
    """
    return f"{_whole(share)}%"


def _whole(share: float) -> int:
    whole = round(100 * share)
    return 99 if whole >= 100 and share < 1 else 1 if whole <= 0 < share else whole


def with_interval(share: float, ci: Interval | None) -> str:
    """A fraction and its 95 % interval, in per cent.

    >>> with_interval(0.934, (0.871, 0.962))
    '93% [87, 96]'
    """
    return percent(share) if ci is None else f"{percent(share)} [{_whole(ci[0])}, {_whole(ci[1])}]"


def points(difference: float, ci: Interval | None = None) -> str:
    """The difference of two fractions in percentage points, with sign and interval.

    >>> points(0.82, (0.751, 0.874)), points(-0.05)
    ('+82 points [+75, +87]', '−5 points')
    """
    word = "point" if abs(round(100 * difference)) == 1 else "points"
    tail = "" if ci is None else f" [{_signed(ci[0])}, {_signed(ci[1])}]"
    return f"{_signed(difference)} {word}{tail}"


def _signed(fraction: float) -> str:
    whole = round(100 * fraction)
    return "0" if whole == 0 else f"{'+' if whole > 0 else '−'}{abs(whole)}"


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
    own, other = (f"{_whole(low)} to {_whole(high)}" for low, high in (f.share_in_class_ci, f.share_elsewhere_ci))
    return f"(95 % intervals: {own} and {other})"


def phrase(f: Finding) -> str:
    """What the images have: "show grey, fine texture (2)"; the number distinguishes equal phrases."""
    return f"{f.phrase} ({f.nth})" if f.nth else f.phrase


def facts(f: Finding) -> tuple[str, ...]:
    """The facts under a finding in the terminal, the report and the App, each in a few words.

    >>> f = Finding(
    ...     class_name="bunny", attribute="a", value="b", kind="context", severity="high", effect=0.8, p=1e-9, q=1e-8,
    ...     times=19.0, reliance=Reliance(0.31, (0.22, 0.4), 4)
    ... )
    >>> facts(f)
    ('19 times as common as in the others', 'q 1e-8', 'probe accuracy +31 points [+22, +40] on images that follow it')
    """
    said = [] if f.times is None else [f"{f.times:.2g} times as common as in the others"]
    said += [] if f.q is None else [f"q {probability(f.q)}"]
    if f.reliance is not None and f.reliance.gap is not None:
        said.append(f"probe accuracy {points(f.reliance.gap, f.reliance.gap_ci)} on images that follow it")
    return tuple(said)


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


def cell(c: Cell) -> str:
    """The images of a class x value cell, in words: "bunny images on something other than green"."""
    return f"{c.class_name} images {c.words}" if c.words else f"{c.class_name}, {c.value_name}"


def reason(c: Cell, sure: float | None, caveat: str) -> str:
    """Why an image is recommended: its cell, the confidence of its predicted label (None: given), and what is wrong with it.

    >>> reason(Cell("bunny", "background.colour", "green", False, 3, 17, 14, 14, "on a floor"), 0.9, "")
    'adds to bunny images on a floor, of which the set has 3; looks like bunny, 90% sure'
    """
    guess = "" if sure is None else f"; looks like {c.class_name}, {sure:.0%} sure"
    last = f"; last resort: {caveat}" if caveat else ""
    return f"adds to {cell(c)}, of which the set has {c.have}{guess}{last}"


def shopping(c: Cell) -> str:
    """The images of a cell that are missing in the pool.

    >>> shopping(Cell("bunny", "background.colour", "green", False, 3, 18, 6, words="on a floor"))
    '12 bunny images on a floor'
    """
    return f"{c.missing} {c.class_name} {'image' if c.missing == 1 else 'images'} {c.words}"


def intervention(r: Reliance) -> str:
    """How editing the attribute changed a probe's predictions, as a sentence; "" if it was not tested.

    >>> intervention(Reliance(None, None, 0, 0.41, 0.06, (0.3, 0.5), (0.01, 0.1), edit="cropping it", control_edit="..."))
    'Cropping it costs the right class 41 points [30, 50]; ... costs 6 [1, 10].'
    """
    if not r.edit:
        return ""
    if r.intervention_drop is None or r.control_drop is None:
        return f"Not tested by editing: {r.edit}."
    own, other = _cost(r.intervention_drop, r.intervention_ci, " point"), _cost(r.control_drop, r.control_ci)
    return f"{r.edit[:1].upper()}{r.edit[1:]} costs the right class {own}; {r.control_edit} costs {other}."


def _cost(drop: float, ci: Interval | None, unit: str = "") -> str:
    value, *ends = (_signed(x).removeprefix("+") for x in (drop, *(ci or ())))
    plural = "s" if unit and value not in ("1", "−1") else ""
    return f"{value}{unit}{plural}{f' [{ends[0]}, {ends[1]}]' if ends else ''}"


def confirmation(c: Confirmation) -> str:
    """The result of a finding on images that were not used to find it, as a sentence.

    >>> confirmation(Confirmation(10, 9, 9, 0.78, (0.66, 0.88)))
    'Held-out check: found in 9 of 10 random halves, confirmed in 9 of the 9 other halves (+78 points [+66, +88]).'
    >>> confirmation(Confirmation(10, 1, 0, 0.11, None))
    'Held-out check: found in 1 of 10 random halves, not confirmed in the other half (+11 points).'
    >>> confirmation(Confirmation(10, 0, 0, None, None))
    'Held-out check: found in none of 10 random halves; half of the images are too few to show it.'
    """
    start = "Held-out check: found in"
    if c.effect is None:
        return f"{start} none of {c.n_splits} random halves; half of the images are too few to show it."
    there = points(c.effect, c.effect_ci)
    others = "the other half" if c.discovered == 1 else f"the {c.discovered} other halves"
    held = f"confirmed in {c.confirmed} of {others}" if c.discovered > 1 else f"confirmed in {others}"
    said = held if c.confirmed else f"not confirmed in {others}"
    return f"{start} {c.discovered} of {c.n_splits} random halves, {said} ({there})."


def adjusted(a: Adjusted) -> str:
    """What remains of a finding when the values that go with it are held constant, as a sentence.

    >>> adjusted(Adjusted(("site=north",), 0.31, (0.2, 0.42), 2e-6))
    'With site=north held constant, +31 points [+20, +42] remain (p = 2e-6).'
    >>> adjusted(Adjusted(("a=b", "c=yes"), None, None, None))
    'It cannot be told apart from a=b and c=yes: no images have one without the other.'
    """
    held = " and ".join(a.held)
    if a.effect is None or a.p is None:
        return f"It cannot be told apart from {held}: no images have one without the other."
    return f"With {held} held constant, {points(a.effect, a.effect_ci)} remain (p = {probability(a.p)})."


def probability(p: float) -> str:
    """A p or q value in the usual short form.

    >>> probability(0.0312), probability(4.2e-12), probability(0.0)
    ('0.031', '4e-12', '<1e-300')
    """
    if p < 1e-300:
        return "<1e-300"
    return f"{p:.2g}" if p >= 0.001 else f"{p:.0e}".replace("e-0", "e-")


def odds(p: float) -> str:
    """A probability in words.

    >>> odds(0.3), odds(0.031), odds(0.00021), odds(1e-12)
    ('30 times in 100', '3 times in 100', 'once in 5,000', 'less than once in a billion')
    """
    if p < 1e-9:
        return "less than once in a billion"
    if p >= 0.0095:
        n = round(100 * p)
        return "once in 100" if n == 1 else f"{n} times in 100"
    return f"once in {float(f'{1 / p:.0e}'):,.0f}"


def count(n: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun.

    >>> count(1, "class", "classes"), count(1200, "image")
    ('1 class', '1,200 images')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def spelt_out(column: Column, value: str) -> str:
    """The meaning of a visual word, whose name is a number; "" if the attribute's name already says it.

    >>> word = Column("words.24", "flag", "context", "show grass|do not show grass", "", learnt=True)
    >>> spelt_out(word, "yes"), spelt_out(Column("background.colour", "tags", "context", "", ""), "green")
    ('words.24=yes: images that show grass.', '')
    """
    return f"{column.name}={value}: images that {indicators.phrase(column, value)}." if column.learnt else ""


def arm_words(name: str) -> str:
    """The words for what an arm of the linear probe was trained on."""
    known = {
        "before": "before",
        "recommended": "recommended images",
        "random": "random images",
        "reweighted": "reweighted",
        "synthetic": "synthetic images",
        "oracle": "oracle",
    }
    return known.get(name, name)


def average_change(report: ProbeReport) -> str:
    """How the recommended images changed the average accuracy, as a sentence; "" if none were added."""
    before, after = (report.arms.get(name) for name in ("before", "recommended"))
    if report.average_change is None or before is None or after is None:
        return ""
    if before.average_accuracy is None or after.average_accuracy is None:
        return ""
    was, is_ = (percent(a) for a in (before.average_accuracy, after.average_accuracy))
    return (
        f"Average accuracy, weighted by the group sizes of the training set: {was} before, {is_} with the recommended "
        f"images ({points(*report.average_change)})."
    )


def nothing_wrong(report: ProbeReport) -> str:
    """A sentence for a probe that is already right on every test image, so that nothing can improve; "" otherwise."""
    group = report.arms["before"].worst_group
    if group.accuracy < 1:
        return ""
    return (
        "Before anything is added, the probe is already right on every test image of every group (the smallest group has "
        f"{group.n:,}), so nothing can improve. A larger or harder test set (--test) might show a difference."
    )


def fading(report: ProbeReport) -> str:
    """The accuracy gap between images that follow the shortcut and images that break it, before and now; "" if unknown."""
    ends = [report.curve[0], report.curve[-1]] if len(report.curve) > 1 else []
    if not ends or not all(isfinite(p.reliance) for p in ends):
        return ""
    was, left = (points(p.reliance, p.reliance_ci) for p in ends)
    return f"Reliance (accuracy where the shortcut holds minus accuracy where it does not): {was} before, {left} now."


def expected_gain(recommendation: Recommendation) -> str:
    """The expected rise of the worst group's accuracy, as a sentence; "" if none was estimated."""
    if recommendation.expected_gain is None:
        return ""
    value, ci = recommendation.expected_gain
    said = f"Expected gain of the worst group's accuracy: {points(value, ci)}."
    n = max(len(recommendation.ids), len(recommendation.removals))
    if recommendation.enough is not None and recommendation.enough < n:
        said += f" The first {recommendation.enough} images should reach the same, within three points."
    return said


def surroundings_alone(found: SurroundingsAlone) -> str:
    """How much of the class the surroundings and the files give away without the object, as one to three sentences.

    >>> from curator.types.surroundings_alone import SourceAccuracy
    >>> of = lambda source, accuracy, low, high: SourceAccuracy(source=source, accuracy=accuracy, ci=(low, high))
    >>> found = SurroundingsAlone(n_images=99, classes=("a", "b"), chance=0.5, sources=(
    ...     of("whole image", 0.92, 0.86, 0.96), of("surroundings", 0.71, 0.62, 0.79), of("file facts", 0.5, 0.4, 0.6)))
    >>> surroundings_alone(found)
    'A probe that sees only the surroundings names the class of 71% of the images (chance 50%, whole image 92%): they \
give much of the class away.'
    >>> surroundings_alone(replace(found, sources=(of("whole image", 0.9, 0.8, 1), of("surroundings", 0.55, 0.45, 0.64))))
    'A probe that sees only the surroundings names the class of 55% of the images (chance 50%, whole image 90%): they \
tell little.'
    """
    own, rest = found.of("surroundings"), [s for s in found.sources if s.source not in ("whole image", "surroundings")]
    if own.accuracy is None:
        said = [f"What the surroundings alone tell of the class was not measured: {own.reason}."]
    else:
        whole = found.of("whole image").accuracy
        beside = "" if whole is None else f", whole image {percent(whole)}"
        tell = (
            "give much of the class away"
            if found.gives_away("surroundings")
            else "tell little"
            if found.tells_little("surroundings")
            else f"may tell little or much (95 % interval {with_interval(own.accuracy, own.ci).partition(' ')[2]})"
        )
        said = [
            f"A probe that sees only the surroundings names the class of {percent(own.accuracy)} of the images "
            f"(chance {percent(found.chance)}{beside}): they {tell}."
        ]
    # If the surroundings give the class away, so do often the corners and colours, which are parts of them.
    told = [s for s in rest if found.gives_away(s.source)]
    told = [s for s in told if s.source == "file facts" or not found.gives_away("surroundings")]
    for s in sorted(told, key=lambda s: -(s.accuracy or 0))[:1]:
        said.append(f"A probe that sees only the {s.source} names {percent(s.accuracy or 0)}.")
    if own.accuracy is not None and found.not_located:
        where = f" in images of {', '.join(found.not_located[:3])}"
        where += f" and {count(more, 'more class', 'more classes')}" if (more := len(found.not_located) - 3) > 0 else ""
        where = "" if len(found.not_located) == len(found.classes) else where
        said.append(f"The object cannot be located{where}, so the surroundings may show it.")
    return " ".join(said)
