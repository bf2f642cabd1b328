"""The list of tests under a finding: each test's question, its result, and whether the result confirms the finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from curator.report import wording
from curator.types import Finding, Reliance

State = Literal["yes", "no", "open"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One test: its question, its answer in a sentence, and whether it confirms the finding; "open" if it was not made."""

    question: str
    answer: str
    state: State


def rungs(f: Finding, n_tests: int, alpha: float) -> tuple[Rung, ...]:
    """The tests of a finding, from the difference alone to the behaviour of a model. Each is stronger evidence than the last.

    `alpha` is the false-discovery rate of the audit over its `n_tests` tests.
    """
    if f.effect is None or f.effect_ci is None:
        said = "The data has no other class to compare with, so nothing was tested."
        return (Rung("Is there a difference?", said, "open"),)
    steps = [Rung("Is there a difference?", f"{wording.points(f.effect, f.effect_ci)}.", _state(f.effect_ci[0] > 0))]
    steps.append(_chance(f, n_tests, alpha))
    c = f.confirmation
    steps.append(
        Rung(
            "Is it confirmed on other images?",
            "Not tested." if c is None else wording.confirmation(c),
            "open" if c is None else _state(2 * c.confirmed > c.discovered),
        )
    )
    a = f.adjusted
    steps.append(
        Rung(
            "Does it remain when related findings are held constant?",
            "No other finding of this class is related to it." if a is None else wording.adjusted(a),
            _state(a is None or (a.effect_ci is not None and a.effect_ci[0] > 0)),
        )
    )
    return (*steps, _leans(f.reliance), _edited(f.reliance))


def borne_out(steps: tuple[Rung, ...]) -> str:
    """How many tests confirm the finding, of those that were made.

    >>> borne_out((Rung("?", "", "yes"), Rung("?", "", "no"), Rung("?", "", "open")))
    '1 of 2 tests confirm it; 1 was not possible'
    """
    tried = [r for r in steps if r.state != "open"]
    held = sum(r.state == "yes" for r in tried)
    rest = len(steps) - len(tried)
    verb = "confirms" if len(tried) == 1 else "confirm"
    was = "was" if rest == 1 else "were"
    return f"{held} of {wording.count(len(tried), 'test')} {verb} it{f'; {rest} {was} not possible' if rest else ''}"


def cost(f: Finding) -> str:
    """How much a model relies on the finding, in one or two sentences, or why this is not known."""
    r = f.reliance
    said = []
    if r is not None and r.gap is not None and r.gap_ci is not None:
        n = wording.count(r.n_conflicting, "image that breaks", "images that break")
        if r.gap_ci[0] > 0:
            said.append(f"A model trained on these images is {_less(r.gap, r.gap_ci)} accurate on the {n} the rule.")
        else:
            said.append(
                f"A model trained on these images shows no clear loss on the {n} the rule: "
                f"{wording.points(-r.gap, (-r.gap_ci[1], -r.gap_ci[0]))}."
            )
    if r is not None and r.intervention_drop is not None and r.excess_ci is not None and r.excess_ci[0] > 0:
        said.append(wording.intervention(r))
    if said:
        return " ".join(said)
    if r is not None and not r.n_conflicting:
        return "No image breaks the rule, so the data cannot show whether a model relies on it."
    return "Whether a model relies on it could not be tested with these images."


def _less(gap: float, ci: tuple[float, float]) -> str:
    return f"{wording.points(gap, ci).removeprefix('+').replace('[+', '[').replace(', +', ', ')} less"


def _state(holds: bool) -> State:
    return "yes" if holds else "no"


def _chance(f: Finding, n_tests: int, alpha: float) -> Rung:
    question = "Is it more than chance?"
    if f.p is None:
        return Rung(question, "Not tested.", "open")
    said = (
        f"If the class were like the others, a difference this large would occur {wording.odds(f.p)} (p = {_p(f.p)})."
    )
    if f.q is None:
        return Rung(question, said, _state(f.p <= alpha))
    said += f" Corrected for all {n_tests:,} tests, at most q = {_p(f.q)} of findings this strong are false alarms."
    return Rung(question, said, _state(f.q <= alpha))


def _p(p: float) -> str:
    # A non-breaking hyphen, so that a browser does not break "1e-39".
    return wording.probability(p).replace("-", "\u2011")


def _leans(r: Reliance | None) -> Rung:
    question = "Does a model rely on it?"
    if r is None:
        return Rung(question, "Not tested.", "open")
    if r.gap is None or r.gap_ci is None:
        return Rung(question, "No image breaks the rule, so this cannot be measured.", "open")
    said = (
        f"Accuracy on the images that follow the rule minus accuracy on the {r.n_conflicting:,} that break it: "
        f"{wording.points(r.gap, r.gap_ci)}."
    )
    return Rung(question, said, _state(r.gap_ci[0] > 0))


def _edited(r: Reliance | None) -> Rung:
    question = "Does editing it change the prediction?"
    said = "" if r is None else wording.intervention(r)
    if r is None or r.intervention_drop is None:
        return Rung(question, said or "Not tested: only the worst findings are edited.", "open")
    holds = r.excess_ci[0] > 0 if r.excess_ci else r.intervention_drop > (r.control_drop or 0.0)
    return Rung(question, said, _state(holds))
