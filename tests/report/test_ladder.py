"""The ladder of evidence: a rung holds when its interval says so, and what was not asked is open."""

from __future__ import annotations

import pytest
from changed import replace
from report_example import BUNNY, FINDINGS

from curator.report.html.ladder import confirming, rungs
from curator.report.wording.checks import harm
from curator.types import Confirmation, Reliance

FULL = replace(
    BUNNY,
    reliance=Reliance(
        0.31, (0.22, 0.4), 4, 0.42, 0.05, (0.3, 0.5), (-0.02, 0.1), (0.2, 0.5), 20, "covering it", "covering another"
    ),
)


def states(**changes: object) -> str:
    return "".join(r.state[0] for r in rungs(replace(FULL, **changes), 312, 0.05))  # type: ignore[arg-type]


def test_all_six_hold_of_a_strong_finding() -> None:
    steps = rungs(FULL, 312, 0.05)
    assert [r.state for r in steps] == ["yes"] * 6
    assert confirming(steps) == "6 of 6 tests confirm it"
    assert "Corrected for all 312 tests, at most q = 3e\u201111 of" in steps[1].answer  # a hyphen that does not break
    assert (
        steps[5].answer
        == "Covering it changes the right class by −42 points [−50, −30]; covering another by −5 [−10, +2]."
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"effect_ci": (-0.01, 0.9)}, "nyyyyy"),
        ({"q": 0.06}, "ynyyyy"),
        ({"q": None, "p": 0.06}, "ynyyyy"),
        ({"q": None, "p": None}, "yoyyyy"),
        ({"confirmation": Confirmation(10, 8, 4, 0.1, (0.0, 0.2))}, "yynyyy"),
        ({"confirmation": Confirmation(10, 8, 5, 0.1, (0.0, 0.2))}, "yyyyyy"),
        ({"confirmation": Confirmation(10, 0, 0, None, None)}, "yynyyy"),
        ({"confirmation": None}, "yyoyyy"),
        ({"adjusted_for": ("a=b",), "adjusted_effect": 0.1, "adjusted_ci": (-0.01, 0.2), "adjusted_p": 0.06}, "yyynyy"),
        ({"adjusted_for": ("a=b",), "adjusted_effect": None, "adjusted_ci": None, "adjusted_p": None}, "yyynyy"),
        ({"adjusted_for": ()}, "yyyyyy"),
        ({"reliance": replace(FULL.reliance, gap_ci=(-0.01, 0.14))}, "yyyyny"),
        ({"reliance": replace(FULL.reliance, gap_ci=(-0.01, 0.15))}, "yyyyoy"),
        ({"reliance": replace(FULL.reliance, gap=None, gap_ci=None)}, "yyyyoy"),
        ({"reliance": replace(FULL.reliance, excess_ci=(-0.01, 0.5))}, "yyyyyn"),
        ({"reliance": replace(FULL.reliance, excess_ci=None)}, "yyyyyy"),
        ({"reliance": replace(FULL.reliance, intervention_ci=(-0.01, 0.5))}, "yyyyyn"),
        ({"reliance": replace(FULL.reliance, excess_ci=None, intervention_drop=0.04)}, "yyyyyn"),
        ({"reliance": replace(FULL.reliance, intervention_drop=None)}, "yyyyyo"),
        ({"reliance": None}, "yyyyoo"),
    ],
)
def test_each_rung_hangs_on_its_own_interval(changes: dict[str, object], expected: str) -> None:
    assert states(**changes) == expected


def test_a_class_alone_is_no_test() -> None:
    (only,) = rungs(FINDINGS[2], 312, 0.05)
    assert only.state == "open"
    assert confirming((only,)) == "0 of 0 tests confirm it; 1 was not possible"


def test_how_bad_it_is_says_what_a_model_loses_or_that_nobody_knows() -> None:
    assert harm(FULL).startswith(
        "A model trained on these images relies on it. Reliance (probe accuracy on images that follow the rule minus that on "
        "the 4 images that break it): +31 points [+22, +40]. Covering it"
    )
    none = replace(FULL, reliance=replace(FULL.reliance, gap=0.01, gap_ci=(-0.1, 0.12), excess_ci=(-0.1, 0.5)))
    assert harm(none) == (
        "A model trained on these images shows no clear loss on images that break the rule. Reliance (probe accuracy on "
        "images that follow the rule minus that on the 4 images that break it): +1 point [−10, +12]."
    )
    assert harm(replace(FULL, reliance=Reliance(None, None, 0))).startswith("No image breaks the rule")
    unknown = "Whether a model relies on it could not be tested with these images."
    assert harm(replace(FULL, reliance=Reliance(None, None, 3))) == unknown
    assert harm(replace(FULL, reliance=None)) == "Whether a model relies on it could not be tested with these images."
