"""The sample pictures are what their README says: counts, bias, files, and names that give nothing away."""

import colorsys
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SAMPLE_DATA = Path(__file__).parents[1] / "sample_data"
BUNNIES = SAMPLE_DATA / "bunnies"
CLASSES = ["bunny", "hen", "rodent", "sheep"]
SCENES = {"carpet", "dirt", "grass", "sand", "snow", "wood_floor"}


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    frame = pd.read_csv(BUNNIES / "truth.csv", keep_default_na=False)
    return frame.assign(part=frame["file"].str.split("/").str[0])


@pytest.fixture(scope="module")
def originals(truth: pd.DataFrame) -> pd.DataFrame:
    return truth[truth["duplicate_of"] == ""]


def digest(file: str) -> str:
    return hashlib.sha256((BUNNIES / file).read_bytes()).hexdigest()


def test_every_picture_has_a_row_and_every_row_a_picture(truth: pd.DataFrame) -> None:
    files = sorted(path.relative_to(BUNNIES).as_posix() for path in BUNNIES.rglob("*") if path.suffix == ".jpg")
    assert files == truth["file"].tolist()
    assert truth["part"].value_counts().to_dict() == {"pool": 460, "train": 240, "test": 480}


@pytest.mark.parametrize(
    ("part", "n", "n_on_grass"),
    [
        ("train", 60, {"bunny": 57, "hen": 3, "rodent": 3, "sheep": 3}),
        ("pool", 100, {"bunny": 80, "hen": 12, "rodent": 12, "sheep": 12}),
        ("test", 120, {"bunny": 60, "hen": 60, "rodent": 60, "sheep": 60}),
    ],
)
def test_classes_stand_on_grass_as_often_as_promised(
    originals: pd.DataFrame, part: str, n: int, n_on_grass: dict[str, int]
) -> None:
    rows = originals[(originals["part"] == part) & (originals["class"] != "")]
    counts = pd.crosstab(rows["class"], rows["scene"]).reindex(columns=sorted(SCENES), fill_value=0)
    assert counts.sum(axis=1).to_dict() == dict.fromkeys(CLASSES, n)
    assert counts["grass"].to_dict() == n_on_grass
    elsewhere = counts.drop(columns="grass")
    assert (elsewhere.max(axis=1) - elsewhere.min(axis=1)).max() <= 1


def test_cutouts_are_shared_by_all_parts_and_tell_nothing_about_the_scene(originals: pd.DataFrame) -> None:
    rows = originals[originals["class"] != ""]
    by_part = rows.groupby(["class", "part"])["cutout"].agg(lambda names: tuple(sorted(set(names)))).unstack()
    assert (by_part.nunique(axis=1) == 1).all()
    for _, group in rows.groupby(["part", "class", "scene"]):
        uses = group["cutout"].value_counts().reindex(by_part.loc[group["class"].iloc[0], "train"], fill_value=0)
        assert uses.max() - uses.min() <= 1


def test_every_cutout_stands_as_often_in_every_scene_of_the_test_set(originals: pd.DataFrame) -> None:
    """Twelve pictures of a class in each scene but grass, over three cut-outs or six; sixty on grass."""
    counts = originals[originals["part"] == "test"].groupby(["class", "scene"])["cutout"].agg(["count", "nunique"])
    assert counts["count"].to_dict() == {(c, s): 60 if s == "grass" else 12 for c in CLASSES for s in SCENES}
    assert counts["nunique"].to_dict() == {(c, s): 6 if c == "rodent" else 3 for c in CLASSES for s in SCENES}
    uses = originals[originals["part"] == "test"].groupby(["class", "scene", "cutout"]).size()
    assert (uses.groupby(["class", "scene"]).nunique() == 1).all()


def test_the_pool_holds_strangers_and_near_duplicates(truth: pd.DataFrame) -> None:
    pool = truth[truth["part"] == "pool"]
    strangers, copies = pool[pool["class"] == ""], pool[pool["duplicate_of"] != ""]
    assert len(strangers) == 40
    assert set(strangers["scene"]) == SCENES
    assert not set(strangers["cutout"]) & set(truth.loc[truth["class"] != "", "cutout"])
    assert copies["class"].value_counts().to_dict() == dict.fromkeys(CLASSES, 5)
    sources = truth.set_index("file").loc[copies["duplicate_of"]]
    assert (sources["part"] == "train").all()
    assert (sources[["class", "scene", "cutout"]].to_numpy() == copies[["class", "scene", "cutout"]].to_numpy()).all()


def test_only_the_marked_copies_repeat_a_picture(truth: pd.DataFrame) -> None:
    digests = truth.assign(digest=truth["file"].map(digest))
    repeated = digests[digests["digest"].duplicated(keep=False)]
    copies = repeated[repeated["duplicate_of"] != ""]
    assert len(copies) == 4
    assert sorted([*copies["file"], *copies["duplicate_of"]]) == repeated["file"].tolist()
    parts = digests.groupby("part")["digest"].agg(set)
    assert not parts["train"] & parts["test"]
    assert not parts["pool"] & parts["test"]


def test_pictures_decode_and_hold_their_animal(truth: pd.DataFrame) -> None:
    for row in truth.itertuples(index=False):
        with Image.open(BUNNIES / row.file) as picture:
            picture.load()
            assert (picture.format, picture.mode, picture.width) == ("JPEG", "RGB", picture.height), row.file
            assert picture.width == 320 or (row.duplicate_of and 240 <= picture.width < 300), row.file
            assert not picture.getexif(), row.file
            assert 0 <= row.x0 < row.x1 <= picture.width, row.file
            assert 0 <= row.y0 < row.y1 <= picture.height, row.file
            assert max(row.x1 - row.x0, row.y1 - row.y0) <= 0.3 * picture.width, row.file


def test_boxes_lie_on_the_animals(truth: pd.DataFrame) -> None:
    """White bunnies on grass are the least green thing low in the picture, so a box that missed them would show."""
    rows = truth[(truth["scene"] == "grass") & truth["cutout"].isin(["rabbit-2", "rabbit_little"])]
    inside_is_paler = []
    for row in rows.itertuples(index=False):
        with Image.open(BUNNIES / row.file) as picture:
            saturation = np.asarray(picture.convert("HSV"))[..., 1].astype(float)
        inside = np.zeros(saturation.shape, bool)
        inside[row.y0 : row.y1, row.x0 : row.x1] = True
        around = np.zeros(saturation.shape, bool)
        margin = 15  # pixels
        around[max(0, row.y0 - margin) : row.y1 + margin, max(0, row.x0 - margin) : row.x1 + margin] = True
        inside_is_paler.append(saturation[inside].mean() < 0.8 * saturation[around & ~inside].mean())
    assert len(inside_is_paler) > 100
    assert np.mean(inside_is_paler) > 0.95


def is_green_below(file: Path) -> bool:
    """Whether the lower part of the picture is, in the mean, of a saturated yellowish to full green."""
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("RGB"), float)
    red, green, blue = pixels[int(0.62 * len(pixels)) :].mean(axis=(0, 1)) / 255
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return 45 <= 360 * hue <= 100 and saturation > 0.3


def test_grass_and_nothing_else_is_green(truth: pd.DataFrame) -> None:
    for row in truth.itertuples(index=False):
        assert is_green_below(BUNNIES / row.file) == (row.scene == "grass"), row.file


def jpeg_tables(file: str) -> str:
    with Image.open(BUNNIES / file) as picture:
        return str(picture.quantization)


def test_jpeg_quality_is_dealt_out_alike_in_every_class(originals: pd.DataFrame) -> None:
    tables = originals.assign(quality=originals["file"].map(jpeg_tables))
    for part, rows in tables.groupby("part"):
        counts = pd.crosstab(rows["class"], rows["quality"])
        assert counts.shape[1] == 5, part
        assert (counts.nunique(axis=1) == 1).all(), part


def test_names_leak_neither_class_nor_scene(truth: pd.DataFrame) -> None:
    pool = truth[truth["part"] == "pool"]
    assert pool["file"].tolist() == [f"pool/IMG_{i:04d}.jpg" for i in range(1, 461)]
    labelled = truth[truth["part"] != "pool"]
    expected = [
        f"{part}/{label}/{label}_{i:03d}.jpg"
        for part, n in (("test", 120), ("train", 60))
        for label in CLASSES
        for i in range(1, n + 1)
    ]
    assert labelled["file"].tolist() == expected
    # Were the order of the names to follow scene or class, neighbours would agree far more often than chance has it.
    for rows, column in [
        (pool, "scene"),
        (pool, "class"),
        *((g, "scene") for _, g in labelled.groupby(["part", "class"])),
    ]:
        values = rows[column].to_numpy()
        by_chance = sum(share**2 for share in np.array(list(Counter(values).values())) / len(values))
        agreeing = np.mean(values[1:] == values[:-1])
        assert agreeing - by_chance < 4 * np.sqrt(by_chance * (1 - by_chance) / len(values)), rows["file"].iloc[0]


def test_the_story_has_four_bunnies_and_five_more() -> None:
    sizes = {}
    for folder in ("four_bunnies", "five_more"):
        files = sorted((SAMPLE_DATA / folder).rglob("*.jpg"))
        assert [file.relative_to(SAMPLE_DATA / folder).as_posix() for file in files] == [
            f"bunny/bunny_{i:03d}.jpg" for i in range(1, len(files) + 1)
        ]
        sizes[folder] = len(files)
        assert {is_green_below(file) for file in files} == {folder == "four_bunnies"}
    assert sizes == {"four_bunnies": 4, "five_more": 5}


def test_sample_data_is_small_and_credited(originals: pd.DataFrame) -> None:
    pictures = [path.stat().st_size for path in SAMPLE_DATA.rglob("*") if path.suffix in {".jpg", ".csv"}]
    assert sum(pictures) < 20_000_000
    sources = (SAMPLE_DATA / "CREDITS.md").read_text(encoding="utf-8")
    for cutout in originals["cutout"].unique():
        assert f"/{cutout}.png |" in sources, cutout
    assert "Version 2, June 1991" in (SAMPLE_DATA / "GPL-2.txt").read_text(encoding="utf-8")
