"""`audit.junit.xml`: fails what --fail-on fails, and nothing a name holds can break it."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any
from xml.etree import ElementTree as Xml

import contents
import pytest
from report_example import EVIL, FINDINGS

from curator.report.ci import gate
from curator.report.ci.junit import audit_junit as from_document

BUNNY, CAMERA, BRIGHT = (f.id for f in FINDINGS)
LEVELS = ("low", "medium", "high", "leak", "any")


@pytest.fixture
def content() -> dict[str, Any]:
    made = contents.example()
    made["findings"][1]["effect"] = 0.3
    return made


def audit_junit(content: dict[str, Any], level: str | None = None, before: dict[str, Any] | None = None) -> str:
    return from_document(contents.audit(content), level, contents.audit(before))


def cases(text: str) -> dict[str, tuple[str, str, str]]:
    """Test case -> outcome, message, text."""
    out = {}
    for case in Xml.fromstring(text).iter("testcase"):
        (what,) = list(case) or [None]
        name = case.attrib["name"]
        # A class without findings is told apart by where it stands.
        key = f"{case.attrib['classname']}: {name}" if name == "no shortcut" else name
        assert key not in out
        out[key] = ("pass", "", "") if what is None else (what.tag, what.attrib["message"], what.text or "")
    return out


def failed(text: str) -> list[str]:
    return [name for name, (outcome, _, _) in cases(text).items() if outcome == "failure"]


def shown(name: str) -> str:
    return name.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e").replace("\udcff", "\\udcff")


def test_each_finding_and_each_clean_class_is_a_case(content: dict[str, Any]) -> None:
    found = cases(audit_junit(content))
    assert list(found) == [
        BUNNY, CAMERA, BRIGHT, "curator.shortcuts.sheep: no shortcut", "no image in two splits", "no doubtful label",
    ]  # fmt: skip
    assert [outcome for outcome, _, _ in found.values()] == [
        "failure",
        "failure",
        "skipped",
        "pass",
        "skipped",
        "skipped",
    ]
    _, message, text = found[BUNNY]
    assert message == f"high: {FINDINGS[0].sentence}"
    assert text.splitlines() == ["also: show pattern M (green); are mostly green", "breaks the rule: bunny/img 019.jpg"]
    assert "bunny/img 004.jpg: bunny or " in found["no doubtful label"][2]
    assert "1 image is in more than one split" in found["no image in two splits"][1]


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (None, [BUNNY, CAMERA]),
        ("low", [BUNNY, CAMERA]),  # the third was not tested
        ("medium", [BUNNY, CAMERA]),
        ("high", [BUNNY]),
        ("leak", ["no image in two splits"]),
        ("any", [BUNNY, CAMERA, "no image in two splits"]),
    ],
)
def test_what_the_level_fails_is_a_failure(content: dict[str, Any], level: str | None, names: list[str]) -> None:
    text = audit_junit(content, level)
    assert failed(text) == names
    root = Xml.fromstring(text)
    counts = [(s.attrib["tests"], s.attrib["failures"]) for s in root]
    assert (root.attrib["tests"], root.attrib["failures"]) == ("6", str(len(names)))
    assert [sum(int(pair[k]) for pair in counts) for k in (0, 1)] == [6, len(names)]


def test_the_baseline_takes_out_what_it_has_at_that_level(content: dict[str, Any]) -> None:
    assert failed(audit_junit(content, "any", content)) == []
    assert "in the baseline: high" in cases(audit_junit(content, "any", content))[BUNNY][1]
    milder = deepcopy(content)
    milder["findings"][0]["severity"] = "medium"
    assert failed(audit_junit(content, "high", milder)) == [BUNNY]
    assert failed(audit_junit(content, "medium", milder)) == []
    fewer = deepcopy(content)
    del fewer["findings"][1], fewer["duplicates"]["leaks"][:]
    assert failed(audit_junit(content, "any", fewer)) == [CAMERA, "no image in two splits"]


def test_what_is_accepted_is_skipped_with_its_reason(content: dict[str, Any]) -> None:
    content["findings"][0]["intended"] = "shot in one garden"
    for level in LEVELS:
        found = cases(audit_junit(content, level))
        assert found[BUNNY][:2] == ("skipped", "accepted: shot in one garden")
    no_longer = deepcopy(content)
    no_longer["findings"][0]["intended"] = ""
    # It is in the baseline, but there it was accepted: without the entry it is new.
    assert failed(audit_junit(no_longer, "high", content)) == [BUNNY]


def test_a_class_that_could_not_be_tested_does_not_pass(content: dict[str, Any]) -> None:
    content |= {"findings": [], "verdict": "too few images to tell"}
    found = cases(audit_junit(content))
    assert found["curator.shortcuts.bunny: no shortcut"][:2] == ("skipped", "too few images to tell")


def test_a_clean_audit_passes(content: dict[str, Any]) -> None:
    content |= {"findings": [], "verdict": "none found", "label_errors": []}
    content["duplicates"] = {"groups": [], "leaks": []}
    for level in LEVELS:
        assert {outcome for outcome, _, _ in cases(audit_junit(content, level)).values()} == {"pass"}


def test_no_name_leaves_its_place(content: dict[str, Any]) -> None:
    nasty = "]]><!-- &amp; --><a b='\"'>\x00\x08\x1b[31m\ufffe\uffff\ud800\u202e\n\r\t\x85</a>"
    content["findings"][0] |= {
        "id": nasty,
        "class": nasty,
        "sentence": nasty,
        "same_as": [nasty],
        "counterexample_ids": [nasty],
    }
    content["findings"][2] |= {"intended": nasty}
    content["dataset"]["classes"] = {nasty + "2": 1, "a.b": 1}
    content["duplicates"]["leaks"] = [{"ids": [nasty, nasty], "splits": [nasty]}]
    content["label_errors"][0] |= {"id": nasty, "given": nasty, "suggested": nasty}
    for level in LEVELS:
        raw = audit_junit(content, level)
        root = Xml.fromstring(raw.encode("utf-8"))  # as a file holds it
        assert {e.tag for e in root.iter()} <= {"testsuites", "testsuite", "testcase", "failure", "skipped"}
        assert not re.search("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]", raw), level
        assert "\u202e" not in raw
        names = [case.attrib["name"] for case in root.iter("testcase")]
        spelled = r"]]><!-- &amp; --><a b='\"'>\x00\x08\x1b[31m\ufffe\uffff\ud800\u202e\n\r\t\x85</a>".replace(
            r"\"", '"'
        )
        assert names[0] == f"{spelled}:background.colour=green"
        assert all("\n" not in value for e in root.iter() for value in e.attrib.values())
        assert "curator.shortcuts.a_b" in [case.attrib["classname"] for case in root.iter("testcase")]


def test_the_example_that_attacks_is_text(content: dict[str, Any]) -> None:
    text = audit_junit(content)
    assert EVIL not in text
    assert shown(CAMERA) in cases(text)


def test_many_images_are_counted_not_listed(content: dict[str, Any]) -> None:
    content["label_errors"] = [{"id": f"{k}.jpg", "given": "a", "suggested": "b", "score": 0.5} for k in range(60)]
    lines = cases(audit_junit(content))["no doubtful label"][2].splitlines()
    assert (len(lines), lines[-1]) == (51, "and 10 more in audit.json")


def test_the_same_audit_gives_the_same_bytes(content: dict[str, Any]) -> None:
    assert audit_junit(content, "high", {}) == audit_junit(deepcopy(content), "high", None)


@pytest.mark.parametrize("level", LEVELS)
def test_there_is_a_failure_if_and_only_if_the_gate_is_met(content: dict[str, Any], level: str) -> None:
    for before in ({}, content, {**content, "findings": content["findings"][:1]}):
        met = gate.is_met(contents.audit(content), level, contents.audit(before))
        assert bool(failed(audit_junit(content, level, before))) == met


def test_the_objects_own_looks_never_fail_unless_asked(content: dict[str, Any]) -> None:
    content["findings"][0]["kind"] = "object"
    for level in LEVELS:
        text = audit_junit(content, level)
        assert BUNNY not in failed(text)
        assert cases(text)[BUNNY][1].startswith("about the object itself, not a shortcut: high: 95%")
        # Nothing else speaks against the class.
        assert cases(text)["curator.shortcuts.bunny: no shortcut"][0] == "pass"
    content["settings"] = {"audit": {"objects": True}}
    assert BUNNY in failed(audit_junit(content, "low"))


@pytest.mark.parametrize("objects", [False, True])
def test_what_may_be_the_object_never_fails(content: dict[str, Any], objects: bool) -> None:
    content["findings"][0]["kind"] = "unclear"
    content["settings"] = {"audit": {"objects": objects}}
    for level in LEVELS:
        text = audit_junit(content, level)
        assert BUNNY not in failed(text)
        outcome, message, _ = cases(text)[BUNNY]
        assert outcome == "skipped"
        assert message.startswith("about the object or its surroundings, which cannot be told apart here: high: 95%")
        assert cases(text)["curator.shortcuts.bunny: no shortcut"][0] == "pass"
        document = contents.audit(content)
        assert BUNNY not in [f.id for f in gate.failing_findings(document, level, None)]
