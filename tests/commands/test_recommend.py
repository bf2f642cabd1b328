"""Recommending as a function, on small generated pictures: without a pool, leaving out, what goes together, what is poor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from click.testing import CliRunner
from PIL import Image, ImageFilter
from striped_tables import BIASED, NORTH, POOL, counts, table

from curator.cli.main import cli
from curator.commands import Session, recommend, validate
from curator.commands._steps.plan_file import read_plan
from curator.config import RecommendSettings, Settings, ValidateSettings
from curator.errors import InputError
from curator.report.json import recommendation_csv


@pytest.fixture
def session(tmp_path: Path) -> Session:
    settings = Settings(validate=ValidateSettings(n_random=19, n_bootstrap=100, c_grid=(0.1,)))
    return replace(Session.open("pixels", cache=tmp_path / "cache", jobs=1), settings=settings)


def test_without_a_pool_there_is_the_list_of_what_to_look_for(session, tmp_path):
    """27 cats of the north and 3 others: each cell of 3 lacks 24, and 12 are asked for in all."""
    rec = recommend(table(tmp_path / "data", BIASED), None, session, budget=12, attribute=f"cat:{NORTH}").recommendation
    assert rec.ids == ()
    assert [(c.class_name, c.want, c.got, c.available) for c in rec.plan] == [("cat", 6, 0, 0), ("dog", 6, 0, 0)]
    assert len(rec.shopping_list) == 2
    assert rec.shopping_list[0].startswith("6 cat images ")
    assert rec.expected_gain is None


def test_dropping_leaves_out_what_follows_the_rule_and_needs_no_pool(session, tmp_path):
    advice = recommend(table(tmp_path / "data", BIASED), None, session, budget=8, attribute=f"cat:{NORTH}", mode="drop")
    rec = advice.recommendation
    assert (rec.ids, rec.plan, rec.shopping_list) == ((), (), ())
    sites = pd.read_csv(tmp_path / "data" / "table.csv").set_index("path")
    assert len(rec.removals) == 8
    assert {tuple(sites.loc[r.id]) for r in rec.removals} == {("cat", "north")}
    assert rec.expected_curve[-1].n_added == 8


def test_a_swap_leaves_out_as_many_as_it_adds_and_its_plan_is_not_for_validate(session, tmp_path):
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    advice = recommend(data, pool, session, budget=10, attribute=f"cat:{NORTH}", mode="swap")
    assert len(advice.recommendation.ids) == len(advice.recommendation.removals) == 10
    recommendation_csv(advice.recommendation, str(pool.parent), tmp_path / "r.csv", data_root=str(data.parent))
    assert (pd.read_csv(tmp_path / "r.csv")["action"] == ["add"] * 10 + ["drop"] * 10).all()
    with pytest.raises(InputError, match=r"make the plan with --mode add"):
        read_plan(tmp_path / "r.csv", advice.pool)
    with pytest.raises(InputError, match=r"give --pool"):
        recommend(data, None, session, attribute=f"cat:{NORTH}", mode="swap")


def test_findings_that_go_together_are_planned_for_once(session, tmp_path):
    """Every picture of the north was taken in winter: one set of cells, and a note on the other."""
    columns = ("label", "site", "season")
    both = [(label, site, "winter" if site == "north" else "summer") for label, site in BIASED]
    pool = [(label, site, "winter" if site == "north" else "summer") for label, site in POOL]
    data, theirs = table(tmp_path / "data", both, columns), table(tmp_path / "pool", pool, columns, seed=1)
    advice = recommend(data, theirs, session, budget=10)
    # Of two columns that always agree the audit makes one finding; of the two classes' findings, each has its own.
    same = [(c.class_name, c.attribute, c.value_name) for c in advice.recommendation.plan]
    assert len(set(same)) == len(same)
    assert len({f.attribute for f in advice.findings if f.class_name == "cat"}) == 1
    assert len(advice.recommendation.ids) == 10


def test_the_probe_decides_which_cell_comes_first(session, tmp_path):
    """The plan's order is that of the errors left: no later image starts from a greater one."""
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    advice = recommend(data, pool, session, budget=10, attribute=f"cat:{NORTH}")
    pool_doubt = dict(zip(advice.candidates.ids.tolist(), advice.candidates.doubt.tolist(), strict=True))
    first = [
        pool_doubt[i] for i, c in zip(advice.recommendation.ids, advice.recommendation.cells, strict=True) if c == 0
    ]
    assert first == sorted(first, reverse=True)
    assert advice.recommendation.expected_gain is not None
    low, high = advice.recommendation.expected_gain[1]
    assert low <= advice.recommendation.expected_gain[0] <= high


def test_a_poor_picture_is_taken_last_and_said_to_be(session, tmp_path):
    """Ten cats of the south in the pool, two of them blurred away: they come only when the others are used up."""
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", counts(cat_south=10), seed=1)
    for name in ("p003.bmp", "p007.bmp"):
        with Image.open(pool.parent / name) as opened:
            picture = opened.convert("RGB").filter(ImageFilter.GaussianBlur(12))
        picture.save(pool.parent / name)
    few = recommend(data, pool, session, budget=8, attribute=f"cat:{NORTH}").recommendation
    assert {"p003.bmp", "p007.bmp"}.isdisjoint(few.ids)
    assert len(few.ids) == 8
    more = recommend(data, pool, session, budget=10, attribute=f"cat:{NORTH}").recommendation
    said = {i for i, reason in zip(more.ids, more.reasons, strict=True) if "last resort: " in reason}
    assert said == {"p003.bmp", "p007.bmp"} == set(more.ids[8:])


def test_a_dry_run_shows_the_plan_and_writes_nothing(tmp_path):
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", counts(cat_south=4), seed=1)
    args = ["recommend", str(data), "--pool", str(pool), "--attribute", f"cat:{NORTH}", "--budget", "8"]
    args += ["--model", "pixels", "--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    dry = CliRunner().invoke(cli, [*args, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert dry.stdout.startswith("The plan\n")
    assert "Written" not in dry.stdout
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == 0, done.output
    rows = pd.read_csv(tmp_path / "out" / "shopping_list.csv")
    assert rows["n"].sum() == 8 - 4 == sum(c for c in rows["n"])
    assert np.all(rows["n"] > 0)


@pytest.mark.parametrize(
    ("pool", "why"),
    [
        (counts(cat_north=5, dog_south=5), "no image of the pool breaks the rule"),
        (counts(cow_north=5, pig_south=5), "no image of the pool can be used"),
    ],
)
def test_why_nothing_is_recommended_is_said(session, tmp_path, pool, why):
    data, theirs = table(tmp_path / "data", BIASED), table(tmp_path / "pool", pool, seed=1)
    advice = recommend(data, theirs, session, budget=10, attribute=f"cat:{NORTH}")
    assert advice.recommendation.ids == ()
    assert advice.notes[0].startswith(f"Nothing to recommend: {why}")


def test_nothing_is_recommended_where_no_predicted_label_is_certain(session, tmp_path):
    rows = [("", site) for _, site in POOL]
    data, theirs = table(tmp_path / "data", BIASED), table(tmp_path / "pool", rows, seed=1)
    sure = replace(session, settings=replace(session.settings, recommend=RecommendSettings(confidence=1.0)))
    advice = recommend(data, theirs, sure, budget=10, attribute=f"cat:{NORTH}")
    assert advice.recommendation.ids == ()
    assert advice.notes[0].startswith("Nothing to recommend: no predicted label of the pool is certain enough (100%")


def test_a_plan_without_images_says_that_there_is_nothing_to_validate(session, tmp_path):
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    empty, rejected = tmp_path / "empty.csv", tmp_path / "rejected.csv"
    empty.write_text("path,label\n")
    rejected.write_text(f"path,label,decision\n{tmp_path / 'pool' / 'p000.bmp'},cat,reject\n")
    with pytest.raises(InputError, match=r"empty.csv holds no images, so there is nothing to validate"):
        validate(data, pool, session, plan=empty, attribute=f"cat:{NORTH}")
    with pytest.raises(InputError, match=r"every image of .*rejected.csv is rejected"):
        validate(data, pool, session, plan=rejected, attribute=f"cat:{NORTH}")


def test_strangers_are_counted_with_two_classes_too(session, tmp_path):
    """Cats are red and dogs blue; ten green pictures are like neither. A bar that lets them in makes the note go."""
    rng = np.random.default_rng(2)

    def paint(folder: Path, kinds: list[str]) -> None:
        for i, kind in enumerate(kinds):
            base = {"cat": (150, 60, 60), "dog": (60, 60, 150), "": (60, 150, 60)}[kind]
            mosaic = rng.normal(base, 40, (6, 6, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(mosaic.repeat(8, 0).repeat(8, 1)).save(folder / f"p{i:03d}.bmp")

    data = table(tmp_path / "data", BIASED)
    pool = table(tmp_path / "pool", [("", site) for _, site in POOL])
    paint(tmp_path / "data", [row[0] for row in BIASED])
    paint(tmp_path / "pool", [*[""] * 10, *[row[0] for row in POOL[10:]]])
    said = []
    for bar in (0.6, 0.2):
        mine = replace(session, settings=replace(session.settings, recommend=RecommendSettings(confidence=bar)))
        advice = recommend(data, pool, mine, budget=10, attribute=f"cat:{NORTH}")
        said.append([n for n in advice.notes if "do not look like any class" in n])
    assert len(said[0]) == 1
    assert int(said[0][0].rstrip(".").rpartition(" ")[2]) >= 10
    assert said[1] == []
