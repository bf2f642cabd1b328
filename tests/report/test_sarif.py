"""`audit.sarif`: what the SARIF 2.1.0 standard asks for, and what the audit found."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import contents
import pytest
from jsonschema import Draft202012Validator
from report_example import EVIL_ID, FINDINGS

from curator.report.ci.sarif import audit_sarif as from_document
from curator.report.json import dumps

TEXT = {"type": "string"}
COUNT = {"type": "integer", "minimum": 0}
FREE = {"type": "object"}


def audit_sarif(content: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    return from_document(contents.audit(content), contents.audit(before))


def closed(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object", "required": required.split(), "properties": properties, "additionalProperties": False,
    }  # fmt: skip


def several(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": item, **more}


# The objects that are used here, as the standard's schema has them: names, required ones, types, enumerations.
MESSAGE = closed("text", text=TEXT)
ARTIFACT = closed("uri", uri=TEXT | {"pattern": r"^[A-Za-z0-9%/._~!$&'()*+,;=@:-]+$"}, uriBaseId=TEXT)
LOCATION = closed(
    "physicalLocation",
    id=COUNT,
    message=MESSAGE,
    physicalLocation=closed("artifactLocation", artifactLocation=ARTIFACT),
)
RESULT = closed(
    "message",
    ruleId=TEXT,
    ruleIndex=COUNT,
    level={"enum": ["none", "note", "warning", "error"]},
    message=MESSAGE,
    locations=several(LOCATION),
    relatedLocations=several(LOCATION, uniqueItems=True),
    partialFingerprints={"type": "object", "additionalProperties": TEXT},
    baselineState={"enum": ["new", "unchanged", "updated", "absent"]},
    suppressions=several(
        closed(
            "kind",
            kind={"enum": ["inSource", "external"]},
            status={"enum": ["accepted", "underReview", "rejected"]},
            justification=TEXT,
        ),
        uniqueItems=True,
    ),
    properties=FREE,
)
RULE = closed("id", id=TEXT, shortDescription=MESSAGE, fullDescription=MESSAGE, helpUri=TEXT | {"format": "uri"})
DRIVER = closed("name", name=TEXT, version=TEXT, informationUri=TEXT, rules=several(RULE, uniqueItems=True))
RUN = closed(
    "tool",
    tool=closed("driver", driver=DRIVER),
    invocations=several(closed("executionSuccessful", executionSuccessful={"type": "boolean"})),
    originalUriBaseIds={"type": "object", "additionalProperties": closed("uri", uri=TEXT | {"pattern": "/$"})},
    results=several(RESULT),
    properties=FREE,
)
LOG = closed("version runs", **{"$schema": TEXT, "version": {"const": "2.1.0"}, "runs": several(RUN)})


@pytest.fixture
def content() -> dict[str, Any]:
    return contents.example()


def checked(content: dict[str, Any], before: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The results of a log that is what the standard says."""
    log = audit_sarif(content, before)
    assert [f"{list(e.path)}: {e.message}" for e in Draft202012Validator(LOG).iter_errors(log)] == []
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        for place in [*result["locations"], *result["relatedLocations"]]:
            base = place["physicalLocation"]["artifactLocation"].get("uriBaseId", "DATA")
            assert base in run["originalUriBaseIds"]
        assert [p["id"] for p in result["relatedLocations"]] == list(range(1, len(result["relatedLocations"]) + 1))
    # Whether a result is suppressed is known of all or of none (3.27.23), and so is what is new (3.27.24).
    assert all("suppressions" in result for result in run["results"])
    assert {"baselineState" in result for result in run["results"]} <= {before is not None}
    return list(run["results"])


def test_each_finding_leak_and_doubtful_label_is_a_result(content: dict[str, Any]) -> None:
    results = checked(content)
    assert [(r["ruleId"], r["level"]) for r in results] == [
        ("shortcut/background", "error"), ("shortcut/metadata", "warning"), ("shortcut/light", "note"),
        ("leak", "warning"), ("label", "note"), ("label", "note"),
    ]  # fmt: skip
    assert results[0]["message"]["text"] == FINDINGS[0].sentence
    assert results[0]["properties"]["id"] == FINDINGS[0].id
    assert "looks like" in results[4]["message"]["text"]


def test_a_finding_lies_at_an_image_that_breaks_the_rule_or_at_one_that_follows_it(content: dict[str, Any]) -> None:
    results = checked(content)
    (place,) = results[0]["locations"]
    assert place["physicalLocation"]["artifactLocation"] == {"uri": "bunny/img%20019.jpg", "uriBaseId": "DATA"}
    assert (place["message"]["text"], results[0]["relatedLocations"]) == ("breaks the rule", [])
    follows = [results[2]["locations"][0], *results[2]["relatedLocations"]]
    assert [p["message"]["text"] for p in follows] == ["follows the rule"] * 3
    assert [unquote(p["physicalLocation"]["artifactLocation"]["uri"]) for p in follows] == list(FINDINGS[2].example_ids)


def test_any_name_is_a_relative_uri_that_gives_it_back(content: dict[str, Any]) -> None:
    names = [EVIL_ID, "a:b/c?d#e%20.jpg", "../beside/x.jpg", "兎/é.jpg", "C:\\x.jpg", "//host/x.jpg", "/else/where.jpg"]
    content["findings"][0]["counterexample_ids"] = names
    result = checked(content)[0]
    places = [result["locations"][0], *result["relatedLocations"]]
    uris = [p["physicalLocation"]["artifactLocation"] for p in places]
    for name, artifact in zip(names[:5], uris[:5], strict=True):
        assert artifact["uriBaseId"] == "DATA"
        assert not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", artifact["uri"])
        assert unquote_to_bytes(artifact["uri"]) == name.encode("utf-8", "surrogateescape")
    assert [a["uri"] for a in uris[5:]] == ["file:////host/x.jpg", "file:///else/where.jpg"]


def test_what_is_accepted_is_suppressed_with_its_reason(content: dict[str, Any]) -> None:
    content["findings"][0]["intended"] = "shot in one garden"
    results = checked(content)
    assert results[0]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "shot in one garden"}
    ]
    assert [r["suppressions"] for r in results[1:]] == [[]] * 5


def test_the_baseline_says_what_is_new_unchanged_and_updated(content: dict[str, Any]) -> None:
    before = deepcopy(content)
    assert {r["baselineState"] for r in checked(content, before)} == {"unchanged"}
    before["findings"][0]["severity"] = "medium"
    before["findings"][1]["sentence"] = "less"
    del before["findings"][2], before["label_errors"][0]
    before["duplicates"]["leaks"] = []
    states = [r["baselineState"] for r in checked(content, before)]
    assert states == ["updated", "updated", "new", "new", "new", "unchanged"]
    assert {
        r["baselineState"]
        for r in checked(
            content, {**content, "findings": [], "label_errors": [], "duplicates": {"groups": [], "leaks": []}}
        )
    } == {"new"}


def test_a_fingerprint_is_of_what_was_found_not_of_where(content: dict[str, Any]) -> None:
    def prints(made: dict[str, Any]) -> list[str]:
        return [r["partialFingerprints"]["curatorId/v1"] for r in checked(made)]

    first = prints(content)
    assert len(set(first)) == len(first) == 6
    moved = deepcopy(content)
    moved["findings"][0] |= {"counterexample_ids": ["other.jpg"], "severity": "low", "sentence": "x"}
    assert prints(moved) == first
    moved["findings"][0]["value"] = "red"
    assert [a == b for a, b in zip(prints(moved), first, strict=True)] == [False, *[True] * 5]


def test_no_name_becomes_a_link_a_placeholder_or_unseen_text(content: dict[str, Any]) -> None:
    content["findings"][0] |= {
        "sentence": "[see](http://evil) {0} \x1b[31m\u202e",
        "id": "\ud800{x}",
        "class": "\udcff",
    }
    content["findings"][0]["attribute"] = "{0}\u202e.x"
    result = checked(content)[0]
    assert result["message"]["text"] == r"[see] (http://evil) {{0}} \x1b[31m\u202e"
    assert result["ruleId"] == r"shortcut/{{0}}\u202e"
    assert dumps(audit_sarif(content)).encode("utf-8")


def test_the_folder_of_the_data_is_a_uri_that_ends_with_a_slash(content: dict[str, Any]) -> None:
    content["dataset"]["root"] = "/data/my #1 set/é"
    bases = audit_sarif(content)["runs"][0]["originalUriBaseIds"]
    assert bases == {"DATA": {"uri": "file:///data/my%20%231%20set/%C3%A9/"}}


def test_nothing_found_is_an_empty_log(content: dict[str, Any]) -> None:
    content |= {"findings": [], "label_errors": []}
    content["duplicates"]["leaks"] = []
    assert checked(content) == []
    assert audit_sarif(content)["runs"][0]["tool"]["driver"]["rules"] == []


def test_the_same_audit_gives_the_same_bytes(content: dict[str, Any]) -> None:
    before = deepcopy(content)
    assert dumps(audit_sarif(content)) == dumps(audit_sarif(before))
    assert content == before


@pytest.mark.parametrize("objects", [False, True])
def test_what_may_be_the_object_is_a_note_with_a_rule_of_its_own(content: dict[str, Any], objects: bool) -> None:
    content["findings"][0]["kind"] = "unclear"
    content["settings"] = {"audit": {"objects": objects}}
    first = checked(content)[0]
    assert (first["ruleId"], first["level"]) == ("unclear/background", "note")
    rules = audit_sarif(content)["runs"][0]["tool"]["driver"]["rules"]
    (rule,) = [r for r in rules if r["id"] == "unclear/background"]
    assert "cannot be told whether it lies on the object or around it" in rule["fullDescription"]["text"]


def test_the_objects_own_looks_are_notes_unless_asked(content: dict[str, Any]) -> None:
    content["findings"][0]["kind"] = "object"
    assert (checked(content)[0]["ruleId"], checked(content)[0]["level"]) == ("object/background", "note")
    assert checked(content, content)[0]["baselineState"] == "unchanged"
    content["settings"] = {"audit": {"objects": True}}
    assert (checked(content)[0]["ruleId"], checked(content)[0]["level"]) == ("shortcut/background", "error")
