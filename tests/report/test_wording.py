"""One sentence for one fact: terminal, report and App say the same about a finding, with the same sign."""

from __future__ import annotations

import ast
import html
import io
import re
from pathlib import Path

import numpy as np
import pytest
from changed import replace
from rich.console import Console

from curator.exporters.fiftyone import _summary
from curator.exporters.marks import FindingMark
from curator.report import wording
from curator.report.html.ladder import rungs
from curator.report.html.page import render
from curator.report.json import audit_document
from curator.report.terminal import print_audit
from curator.report.wording import checks
from curator.types import AuditRun, Finding, Reliance

ROOT = Path(wording.__file__).parents[2]

GAPS = {
    Reliance(0.31, (0.22, 0.4), 4): "+31 points [+22, +40]",
    Reliance(-0.06, (-0.14, 0.02), 1200): "−6 points [−14, +2]",
    Reliance(0.01, (-0.02, 0.03), 1): "+1 point [−2, +3]",
}


def with_gap(run: AuditRun, gap: Reliance) -> tuple[AuditRun, Finding]:
    """The run with its worst finding alone, whose probe has this gap."""
    only = replace(run.audit.findings[0], reliance=gap)
    return replace(run, audit=replace(run.audit, findings=(only,))), only


@pytest.mark.parametrize("gap", GAPS)
def test_every_surface_says_the_gap_in_the_same_sentence(run: AuditRun, gap: Reliance) -> None:
    sentence = wording.reliance(gap)
    assert GAPS[gap] in sentence
    run, finding = with_gap(run, gap)

    out = io.StringIO()
    print_audit(audit_document(run), Console(file=out, width=80, _environ={}))
    assert sentence.replace("−", "-") in " ".join(out.getvalue().split())

    page = html.unescape(re.sub(r"<[^>]+>", "", render(run, lambda _: None)))
    assert page.count(sentence) == 2  # how bad it is, and the evidence
    assert page.count("accuracy on") == page.count(sentence)  # no other words for it

    none = np.zeros(0, np.bool_)
    assert _summary(FindingMark(finding, "grass", "a", "b", none, none), {})["reliance"] == sentence
    assert rungs(finding, 312, 0.05)[4].answer == sentence
    assert sentence in checks.harm(finding)
    assert sentence in checks.results(finding)


@pytest.mark.parametrize("gap", [None, Reliance(None, None, 0), Reliance(None, None, 3)])
def test_an_unknown_gap_is_not_said(run: AuditRun, gap: Reliance | None) -> None:
    assert wording.reliance(gap) == ""
    _, finding = with_gap(run, Reliance())
    assert "Reliance (" not in " ".join(checks.results(replace(finding, reliance=gap)))


def test_a_small_difference_keeps_its_sign() -> None:
    assert wording.points(-0.06) == "−6 points"
    assert [s.rpartition(": ")[2] for s in map(wording.reliance, GAPS)] == [f"{text}." for text in GAPS.values()]


def _sentences(path: Path) -> list[str]:
    """The texts of a module that are sentences: four words or more with a full stop. Docstrings and errors are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    raised = {id(n) for r in ast.walk(tree) if isinstance(r, ast.Raise) for n in ast.walk(r)}
    bare = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    texts = [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in raised | bare
    ]
    # An error's hint begins with a small letter.
    return [t for t in texts if t.count(" ") >= 3 and t.rstrip().endswith(".") and not t[0].islower()]


def test_no_other_module_writes_a_sentence() -> None:
    places = [*(ROOT / "report").rglob("*.py"), ROOT / "app" / "fiftyone_plugin" / "panel.py"]
    places += [
        ROOT / "commands" / f"{name}.py" for name in ("audit", "forecast", "export", "validate", "verify", "recommend")
    ]
    found = {p.name: s for p in places if "wording" not in p.parts and (s := _sentences(p))}
    assert found == {}, "put it into curator/report/wording"
