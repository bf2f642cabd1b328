"""Which findings are acted on: the worst first, those that no image mends last, and never what may be the object."""

from __future__ import annotations

from importlib import import_module

import pytest
from changed import replace
from report_example import BUNNY, finding, make_run

from curator.commands._steps.targets import to_undo, with_images
from curator.errors import DataError
from curator.report.wording.findings import advice
from curator.types import AuditRun, Finding

validate = import_module("curator.commands.validate")  # the package has a function of that name
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


def test_a_pattern_without_a_name_comes_after_what_has_one() -> None:
    """Nobody can look for images that do not show pattern A."""
    pattern = replace(BUNNY, attribute="words.0", value="yes", learnt=True, phrase="show pattern A (smooth)")
    ground = replace(pattern, attribute="words.1", phrase="show grass or soil (pattern B, smooth)")
    assert to_undo(run_of(pattern, ground, CAMERA, FILE), None) == [ground, CAMERA, pattern, FILE]


def test_what_too_few_test_images_break_is_passed_over_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def examine(run: AuditRun, finding: Finding, given: object, session: object) -> tuple[str, list[str]]:
        if finding is not CAMERA:
            raise DataError(f"too few for {finding.id}")
        return "exam", ["a note"]

    monkeypatch.setattr(validate.evaluation_set, "examine", examine)
    found, exam, notes = validate._examined(make_run(), [BUNNY, CAMERA, FRAME], None, None)
    assert ([f.id for f in found], exam, notes[0]) == ([CAMERA.id, BUNNY.id, FRAME.id], "exam", "a note")
    assert "Too few test images break" in notes[1]
    assert validate._examined(make_run(), [CAMERA, BUNNY], None, None)[2] == ["a note"]
    with pytest.raises(DataError, match=f"too few for {BUNNY.id}"):
        validate._examined(make_run(), [BUNNY, FRAME], None, None)
