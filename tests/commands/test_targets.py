"""Which findings are acted on: the worst first, those that no image mends last, and never what may be the object."""

from __future__ import annotations

import pytest
from changed import replace
from report_example import BUNNY, finding, make_run

from curator.commands._steps.targets import to_undo, with_images
from curator.errors import DataError
from curator.report.wording.findings import advice
from curator.types import AuditRun, Finding

FILE = finding("hen", "file.format", "PNG", "high", kind="file", phrase="are PNG files")
FRAME = finding("sheep", "border.frame", "white", "medium", kind="file", phrase="have a white frame")
CAMERA = finding("sheep", "metadata.camera", "phone", "medium", kind="metadata")


def run_of(*findings: Finding) -> AuditRun:
    run = make_run()
    return replace(run, audit=replace(run.audit, findings=findings))


def test_findings_about_files_come_last_and_the_order_stays() -> None:
    assert to_undo(run_of(FILE, BUNNY, FRAME, CAMERA), None) == [BUNNY, CAMERA, FILE, FRAME]
    assert to_undo(run_of(BUNNY, CAMERA), None) == [BUNNY, CAMERA]


def test_what_may_be_the_object_is_never_acted_on_unless_it_is_named() -> None:
    either = replace(BUNNY, kind="unclear", severity="low")
    assert to_undo(run_of(CAMERA, either), None) == [CAMERA]
    with pytest.raises(DataError, match="no shortcut to act on"):
        to_undo(run_of(either), None)
    assert to_undo(run_of(either), either.id) == [either]


def test_images_are_planned_for_what_they_mend_and_a_note_says_what_mends_the_files() -> None:
    kept, (note,) = with_images([BUNNY, FILE, CAMERA, FRAME])
    assert kept == [BUNNY, CAMERA]
    assert f"({FILE.id}, {FRAME.id})" in note
    assert note.endswith("Save all images alike; no added image mends it.")
    assert with_images([BUNNY, CAMERA]) == ([BUNNY, CAMERA], [])


def test_if_only_files_give_the_classes_away_there_is_nothing_to_add() -> None:
    with pytest.raises(DataError, match=r"hen:file\.format=PNG.*no added image mends it\..*--attribute"):
        with_images([FILE])


def test_the_report_advises_no_images_against_a_file() -> None:
    said = advice(FILE, None, ("bunny", "hen"))
    assert said == "The classes come from different sources. Save all images alike; no added image mends it."
    assert advice(BUNNY, None, ("bunny", "hen")) == "Add bunny images without green."
