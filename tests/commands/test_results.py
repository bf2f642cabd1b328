"""What a new report keeps: the plan and the proof of earlier commands, while they are of the same data and encoder."""

from __future__ import annotations

from pathlib import Path

import pytest
from changed import replace
from report_example import make_probe, make_recommendation, make_run

from curator.commands._steps.results import digest_beside, save, write_report
from curator.report.json import recommend_document, validation_document

RUN, PLAN, PROOF = make_run(), make_recommendation(), make_probe()


def sections(out: Path) -> tuple[bool, bool]:
    """Whether the report shows a plan, and a proof."""
    page = (out / "report.html").read_text(encoding="utf-8")
    return '<section id="add"' in page, '<section id="proof"' in page


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder in which a plan was made and then proved."""
    plan = recommend_document(PLAN, "/pool", run=RUN)
    save("recommend.json", plan, tmp_path)
    save("validation.json", validation_document(PROOF, RUN, plan, digest_beside(tmp_path)), tmp_path)
    return tmp_path


def test_a_second_audit_keeps_the_plan_and_the_proof(out: Path) -> None:
    _, said = write_report(RUN, out)
    assert (said, sections(out)) == ("", (True, True))
    page = (out / "report.html").read_text(encoding="utf-8")
    (out / "recommend.json").unlink()
    (out / "validation.json").unlink()
    write_report(RUN, out, recommendation=PLAN, probe=PROOF)
    assert (out / "report.html").read_text(encoding="utf-8") == page


def test_a_plan_alone_is_kept(out: Path) -> None:
    (out / "validation.json").unlink()
    assert write_report(RUN, out)[1] == ""
    assert sections(out) == (True, False)


def test_a_proof_brings_the_plan_that_it_proved(out: Path) -> None:
    """`validate` without --plan chooses anew: what it chose stands in validation.json alone."""
    (out / "recommend.json").unlink()
    proof = validation_document(PROOF, RUN, recommend_document(PLAN, "/pool", run=RUN), None)
    save("validation.json", proof, out)
    assert write_report(RUN, out)[1] == ""
    assert sections(out) == (True, True)


def test_what_is_of_other_data_or_of_another_encoder_is_left_out_and_said(out: Path) -> None:
    said = write_report(replace(RUN, fingerprint="sha256:0e"), out)[1]
    assert (
        said
        == "report.html leaves out an earlier plan or validation made from other data; run recommend and validate again."
    )
    assert sections(out) == (False, False)
    said = write_report(replace(RUN, encoder=replace(RUN.encoder, fingerprint="sha256:0e")), out)[1]
    assert "with another encoder" in said
    assert sections(out) == (False, False)


def test_a_new_plan_takes_the_place_of_the_old_and_of_its_proof(out: Path) -> None:
    new = replace(PLAN, shopping_list=("nothing",))
    save("recommend.json", recommend_document(new, "/pool", run=RUN), out)
    for given in (new, None):  # by recommend itself, and by a later audit
        assert "of an earlier plan" in write_report(RUN, out, recommendation=given)[1]
        assert sections(out) == (True, False)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": "curator.recommend/1"}', "not json"])
def test_damaged_files_are_no_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / "recommend.json").write_text(text, encoding="utf-8")
    (tmp_path / "validation.json").write_text(text, encoding="utf-8")
    assert write_report(RUN, tmp_path)[1] == ""
    assert sections(tmp_path) == (False, False)
