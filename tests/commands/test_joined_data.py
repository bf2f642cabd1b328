"""DATA with what was recommended added to it, and synthetic images kept apart from all that is examined."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace
from click.testing import CliRunner
from striped_tables import BIASED, NORTH, POOL, SHARED, counts, table

from curator.cli.main import cli
from curator.commands import Session, audit, export, recommend, validate
from curator.commands._steps.joined_data import joined
from curator.commands.export import with_synthetic
from curator.config import Settings, ValidateSettings
from curator.errors import InputError
from curator.exporters import marked
from curator.report.json import dump, recommend_document, recommendation_csv
from curator.types import SplitPlan


@pytest.fixture
def session(tmp_path: Path) -> Session:
    settings = Settings(validate=ValidateSettings(n_random=19, n_bootstrap=100, c_grid=(0.1,)))
    return replace(Session.open("pixels", cache=tmp_path / "cache", jobs=1), settings=settings)


def manifest(folder: Path, data: Path, rows: list[tuple[str, str, str]]) -> Path:
    """Pictures of their own under the names of synthetic ones: label, and the two images of `data` they are made of."""
    made = table(folder, [(label, "south") for label, _, _ in rows], seed=9)
    names = []
    for i, (label, _, _) in enumerate(rows):
        (folder / label).mkdir(exist_ok=True)
        names.append(f"{label}/synthetic-{i:04d}.bmp")
        shutil.move(folder / f"p{i:03d}.bmp", folder / names[-1])
    made.unlink()
    frame = pd.DataFrame(rows, columns=["label", "object_of", "background_of"])
    frame.insert(0, "path", names)
    frame["synthetic"], frame["label_source"], frame["site"] = "true", "synthetic", "south"
    frame.to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def test_what_was_recommended_is_dealt_out_with_the_rest(session, tmp_path):
    """60 images and 10 more of another folder: all 70 are exported, each once, and DATA is as it was."""
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    advice = recommend(data, pool, session, budget=10, attribute=f"cat:{NORTH}")
    rec, root = advice.recommendation, advice.pool.dataset.root
    recommendation_csv(rec, root, tmp_path / "r.csv", decisions=True)
    dump(recommend_document(rec, root), tmp_path / "r.json")
    for name in ("r.csv", "r.json"):
        run, plan, n = export(
            data, tmp_path / f"out {name}", session, plans=[tmp_path / name], attribute=f"cat:{NORTH}", format="csv"
        )
        assert n == len(plan.assignment) == 70
        assert {i for i in plan.assignment if i.startswith("pool/")} == {f"pool/{i}" for i in rec.ids}
        labels = dict(zip(run.dataset.ids.tolist(), run.dataset.label_names(), strict=True))
        assert [labels[f"pool/{i}"] for i in rec.ids] == list(rec.labels)
    again = joined(session.scan(data), [tmp_path / "r.csv", tmp_path / "r.json"])
    assert len(again.dataset) == 70
    assert again.notes == ("Images of the plan that are not added because the data already has them: 10.",)
    assert [again.dataset.path(i) for i in range(70) if not Path(again.dataset.path(i)).is_file()] == []


def test_a_plan_is_read_as_it_was_edited(session, tmp_path):
    data, pool = session.scan(table(tmp_path / "data", BIASED)), table(tmp_path / "pool", POOL, seed=1)
    rows = [(f"{pool.parent}/p00{i}.bmp", "cat", "predicted", "add", "") for i in range(6)]
    rows[1], rows[2] = (rows[1][0], "horse", "given", "add", ""), (*rows[2][:4], "reject")
    rows[3] = (f"{data.root}/p000.bmp", "cat", "given", "drop", "")
    frame = pd.DataFrame(rows, columns=["path", "label", "label_source", "action", "decision"])
    frame.to_csv(tmp_path / "r.csv", index=False)
    both = joined(data, [tmp_path / "r.csv"])
    assert [i for i in both.dataset.ids.tolist() if i.startswith("pool/")] == [
        "pool/p000.bmp",
        "pool/p004.bmp",
        "pool/p005.bmp",
    ]
    assert "data/p000.bmp" not in both.dataset.ids.tolist()
    assert [note.rpartition(": ")[2] for note in both.notes] == ["3. Look at them.", "1.", "1."] or len(both.notes) == 3
    assert both.dataset.metadata.loc["data/p001.bmp", "site"] == "north"
    frame.assign(path="/nowhere.bmp").to_csv(tmp_path / "gone.csv", index=False)
    with pytest.raises(InputError, match=r"names /nowhere\.bmp, which does not exist"):
        joined(data, [tmp_path / "gone.csv"])
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(InputError, match="cannot read the plan"):
        joined(data, [tmp_path / "odd.json"])


def test_an_export_beside_the_data_is_fine_and_into_them_or_the_pool_is_not(session, tmp_path):
    data, pool = table(tmp_path / "data", BIASED), table(tmp_path / "pool", POOL, seed=1)
    advice = recommend(data, pool, session, budget=4, attribute=f"cat:{NORTH}")
    recommendation_csv(advice.recommendation, advice.pool.dataset.root, tmp_path / "r.csv")
    for place in (tmp_path / "data" / "out", tmp_path / "pool" / "out"):
        with pytest.raises(InputError, match="which is never written to"):
            export(data, place, session, plans=[tmp_path / "r.csv"], attribute=f"cat:{NORTH}")
    args = [
        "export",
        str(data),
        str(tmp_path / "out"),
        "--plan",
        str(tmp_path / "r.csv"),
        "--attribute",
        f"cat:{NORTH}",
    ]
    done = CliRunner().invoke(cli, [*args, "--model", "pixels", "--cache", str(tmp_path / "cache")])
    assert done.exit_code == 0, done.output
    assert "Written: 64 images" in done.output


def test_synthetic_images_are_in_train_only_with_what_they_are_made_of():
    got = pd.DataFrame({"train": [2], "test": [1]}, index=pd.MultiIndex.from_tuples([("cat", "all")]))
    plan = SplitPlan({"a": "train", "b": "train", "c": "test"}, got, got, weights={"a": 0.5, "b": 1.5})
    done = with_synthetic(plan, {"s1": ("a", "b"), "s2": ("a", "c"), "s3": (), "s4": ("a", "gone")})
    assert done.assignment == {"a": "train", "b": "train", "c": "test", "s1": "train"}
    assert done.weights == {"a": 0.5, "b": 1.5, "s1": 1.0}
    assert [note.rpartition(": ")[2] for note in done.notes] == ["1.", "3."]


def test_synthetic_images_are_exported_when_they_are_asked_for_and_refused_in_data(session, tmp_path):
    data = table(tmp_path / "data", SHARED)
    made = manifest(tmp_path / "synthetic", data, [("cat", f"p{i:03d}.bmp", f"p{i + 60:03d}.bmp") for i in range(20)])
    _, plan, n = export(data, tmp_path / "out", session, plans=[made], attribute=f"cat:{NORTH}", format="csv")
    mine = {i: s for i, s in plan.assignment.items() if i.startswith("synthetic/")}
    assert set(mine.values()) == {"train"}
    assert 0 < len(mine) < 20
    for id in mine:
        k = int(id[-8:-4])
        assert plan.assignment[f"data/p{k:03d}.bmp"] == plan.assignment[f"data/p{k + 60:03d}.bmp"] == "train"
    assert n == 83 + len(mine)
    assert int(plan.got.to_numpy().sum()) == 83
    assert json.loads((tmp_path / "out" / "splits.json").read_text())["n_images"] == n
    # Mixed in without a word they are refused, by their names alone.
    mixed = tmp_path / "mixed"
    shutil.copytree(tmp_path / "synthetic" / "cat", mixed / "cat")
    (mixed / "dog").mkdir()
    shutil.copy(tmp_path / "data" / "p080.bmp", mixed / "dog" / "p080.bmp")
    with pytest.raises(InputError, match=r"20 images of the data are synthetic \(the first: cat/synthetic-0000\.bmp\)"):
        export(mixed, tmp_path / "out2", session)
    for given in ({"data": mixed, "pool": data}, {"data": data, "pool": mixed}):
        with pytest.raises(InputError, match="are synthetic"):
            validate(given["data"], given["pool"], session)
    with pytest.raises(InputError, match="images of the test set are synthetic"):
        validate(data, data, session, test=mixed)


def test_synthetic_images_are_an_arm_of_their_own(session, tmp_path):
    data, pool = table(tmp_path / "data", SHARED), table(tmp_path / "pool", POOL, seed=1)
    rows = [("cat", f"p{i:03d}.bmp", f"p{i + 60:03d}.bmp") for i in range(10)]
    rows.append(("cat", "not of the data.bmp", "p060.bmp"))
    made = manifest(tmp_path / "synthetic", data, rows)
    few = table(tmp_path / "test", counts(cat_north=9, cat_south=9, dog_north=9, dog_south=9), seed=2)
    plain = validate(data, pool, session, attribute=f"cat:{NORTH}", budget=6, test=few)[1]
    report = validate(data, pool, session, attribute=f"cat:{NORTH}", budget=6, test=few, synthetic=made)[1]
    assert list(report.arms) == ["before", "recommended", "random", "reweighted", "synthetic", "oracle"]
    assert report.arms["synthetic"].n_train == report.arms["before"].n_train + 10
    assert "Synthetic images that are left out because they are made from a test image: 1." in report.notes
    # The others are what they were without it.
    assert report.gain_over_random == plain.gain_over_random
    assert {k: v for k, v in report.arms.items() if k != "synthetic"} == dict(plain.arms)
    with pytest.raises(InputError, match="does not say what its images are made of"):
        validate(data, pool, session, attribute=f"cat:{NORTH}", test=few, synthetic=pool)
    assert np.isfinite(report.arms["synthetic"].worst_group.accuracy)


def test_an_audit_says_how_many_images_are_synthetic(session, tmp_path):
    made = manifest(tmp_path / "synthetic", tmp_path, [("cat", "a", "b")] * 6 + [("dog", "a", "b")] * 6)
    assert "Images of the data that are synthetic, and audited like the others: 12." in audit(made, session).notes
    images = marked._images(session.scan(made), "data")
    assert {tuple(image.tags) for image in images} == {("synthetic",)}
