"""The self-test itself: what is planted is as large as said, null is null, and what is found is counted."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pandas as pd
import pytest
from changed import replace
from click.testing import CliRunner
from report_example import make_run

from curator import attributes
from curator.cli.main import cli
from curator.commands.selftest import ELSEWHERE, PLANTS, _counts, _found, _labels, _Measured, _sample, selftest
from curator.commands.session import Session
from curator.errors import DataError
from curator.io import editing
from curator.report.selftest import selftest_document
from curator.report.wording.selftest import meaning
from curator.types import Audit, Dataset, Finding, Measures
from curator.types.selftest import Planted, SelfTest

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "selftest.json").read_text(encoding="utf-8"))


def dataset(*sizes: int) -> Dataset:
    n = sum(sizes)
    ids = np.array([f"{i:03d}.jpg" for i in range(n)])
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    names = tuple("abcdef"[: len(sizes)])
    return Dataset("made", "/nowhere", ids, labels, names, np.full(n, ""), pd.DataFrame(index=pd.Index(ids)))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 22 mosaics that nothing tells apart."""
    root, rng = tmp_path_factory.mktemp("selftest") / "data", np.random.default_rng(0)
    for name in ("cat", "dog"):
        (root / name).mkdir(parents=True)
        for i in range(22):
            mosaic = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
            (root / name / f"{i:02d}.png").write_bytes(editing.png(mosaic))
    return root


def test_labels_carry_exactly_the_effect_and_keep_the_sizes() -> None:
    data, rng = dataset(30, 20, 50), np.random.default_rng(0)
    inside, outside = _counts(data, 0, 0.5)
    assert (inside, outside) == (round(30 * (0.5 + ELSEWHERE)), round(70 * ELSEWHERE))
    chosen = rng.permutation(100)[: inside + outside]
    for _ in range(20):
        labels = _labels(data, 0, chosen, inside, rng)
        assert np.bincount(labels).tolist() == [30, 20, 50]
        assert (labels[chosen] == 0).sum() == inside


def test_shuffled_labels_forget_the_real_classes() -> None:
    """Of the target's 30 places, its own images get 30 % by chance."""
    data, rng = dataset(30, 70), np.random.default_rng(1)
    own = [(_labels(data, 0, rng.permutation(100)[:20], 12, rng)[:30] == 0).sum() for _ in range(300)]
    assert np.mean(own) == pytest.approx(9, abs=0.5)


def finding(name: str, attribute: str, *same: str) -> Finding:
    return Finding(
        class_name=name, attribute=attribute, value="yes", kind="file", n_class=9, n_with=9, share_in_class=1.0,
        share_elsewhere=0.0, effect=1.0, p=0.0, q=0.0, severity="high", same_as=same,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "n_classes", "expected"),
    [
        (finding("a", "border.frame"), 3, True),
        (finding("b", "border.frame"), 3, False),
        (finding("b", "border.frame"), 2, True),
        (finding("a", "background.colour", "border.frame=black"), 3, True),
        (finding("b", "background.colour", "a:border.frame=black"), 3, True),
        (finding("a", "background.colour", "b:border.frame=none"), 3, False),
        (finding("a", "background.colour"), 3, False),
    ],
)
def test_a_hit_is_of_the_class_and_the_family(found: Finding, n_classes: int, expected: bool) -> None:
    shown = {c.name: c for _, family in attributes.photo_families() for c in family.columns}
    columns = tuple(shown[name] for name in ("border.frame", "background.colour"))
    frame = pd.DataFrame({c.name: ["x"] for c in columns})
    run = replace(make_run(), audit=Audit((found,), "shortcuts found", None, 9), measures=Measures(frame, columns))
    assert _found(run, "a", "border", n_classes) is expected


def test_every_plant_is_shown_by_an_attribute() -> None:
    shown = {plant for _, family in attributes.photo_families() for c in family.columns for plant in c.planted_by}
    assert shown == set(PLANTS)


def test_a_lone_class_is_split_and_small_ones_are_left_out() -> None:
    rng = np.random.default_rng(0)
    assert _sample(dataset(40, 9, 12), 30, rng).class_counts() == {"a": 30, "c": 12}
    assert _sample(dataset(25), 60, rng).class_counts() == {"half of a": 13, "other half of a": 12}
    with pytest.raises(
        DataError,
        match="made has 19 images; a self-test needs two classes of 10 images, or one of 20",
    ):
        _sample(dataset(19, 9), 60, rng)


def test_what_is_planted_is_found_and_nothing_else(pictures: Path, tmp_path: Path) -> None:
    session = Session.open("pixels", cache=tmp_path / "cache")
    before = {p: p.stat().st_mtime_ns for p in sorted(pictures.rglob("*"))}
    test = selftest(pictures, session, draws=3, effects=(0.9,))
    assert {p: p.stat().st_mtime_ns for p in sorted(pictures.rglob("*"))} == before
    power = {p.kind: p.found for p in test.planted}
    assert power["border"] == power["recompress"] == 3
    assert test.alarms <= 1  # of 6
    assert (test.n_null, test.n_images) == (6, 44)
    content = msgspec.json.decode(msgspec.json.encode(selftest_document(test, 0)))
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    again = selftest(pictures, session, draws=3, effects=(0.9,))
    assert replace(again, seconds=test.seconds) == test


def test_what_really_tells_the_classes_apart_is_no_false_alarm(tmp_path: Path) -> None:
    """All cats are framed: the real labels would give an alarm in every draw."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(20):
            mosaic = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
            framed = editing.frame(mosaic, (0, 0, 0), 0.1) if name == "cat" else mosaic
            (tmp_path / "data" / name / f"{i:02d}.png").write_bytes(editing.png(framed))
    test = selftest(tmp_path / "data", Session.open("pixels", cache=tmp_path / "c"), draws=2, effects=(0.5,))
    assert test.alarms <= 1  # of 4


def test_an_effect_of_nearly_nothing_is_not_found(pictures: Path, tmp_path: Path) -> None:
    test = selftest(pictures, Session.open("pixels", cache=tmp_path / "cache"), draws=2, effects=(0.01,))
    assert sum(p.found for p in test.planted) == 0
    assert "A border of 1 point would be missed 2 of 2 times here: add images." in meaning(test)


def test_the_command_writes_its_file_and_says_what_it_means(pictures: Path, tmp_path: Path) -> None:
    words = [
        "selftest",
        str(pictures),
        "--model",
        "pixels",
        "--cache",
        str(tmp_path / "c"),
        "--out",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(cli, [*words, "--draws", "1", "--effect", "0.8"])
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "o" / "selftest.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert "border           found in 1 of 1 draws at effect 0.8" in done.stdout
    assert content["meaning"] in " ".join(done.stdout.split())


def test_too_few_images_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.png").write_bytes(editing.png(np.zeros((9, 9, 3), np.uint8)))
    words = ["--model", "pixels", "--cache", str(tmp_path / "c"), "--out", str(tmp_path / "o")]
    done = CliRunner().invoke(cli, ["selftest", str(tmp_path / "data"), *words])
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: the largest class of")
    assert done.stderr.count("\n") == 1


def test_the_meaning_names_the_largest_effect_that_is_missed() -> None:
    planted = (Planted("tint", 0.3, 2, 10), Planted("tint", 0.6, 7, 10), Planted("border", 0.3, 8, 10))
    test = SelfTest(planted, 0, 20, 80, {"a": 80}, "e", 0.1, 1.0)
    assert meaning(test) == "A tint of 60 points would be missed 3 of 10 times here: add images."
    fine = replace(test, planted=planted[2:])
    assert meaning(fine) == "A shortcut of 30 points or more, of each kind planted, would be found here."


def test_other_images_of_the_same_names_are_measured_again(pictures: Path, tmp_path: Path) -> None:
    session = Session.open("pixels", cache=tmp_path / "cache", jobs=1)
    work = _Measured(**{f: getattr(session, f) for f in Session.__dataclass_fields__})
    for name in ("cat", "dog"):
        (tmp_path / "dark" / name).mkdir(parents=True)
        for path in (pictures / name).iterdir():
            black = np.full((64, 64, 3), int(path.stem), np.uint8)
            (tmp_path / "dark" / name / path.name).write_bytes(editing.png(black))
    first, second = (work.embed(work.scan(place)) for place in (pictures, tmp_path / "dark"))
    assert first.dataset.ids.tolist() == second.dataset.ids.tolist()
    bright, dark = (work.measures(one).frame["light.brightness"] for one in (first, second))
    assert bright.min() > dark.max()
    assert work.measures(second) is work.measures(second)
