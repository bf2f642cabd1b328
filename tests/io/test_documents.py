"""JSON files read back: what is an audit.json, what is not, and what a stranger could put into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import contents
import pytest
from report_example import make_probe, make_recommendation, make_run, make_splits

from curator.errors import InputError
from curator.io.documents import as_document, read_audit
from curator.report.json import (
    audit_document,
    dump,
    dumps,
    probe_of,
    recommend_document,
    recommendation_of,
    run_document,
    splits_document,
    validation_document,
)
from curator.types.documents import AuditDocument


def refused(path: Path, content: dict[str, Any] | str) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_audit(path, "the audit")
    return str(caught.value)


def test_what_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    document = audit_document(make_run())
    dump(document, tmp_path / "a.json")
    read, content = read_audit(tmp_path / "a.json", "the audit")
    assert dumps(read) == dumps(document) == dumps(content)


@pytest.mark.parametrize(
    "document",
    [
        run_document(make_run()),
        recommend_document(make_recommendation(), "pool", run=make_run()),
        validation_document(make_probe(), make_run()),
        splits_document(make_splits()),
    ],
    ids=lambda d: type(d).__name__,
)
def test_every_document_is_read_as_it_was(document: Any) -> None:
    content = contents.of(document)
    assert contents.of(as_document(content, type(document))) == content


def test_a_plan_and_a_proof_come_back_as_they_were() -> None:
    plan = recommend_document(make_recommendation(), "pool", run=make_run())
    assert recommend_document(recommendation_of(plan), "pool", run=make_run()) == plan
    proof = validation_document(make_probe(), make_run(), plan, "0f")
    assert contents.of(validation_document(probe_of(proof), make_run(), plan, "0f")) == contents.of(proof)


def test_an_older_file_may_lack_what_is_new(tmp_path: Path) -> None:
    content = contents.example()
    for finding in content["findings"]:
        for name in ("intended", "reliance", "phrase", "learnt", "nth", "brought", "coverage", "against", "needs_text"):
            del finding[name]
    del content["untested_attributes"], content["dataset"]["name"]
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    read, _ = read_audit(tmp_path / "a.json", "the audit")
    assert [f.id for f in read.findings] == [f["id"] for f in content["findings"]]


def test_the_first_thing_that_is_wrong_is_named(tmp_path: Path) -> None:
    content = contents.example()
    content["findings"][1]["same_as"] = ["x", 3]
    assert "findings[1].same_as[1]: expected `str`, got `int`" in refused(tmp_path / "a.json", content)
    content["findings"][1]["same_as"] = []
    del content["findings"][1]["attribute"]
    assert "missing required field `attribute`" in refused(tmp_path / "a.json", content)
    del content["findings"]
    assert "(missing required field `findings`)" in refused(tmp_path / "a.json", content)


@pytest.mark.parametrize(
    ("nested", "said"), [("[" * 40 + "]" * 40, "too deep"), ("[" * 10**5, "too deep"), ("1" * 20, "20 digits")]
)
def test_what_would_fail_later_is_refused_at_the_door(tmp_path: Path, nested: str, said: str) -> None:
    text = dumps(audit_document(make_run())).rstrip().removesuffix("}")
    assert said in refused(tmp_path / "a.json", f'{text}, "more": {nested}}}')


@pytest.mark.parametrize("end", [1e307, -3.0])
def test_an_interval_that_is_none_of_a_share_is_refused(end: float) -> None:
    """A share of 1e307 is finite, and a hundred times as much is not."""
    content = json.loads(dumps(audit_document(make_run())))
    content["findings"][0]["effect_ci"][1] = end
    with pytest.raises(ValueError, match=r"findings\[0\]\.effect_ci\[1\]: expected `float`"):
        as_document(content, AuditDocument)
