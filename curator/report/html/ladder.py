"""The list of tests under a finding: each test's question, its result, and whether the result confirms the finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from curator.report.wording import checks
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
        return (Rung("Is there a difference?", checks.NOTHING_TO_COMPARE, "open"),)
    c, a = f.confirmation, f.adjusted
    return (
        Rung("Is there a difference?", checks.difference(f), _state(f.effect_ci[0] > 0)),
        _chance(f, n_tests, alpha),
        Rung(
            "Is it confirmed on other images?",
            checks.NOT_TESTED if c is None else checks.confirmation(c),
            "open" if c is None else _state(2 * c.confirmed > c.discovered),
        ),
        Rung(
            "Does it remain when related findings are held constant?",
            checks.UNRELATED if a is None else checks.adjusted(a),
            _state(a is None or (a.effect_ci is not None and a.effect_ci[0] > 0)),
        ),
        _relied_on(f.reliance),
        _edited(f.reliance),
    )


def confirming(steps: tuple[Rung, ...]) -> str:
    """How many tests confirm the finding, of those that were made.

    >>> confirming((Rung("?", "", "yes"), Rung("?", "", "no"), Rung("?", "", "open")))
    '1 of 2 tests confirm it; 1 was not possible'
    """
    made = [r for r in steps if r.state != "open"]
    return checks.confirming(sum(r.state == "yes" for r in made), len(made), len(steps) - len(made))


def _state(holds: bool) -> State:
    return "yes" if holds else "no"


def _chance(f: Finding, n_tests: int, alpha: float) -> Rung:
    question, answer = "Is it more than chance?", checks.chance(f, n_tests)
    if f.p is None:
        return Rung(question, checks.NOT_TESTED, "open")
    return Rung(question, answer, _state((f.p if f.q is None else f.q) <= alpha))


def _relied_on(r: Reliance | None) -> Rung:
    question = "Does a model rely on it?"
    if r is None:
        return Rung(question, checks.NOT_TESTED, "open")
    if r.gap is None or r.gap_ci is None:
        return Rung(question, checks.UNKNOWN_RELIANCE if r.n_conflicting else checks.NO_CONFLICTING, "open")
    if r.gap_ci[0] <= 0 and not r.tells_no_gap:
        return Rung(question, checks.reliance_untold(r), "open")
    return Rung(question, checks.reliance(r), _state(r.gap_ci[0] > 0))


def _edited(r: Reliance | None) -> Rung:
    question = "Does editing it change the prediction?"
    answer = "" if r is None else checks.intervention(r)
    if r is None or r.intervention_drop is None:
        return Rung(question, answer or checks.NOT_EDITED, "open")
    holds = r.is_moved if r.excess_ci else r.intervention_drop > (r.control_drop or 0.0)
    return Rung(question, answer, _state(holds))
