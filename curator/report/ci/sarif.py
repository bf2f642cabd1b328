"""`audit.sarif`: the audit in SARIF 2.1.0, a format that code hosts and editors show next to the files.

Source: OASIS Static Analysis Results Interchange Format (SARIF) Version 2.1.0, 2020.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from curator.report import wording
from curator.report.ci import gate
from curator.report.wording import ci
from curator.types import Finding, LabelError, Leak
from curator.types.documents import AuditDocument

NAME = "audit.sarif"
HOME = "https://github.com/curator-audit/curator"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "DATA"
_LEVELS = {"high": "error", "medium": "warning", "low": "note"}


def audit_sarif(audit: AuditDocument, before: AuditDocument | None = None) -> dict[str, Any]:
    """The SARIF log for an audit; `before`, the baseline, adds what is new in it.

    One result per finding, leak and doubtful label. The location of a finding is the first image that breaks the rule, or
    else the first that follows it; the others are related locations. Accepted findings are suppressed, with the reason.
    """
    raw = _results(audit)
    ids = sorted({result["ruleId"] for result in raw})
    earlier = None if before is None else _earlier(before)
    results = []
    for result in raw:
        result["ruleIndex"] = ids.index(result["ruleId"])
        if earlier is not None:
            result["baselineState"] = _state(result, earlier)
        results.append(result)
    driver = {
        "name": "curator",
        "version": _inert(audit.versions.get("curator-audit", "unknown")),
        "informationUri": HOME,
        "rules": [_rule(id) for id in ids],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True}],
        "originalUriBaseIds": {_BASE: {"uri": _folder_uri(audit.dataset.root)}},
        "results": results,
        "properties": {
            "verdict": audit.verdict,
            "nImages": audit.dataset.n_images,
            "nTests": audit.n_tests,
            "expectedFalseFindings": audit.expected_false_findings,
            "encoder": audit.encoder.name,
            "fingerprint": audit.dataset.fingerprint,
        },
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _results(audit: AuditDocument) -> list[dict[str, Any]]:
    """A result for each finding, leak and doubtful label."""
    return [
        *[_finding(f, audit.counts_objects) for f in audit.findings],
        *[_leak(leak) for leak in audit.duplicates.leaks],
        *[_label(e) for e in audit.label_errors],
    ]


def _finding(f: Finding, counts_objects: bool) -> dict[str, Any]:
    counts = gate.is_shortcut(f.kind, counts_objects)
    breakers, followers = f.counterexample_ids, f.example_ids
    why = ci.BREAKS if breakers else ci.FOLLOWS
    accepted = {"kind": "external", "status": "accepted", "justification": _inert(f.intended)}
    about = {
        "id": f.id, "class": f.class_name, "attribute": f.attribute, "value": f.value, "severity": f.severity,
        "effect": f.effect, "q": f.q,
    }  # fmt: skip
    return _result(
        f"{'shortcut' if counts else f.kind}/{_family(f.attribute)}",
        _LEVELS[f.severity] if counts else "note",
        f.sentence,
        f.id,
        [(id, why) for id in breakers or followers],
        suppressions=[accepted] if f.intended else [],
        properties=about,
    )


def _leak(leak: Leak) -> dict[str, Any]:
    key = "\n".join(["leak", *leak.ids])
    return _result("leak", "warning", ci.leak_sentence(leak), key, [(id, ci.SAME_IMAGE) for id in leak.ids])


def _label(e: LabelError) -> dict[str, Any]:
    return _result("label", "note", ci.label_sentence(e), f"label\n{e.id}\n{e.suggested}", [(e.id, ci.THE_IMAGE)])


def _result(
    rule: str,
    level: str,
    text: str,
    key: str,
    places: Sequence[tuple[str, str]],
    *,
    suppressions: Sequence[Mapping[str, Any]] = (),
    properties: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    located = [_location(id, why) for id, why in places]
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    out: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": -1,
        "level": level,
        "message": {"text": _inert(text)},
        "locations": located[:1],
        "relatedLocations": [{**place, "id": k} for k, place in enumerate(located[1:], start=1)],
        # The fingerprint is of the finding, not of its location, because the images that break a rule may change. Code
        # hosts read the second name.
        "partialFingerprints": {"curatorId/v1": digest, "primaryLocationLineHash": digest[:32]},
        # Every result has the list, because an absent list means "unknown" (3.27.23).
        "suppressions": list(suppressions),
    }
    return out | ({"properties": dict(properties)} if properties else {})


def _location(id: str, why: str) -> dict[str, Any]:
    uri = quote(_bytes(id), safe="/")
    # An id that is an absolute path is not below DATA.
    artifact = {"uri": f"file://{uri}"} if id.startswith("/") else {"uri": uri, "uriBaseId": _BASE}
    return {"physicalLocation": {"artifactLocation": artifact}, "message": {"text": _inert(why)}}


def _rule(id: str) -> dict[str, Any]:
    short, full = ci.rule(id)
    return {
        "id": id,
        "shortDescription": {"text": _inert(short)},
        "fullDescription": {"text": _inert(full)},
        "helpUri": f"{HOME}/blob/main/docs/concepts.md",
    }


def _earlier(before: AuditDocument) -> dict[str, tuple[str, str]]:
    """Level and text of the baseline's results, by fingerprint."""
    return {r["partialFingerprints"]["curatorId/v1"]: (r["level"], r["message"]["text"]) for r in _results(before)}


def _state(result: Mapping[str, Any], earlier: Mapping[str, tuple[str, str]]) -> str:
    was = earlier.get(result["partialFingerprints"]["curatorId/v1"])
    if was is None:
        return "new"
    return "unchanged" if was == (result["level"], result["message"]["text"]) else "updated"


def _family(attribute: str) -> str:
    return _inert(attribute.partition(".")[0]) or "other"


def _inert(text: str) -> str:
    """Text for a message, without invisible characters, links or placeholders that a name could form (3.11.5, 3.11.6)."""
    return wording.visible(text).replace("](", "] (").replace("{", "{{").replace("}", "}}")


def _folder_uri(root: str) -> str:
    path = PurePath(root)
    text = f"file:///{quote(_bytes(path.as_posix().lstrip('/')), safe='/:')}"
    return text if text.endswith("/") else f"{text}/"


def _bytes(name: str) -> bytes:
    """A file's name as its bytes on disk. A surrogate that cannot be in a file name is spelled out."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return name.encode("utf-8", "backslashreplace")
