"""What a notebook shows of an audit."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from changed import replace

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from report_example import BUNNY, EVIL, make_run

from curator.types import AuditRun


@pytest.fixture
def run() -> AuditRun:
    return make_run()


class Tags(HTMLParser):
    """The tags that are open at the end, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_verdict_and_the_sentences_are_shown(run: AuditRun) -> None:
    shown = Tags(run._repr_html_())
    assert shown.open == []
    assert "Shortcuts found" in shown.text
    assert run.findings[0].sentence in shown.text
    assert run.findings[0].id in shown.text
    assert f"{len(run.dataset):,} images" in shown.text
    assert all(note in shown.text for note in run.notes)
    assert run.findings[0].sentence in Tags(run.audit._repr_html_()).text


def test_names_are_text(run: AuditRun) -> None:
    evil = replace(BUNNY, sentence=f"95% of {EVIL}", class_name="\udcff\u202e<script>")
    page = replace(run, audit=replace(run.audit, findings=(evil,)))._repr_html_()
    page.encode("utf-8")
    shown = Tags(page)
    assert EVIL in shown.text
    assert "script" not in shown.seen
    assert "img" not in shown.seen


def test_many_are_counted_and_the_objects_themselves_are_left_out(run: AuditRun) -> None:
    fur = replace(BUNNY, kind="object", sentence="All bunny show fur.")
    many = replace(run, audit=replace(run.audit, findings=(*(BUNNY,) * 12, fur)))
    page = many._repr_html_()
    assert page.count(BUNNY.sentence.split(",")[0]) == 10
    assert "And 3 more" in page
    assert "All bunny show fur." not in page
    asked = replace(many, audit=replace(run.audit, findings=(fur,)), settings={"audit": {"objects": True}})
    assert "All bunny show fur." in asked._repr_html_()


def test_an_audit_run_can_be_asked_directly_and_is_short_on_a_screen(run: AuditRun) -> None:
    assert run.verdict == run.audit.verdict
    assert run.findings is run.audit.findings
    assert repr(run) == f"<AuditRun of {run.dataset.name}: {run.verdict}, {len(run.findings)} findings>"
