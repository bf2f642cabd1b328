"""What is accepted: which findings an entry means, what happens to the verdict, and what is said of entries gone stale."""

from __future__ import annotations

import pytest
from changed import replace
from report_example import BUNNY, FINDINGS

from curator.config import Settings, read_settings, settings_of
from curator.errors import InputError
from curator.intended import Intended, accept, read
from curator.types import Audit, Finding

AUDIT = Audit(FINDINGS, "shortcuts found", 0.3, 312)
GREEN = "bunny:background.colour=green"


def about(class_name: str, attribute: str = "background.colour", value: str = "green") -> Finding:
    return replace(BUNNY, class_name=class_name, attribute=attribute, value=value, same_as=())


@pytest.mark.parametrize(
    ("entry", "yes", "no"),
    [
        ({"finding": GREEN}, [("bunny",)], [("hen",), ("bunny", "background.colour", "greener")]),
        ({"finding": "bunny:*"}, [("bunny",), ("bunny", "a", "b")], [("hen",)]),
        ({"class_name": "bunny"}, [("bunny",), ("bunny", "a", "b")], [("hen",), ("bunny:x",), ("Bunny",)]),
        ({"attribute": "background.*"}, [("hen",)], [("hen", "backgrounds", "x"), ("hen", "border.background.x")]),
        ({"value": "* or above"}, [("hen", "light.x", "0.1 or above")], [("hen", "light.x", "0.1 or above it")]),
        ({"value": "[a-z]?"}, [("hen", "x", "[a-z]?")], [("hen", "x", "b"), ("hen", "x", "b?")]),
        ({"class_name": "a*c", "value": "g*"}, [("abc",), ("ac",), ("a\nc",)], [("abcd",), ("abc", "x", "red")]),
    ],
)
def test_an_entry_means_what_it_says_and_nothing_else(entry, yes, no):
    intended = Intended("because", **entry)
    assert [f for f in yes if not intended.matches(about(*f))] == []
    assert [f for f in no if intended.matches(about(*f))] == []


def test_what_is_accepted_comes_last_with_its_reason_and_the_rest_is_judged():
    found, notes = accept(AUDIT, [Intended("one garden", GREEN), Intended("too late", class_name="bunny")])
    assert [f.id for f in found.findings] == [FINDINGS[1].id, FINDINGS[2].id, GREEN]
    assert [f.intended for f in found.findings] == ["", "", "one garden"]
    assert replace(found.findings[2], intended="") == BUNNY
    assert found.verdict == "shortcuts found"
    assert notes == ("1 of 3 findings are accepted by the settings (intended) and do not count in the verdict.",)


@pytest.mark.parametrize(
    ("verdict", "after"), [("shortcuts found", "none found"), ("too few images to tell", "too few images to tell")]
)
def test_with_everything_accepted_nothing_is_found(verdict, after):
    found, notes = accept(replace(AUDIT, verdict=verdict), [Intended("all known", "*")])
    assert (found.verdict, [f.id for f in found.findings]) == (after, [f.id for f in FINDINGS])
    assert "3 of 3 findings" in notes[0]


def test_findings_that_may_be_about_the_object_never_count():
    either = tuple(replace(f, kind="unclear") for f in FINDINGS)
    entries = [Intended(reason="one garden", finding=either[0].id)]
    audit = replace(AUDIT, findings=either)
    assert {accept(audit, entries, objects=o)[0].verdict for o in (True, False)} == {"none found"}


def test_findings_about_the_object_count_where_the_user_asked_for_it():
    objects = tuple(replace(f, kind="object") for f in FINDINGS)
    entries = [Intended("one garden", FINDINGS[0].id)]
    audit = replace(AUDIT, findings=objects)
    assert [accept(audit, entries, objects=o)[0].verdict for o in (True, False)] == ["shortcuts found", "none found"]


def test_nothing_intended_changes_nothing():
    assert accept(AUDIT, []) == (AUDIT, ())


def test_an_entry_that_matches_nothing_is_said_so():
    found, notes = accept(AUDIT, [Intended("gone", "cow:x=y"), Intended("gone", class_name="cow", value="y")])
    assert found == AUDIT
    assert notes == (
        "Intended 'cow:x=y' no longer matches a finding; remove it from the settings.",
        "Intended 'cow:*=y' no longer matches a finding; remove it from the settings.",
    )


def test_what_a_finding_stands_for_is_looked_at_second_to_the_letter_and_within_the_class():
    folded = replace(BUNNY, same_as=("colour.dominant=green", "hen:colour.dominant=brown"))
    other = about("bunny", "colour.dominant", "green")

    def accepted(entry: Intended, *findings: Finding) -> tuple[list[str], str]:
        found, notes = accept(replace(AUDIT, findings=findings), [entry])
        return [f.id for f in found.findings if f.intended], notes[-1]

    entry = Intended("known", "bunny:colour.dominant=green")
    assert accepted(entry, folded) == (
        [GREEN], f"Intended 'bunny:colour.dominant=green' is now part of the finding {GREEN!r}, which is accepted too."
    )  # fmt: skip
    assert accepted(Intended("known", "", "bunny", "colour.dominant", "green"), folded)[0] == [GREEN]
    assert accepted(entry, folded, other)[0] == [other.id]
    for text in ("bunny:colour.*=green", "hen:colour.dominant=brown", "colour.dominant=green", "bunny:colour.dominant"):
        assert accepted(Intended("known", text), folded)[0] == [], text


def test_settings_with_entries_are_read_and_written_back(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(f'[audit]\nintended = [{{finding = "{GREEN}", reason = "a"}}]\n', encoding="utf-8")
    found = read_settings(path)
    assert found.audit.intended == (Intended("a", GREEN),)
    path.write_text('[[audit.intended]]\nclass = "hen"\nvalue = "*"\nreason = "b"\n', encoding="utf-8")
    found = read_settings(path)
    assert found.audit.intended == (Intended("b", class_name="hen", value="*"),)
    assert found.as_dict()["audit"]["intended"] == [{"class": "hen", "value": "*", "reason": "b"}]
    assert settings_of(found.as_dict(), "x") == found != Settings()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("bunny", "a list of tables is needed"),
        (["bunny"], "a list of tables is needed"),
        ([{"finding": GREEN}], "'bunny:background.colour=green' has no reason"),
        ([{"finding": GREEN, "reason": " \t"}], "has no reason"),
        ([{"reason": "x"}], "either `finding`, or any of"),
        ([{"finding": GREEN, "class": "bunny", "reason": "x"}], "either `finding`, or any of"),
        ([{"id": GREEN, "reason": "x"}], "the unknown key 'id'; use one of: finding, class, attribute, value, reason"),
        ([{"class": 3, "reason": "x"}], "class = 3; a text is needed"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(value, said):
    with pytest.raises(InputError) as caught:
        read(value, "[audit] intended")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
