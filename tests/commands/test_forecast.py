"""`curator forecast`: what takes part, what is said of it, and that it is the same each time."""

from __future__ import annotations

import json
from pathlib import Path

import contents
import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from curator.cli.main import cli
from curator.commands.forecast import SMALLEST, forecast
from curator.commands.session import Session
from curator.errors import DataError, InputError
from curator.io import editing
from curator.report.wording.forecast import headline, lines
from curator.types.forecast import Forecast

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schema" / "forecast.json").read_text(encoding="utf-8"))
TINTS = {"apple": (40, 0, 0), "berry": (26, 0, 14), "melon": (0, 40, 0)}
"""Apple and berry are nearly of one colour, melon is of another."""


def fill(folder: Path, name: str, n: int, seed: int) -> None:
    """Mosaics of random colours, a little tinted."""
    rng = np.random.default_rng([seed, len(name), ord(name[0])])
    (folder / name).mkdir(parents=True)
    for i in range(n):
        tiles = rng.integers(0, 200, (4, 4, 3)) + np.array(TINTS.get(name, (0, 0, 0)))
        mosaic = tiles.clip(0, 255).astype(np.uint8).repeat(16, 0).repeat(16, 1)
        (folder / name / f"{i:03d}.png").write_bytes(editing.png(mosaic))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def fruit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("forecast") / "fruit"
    for name, n in (("apple", 40), ("berry", 40), ("melon", 90), ("quince", SMALLEST - 1)):
        fill(root, name, n, 0)
    return root


def session(cache: Path, seed: int = 0) -> Session:
    return Session.open("pixels", cache=cache, seed=seed)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of fewer images, for what is not about how good the forecast is."""
    root = tmp_path_factory.mktemp("forecast") / "few"
    for name, n in (("apple", 20), ("berry", 20), ("melon", 24)):
        fill(root, name, n, 0)
    return root


@pytest.fixture(scope="module")
def of_few(few: Path, cache: Path) -> Forecast:
    return forecast(few, session(cache), target=0.8)


def test_what_is_alike_needs_more(fruit: Path, cache: Path) -> None:
    done = forecast(fruit, session(cache), target=0.8)
    assert [(c.name, c.n_images) for c in done.per_class] == [("apple", 40), ("berry", 40), ("melon", 90)]
    hardest, easiest = done.confusable_pairs[0], done.easiest_pair
    assert (hardest.a, hardest.b) == ("apple", "berry")
    assert easiest is not None
    assert "melon" in (easiest.a, easiest.b)
    assert easiest.accuracy > hardest.accuracy + 0.1
    assert easiest.needed.n_per_class is not None
    assert hardest.needed.n_per_class is None or hardest.needed.n_per_class > 2 * easiest.needed.n_per_class
    assert done.now.n_per_class == 40
    assert done.curve[-1].n_per_class <= 32  # a fifth is for the test
    assert done.zero_shot is None  # pixels read no text
    assert done.n_test == 170
    notes = " ".join(done.notes)
    assert f"fewer than {SMALLEST} different images: quince ({SMALLEST - 1})" in notes
    assert "is a guess" not in notes
    assert "The curve ends at the size of the smallest class: apple, 40 images." in notes


def test_the_same_seed_says_the_same(few: Path, of_few: Forecast, cache: Path) -> None:
    first, again = contents.of(of_few), contents.of(forecast(few, session(cache), target=0.8))
    assert first == again
    jsonschema.validate(first, SCHEMA, jsonschema.Draft202012Validator)
    for key in SCHEMA["required"]:
        assert not jsonschema.Draft202012Validator(SCHEMA).is_valid({k: v for k, v in first.items() if k != key})
    other = contents.of(forecast(few, session(cache, seed=1), target=0.8))
    assert other["curve"] != first["curve"]


def test_a_test_split_is_used_without_what_repeats_a_training_image(tmp_path: Path, cache: Path) -> None:
    for name in ("apple", "melon"):
        fill(tmp_path / "train", name, 30, 1)
        fill(tmp_path / "test", name, 20, 2)
    for i in range(3):
        copied = (tmp_path / "train" / "apple" / f"{i:03d}.png").read_bytes()
        (tmp_path / "test" / "apple" / f"copy{i}.png").write_bytes(copied)
    done = forecast(tmp_path, session(cache), target=0.9)
    assert done.tested == "the test split"
    assert done.n_test == 40
    assert (done.now.n_per_class, done.curve[-1].n_per_class) == (30, 30)
    assert "Test images that are left out because they repeat a training image: 3." in done.notes
    assert "A class has fewer than 40 images, so this forecast is a guess. Add images and forecast again." in done.notes


def test_copies_of_a_picture_are_no_pictures(tmp_path: Path, cache: Path) -> None:
    """Each of ten pictures of a class four times over: were copies on both sides, the probe would know them all."""
    for name in ("one", "two"):
        fill(tmp_path, name, 20, 3)
        for i in range(20):
            content = (tmp_path / name / f"{i:03d}.png").read_bytes()
            for copy in range(3):
                (tmp_path / name / f"{i:03d}-{copy}.png").write_bytes(content)
    done = forecast(tmp_path, session(cache), target=0.9)
    assert done.curve[-1].accuracy < 0.7  # the classes are the same


@pytest.mark.parametrize(("n", "said"), [(SMALLEST - 1, "0 of 2 classes have"), (0, "image")])
def test_too_few_images_are_an_error(tmp_path: Path, cache: Path, n: int, said: str) -> None:
    for name in ("apple", "melon"):
        fill(tmp_path, name, n, 4)
    with pytest.raises((DataError, InputError), match=said):
        forecast(tmp_path, session(cache))


def test_a_target_is_a_fraction(fruit: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"the target is 95; a fraction between 0 and 1 is needed"):
        forecast(fruit, session(cache), target=95)


def test_the_command_writes_what_it_prints(few: Path, of_few: Forecast, cache: Path, tmp_path: Path) -> None:
    flags = ["--model", "pixels", "--cache", str(cache), "--out", str(tmp_path / "out"), "--target", "0.8"]
    done = CliRunner().invoke(cli, ["forecast", str(few), *flags, "--json"])
    assert done.exit_code == 0, done.output
    content = json.loads(done.stdout)
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert done.stdout == (tmp_path / "out" / "forecast.json").read_text(encoding="utf-8")
    assert list(content)[:9] == [
        "schema", "target", "now", "needed", "reachable", "plateau", "curve", "per_class", "confusable_pairs",
    ]  # fmt: skip
    shown = CliRunner().invoke(cli, ["forecast", str(few), *flags]).stdout
    assert max(map(len, shown.splitlines()[:-2])) <= 80  # the last lines are a path
    whole = " ".join(shown.split())
    for line in [headline(of_few), *lines(of_few)]:
        assert " ".join(line.split()) in whole
    assert "apple / berry" in shown


def test_names_cannot_act(tmp_path: Path, cache: Path) -> None:
    for name in ("[red]apple", "melon\x1b[2J"):
        fill(tmp_path / "data", name, 15, 5)
    flags = ["--model", "pixels", "--cache", str(cache), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(cli, ["forecast", str(tmp_path / "data"), *flags]).stdout
    assert "[red]apple" in shown
    assert "\x1b" not in shown
