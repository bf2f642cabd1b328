"""Counter-examples put together from discs of known place on grounds of known colour: what is in them, and what marks them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from app_kit import make_run
from changed import replace
from PIL import Image

from curator.commands import Advice, Session, synthesize
from curator.commands._steps.targets import as_embedded
from curator.errors import DataError
from curator.readers import scan
from curator.selection.choice import Pool
from curator.selection.plan import Target
from curator.selection.synthesis import clear_objects, is_synthetic, open_grounds, over_image, pairs, per_cell
from curator.types import (
    Column,
    Dataset,
    Embeddings,
    EncoderInfo,
    Measures,
    Patches,
    Preprocessing,
    Recommendation,
)

SIDE, GRID = 112, 14
GROUND = {"green": (60, 150, 60), "white": (235, 235, 240)}
ANIMAL = {"bunny": (120, 60, 30), "hen": (200, 30, 120)}
COLUMN = Column("background.colour", "tags", "context", "have a {value} background", "on something other than {value}")
INPUT = Preprocessing(SIDE, SIDE)


def photograph(folder: Path, label: str, colour: str, x: int, y: int, i: int) -> tuple[str, np.ndarray]:
    """A disc of 20 pixels on a ground of one colour; its id, and where it is (GRID, GRID), 0..1."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = (rows - y) ** 2 + (columns - x) ** 2 < 10**2
    noise = np.random.default_rng(i).normal(0, 3, (SIDE, SIDE, 1))
    picture = np.where(disc[..., None], ANIMAL[label], GROUND[colour]) + noise
    id = f"{label}/{colour}{i:03d}.png"
    (folder / label).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(folder / id)
    size = SIDE // GRID
    return id, np.where(disc.reshape(GRID, size, GRID, size).mean((1, 3)) > 0.05, 0.95, 0.02)


def advice(folder: Path) -> Advice:
    """Ten bunnies, nine of them on green, and ten hens, one of them on green; all left or right of the middle."""
    rows = [("bunny", "green")] * 9 + [("bunny", "white")] + [("hen", "white")] * 9 + [("hen", "green")]
    made = [photograph(folder, *row, 30 + 50 * (i % 2), 60 + i, i) for i, row in enumerate(rows)]
    ids = np.array([id for id, _ in made])
    places = np.stack([mask for _, mask in made])
    n, classes = len(ids), ("bunny", "hen")
    frame = pd.DataFrame({"background.colour": [colour for _, colour in rows]}, index=ids)
    base = make_run(folder.parent / "unused")
    patches = Patches(
        ids, np.zeros((n, GRID, GRID, 4), np.int8), np.round(places * 255).astype(np.uint8),
        np.zeros((n, GRID, GRID, 3), np.uint8), np.zeros((n, GRID, GRID), np.uint8), "by hand",
    )  # fmt: skip
    labels = np.array([classes.index(label) for label, _ in rows])
    dataset = Dataset("discs", str(folder), ids, labels, classes, np.array([""] * n), pd.DataFrame(index=ids))
    vectors = np.eye(n, 16, dtype=np.float32) + 0.1
    run = replace(
        base, dataset=dataset, measures=Measures(frame, (COLUMN,)), patches=patches,
        embeddings=Embeddings(ids, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), base.encoder),
        facts=pd.DataFrame(index=ids),
    )  # fmt: skip
    has = np.array([colour == "green" for _, colour in rows])
    none = np.zeros(0)
    pool = Pool(ids[:0], vectors[:0], none.astype(np.int32), ids[:0], none, none, none.astype(bool))
    return Advice(
        run, Recommendation((), (), (), (), (), (), ()), as_embedded(run).take(np.zeros(0, np.intp)), run.measures.take([]), (),
        run.audit.findings[:1], (Target(0, COLUMN, "green", has, none.astype(bool)),), pool,
    )  # fmt: skip


class _Encoder:
    """Only what a picture is cut by is asked of it."""

    info = EncoderInfo("pixels", "pixels", 16, False, "sha256:0", INPUT)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(_Encoder(), tmp_path / "cache")  # type: ignore[arg-type]


def test_the_object_of_the_class_stands_on_the_ground_of_the_other(session, tmp_path):
    made, notes = synthesize(advice(tmp_path / "data"), 8, tmp_path / "synthetic", session)
    assert (len(made), notes) == (8, ())
    assert sorted({(m.label, m.cell.value_name) for m in made}) == [("bunny", "not green"), ("hen", "green")]
    for m in made:
        picture = np.asarray(Image.open(tmp_path / "synthetic" / m.path).convert("RGB")).astype(float)
        i = int(m.object_of[-7:-4])
        x, y = 30 + 50 * (i % 2), 60 + i
        assert np.abs(picture[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1)) - ANIMAL[m.label]).max() < 12
        ground = GROUND["white" if m.label == "bunny" else "green"]
        rows, columns = np.mgrid[:SIDE, :SIDE]
        around = (rows - y) ** 2 + (columns - x) ** 2 > 24**2
        # Nor is anything left of the animal that stood there.
        assert np.abs(picture[around] - ground).mean() < 6
        assert (np.abs(picture[around] - ground).max(-1) > 60).mean() < 0.005
        assert m.object_of != m.background_of
        assert m.object_of.startswith(m.label)


def test_they_are_marked_in_name_and_table_and_an_earlier_call_is_replaced(session, tmp_path):
    told = advice(tmp_path / "data")
    synthesize(told, 8, tmp_path / "out" / "synthetic", session)
    made, _ = synthesize(told, 4, tmp_path / "out" / "synthetic", session)
    table = pd.read_csv(tmp_path / "out" / "synthetic" / "manifest.csv", dtype=str)
    assert len(table) == 4
    assert set(table["synthetic"]) == {"true"}
    assert set(table["label_source"]) == {"synthetic"}
    assert sorted(p.name for p in (tmp_path / "out" / "synthetic").rglob("*.jpg")) == sorted(
        Path(m.path).name for m in made
    )
    read = scan(str(tmp_path / "out" / "synthetic" / "manifest.csv"))
    assert is_synthetic(read.ids, read.metadata).all()
    assert is_synthetic(read.ids).all()
    assert not is_synthetic(told.run.dataset.ids).any()
    assert is_synthetic(np.array(["a.jpg", "b.jpg"]), pd.DataFrame({"synthetic": ["True", "no"]})).tolist() == [
        True,
        False,
    ]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="has files that curator did not make"):
        synthesize(told, 4, tmp_path / "mine", session)
    assert (tmp_path / "mine" / "holiday.jpg").exists()


def test_the_same_seed_makes_the_same_files_and_another_does_not(session, tmp_path):
    told = advice(tmp_path / "data")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        synthesize(told, 6, tmp_path / name, replace(session, seed=seed))
    a, b, c = ((tmp_path / name / "manifest.csv").read_bytes() for name in "abc")
    assert a == b != c
    first = "bunny/synthetic-0001.jpg"
    assert (tmp_path / "a" / first).read_bytes() == (tmp_path / "b" / first).read_bytes()


def test_without_places_there_is_one_line(session, tmp_path):
    told = advice(tmp_path / "data")
    with pytest.raises(DataError, match="use --model embedded"):
        synthesize(replace(told, run=replace(told.run, patches=None)), 4, tmp_path / "synthetic", session)
    full = replace(told, targets=(replace(told.targets[0], has=np.array([i % 2 == 0 for i in range(20)])),))
    with pytest.raises(DataError, match="no counter-example can be made"):
        synthesize(full, 4, tmp_path / "synthetic", session)


def test_every_object_and_ground_is_used_once_before_any_twice():
    found = pairs([4, 0], [np.arange(4), np.arange(2)], [np.arange(10, 14), np.arange(2)], np.random.default_rng(0))
    assert sorted(p.object_row for p in found) == [0, 1, 2, 3]
    assert sorted(p.background_row for p in found) == [10, 11, 12, 13]
    assert pairs([3], [np.array([5])], [np.array([5])], np.random.default_rng(0)) == []
    assert len(pairs([3], [np.array([5])], [np.array([5, 6])], np.random.default_rng(0))) > 0


def test_objects_follow_the_rule_and_grounds_are_as_the_cell_asks():
    classes, has = np.array([0, 0, 0, 1, 1, 1]), np.array([True, True, False, False, False, True])
    known = np.array([True, True, True, True, False, True])
    maps = np.zeros((6, 10, 10), np.float32)
    maps[:, 5, 2:4] = 1
    objects, grounds = per_cell(classes, [has], [known], [(0, 0, False), (0, 1, True)], maps)
    assert [o.tolist() for o in objects] == [[0, 1], [3]]
    assert [g.tolist() for g in grounds] == [[2, 3], [0, 1, 5]]
    maps[2, 5, 4:6] = 1  # in the middle: it is mirrored onto itself, and another ground is there
    assert per_cell(classes, [has], [known], [(0, 0, False)], maps)[1][0].tolist() == [3]
    assert clear_objects(maps).all()
    assert open_grounds(maps).tolist() == [True, True, False, True, True, True]


def test_a_map_lies_where_the_input_was_cut():
    """Of a picture twice as wide as high the input shows the middle half: a place on its left edge is at a quarter."""
    grid = np.zeros((4, 4), np.float32)
    grid[:, 0] = 1
    wide = over_image(grid, 40, 80, Preprocessing(40, 40))
    assert wide.shape == (40, 80)
    assert (wide[:, :24] > 0.9).all()
    assert wide[:, 30:].max() < 0.5
    assert wide[:, 36:].max() == 0
