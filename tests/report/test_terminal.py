"""The terminal: the verdict first, 80 columns, and no name that can act."""

from __future__ import annotations

import io

import pytest
from changed import replace
from report_example import ALONE, BUNNY, EVIL, finding
from rich.console import Console

from curator.report.json import audit_document
from curator.report.terminal import print_audit, print_plan, print_recommendation, print_validation
from curator.report.wording import nothing_wrong, spelt_out
from curator.types import AuditRun, Column, Confirmation, ProbeReport, Recommendation
from curator.types.surroundings_alone import SourceAccuracy


def console(*, terminal: bool = False, width: int = 120, encoding: str = "utf-8") -> tuple[Console, io.BytesIO]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    return Console(file=file, force_terminal=terminal, width=width, _environ={}), raw


def printed(run: AuditRun, **how: object) -> str:
    out, raw = console(**how)  # type: ignore[arg-type]
    print_audit(audit_document(run), out)
    return raw.getvalue().decode(out.encoding)


def test_the_verdict_comes_first_and_the_worst_finding_next(run: AuditRun) -> None:
    text = printed(run)
    assert text.splitlines()[0] == "Shortcuts found"
    assert text.index("HIGH    95% of bunny images") < text.index("MEDIUM  45%") < text.index("LOW     19 of 20")
    assert "Note: CLIP could not be fetched" in text
    assert "skipped bunny/cut.jpg: truncated JPEG at byte 4096" in text


def test_weak_traces_are_listed_under_a_verdict_of_none(run: AuditRun) -> None:
    weak = replace(run.audit.findings[0], severity="low", confirmation=Confirmation(10, 1, 0, 0.1, (-0.1, 0.3)))
    text = printed(replace(run, audit=replace(run.audit, findings=(weak,), verdict="none found")))
    assert text.splitlines()[0] == "None found"
    assert text.index("Not confirmed on any random half") < text.index("LOW     95%")
    assert "random half" not in printed(replace(run, audit=replace(run.audit, findings=(), verdict="none found")))


def test_no_line_is_wider_than_80_columns(run: AuditRun, recommendation: Recommendation, probe: ProbeReport) -> None:
    out, raw = console(width=200)
    print_audit(audit_document(run), out)
    print_recommendation(recommendation, out)
    print_validation(probe, out)
    lines = raw.getvalue().decode().splitlines()
    assert max(len(line) for line in lines) <= 80
    assert [line for line in lines if line != line.rstrip()] == []
    narrow = printed(run, width=40).splitlines()
    assert max(len(line) for line in narrow) <= 40


def test_names_are_printed_as_text(run: AuditRun) -> None:
    evil = finding("[bold red]x[/]\x1b[2J\u202e", "a.b", "[link=http://x]", "high", sentence="[red]95%[/] \x1b[2J of x")
    text = printed(replace(run, audit=replace(run.audit, findings=(evil,))), terminal=False)
    assert "[red]95%[/] \\x1b[2J of x" in text
    assert not set(text) & set("\x1b\u202e\udcff")
    assert EVIL in " ".join(text.split())


@pytest.mark.parametrize(("terminal", "coloured"), [(True, True), (False, False)])
def test_colour_is_for_terminals(run: AuditRun, terminal: bool, coloured: bool) -> None:
    assert ("\x1b[" in printed(run, terminal=terminal)) is coloured


def test_a_poor_encoding_loses_no_line(run: AuditRun) -> None:
    audit = replace(run.audit, findings=(replace(BUNNY, sentence="95% of Häschen 兎 − have it."),))
    text = printed(replace(run, audit=audit), encoding="ascii")
    assert "95% of H\\xe4schen \\u514e - have it." in text


def test_many_findings_are_counted_not_listed(run: AuditRun) -> None:
    text = printed(replace(run, audit=replace(run.audit, findings=(BUNNY,) * 500)))
    assert text.count("HIGH") == 10
    assert "490 more findings in audit.json." in text


def test_a_recommendation_says_what_the_pool_lacks(recommendation: Recommendation) -> None:
    out, raw = console()
    print_plan(recommendation, out)
    assert "4 of 30 bunny, not green (there are 1)" in raw.getvalue().decode()
    out, raw = console()
    print_recommendation(recommendation, out)
    text = raw.getvalue().decode()
    assert text.startswith("5 images to add; 26 images the pool does not have\n")
    assert "- 26 bunny photographs on something other than green: snow, sand, a floor" in text
    assert "+21 points [+10, +33]" in text.replace("\n", " ")


def test_the_probe_shows_each_arm(probe: ProbeReport) -> None:
    out, raw = console()
    print_validation(probe, out)
    text = raw.getvalue().decode()
    gain = "Gain over equally many random images: +32 points [+18, +45]."
    assert " ".join(text.split()).startswith(f"Improved {gain} ")
    for line in (
        "before              42% [30, 52]    bunny, not green (n = 40)",
        "recommended images  81% [69, 91]    bunny, not green (n = 40)",
    ):
        assert line in text


def test_every_rung_of_the_evidence_is_a_line(run: AuditRun) -> None:
    text = " ".join(printed(run).split())
    assert "found in 9 of 10 random halves, confirmed in 8 of the 9 other halves (+78 points" in text
    assert "held constant, +31 points [+20, +42] remain (p = 2e-6)." in text
    assert "Not tested (too few images to tell): - metadata." in text


@pytest.mark.parametrize("objects", [False, True])
def test_what_may_be_the_object_is_one_line_and_in_no_count(run: AuditRun, objects: bool) -> None:
    either = replace(BUNNY, kind="unclear", severity="low", sentence="All bunny show pattern B.")
    fur = replace(BUNNY, kind="object", severity="low", sentence="All bunny show fur.")
    audit = replace(run.audit, findings=(BUNNY, fur, either, either, either))
    text = " ".join(printed(replace(run, audit=audit, settings={"audit": {"objects": objects}})).split())
    said = "3 further findings may describe the object or its surroundings, which cannot be told apart here; see audit.json."
    assert said in text
    assert "pattern B" not in text
    assert ("All bunny show fur." in text) == objects
    assert ("1 further finding describes the object itself" in text) != objects
    alone = replace(run, audit=replace(audit, findings=(either,), verdict="none found"))
    text = " ".join(printed(alone).split())
    assert text.startswith("None found")
    assert "1 further finding may describe the object or its surroundings" in text
    assert "Not confirmed on any random half" not in text


@pytest.mark.parametrize(
    ("n_more", "n_objects", "said"),
    [
        (0, 1, "1 further finding describes the object itself, not a shortcut; see audit.json."),
        (4, 2, "4 more findings in audit.json. 2 further findings describe the objects themselves, not shortcuts"),
    ],
)
def test_what_lies_on_the_objects_is_one_line(run: AuditRun, n_more: int, n_objects: int, said: str) -> None:
    fur = replace(BUNNY, kind="object", severity="low", sentence="All bunny show fur.")
    findings = (*(BUNNY,) * (10 + n_more if n_more else 1), *(fur,) * n_objects)
    run = replace(run, audit=replace(run.audit, findings=findings))
    text = " ".join(printed(run).split())
    assert said in text
    assert "All bunny show fur." not in text
    asked = printed(replace(run, settings={"audit": {"objects": True}}))
    assert "objects themselves" not in asked


def test_what_a_numbered_word_means_and_why_nothing_can_be_proved_is_said(probe: ProbeReport) -> None:
    out, raw = console()
    right = replace(probe.arms["before"], worst_group=replace(probe.arms["before"].worst_group, accuracy=1.0))
    done = replace(probe, arms={**probe.arms, "before": right})
    word = Column("words.24", "flag", "context", "show grass|do not show grass", "", learnt=True)
    print_validation(done, out, spelt_out(word, "yes"))
    text = " ".join(raw.getvalue().decode().split())
    assert "words.24=yes: images that show grass. Accuracy of the worst group" in text
    assert "so nothing can improve" in text
    assert nothing_wrong(probe) == ""
    assert spelt_out(Column("background.colour", "tags", "context", "have a {value} background", ""), "green") == ""


def test_what_the_surroundings_alone_tell_is_said_above_the_findings(run: AuditRun) -> None:
    text = " ".join(printed(run).split())
    said = "names the class of 71% of the images (chance 33%, whole image 92%): they give much of the class away."
    assert text.index("A probe that sees only the surroundings") < text.index(said) < text.index("HIGH")
    assert "The object cannot be located in images of <img" in text
    assert "only the surroundings" not in printed(replace(run, surroundings_alone=None))


def test_a_source_that_was_not_measured_gets_its_reason_and_no_number(run: AuditRun) -> None:
    sources = tuple(
        SourceAccuracy(source=s.source, reason="this encoder locates no objects") if s.source == "surroundings" else s
        for s in ALONE.sources
    )
    text = " ".join(printed(replace(run, surroundings_alone=replace(ALONE, sources=sources))).split())
    assert "What the surroundings alone tell of the class was not measured: this encoder locates no objects." in text
    assert "cannot be located" not in text
    assert "they tell" not in text


@pytest.mark.parametrize(
    ("accuracy", "ci", "words"),
    [
        (0.45, (0.434, 0.5), "they give much of the class away."),
        (0.45, (0.433, 0.5), "they may tell little or much (95 % interval [43, 50])."),
        (0.43, (0.33, 0.5), "they tell little."),
    ],
)
def test_the_words_follow_the_interval_and_a_third_of_chance(run: AuditRun, accuracy, ci, words) -> None:
    """Chance is one third. Far above it is a lower end above 0.433."""
    own = SourceAccuracy(source="surroundings", accuracy=accuracy, ci=ci)
    alone = replace(ALONE, sources=(ALONE.sources[0], own, *ALONE.sources[2:]))
    assert words in " ".join(printed(replace(run, surroundings_alone=alone)).split())


def test_files_that_give_the_class_away_are_said_also_beside_surroundings_that_do(run: AuditRun) -> None:
    corners = SourceAccuracy(source="corners", accuracy=0.8, ci=(0.7, 0.9))
    facts = SourceAccuracy(source="file facts", accuracy=0.79, ci=(0.7, 0.9))
    alone = replace(ALONE, sources=(*ALONE.sources[:2], corners, ALONE.sources[3], facts))
    text = " ".join(printed(replace(run, surroundings_alone=alone)).split())
    assert "A probe that sees only the file facts names 79%." in text
    assert "only the corners" not in text
    little = SourceAccuracy(source="surroundings", accuracy=0.4, ci=(0.3, 0.5))
    alone = replace(alone, sources=(alone.sources[0], little, *alone.sources[2:]))
    assert "only the corners names 80%." in " ".join(printed(replace(run, surroundings_alone=alone)).split())


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a", "b"), "The object cannot be located in images of a, b, so the surroundings may show it."),
        (tuple("abcd"), "The object cannot be located in images of a, b, c and 1 more class, so"),
        (tuple("abcde"), "The object cannot be located, so the surroundings may show it."),
        ((), ""),
    ],
)
def test_classes_whose_object_is_not_located_are_named(run: AuditRun, names: tuple[str, ...], words: str) -> None:
    alone = replace(ALONE, classes=tuple("abcde"), not_located=names)
    text = " ".join(printed(replace(run, surroundings_alone=alone)).split())
    assert words in text
    assert ("cannot be located" in text) == bool(names)
