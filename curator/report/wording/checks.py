"""The tests of a finding in words: their questions, their results, and how many of them confirm it."""

from __future__ import annotations

from curator.report.wording.text import count, odds, points, probability, signed
from curator.types import Adjusted, Confirmation, Finding, Interval, Reliance

NOTHING_TO_COMPARE = "The data has no other class to compare with, so nothing was tested."
NOT_TESTED = "Not tested."
NO_CONFLICTING = "No image breaks the rule, so the data cannot show whether a model relies on it."
UNKNOWN_RELIANCE = "Whether a model relies on it could not be tested with these images."
UNRELATED = "No other finding of this class is related to it."
NOT_EDITED = "Not tested: only the worst findings are edited."


def difference(f: Finding) -> str:
    """The difference of the two shares of a finding, as a sentence; "" if it has no other class to compare with."""
    return "" if f.effect is None else f"{points(f.effect, f.effect_ci)}."


def chance(f: Finding, n_tests: int) -> str:
    """How probable a difference this large is without a shortcut, as sentences; "" if it was not tested."""
    if f.p is None:
        return ""
    odd = f"If the class were like the others, a difference this large would occur {odds(f.p)} (p = {_unbroken(f.p)})."
    if f.q is None:
        return odd
    return f"{odd} Corrected for all {n_tests:,} tests, at most q = {_unbroken(f.q)} of findings this strong are false alarms."


def _unbroken(p: float) -> str:
    # A non-breaking hyphen, so that a browser does not break "1e-39".
    return probability(p).replace("-", "\u2011")


def gap(breaking: str = "images that break it") -> str:
    """What `Reliance.gap` and `CurvePoint.reliance` are: positive if a probe is worse on the images that break the rule."""
    return f"Reliance (probe accuracy on images that follow the rule minus that on {breaking})"


def reliance(r: Reliance | None) -> str:
    """The accuracy gap of a probe, as a sentence; "" if it was not measured.

    The only wording of the gap. Its sign is that of `Reliance.gap`: plus if the probe is worse on images that break the rule.

    >>> reliance(Reliance(0.31, (0.22, 0.4), 4))
    'Reliance (probe accuracy on images that follow the rule minus that on the 4 images that break it): +31 points [+22, +40].'
    """
    if r is None or r.gap is None:
        return ""
    breaking = "the 1 image that breaks it" if r.n_conflicting == 1 else f"the {r.n_conflicting:,} images that break it"
    return f"{gap(breaking)}: {points(r.gap, r.gap_ci)}."


def reliance_untold(r: Reliance) -> str:
    """The accuracy gap with the remark that its interval is too wide to say whether a model relies on the attribute."""
    return f"{reliance(r)} The interval is too wide to tell."


def results(f: Finding) -> tuple[str, ...]:
    """The results of the tests that were made beyond the difference itself, as sentences."""
    return tuple(
        filter(
            None,
            (
                confirmation(f.confirmation) if f.confirmation else "",
                adjusted(f.adjusted) if f.adjusted else "",
                reliance(f.reliance),
                intervention(f.reliance) if f.reliance else "",
            ),
        )
    )


def harm(f: Finding) -> str:
    """How much a model relies on the finding, in one to three sentences, or why this is not known."""
    r, out = f.reliance, []
    if r is not None and r.gap is not None and r.gap_ci is not None:
        out.append(_RELIES if r.gap_ci[0] > 0 else _NO_CLEAR_LOSS if r.tells_no_gap else _UNSURE)
        out.append(reliance(r))
    if r is not None and r.intervention_drop is not None and r.is_moved:
        out.append(intervention(r))
    if out:
        return " ".join(out)
    return NO_CONFLICTING if r is not None and not r.n_conflicting else UNKNOWN_RELIANCE


_RELIES = "A model trained on these images relies on it."
_UNSURE = "Whether a model trained on these images relies on it cannot be told from so few images that break the rule."
_NO_CLEAR_LOSS = "A model trained on these images shows no clear loss on images that break the rule."


def confirming(n_confirming: int, n_made: int, n_open: int) -> str:
    """How many tests confirm a finding, of those that were made.

    >>> confirming(1, 2, 1)
    '1 of 2 tests confirm it; 1 was not possible'
    """
    verb = "confirms" if n_made == 1 else "confirm"
    rest = f"; {n_open} {'was' if n_open == 1 else 'were'} not possible" if n_open else ""
    return f"{n_confirming} of {count(n_made, 'test')} {verb} it{rest}"


def intervention(r: Reliance) -> str:
    """How editing the attribute changed a probe's predictions, as a sentence; "" if it was not tested.

    >>> intervention(Reliance(None, None, 0, 0.41, 0.06, (0.3, 0.5), (0.01, 0.1), edit="cropping it", control_edit="..."))
    'Cropping it changes the right class by −41 points [−50, −30]; ... by −6 [−10, −1].'
    """
    if not r.edit:
        return ""
    if r.intervention_drop is None or r.control_drop is None:
        return f"Not tested by editing: {r.edit}."
    own, other = _change(r.intervention_drop, r.intervention_ci, " point"), _change(r.control_drop, r.control_ci)
    return f"{r.edit[:1].upper()}{r.edit[1:]} changes the right class by {own}; {r.control_edit} by {other}."


def _change(drop: float, ci: Interval | None, unit: str = "") -> str:
    """The negative of a loss, with its sign, so that no sentence speaks of a loss of −3 points."""
    value, *ends = (signed(-x) for x in (drop, *((ci[1], ci[0]) if ci else ())))
    plural = "s" if unit and value not in ("+1", "−1") else ""
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
    result = f"confirmed in {c.confirmed} of {others}" if c.discovered > 1 else f"confirmed in {others}"
    if not c.confirmed:
        result = f"not confirmed in {others}"
    return f"{start} {c.discovered} of {c.n_splits} random halves, {result} ({there})."


def adjusted(a: Adjusted) -> str:
    """What remains of a finding when the values that go with it are held constant, as a sentence.

    >>> adjusted(Adjusted(("site=north",), 0.31, (0.2, 0.42), 2e-6, ("have site north",)))
    'With "have site north" held constant, +31 points [+20, +42] remain (p = 2e-6).'
    >>> adjusted(Adjusted(("a=b", "c=yes"), None, None, None))
    'It cannot be told apart from a=b and c=yes: with these held constant, no images are left to compare.'
    """
    held = " and ".join(f'"{phrase}"' for phrase in a.phrases) or " and ".join(a.held)
    if a.effect is None or a.p is None:
        return f"It cannot be told apart from {held}: with these held constant, no images are left to compare."
    return f"With {held} held constant, {points(a.effect, a.effect_ci)} remain (p = {probability(a.p)})."
