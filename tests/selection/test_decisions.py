"""What a person decides comes back: from tags, from tables, into the plan. No database is needed; see test_app_review.py."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from click.testing import CliRunner
from striped_tables import BIASED, NORTH, counts, table

from curator.cli.main import cli
from curator.commands import Session, recommend
from curator.commands._steps.plan_file import read_plan
from curator.commands._steps.review import earlier, keep, read_review
from curator.config import Settings, ValidateSettings
from curator.errors import InputError
from curator.report.json import recommendation_csv
from curator.selection.decisions import Review, Shown, Tagged, intended_by_tags, of_tags

POOL = counts(cat_south=20, dog_north=20)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    settings = Settings(validate=ValidateSettings(n_random=19, n_bootstrap=100, c_grid=(0.1,)))
    return replace(Session.open("pixels", cache=tmp_path / "cache", jobs=1), settings=settings)


# --- tags -------------------------------------------------------------------------------------------------------------


def test_tags_of_the_pool_are_decisions_and_two_at_once_are_none():
    images = [
        Tagged("a", "hen", ("recommended", "accept")), Tagged("b", "cow", (" Reject ",)), Tagged("c", "", ("accept", "reject")),
        Tagged("d", "hen", ("accept",), "data"), Tagged("e", "hen", ("acceptable",)),
    ]  # fmt: skip
    found = of_tags(images)
    assert found.accepted == {"a": "hen"}
    assert found.rejected == {"b"}
    assert found.notes == ("Images with both the tag accept and the tag reject stay undecided: 1.",)


def test_the_later_of_two_decisions_counts():
    first = Review({"a": "hen", "b": "hen"}, frozenset("c"))
    both = first.then(Review({"c": "cow"}, frozenset("a")))
    assert both.accepted == {"b": "hen", "c": "cow"}
    assert both.rejected == {"a"}


GREEN, OUTSIDE = (
    Shown("bunny:colour=green", "bunny · green", "finding 1"),
    Shown("bunny:place=out", "bunny · out", "finding 2"),
)


def behind(*tags: tuple[str, ...]) -> list[Tagged]:
    return [Tagged(str(i), "bunny", t, "data") for i, t in enumerate(tags)]


def accepted(images, findings=(GREEN, OUTSIDE), entries=None):
    found, notes = intended_by_tags(images, findings, entries)
    return {entry.finding: entry.reason for entry in found}, notes


def test_a_tag_that_names_a_finding_accepts_it_with_its_reason():
    said, notes = accepted(behind(("intended: bunny:colour=green because shot in one garden",), ()))
    assert (said, notes) == ({"bunny:colour=green": "shot in one garden"}, ())
    assert accepted(behind(("intended: BUNNY · out",)))[0] == {"bunny:place=out": "accepted in the FiftyOne App"}
    assert accepted(behind(("reject: bunny:place=out",)))[0] == {
        "bunny:place=out": "rejected in the FiftyOne App: no shortcut"
    }
    # The finding is gone today and back tomorrow: the id is kept.
    assert "hen:colour=blue" in accepted(behind(("intended: hen:colour=blue",)))[0]
    said, notes = accepted(behind(("intended: the green one",)))
    assert said == {}
    assert notes[0].startswith(
        "The tag 'intended: the green one' does not name a finding; write intended: and its id, such as"
    )


def test_the_plain_tag_accepts_a_finding_whose_images_all_have_it_and_no_other():
    """Images 0 to 2 are green, 1 and 2 also outside: all green ones tagged is green, not outside."""
    one, both = ("finding 1", "intended"), ("finding 1", "finding 2", "intended")
    assert accepted(behind(one, both, both, ()))[0] == {GREEN.id: "accepted in the FiftyOne App"}
    said, notes = accepted(behind(("finding 1",), both, both))
    assert list(said) == [OUTSIDE.id]
    assert notes == ()
    # The whole class, with a bunny that is neither: which one is meant?
    other = ("finding 2", "intended")
    said, notes = accepted(behind(one, both, other))
    assert said == {}
    assert notes[0].startswith("The tag intended is on 3 images but does not show which finding is meant")


def test_one_image_accepts_no_finding():
    said, notes = accepted(behind(("finding 1", "intended"), ("finding 1",)))
    assert said == {}
    assert notes[0].endswith("such as intended: bunny:colour=green.")
    assert accepted(behind(("finding 1",), ("mine",))) == ({}, ())


def test_entries_of_the_data_set_accept_findings_too():
    entries = {GREEN.id: {"decision": "intended", "reason": ""}, OUTSIDE.id: {"decision": "accept", "reason": "x"}}
    assert accepted([], entries=entries)[0] == {GREEN.id: "accepted in the FiftyOne App"}


# --- the plan after a review ------------------------------------------------------------------------------------------


def make(session, tmp_path, review=None, pool=POOL, budget=8):
    data = table(tmp_path / "data", BIASED)
    theirs = tmp_path / "pool" / "table.csv"
    theirs = theirs if theirs.exists() else table(tmp_path / "pool", pool, seed=1)
    return recommend(data, theirs, session, budget=budget, attribute=f"cat:{NORTH}", review=review)


def paths(advice):
    return {i: os.path.join(advice.pool.dataset.root, i) for i in advice.recommendation.ids}


def test_rejected_images_are_replaced_and_accepted_ones_come_first(session, tmp_path):
    before = make(session, tmp_path)
    ids, place = before.recommendation.ids, paths(before)
    assert len(ids) == 8
    good, bad = ids[5:7], ids[:3]
    review = Review({place[i]: "" for i in good}, frozenset(place[i] for i in bad))
    after = make(session, tmp_path, review).recommendation
    assert after.ids[:2] == good
    assert after.label_sources == ("confirmed",) * 2 + ("given",) * 6
    assert set(bad).isdisjoint(after.ids)
    assert len(set(after.ids)) == 8
    assert [(c.have, c.want, c.got, c.missing) for c in after.plan] == [
        (c.have, c.want, c.got, c.missing) for c in before.recommendation.plan
    ]
    assert after.reasons[0].startswith("accepted in the review; adds to ")
    assert after.expected_gain is not None


def test_a_review_of_nothing_changes_nothing(session, tmp_path):
    assert make(session, tmp_path, Review()).recommendation == make(session, tmp_path).recommendation


def test_what_the_pool_has_no_more_of_is_missing_after_a_rejection(session, tmp_path):
    few = counts(cat_south=4, dog_north=20)
    before = make(session, tmp_path, pool=few)
    cats = [
        i for i, label in zip(before.recommendation.ids, before.recommendation.labels, strict=True) if label == "cat"
    ]
    assert len(cats) == 4
    after = make(session, tmp_path, Review(rejected=frozenset(paths(before)[i] for i in cats)), pool=few).recommendation
    assert set(after.labels) == {"dog"}
    assert len(after.ids) == 8
    cell = next(c for c in after.plan if c.class_name == "cat")
    assert (cell.got, cell.available) == (0, 0)
    assert after.shopping_list[0].startswith(f"{cell.missing} cat images")


def test_an_accepted_image_has_the_label_it_was_accepted_with(session, tmp_path):
    """Its pool says cat; the person says dog, and of the other images nothing is known of a third class."""
    before = make(session, tmp_path)
    ids = [
        i for i, label in zip(before.recommendation.ids, before.recommendation.labels, strict=True) if label == "cat"
    ]
    place = paths(before)
    after = make(session, tmp_path, Review({place[ids[0]]: "dog", place[ids[1]]: "horse", "/nowhere.jpg": "cat"}))
    rec = after.recommendation
    assert (rec.ids[0], rec.labels[0], rec.label_sources[0]) == (ids[0], "dog", "confirmed")
    assert ids[1] not in rec.ids
    assert rec.cells[0] == -1  # a dog of the south breaks no rule: it is kept all the same, and fills no cell
    assert any("not a class of the data (cat, dog): 1" in note for note in after.notes)
    assert "Decisions on images that are not in the pool: 1." in after.notes


def test_an_accepted_stranger_is_taken_and_an_unsure_label_is_confirmed(session, tmp_path):
    """A bare pool of noise: nothing is sure enough to be recommended, until somebody says what it shows."""
    data = table(tmp_path / "data", BIASED)
    pool = table(tmp_path / "pool", [("", "south")] * 12, seed=1)
    before = recommend(data, pool, session, budget=8, attribute=f"cat:{NORTH}")
    chosen = str(before.pool.dataset.ids[3])
    review = Review({os.path.join(before.pool.dataset.root, chosen): "cat"})
    after = recommend(data, pool, session, budget=8, attribute=f"cat:{NORTH}", review=review)
    assert after.recommendation.ids[0] == chosen
    assert after.recommendation.label_sources[0] == "confirmed"
    recommendation_csv(after.recommendation, after.pool.dataset.root, tmp_path / "r.csv", decisions=True)
    assert pd.read_csv(tmp_path / "r.csv")["decision"][0] == "accept"
    assert read_plan(tmp_path / "r.csv", after.pool)[0].source == "confirmed"


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_is_read_as_it_was_filled_in(tmp_path):
    (tmp_path / "r.csv").write_text("path,label,decision\n/a.jpg,hen,accept\n/b.jpg,hen, Reject\n/c.jpg,hen,\n")
    found = read_review(tmp_path / "r.csv")
    assert found.accepted == {"/a.jpg": "hen"}
    assert found.rejected == {"/b.jpg"}
    (tmp_path / "r.csv").write_text("path,label,decision\n/a.jpg,hen,perhaps\n")
    with pytest.raises(InputError, match=r"line 2: the decision 'perhaps' is neither accept nor reject"):
        read_review(tmp_path / "r.csv")
    (tmp_path / "r.csv").write_text("path,label\n/a.jpg,hen\n")
    with pytest.raises(InputError, match=r"no columns path and decision; add a column decision with accept or reject"):
        read_review(tmp_path / "r.csv")
    with pytest.raises(InputError, match="cannot read the review"):
        read_review(tmp_path / "none.csv")


def test_decisions_of_all_rounds_are_kept(tmp_path):
    (tmp_path / "recommendation.csv").write_text("path,label,decision\n/a.jpg,hen,accept\n/b.jpg,hen,reject\n")
    keep(earlier(tmp_path), tmp_path)
    (tmp_path / "recommendation.csv").write_text("path,label,decision\n/b.jpg,cow,accept\n/=c.jpg,,reject\n")
    keep(earlier(tmp_path), tmp_path)
    (tmp_path / "recommendation.csv").unlink()
    assert dict(earlier(tmp_path).accepted) == {"/a.jpg": "hen", "/b.jpg": "cow"}
    assert earlier(tmp_path).rejected == {"/=c.jpg"}


def test_a_review_by_table_from_the_command_line(tmp_path):
    """Two rounds in the same folder: what was rejected in the first is not back in the third, though nobody said it again."""
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    out = tmp_path / "out"
    args = ["recommend", str(data), "--pool", str(pool), "--attribute", f"cat:{NORTH}", "--budget", "6"]
    args += ["--model", "pixels", "--cache", str(tmp_path / "cache"), "--out", str(out)]

    def run(*more: str) -> pd.DataFrame:
        done = CliRunner().invoke(cli, [*args, *more])
        assert done.exit_code == 0, done.output
        return pd.read_csv(out / "recommendation.csv", dtype=str, keep_default_na=False)

    def decide(frame: pd.DataFrame, decisions: dict[int, str]) -> None:
        frame["decision"] = [decisions.get(i, frame["decision"][i]) for i in range(len(frame))]
        frame.to_csv(out / "recommendation.csv", index=False)

    review = ("--review", str(out / "recommendation.csv"))
    first = run()
    assert (first["decision"] == "").all()
    decide(first, {0: "reject", 1: "accept"})
    second = run(*review)
    assert second["id"][0] == first["id"][1]
    assert second["label_source"][0] == "confirmed"
    assert second["decision"].tolist() == ["accept"] + [""] * 5
    assert first["id"][0] not in set(second["id"])
    decide(second, {2: "reject"})
    third = run(*review)
    assert {first["id"][0], second["id"][2]}.isdisjoint(third["id"])
    assert len(third) == 6
    # Run again without being asked to go by it, nothing of it is lost, and the user is told.
    plain = CliRunner().invoke(cli, args)
    assert "To use them, add --review" in " ".join(plain.output.split())
    again = run("--review", str(out / "review.csv"))
    assert again["id"].tolist() == third["id"].tolist()


def test_a_review_needs_a_pool_and_one_source(tmp_path):
    (tmp_path / "r.csv").write_text("path,decision\n")
    data = table(tmp_path / "data", BIASED)
    base = [
        "recommend",
        str(data),
        "--model",
        "pixels",
        "--cache",
        str(tmp_path / "cache"),
        "--out",
        str(tmp_path / "out"),
    ]
    done = CliRunner().invoke(cli, [*base, "--review", str(tmp_path / "r.csv")])
    assert done.exit_code == 1
    assert "add --pool" in done.output
    done = CliRunner().invoke(cli, [*base, "--pool", str(data), "--review", str(tmp_path / "r.csv"), "--from-app"])
    assert "--from-app and --review cannot be used together" in done.output
    done = CliRunner().invoke(cli, [*base, "--pool", str(data), "--confirm", "--dry-run"])
    assert "drop one of them" in done.output
    assert np.all([not (tmp_path / "out" / name).exists() for name in ("recommend.json", "recommendation.csv")])
