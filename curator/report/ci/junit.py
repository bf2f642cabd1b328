"""`audit.junit.xml`: the audit as test cases, for the test report that every CI system shows.

One suite per question. A shortcut that meets --fail-on is a failure. A finding that is accepted, below that level or about
the object itself is skipped. A class without a shortcut passes. Without --fail-on the level is medium.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from curator.report import wording
from curator.report.ci import gate
from curator.report.wording import ci
from curator.types import Finding
from curator.types.documents import AuditDocument

NAME = "audit.junit.xml"
MOST_LINES = 50
"""Maximum number of images and labels in one test case; audit.json has all."""
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def audit_junit(audit: AuditDocument, level: str | None = None, before: AuditDocument | None = None) -> str:
    """The XML text for an audit; the same text for the same audit, level and baseline.

    `level` is the value of --fail-on, `before` the baseline. There is a failure exactly if the command exits with code 3 at
    that level. Characters that XML cannot hold and invisible characters are spelled out, so that no name can change the file.
    """
    level = level or gate.DEFAULT
    root = Xml.Element("testsuites", name="curator audit")
    _shortcuts(root, audit, level, before)
    _leaks(root, audit, level, before)
    _labels(root, audit)
    for suite in [*root, root]:
        cases = list(suite.iter("testcase"))
        suite.set("tests", str(len(cases)))
        suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
        if suite is not root:
            suite.set("errors", "0")
            suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    Xml.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _shortcuts(root: Xml.Element, audit: AuditDocument, level: str, before: AuditDocument | None) -> None:
    suite = Xml.SubElement(root, "testsuite", name="curator.shortcuts")
    failing = {f.id for f in gate.failing_findings(audit, level, before)}
    known = {f.id for f in before.findings} if before else set()
    for finding in audit.findings:
        case = _case(suite, f"shortcuts.{finding.class_name}", finding.id)
        message = f"{finding.severity}: {finding.sentence}"
        if finding.id in failing:
            _add(case, "failure", message, _about(finding), kind=finding.severity)
        elif not gate.is_shortcut(finding.kind, audit.counts_objects):
            why = ci.UNCLEAR if finding.kind == "unclear" else ci.ABOUT_OBJECT
            _add(case, "skipped", f"{why}: {message}", _about(finding))
        elif finding.intended:
            _add(case, "skipped", f"{ci.ACCEPTED}: {finding.intended}", [message, *_about(finding)])
        else:
            why = ci.IN_BASELINE if finding.id in known else ci.BELOW_LEVEL
            _add(case, "skipped", f"{why}: {message}", _about(finding))
    found = {f.class_name for f in audit.findings if gate.is_shortcut(f.kind, audit.counts_objects)}
    for name in audit.dataset.classes:
        if name in found:
            continue
        case = _case(suite, f"shortcuts.{name}", "no shortcut")
        if audit.verdict == "too few images to tell":
            _add(case, "skipped", audit.verdict)


def _leaks(root: Xml.Element, audit: AuditDocument, level: str, before: AuditDocument | None) -> None:
    suite = Xml.SubElement(root, "testsuite", name="curator.duplicates")
    case = _case(suite, "duplicates", "no image in two splits")
    leaks = audit.duplicates.leaks
    failing = gate.failing_leaks(audit, level, before)
    if failing:
        _add(case, "failure", ci.in_two_splits(len(failing), True), [ci.leak(leak) for leak in failing], kind="leak")
    elif leaks:
        _add(case, "skipped", ci.in_two_splits(len(leaks), False), [ci.leak(leak) for leak in leaks])


def _labels(root: Xml.Element, audit: AuditDocument) -> None:
    # A person has to judge a doubtful label, so it never fails a build.
    suite = Xml.SubElement(root, "testsuite", name="curator.labels")
    case = _case(suite, "labels", "no doubtful label")
    errors = audit.label_errors
    if errors:
        _add(case, "skipped", ci.to_check(len(errors)), [ci.label(e) for e in errors])


def _about(finding: Finding) -> list[str]:
    names = wording.seen_as(finding, len(finding.same_as))
    return [*([names] if names else []), *(f"{ci.BREAKS}: {id}" for id in finding.counterexample_ids)]


def _case(suite: Xml.Element, classname: str, name: str) -> Xml.Element:
    # Readers of JUnit files take the text before a dot as a package.
    group, _, rest = classname.partition(".")
    place = f"curator.{group}" + (f".{rest.replace('.', '_')}" if rest else "")
    return Xml.SubElement(suite, "testcase", classname=_legal(place), name=_legal(name))


def _add(case: Xml.Element, tag: str, message: str, lines: Sequence[str] = (), kind: str = "") -> None:
    attributes = {"message": _legal(message)} | ({"type": _legal(kind)} if kind else {})
    shown = [_legal(line) for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(ci.more(len(lines) - MOST_LINES))
    Xml.SubElement(case, tag, attributes).text = "\n".join(shown) or None


def _legal(text: str) -> str:
    """The text as one line that XML 1.0 can hold; the XML writer escapes < and &."""
    return _NO_XML.sub(lambda m: f"\\u{ord(m[0]):04x}", wording.visible(text))
