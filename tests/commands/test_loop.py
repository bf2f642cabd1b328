"""The commands as functions, on small generated pictures: what is learned of what, what is examined, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from click.testing import CliRunner
from striped_tables import BIASED, NORTH, POOL, SHARED, counts, table

from curator.cli.main import cli
from curator.commands import Session, audit, export, recommend, validate
from curator.commands._steps import evaluation_set
from curator.commands._steps.targets import readable, target, to_undo
from curator.config import Settings, ValidateSettings
from curator.errors import DataError
from curator.shortcuts import indicators
from curator.types import AuditRun


@pytest.fixture
def session(tmp_path: Path) -> Session:
    settings = Settings(validate=ValidateSettings(n_random=19, n_bootstrap=100, c_grid=(0.1,)))
    return replace(Session.open("pixels", cache=tmp_path / "cache", jobs=1), settings=settings)


def finding(run: AuditRun, id: str = f"cat:{NORTH}"):
    return to_undo(run, id)[0]


def test_the_hold_out_has_as_many_of_every_group_and_the_rest_is_for_training(session, tmp_path):
    """Groups of 30, 12, 11 and 30: a half of 11 is 5, so 5 of each are examined and 63 are left."""
    run = audit(table(tmp_path / "data", SHARED), session)
    exam, notes = evaluation_set.examine(run, finding(run), None, session)
    assert exam.groups.masks.sum(1).tolist() == [5, 5, 5, 5]
    assert len(exam.train) == 83 - 20
    assert exam.held_out
    assert "20 images are held out: 5 of every class x value group" in notes[0]
    ids = set(run.dataset.ids[exam.train])
    assert ids.isdisjoint(exam.embedded.dataset.ids.tolist())


def test_the_hold_out_keeps_pictures_that_are_the_same_on_one_side(session, tmp_path):
    data = table(tmp_path / "data", SHARED)
    for i in range(6):  # six of twelve cats of the south are six of the cats of the north
        (data.parent / f"p{30 + i:03d}.bmp").write_bytes((data.parent / f"p{i:03d}.bmp").read_bytes())
    run = audit(data, session)
    assert len([g for g in run.duplicates if g.kind == "exact"]) == 6
    exam, _ = evaluation_set.examine(run, finding(run), None, session)
    inside = set(exam.embedded.dataset.ids.tolist())
    assert all(inside.isdisjoint(g.ids) or inside.issuperset(g.ids) for g in run.duplicates)
    assert exam.groups.masks.sum(1).tolist() == [5, 5, 5, 5]


def test_a_group_too_small_to_share_is_an_error_that_names_it(session, tmp_path):
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    with pytest.raises(
        DataError, match=r"the data has 3 cat images without metadata\.site=north; 10 are needed .*--test"
    ):
        validate(data, pool, session)


def test_another_small_group_is_for_training_only_and_is_named(session, tmp_path):
    rows = counts(cat_north=30, cat_south=12, dog_north=4, dog_south=30)
    run = audit(table(tmp_path / "data", rows), session)
    exam, notes = evaluation_set.examine(run, finding(run), None, session)
    assert exam.groups.names == ((0, True), (0, False), (1, False))
    assert notes[1] == "Groups that are not tested because they have fewer than 5 test images: dog, north (0)."
    assert len(exam.train) == 76 - 18


def test_a_test_set_without_the_conflicting_group_is_refused_and_other_small_groups_are_named(session, tmp_path):
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    few = table(tmp_path / "few", counts(cat_north=9, cat_south=2, dog_north=9, dog_south=9), seed=2)
    with pytest.raises(DataError, match=r"the test set has 2 cat images without metadata\.site=north; 5 are needed"):
        validate(data, pool, session, test=few)
    enough = table(tmp_path / "enough", counts(cat_north=9, cat_south=6, dog_north=3, dog_south=9), seed=3)
    _, report = validate(data, pool, session, test=enough)
    assert "Groups that are not tested because they have fewer than 5 test images: dog, north (3)." in report.notes
    assert [g.n for g in report.arms["before"].groups] == [9, 6, 9]


def test_nothing_is_learned_of_the_images_that_are_held_out(session, tmp_path):
    """The plan counts what is trained on, and held-out pictures under wrong labels change no label of the pool."""
    data = table(tmp_path / "data", SHARED)
    pool = table(tmp_path / "pool", [("", site) for _, site in POOL], shows=[label for label, _ in POOL], seed=1)
    advice, report = validate(data, pool, session, attribute=f"cat:{NORTH}")
    assert report.arms["before"].n_train == 63
    cell = next(c for c in advice.recommendation.plan if c.class_name == "cat")
    assert (cell.value_name, cell.have) == ("not north", 12 - 5)
    assert len(advice.run.dataset) == 83
    run = audit(data, session)
    exam, _ = evaluation_set.examine(run, finding(run), None, session)
    frame = pd.read_csv(data)
    out = frame["path"].isin(exam.embedded.dataset.ids.tolist())
    # The pictures change places, the table stays: the same rows are held out.
    cats = frame.index[out & (frame["label"] == "cat") & (frame["site"] == "north")]
    dogs = frame.index[out & (frame["label"] == "dog") & (frame["site"] == "north")]
    for a, b in zip(cats, dogs, strict=True):
        left, right = data.parent / frame["path"][a], data.parent / frame["path"][b]
        one, two = left.read_bytes(), right.read_bytes()
        left.write_bytes(two)
        right.write_bytes(one)
    again, _ = validate(data, pool, session, attribute=f"cat:{NORTH}")
    assert again.recommendation == advice.recommendation
    assert np.array_equal(again.candidates.confidence, advice.candidates.confidence)


def test_a_val_split_is_the_test_set_where_there_is_no_other_and_teaches_nothing(session, tmp_path):
    """Labels of the val split that are swapped change no label that is predicted of the pool."""
    other = {"cat": "dog", "dog": "cat"}
    shows = [label for label, _ in BIASED + POOL]
    train = [(*row, "train") for row in BIASED]
    columns = ("label", "site", "split")
    data = table(tmp_path / "data", train + [(*row, "val") for row in POOL], columns)
    swapped = table(tmp_path / "swapped", train + [(other[a], b, "val") for a, b in POOL], columns, shows=shows)
    pool = table(tmp_path / "pool", [("", b) for _, b in POOL], shows=[a for a, _ in POOL], seed=1)
    advice, report = validate(data, pool, session, attribute=f"cat:{NORTH}")
    assert "The test set is the val split of the data (40 images)." in report.notes
    assert report.arms["before"].n_train == 60
    again = recommend(swapped, pool, session, attribute=f"cat:{NORTH}")
    assert set(again.candidates.label_source) == {"predicted"}
    assert np.array_equal(again.candidates.confidence, advice.candidates.confidence)


def test_with_one_class_the_labels_of_a_pool_are_not_guessed(session, tmp_path):
    data = table(tmp_path / "data", counts(cat_north=9, cat_south=1))
    unlabelled = table(tmp_path / "pool", [("", site) for _, site in POOL], shows=[n for n, _ in POOL], seed=1)
    with pytest.raises(DataError, match=r"one class only, cat, .* cannot be predicted; give a labelled pool"):
        recommend(data, unlabelled, session, attribute=f"cat:{NORTH}")
    partly = table(tmp_path / "partly", [*counts(cat_south=4), ("", "south"), ("dog", "south")], seed=2)
    advice = recommend(data, partly, session, attribute=f"cat:{NORTH}")
    assert sorted(advice.recommendation.ids) == ["p000.bmp", "p001.bmp", "p002.bmp", "p003.bmp"]
    assert set(advice.recommendation.label_sources) == {"given"}
    assert any("they have no label and the data one class" in note for note in advice.notes)


def test_the_same_value_is_the_same_whatever_type_a_file_gave_it(session, tmp_path):
    """Site 3 in the data is 3.0 in a pool with a gap and "3" beside words; true is True; absent columns are unknown."""
    rows = [("cat", 3, True, i / 7) for i in range(12)] + [("dog", 4, False, i / 7) for i in range(12)]
    data = session.embed(session.scan(table(tmp_path / "data", rows, ("label", "site", "night", "lux"))))
    odd = [("cat", 3.0, "true", 0.5, 1), ("cat", None, "False", "dark", 2), ("dog", 4.0, None, 0.7, 3)]
    pool = session.embed(
        session.scan(table(tmp_path / "pool", odd, ("label", "site", "night", "lux", "extra"), seed=1))
    )
    words = session.embed(session.scan(table(tmp_path / "words", [("cat", "3"), ("cat", "x")], seed=2)))
    mine, theirs, third = session.measures(data), session.measures(pool, data), session.measures(words, data)
    assert theirs.columns == mine.columns == third.columns
    for value, has, known in (("3", [1, 0, 0], [1, 0, 1]), ("4", [0, 0, 1], [1, 0, 1])):
        read = indicators.read(theirs, "metadata.site", value)
        assert [r.astype(int).tolist() for r in read] == [has, known]
    assert [r.tolist() for r in indicators.read(theirs, "metadata.night", "yes")] == [
        [True, False, False],
        [True, True, False],
    ]
    assert indicators.read(theirs, "metadata.lux", "0.6 or above")[0].tolist() == [False, False, True]
    assert indicators.read(third, "metadata.site", "3")[0].tolist() == [True, False]
    assert not indicators.read(third, "metadata.night", "no")[1].any()


def test_labels_that_are_no_class_are_left_out_by_name_and_not_predicted(session, tmp_path):
    data = table(tmp_path / "data", BIASED)
    renamed = [({"cat": "Cat", "dog": "wolf"}[label], site) for label, site in POOL]
    pool = table(tmp_path / "pool", renamed, shows=[label for label, _ in POOL], seed=1)
    advice = recommend(data, pool, session)
    assert advice.recommendation.ids == ()
    assert not any("no labels" in note for note in advice.notes)
    said = next(note for note in advice.notes if "without a class of the data" in note)
    assert "(Cat, wolf): 40. Did you mean cat instead of Cat?" in said


def test_a_pool_that_is_labelled_in_part_is_predicted_for_the_rest(session, tmp_path):
    data = table(tmp_path / "data", BIASED)
    rows = [(label if i % 2 else "", site) for i, (label, site) in enumerate(POOL)]
    pool = table(tmp_path / "pool", rows, shows=[label for label, _ in POOL], seed=1)
    advice = recommend(data, pool, session)
    sources = dict(zip(advice.recommendation.ids, advice.recommendation.label_sources, strict=True))
    assert set(sources.values()) == {"given", "predicted"}
    assert all((source == "given") == bool(int(id[1:4]) % 2) for id, source in sources.items())
    assert any("without a label, whose label is predicted: 20." in note for note in advice.notes)


def test_the_random_arm_trusts_no_label_that_the_recommendation_would_not(session, tmp_path):
    """Nothing in the pool can be read surely: with 18 given labels, a draw of 20 is all of these 18."""
    data, test = table(tmp_path / "data", BIASED), table(tmp_path / "test", POOL, seed=2)
    rows = [(label if i >= 22 else "", site) for i, (label, site) in enumerate(POOL)]
    pool = table(tmp_path / "pool", rows, shows=[""] * 40, seed=1)
    unsure = replace(session.settings, recommend=replace(session.settings.recommend, confidence=1.0))
    plan = pd.DataFrame({"path": [str(pool.parent / f"p{i:03d}.bmp") for i in range(20)], "label": "cat"})
    plan.to_csv(tmp_path / "plan.csv", index=False)
    _, report = validate(data, pool, replace(session, settings=unsure), plan=tmp_path / "plan.csv", test=test)
    assert (
        "The pool has 18 images for the random arm, but 20 are needed, so every draw uses all of them." in report.notes
    )
    assert report.arms["random"].n_train == 60 + 18
    assert report.arms["recommended"].n_train == 60 + 20
    assert "Labels of recommended images that are predicted, not given: 20 of 20." in report.notes


def test_a_shortcut_that_the_pool_cannot_be_read_for_is_left_out(session, tmp_path):
    """Cats are of the north and of camera 1; the pool says nothing of sites."""
    rows = [(label, site, 1 if (site == "north") != (i % 10 == 0) else 2) for i, (label, site) in enumerate(BIASED)]
    data = table(tmp_path / "data", rows, ("label", "site", "camera"))
    pool = table(
        tmp_path / "pool", [(label, 1 + i % 2) for i, (label, _) in enumerate(POOL)], ("label", "camera"), seed=1
    )
    with pytest.raises(DataError, match=r"^the pool has no column site, which cat:metadata\.site=north is about"):
        recommend(data, pool, session, attribute=f"cat:{NORTH}")
    run = audit(data, session)
    both = [finding(run), finding(run, "cat:metadata.camera=1")]
    theirs = session.measures(session.embed(session.scan(pool)), session.embed(session.scan(data)))
    kept, notes = readable(both, {"pool": theirs})
    assert [f.id for f in kept] == ["cat:metadata.camera=1"]
    assert notes == ["The pool has no column site, so cat:metadata.site=north is left out."]


def test_a_number_is_read_by_its_name_where_the_data_alone_has_no_such_cut(session, tmp_path):
    """One class against a pool is cut at the quantiles of both, which the class alone does not have."""
    lux = [(("cat", float(i))) for i in range(20)]
    data = table(tmp_path / "data", lux, ("label", "lux"))
    pool = table(tmp_path / "pool", [("cat", 30.0 + i) for i in range(25)], ("label", "lux"), seed=1)
    run = audit(data, session, pool=pool)
    found = next(f for f in run.audit.findings if f.attribute == "metadata.lux")
    assert found.value.startswith("below ")
    measures = session.measures(session.embed(session.scan(pool)), session.embed(session.scan(data)))
    aim = target(found, run, measures)
    cut = float(found.value.removeprefix("below "))
    assert aim.has.tolist() == [value < cut for _, value in lux]
    assert aim.pool_has.tolist() == [30 + i < cut for i in range(25)]
    assert not aim.pool_has.all()
    assert len(recommend(data, pool, session, attribute=found.id).recommendation.ids) > 0


def test_a_plan_says_which_shortcut_is_examined_and_the_report_shows_it(session, tmp_path):
    """Two shortcuts; the plan is about the weaker one. Its rows fill the cells of the advice that comes back."""
    rows = [(label, site, "a" if (label == "cat") != (i % 5 == 0) else "b") for i, (label, site) in enumerate(BIASED)]
    data = table(tmp_path / "data", rows, ("label", "site", "lens"))
    more = [(label, site, "ab"[i % 2]) for i, (label, site) in enumerate(POOL + POOL)]
    pool = table(tmp_path / "pool", more, ("label", "site", "lens"), seed=1)
    test = table(tmp_path / "test", more, ("label", "site", "lens"), seed=2)
    advice = recommend(data, pool, session, attribute="cat:metadata.lens=a")
    columns = {"path": [], "label": [], "class": [], "attribute": [], "value": [], "reason": []}
    rec = advice.recommendation
    for id, label, cell, reason in zip(rec.ids, rec.labels, rec.cells, rec.reasons, strict=True):
        c = rec.plan[cell]
        said = str(pool.parent / id), label, c.class_name, c.attribute, c.value_name, reason
        for name, value in zip(columns, said, strict=True):
            columns[name].append(value)
    pd.DataFrame(columns).iloc[1:].to_csv(tmp_path / "plan.csv", index=False)
    after, report = validate(data, pool, session, plan=tmp_path / "plan.csv", test=test)
    assert (report.attribute, report.value) == ("metadata.lens", "a")
    assert after.recommendation.ids == rec.ids[1:]
    assert sum(c.got for c in after.recommendation.plan) == len(rec.ids) - 1
    assert after.recommendation.reasons == rec.reasons[1:]
    assert validate(data, pool, session, test=test)[1].attribute == "metadata.site"


def test_a_plan_of_which_nothing_can_be_added_is_refused(session, tmp_path):
    data, test = table(tmp_path / "data", BIASED), table(tmp_path / "test", POOL, seed=2)
    pool = table(tmp_path / "pool", [*POOL, ("wolf", "north")], seed=1)
    plan = pd.DataFrame({"path": [str(pool.parent / "p040.bmp")], "label": ["wolf"]})
    plan.to_csv(tmp_path / "plan.csv", index=False)
    with pytest.raises(DataError, match=r"no image of the plan can be added: 1 of 1 have a label that is not a class"):
        validate(data, pool, session, plan=tmp_path / "plan.csv", test=test)


def test_an_export_says_which_groups_are_in_none_of_a_split(session, tmp_path):
    rows = [
        (*row, "train" if i % 2 else "test") for i, row in enumerate(counts(cat_north=20, cat_south=2, dog_south=20))
    ]
    data = table(tmp_path / "data", rows, ("label", "site", "split"))
    _, plan, n = export(data, tmp_path / "out", session, attribute=f"cat:{NORTH}", dry_run=True)
    assert n == 0
    assert plan.notes[0] == "The data already has splits (test, train); the images are split anew."
    lost = [s for s in plan.got.columns if not plan.got.loc[("cat", f"not {NORTH}"), s]]
    assert len(lost) == 1
    assert plan.notes[1:] == (f"cat, not {NORTH}: 2 images, none in {lost[0]}.",)


def test_the_command_prints_the_notes_of_an_export(tmp_path):
    data = table(tmp_path / "data", counts(cat_north=20, cat_south=2, dog_south=20))
    args = ["export", str(data), str(tmp_path / "out"), "--attribute", f"cat:{NORTH}", "--dry-run"]
    done = CliRunner().invoke(cli, [*args, "--model", "pixels", "--cache", str(tmp_path / "cache")])
    assert done.exit_code == 0, done.output
    assert "2 images, none in" in " ".join(done.output.split())


def test_a_run_says_when_it_started(tmp_path):
    data = table(tmp_path / "data", counts(cat_north=4, dog_south=4))
    args = ["audit", str(data), "--out", str(tmp_path / "out"), "--model", "pixels", "--cache", str(tmp_path / "cache")]
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == 0, done.output
    started = json.loads((tmp_path / "out" / "run.json").read_text())["started"]
    assert pd.Timestamp(started).utcoffset().total_seconds() == 0
