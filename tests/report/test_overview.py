"""The findings side by side: 80 cells of a screen, whatever the names."""

from __future__ import annotations

import pytest
from changed import replace
from report_example import BUNNY, finding
from rich.cells import cell_len

from curator.report.overview import headline, table
from curator.types import Finding

LONG = finding("a class with a very long name 兎兎兎兎兎", "metadata.a_column_with_a_long_name", "兎" * 60, "medium")


def lines(findings: list[object], width: int = 80) -> list[str]:
    return [line for _, line in table(findings, width)]  # type: ignore[arg-type]


def test_each_finding_is_a_line_with_its_numbers() -> None:
    other = replace(BUNNY, class_name="hen", severity="low", share_in_class=0.5, share_elsewhere=0.6, effect=-0.1,
                    effect_ci=(-0.2, 0.001))  # fmt: skip
    head, first, second = lines([BUNNY, other])
    assert head.split("  ")[-1].strip() == "difference"
    assert first.split()[:5] == ["high", "bunny", "a", "green", "background"]
    assert second.split() == ["low", "hen", "a", "green", "background", "50%", "60%", "-10", "[-20,", "0]"]
    # Numbers stand under each other: right-aligned columns end where their heads end.
    assert first.index("%") == second.index("%") == head.index("share") + len("share") - 1


def test_one_finding_is_its_sentence_and_untested_ones_are_no_rows() -> None:
    assert lines([BUNNY]) == []
    assert lines([BUNNY, replace(BUNNY, effect=None, effect_ci=None)]) == []


@pytest.mark.parametrize("width", [70, 75, 80])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    shown = lines([BUNNY, LONG, LONG], width)
    assert len(shown) == 4
    assert max(cell_len(line) for line in shown) <= width
    assert [line for line in shown if line != line.rstrip()] == []
    assert shown[2].count("[") == 1  # the numbers are never what is cut


def test_a_screen_without_room_gets_the_sentences_alone() -> None:
    assert lines([BUNNY, BUNNY], 50) == []


def test_what_is_accepted_is_known_and_dim() -> None:
    (_, _, (style, line)) = table([BUNNY, replace(BUNNY, intended="one garden")], 80)
    assert style == "dim"
    assert line.startswith("known ")


def test_a_flag_is_called_what_its_sentence_calls_it() -> None:
    word = finding("dog", "words.1", "yes", "medium", phrase="show pattern B (coarse texture)")
    _, line, _ = lines([word, replace(word, phrase="")], 100)
    assert line.startswith("medium  dog    pattern B (coarse texture) ")
    assert lines([word, replace(word, phrase="")])[2].split()[2] == "words.1=yes"


def pattern(k: int, class_name: str = "dog", learnt: bool = True) -> Finding:
    name = f"words.{k}" if learnt else f"metadata.{k}"
    return finding(class_name, name, "yes", "high", phrase=f"show pattern {k}", learnt=learnt)


def ids(findings: list[Finding]) -> list[str]:
    return [f.id for f in findings]


def test_two_patterns_of_a_class_come_before_everything_else_and_the_rest_after() -> None:
    first, second, third, fourth = (pattern(k) for k in range(4))
    cats, plain = [pattern(k, "cat") for k in range(2)], [pattern(k, learnt=False) for k in range(3)]
    shown = headline([first, *plain, second, third, cats[0], fourth, cats[1]])
    assert ids(shown) == ids([first, *plain, second, *cats, third, fourth])


def test_without_a_third_pattern_the_order_stays() -> None:
    """The null: a class may have any number of plain findings."""
    findings = [pattern(0), *(pattern(k, learnt=False) for k in range(1, 6)), pattern(6), pattern(7, "cat")]
    assert ids(headline(findings)) == ids(findings)
    assert headline([]) == []
