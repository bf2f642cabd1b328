"""An audit.json read back: what is one, what is not, and what a stranger could put into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from report_example import make_run

from curator.errors import InputError
from curator.io.audits import read_audit, source_of
from curator.report.json import audit_json, dump, dumps


def refused(path: Path, content: dict[str, Any] | str) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_audit(path, "the audit")
    return str(caught.value)


def test_what_was_written_is_read_as_it_was(tmp_path: Path) -> None:
    content = audit_json(make_run())
    dump(content, tmp_path / "a.json")
    assert dumps(read_audit(tmp_path / "a.json", "the audit")) == dumps(content)


def test_an_older_file_may_lack_what_is_new(tmp_path: Path) -> None:
    content = audit_json(make_run())
    for finding in content["findings"]:
        del finding["intended"], finding["reliance"]
    dump(content, tmp_path / "a.json")
    assert source_of(read_audit(tmp_path / "a.json", "the audit"), tmp_path) == {}


def test_the_first_thing_that_is_wrong_is_named(tmp_path: Path) -> None:
    content = audit_json(make_run())
    content["findings"][1]["same_as"] = ["x", 3]
    assert "findings[1].same_as[1] is of the wrong type" in refused(tmp_path / "a.json", content)
    del content["findings"][1]["sentence"]
    assert "findings[1].sentence is missing" in refused(tmp_path / "a.json", content)


@pytest.mark.parametrize(
    ("nested", "said"), [("[" * 40 + "]" * 40, "too deep"), ("[" * 10**5, "too deep"), ("1" * 20, "20 digits")]
)
def test_what_would_fail_later_is_refused_at_the_door(tmp_path: Path, nested: str, said: str) -> None:
    text = dumps(audit_json(make_run())).rstrip().removesuffix("}")
    assert said in refused(tmp_path / "a.json", f'{text}, "more": {nested}}}')
