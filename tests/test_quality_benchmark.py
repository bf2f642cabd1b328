"""The benchmark's own arithmetic: a mark that is wrong would make every figure in docs/benchmarks.md wrong."""

from __future__ import annotations

import doctest
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from changed import replace
from PIL import Image

from curator.io.decoding.images import decode_bytes
from curator.types import Photo, Preprocessing

QUALITY = Path(__file__).parents[1] / "benchmarks" / "quality"


@pytest.fixture(scope="module")
def quality() -> Iterator[Any]:
    """The benchmark's modules, which are scripts beside each other; one is called like a module of the tests."""
    names = ("bank", "edits", "planted", "scoring", "placement", "synthetic", "cells", "summary", "table")
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(QUALITY))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(QUALITY))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@pytest.fixture(scope="module")
def bank(quality: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A bank over a kit of names alone: drawing a set opens no picture."""
    kit = tmp_path_factory.mktemp("kit")
    for species in ("ape", "bunny", "cow", "dog", "frog", "hen"):
        (kit / "cutouts" / species).mkdir(parents=True)
        for n in range(3):
            (kit / "cutouts" / species / f"{n}.png").touch()
    return quality.bank.Bank(kit, kit / "bank")


@pytest.fixture(scope="module")
def drawn(quality: Any, bank: Any) -> Callable[..., tuple[pd.DataFrame, Any]]:
    return lambda **spec: quality.planted.draw(quality.planted.Spec(**spec), bank)


Draw = Callable[..., tuple[pd.DataFrame, Any]]


def test_the_planted_effect_is_the_difference_of_shares_over_many_draws(drawn: Draw) -> None:
    inside, outside = [], []
    for seed in range(60):
        frame, (shortcut,) = drawn(kind="border", effect=0.5, elsewhere=0.2, n_classes=3, seed=seed)
        mine = frame["label"] == shortcut.class_name
        inside.append(frame.loc[mine, "has"].sum())
        outside.append(frame.loc[~mine, "has"].mean())
    n = 50
    assert np.mean(inside) / n == pytest.approx(0.7, abs=0.02)
    assert np.mean(outside) == pytest.approx(0.2, abs=0.02)
    # Drawn, not fixed: the counts spread as binomial ones do.
    assert np.std(inside, ddof=1) == pytest.approx(np.sqrt(n * 0.7 * 0.3), rel=0.35)


def test_what_is_not_planted_does_not_depend_on_the_class(drawn: Draw) -> None:
    """The null: scenes against classes, and against what was planted, over many draws."""
    from scipy.stats import chi2_contingency

    ps = []
    for seed in range(60):
        frame, _ = drawn(kind="border", effect=0.6, elsewhere=0.1, n_classes=4, seed=seed)
        ps.append(chi2_contingency(pd.crosstab(frame["label"], frame["scene"])).pvalue)
    assert 0 <= sum(p < 0.05 for p in ps) <= 8  # 99 % of a binomial of 60 and 0.05


def test_no_photograph_is_drawn_twice_and_halves_share_none(drawn: Draw) -> None:
    dev, _ = drawn(kind="scene", effect=0.85, elsewhere=0.05, n_per_class=400, n_classes=2, seed=3)
    report, _ = drawn(kind="scene", effect=0.85, elsewhere=0.05, n_per_class=400, n_classes=2, seed=3, half="report")
    assert dev["key"].is_unique
    assert not {(k.species, k.cutout) for k in dev["photograph"]} & {
        (k.species, k.cutout) for k in report["photograph"]
    }


def _facts(quality: Any, **edit: Any) -> Photo:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 25, (40, 40, 3)).repeat(8, 0).repeat(8, 1)
    photo = Image.fromarray(np.clip(140 + noise, 0, 255).astype(np.uint8))
    key = quality.bank.Key("hen", 0, "grass", "usual", 7)
    return decode_bytes(quality.edits.encode(photo, key, quality.edits.Edit(**edit)), Preprocessing(224, 256))


def test_every_edit_does_what_it_says_and_nothing_else(quality: Any) -> None:
    plain = _facts(quality)
    assert plain.facts.camera == ""
    assert plain.facts.jpeg_quality in quality.edits.QUALITIES
    assert plain.facts.width in quality.edits.SIDES
    assert _facts(quality, dark=True).pixels.mean() < 0.6 * plain.pixels.mean()
    red, _, blue = _facts(quality, tint="warm").pixels.mean((0, 1))
    assert red - blue > 40 > np.ptp(plain.pixels.mean((0, 1)))
    assert (
        np.diff(_facts(quality, blur=True).pixels.astype(float), axis=0).std()
        < 0.7 * np.diff(plain.pixels.astype(float), axis=0).std()
    )
    assert _facts(quality, coarse=True).facts.jpeg_quality in quality.edits.LOW_QUALITIES
    framed = _facts(quality, frame="white").pixels
    assert framed[:5].min() > 220 > plain.pixels[:5].mean()
    assert np.abs(framed[40:-40, 40:-40].astype(float) - plain.pixels[40:-40, 40:-40]).mean() < 5
    assert _facts(quality, large=True).facts.width == quality.bank.SIDE
    camera = _facts(quality, camera="Canon EOS 80D")
    assert camera.facts.camera == "Canon EOS 80D"
    assert (camera.pixels == plain.pixels).all()
    marked, h = _facts(quality, mark=True).pixels.astype(float), plain.pixels.shape[0]
    changed = np.abs(marked - plain.pixels).max(-1) > 40
    assert changed[int(0.85 * h) :, int(0.65 * h) :].mean() > 0.2
    assert changed[: int(0.8 * h)].mean() < 0.01


def test_one_class_holds_nine_tenths_of_a_skewed_set(drawn: Draw) -> None:
    frame, _ = drawn(kind="none", effect=0.0, balance="90/10", n_classes=3, n_per_class=10)
    assert sorted(frame["label"].value_counts()) == [10, 10, 180]


def test_two_shortcuts_lie_where_they_were_asked_to(drawn: Draw) -> None:
    _, apart = drawn(kind="tint+border", seed=4)
    _, together = drawn(kind="tint+border", seed=4, together=True)
    assert apart[0].class_name != apart[1].class_name
    assert together[0].class_name == together[1].class_name


def _found(quality: Any, **changes: Any) -> Any:
    base = quality.scoring.Found(
        "hen", "background.colour", "white", "context", "high", 0.55, (0.4, 0.7), 0.001, (), ("hen/1", "hen/3"), (0.8,)
    )
    return replace(base, **changes)


@pytest.fixture
def planted(quality: Any) -> Any:
    truth = pd.DataFrame(
        {"label": ["hen"] * 4 + ["cow"], "has_scene": [True, False, True, False, False]},
        index=["hen/0", "hen/1", "hen/2", "hen/3", "cow/0"],
    )
    shortcut = quality.planted.Shortcut("scene", "hen", "snow", 0.7, 0.1, 2, 4)
    return quality.planted.Planted(quality.planted.Spec(), Path("x"), truth, (shortcut,))


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({}, True),
        ({"class_name": "cow"}, False),
        ({"attribute": "file.format"}, False),
        ({"agreement": (-0.4,)}, False),  # brown where snow was planted
        ({"agreement": (None,)}, True),  # a value that cannot be read back is taken at its word
    ],
)
def test_first_is_right_by_class_family_and_side(
    quality: Any, planted: Any, changes: dict[str, Any], right: bool
) -> None:
    assert quality.scoring.score([_found(quality, **changes)], planted)["first"] is right


def test_what_is_folded_in_counts_apart(quality: Any, planted: Any) -> None:
    told = quality.scoring.score([_found(quality, attribute="file.format", same_as=("words.3=yes",))], planted)
    assert (told["first"], told["first_or_folded"]) == (False, True)


def test_one_finding_cannot_name_two_shortcuts(quality: Any, planted: Any) -> None:
    blur = quality.planted.Shortcut("border", "hen", "white", 0.7, 0.1, 2, 4)
    truth = planted.truth.assign(has_border=planted.truth["has_scene"])
    both = replace(planted, truth=truth, shortcuts=(*planted.shortcuts, blur))
    word = _found(quality, attribute="words.3", agreement=(0.5, 0.5))  # could be either
    assert quality.scoring.score([word], both)["all_in_three"] is False
    frame = _found(quality, attribute="border.frame", agreement=(0.1, 0.9))
    assert quality.scoring.score([word, frame], both)["all_in_three"] is True


def test_precision_is_of_as_many_as_there_are(quality: Any, planted: Any) -> None:
    shortcut = planted.shortcuts[0]
    assert quality.scoring.precision_at_10(_found(quality), shortcut, planted.truth) == 1.0
    wrong = _found(quality, counterexample_ids=("hen/1", "hen/0", "hen/3"))
    assert (
        quality.scoring.precision_at_10(wrong, shortcut, planted.truth) == 0.5
    )  # two exist, the third is not asked for


def test_only_findings_that_matter_and_are_not_the_object_are_alarms(quality: Any, planted: Any) -> None:
    nothing = replace(planted, spec=quality.planted.Spec(effect=0.0))
    for changes, n in ((({}), 1), ({"severity": "low"}, 0), ({"kind": "object"}, 0), ({"severity": "medium"}, 1)):
        assert quality.scoring.score([_found(quality, **changes)], nothing)["n_alarms"] == n


def test_alarms_that_have_nothing_to_do_with_it_are_counted_apart(quality: Any, planted: Any) -> None:
    found = [_found(quality), _found(quality, agreement=(-0.1,)), _found(quality, agreement=(-0.9,))]
    assert quality.scoring.score(found, planted)["n_unexplained"] == 1


def test_the_place_of_a_finding_is_held_against_the_mask(quality: Any, tmp_path: Path) -> None:
    mask = np.zeros((320, 320), np.uint8)
    mask[:, :80] = 255  # the left quarter
    Image.fromarray(mask).save(tmp_path / "m.png")
    # The input shows the middle 224 of 256, so the first of its four columns begins at 1/16 and is 7/32 wide.
    truth = quality.placement.truth([tmp_path / "m.png"], 4, Preprocessing(size=224, resize_to=256))
    assert truth[0].mean(0).tolist() == pytest.approx([6 / 7, 0, 0, 0], abs=0.02)
    where = np.zeros((1, 4, 4), np.float32)
    where[0, :, 0] = 1
    assert quality.placement.on_object(where, truth) == 1
    assert quality.placement.placed_right("object", 1.0) is True
    assert quality.placement.placed_right("context", 1.0) is False
    assert quality.placement.placed_right("file", 1.0) is None


def test_rows_of_the_field_have_the_shares_they_say(quality: Any) -> None:
    for row, share in ((3, 0.7), (4, 0.8)):
        for i in (0, 4):  # a score, then in both rows another draw
            table = quality.synthetic.draw(row, i, 1)
            assert ((table.values > 0.5) == table.labels).mean() == pytest.approx(share, abs=0.03)
    five = quality.synthetic.draw(5, 1, 1)
    assert set(five.values) == {0.0, 1.0}
    assert [round(float(five.values[five.labels == k].mean()), 1) for k in range(5)] == [0.9, 0.1, 0.1, 0.1, 0.1]
    assert (quality.synthetic.draw(2, 3, 1).labels == 0).mean() == 0.95


def test_the_examples_in_the_docstrings_hold(quality: Any) -> None:
    for module in vars(quality).values():
        assert doctest.testmod(module).failed == 0, module


def test_the_table_is_put_between_its_markers_and_nowhere_else(quality: Any) -> None:
    page = quality.table.results_page
    begin, end = page.marks("quality")
    text = f"before\n{begin}\nold\n{end}\nafter\n"
    assert page.placed(text, "quality", "new") == f"before\n{begin}\nnew\n{end}\nafter\n"
    with pytest.raises(SystemExit, match="has no"):
        page.placed("no markers", "quality", "new")


def test_five_seeds_hold_every_variant_however_they_are_split(quality: Any) -> None:
    specs = quality.cells.specs
    together = specs("first", [301, 302, 303, 304, 305], "report")
    assert together == [s for seed in (301, 302, 303, 304, 305) for s in specs("first", [seed], "report")]
    assert len({(s.kind, s.effect, s.elsewhere, s.n_classes, s.balance) for s in together}) == len(together) == 55
    assert {k for s in specs("two", [301], "dev") for k in s.kinds} == set(quality.planted.KINDS)
    assert all(s.effect == 0 for s in specs("null", [301], "dev"))
