"""Does editing the attribute out cost a probe that leans on it, and only that one? On small pictures whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from changed import replace

from curator import attributes
from curator.commands._steps import edits
from curator.commands._steps.edits import Plan, frame_width, plan
from curator.commands._steps.interventions import by_editing
from curator.commands.session import Session
from curator.encoders.pixels import Pixels
from curator.engines import local
from curator.io import editing
from curator.io.store.store import Store
from curator.probe import linear
from curator.readers import scan
from curator.shortcuts import indicators
from curator.types import Column, Finding, Patches, Reliance

GREEN, SAND = (60, 120, 40), (200, 170, 110)


def picture(kind: str, ground: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Stripes across (cat) or along (dog) in the middle of a plain ground; a few are too faint to see."""
    out = np.clip(rng.normal(ground, 6, (96, 96, 3)), 0, 255).astype(np.uint8)
    stripes = np.full((32, 32), 110)
    bright = 110 + rng.integers(0, 40)
    if kind == "cat":
        stripes[(np.arange(32) // 4) % 2 == 0] = bright
    else:
        stripes[:, (np.arange(32) // 4) % 2 == 0] = bright
    out[32:64, 32:64] = np.clip(stripes[..., None] + rng.normal(0, 6, (32, 32, 1)), 0, 255)
    return out


def true_patches(ids: np.ndarray) -> Patches:
    """Places of which only the foreground is known: the stripes lie in the middle third."""
    n, g = len(ids), 12
    foreground = np.zeros((n, g, g), np.uint8)
    foreground[:, 4:8, 4:8] = 255
    return Patches(
        ids, np.zeros((n, g, g, 2), np.int8), foreground, np.zeros((n, g, g, 3), np.uint8),
        np.zeros((n, g, g), np.uint8), "",
    )  # fmt: skip


class World:
    """40 cats and 40 dogs of which some have a property, embedded, with probes that were cross-validated on them."""

    def __init__(self, folder: Path, cats: float, dogs: float, make, encode=editing.png) -> None:
        rng = np.random.default_rng(0)
        for kind, share in (("cat", cats), ("dog", dogs)):
            (folder / "data" / kind).mkdir(parents=True)
            for i in range(40):
                (folder / "data" / kind / f"{i:02d}.img.png").write_bytes(make(kind, i < share * 40, rng))
        self.session = Session(encoder=Pixels(), cache=folder / "cache")
        store = Store.for_(folder / "cache", self.session.encoder.info.fingerprint, attributes.fingerprint())
        embedded = local.run(scan(str(folder / "data")), self.session.encoder, attributes.measure, store)
        self.embedded = replace(embedded, patches=true_patches(embedded.dataset.ids))
        self.labels = self.embedded.dataset.labels
        self.measures = self.session.measures(self.embedded)
        self.cross = linear.cross_fit(self.embedded.embeddings.vectors, self.labels, 2, 0.1, 0)

    def reliance(self, attribute: str, value: str, kind: str = "context", **more) -> Reliance:
        has, known = indicators.read(self.measures, attribute, value)
        column = self.measures.column(attribute)
        finding = Finding(
            class_name="cat",
            attribute=attribute,
            value=value,
            kind=kind,
            effect=0,
            p=0,
            q=0,
            severity="high",  # type: ignore[arg-type]
        )
        return by_editing(finding, column, self.embedded, self.labels, has, known, self.cross, self.session, **more)


def grounds(kind: str, has: bool, rng: np.random.Generator) -> bytes:
    return editing.png(picture(kind, GREEN if has else SAND, rng))


@pytest.fixture(scope="module")
def leaning(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("leaning"), 0.9, 0.15, grounds)


@pytest.fixture(scope="module")
def fair(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("fair"), 0.5, 0.5, grounds)


def test_other_surroundings_cost_the_class_that_leans_on_its_own(leaning: World) -> None:
    out = leaning.reliance("background.colour", "green")
    assert out.edit == "exchanging the surroundings"
    assert out.n_edited == 30
    assert out.intervention_drop > 0.15
    assert out.intervention_drop > out.control_drop + 0.3
    assert out.excess_ci[0] > 0.2


def test_other_surroundings_cost_a_fair_class_hardly_more_than_any_class(fair: World, leaning: World) -> None:
    """A probe of 80 pictures leans a little on anything: 0.08 here, of whatever pictures the surroundings are made."""
    out = fair.reliance("background.colour", "green")
    assert abs(out.intervention_drop) < 0.05
    assert abs(out.intervention_drop - out.control_drop) < 0.12
    assert out.excess_ci[1] < leaning.reliance("background.colour", "green").excess_ci[0]


def test_the_same_seed_gives_the_same_costs(leaning: World) -> None:
    assert leaning.reliance("background.colour", "green") == leaning.reliance("background.colour", "green")


def test_a_region_that_is_given_counts_as_surroundings(leaning: World) -> None:
    """With everything open nothing is left of the stripes."""
    everywhere = np.ones((80, 12, 12), np.float32)
    mine, all_ = (leaning.reliance("background.colour", "green", regions=r) for r in (None, everywhere))
    assert all_.intervention_drop != mine.intervention_drop


def test_the_gap_that_was_measured_stays(leaning: World) -> None:
    has, known = indicators.read(leaning.measures, "background.colour", "green")
    finding = Finding(
        class_name="cat", attribute="exif.present", value="yes", kind="file", effect=0, p=0, q=0, severity="low",
        reliance=Reliance(0.3, (0.2, 0.4), 5),
    )  # fmt: skip
    column = leaning.measures.column("exif.present")
    out = by_editing(finding, column, leaning.embedded, leaning.labels, has, known, leaning.cross, leaning.session)
    assert (out.gap, out.n_conflicting, out.intervention_drop) == (0.3, 5, None)
    assert out.edit == "curator has no edit that changes the attribute"


def test_without_a_foreground_no_surroundings_are_exchanged(leaning: World) -> None:
    world = object.__new__(World)
    world.__dict__.update(leaning.__dict__)
    world.embedded = replace(leaning.embedded, patches=None)
    assert "cannot separate the object" in world.reliance("background.colour", "green").edit


def test_too_few_pictures_are_said(leaning: World) -> None:
    few = leaning.labels * 0 - 1
    few[:6] = 0
    few[-30:] = 1
    world = replace_labels(leaning, few)
    assert "fewer than" in world.reliance("background.colour", "green").edit


def replace_labels(world: World, labels: np.ndarray) -> World:
    out = object.__new__(World)
    out.__dict__.update(world.__dict__)
    out.labels = labels
    return out


def test_a_picture_that_went_missing_is_said_and_stops_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, 0.9, 0.15, grounds)
    for path in (tmp_path / "data" / "cat").iterdir():
        path.unlink()
    out = world.reliance("background.colour", "green")
    assert out.intervention_drop is None
    assert out.edit == "an image could not be read again (no such file)"


MADE = {
    "tint": (lambda p: editing.tint(p, (255, 60, 60), 0.6), "colour.saturation", "above", "image"),
    "dark": (lambda p: editing.relight(p, 0.2), "light.brightness", "below", "image"),
    "flat": (lambda p: editing.spread(p, 0.3), "light.contrast", "below", "image"),
    "grey": (lambda p: editing.saturate(p, 0), "colour.grey", "yes", "image"),
    "blur": (lambda p: editing.blur(p, np.ones(p.shape[:2]), 0.75), "sharpness.detail", "below", "image"),
    "frame": (lambda p: editing.frame(p, (0, 0, 0), 0.08), "border.frame", "black", "file"),
    "jpeg": (lambda p: p, "file.jpeg_quality", "below 90", "file"),
}


@pytest.mark.parametrize("name", MADE)
def test_edits_of_whole_pictures_cost_a_leaning_probe_more_than_a_fair_one(name: str, tmp_path: Path) -> None:
    change, attribute, value, kind = MADE[name]

    def make(species: str, has: bool, rng: np.random.Generator) -> bytes:
        out = picture(species, [GREEN, SAND, (90, 90, 160)][rng.integers(3)], rng)
        quality = 8 if has and name == "jpeg" else 95
        return editing.jpeg(change(out) if has else out, quality)

    excess = {}
    for world, cats, dogs in (("leaning", 1.0, 0.0), ("fair", 0.5, 0.5)):
        w = World(tmp_path / world, cats, dogs, make)
        if value in ("above", "below"):
            numbers = w.measures.frame[attribute].astype(float)
            cut = round(float(numbers.median()), 4)
            chosen = f"below {cut}" if value == "below" else f"{cut} or above"
        else:
            chosen = value
        out = w.reliance(attribute, chosen, kind)
        assert out.intervention_drop is not None, out.edit
        excess[world] = out
    leaning_, fair_ = excess["leaning"], excess["fair"]
    assert leaning_.intervention_drop - leaning_.control_drop > 0.05, excess
    assert leaning_.excess_ci[0] > 0, excess
    assert fair_.excess_ci[0] <= 0.02, excess


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("background.colour", "green", "exchanging the surroundings"),
        ("metadata.site", "north", "curator has no edit that changes the attribute"),
        ("exif.present", "yes", "curator has no edit that changes the attribute"),
        ("geometry.size", "10x10", "curator has no edit that changes the attribute"),
        ("file.format", "PNG", "curator has no edit that changes the attribute"),
        ("sharpness.detail", "below 0.3", "blurring the other classes equally"),
        ("sharpness.detail", "0.3 or above", "blurring to match the other images"),
    ],
)
def test_every_attribute_has_an_edit_or_a_reason(leaning: World, attribute: str, value: str, words: str) -> None:
    known = {c.name: c for c in leaning.measures.columns}
    column = known.get(attribute) or Column(attribute, "category", "metadata", "", "")
    found = plan(column, value)
    assert (found.words if isinstance(found, Plan) else found) == words


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("context", "exchanging the surroundings"),
        ("object", "the attribute is part of the object itself"),
        ("image", "curator has no edit that changes the attribute"),
    ],
)
def test_surroundings_are_exchanged_only_where_the_value_lies_in_them(kind, words: str) -> None:
    found = plan(Column("words.3", "flag", kind, "show x|do not show x", "", edit="surroundings"), "yes")
    assert (found.words if isinstance(found, Plan) else found) == words


def test_every_edit_that_an_attribute_names_is_there() -> None:
    named = {c.edit for _, family in attributes.photo_families() for c in family.columns}
    assert named - {""} <= set(edits._EDITS)


def test_the_width_of_a_frame_is_seen() -> None:
    inside = picture("cat", SAND, np.random.default_rng(0))
    assert frame_width(inside) == 0
    assert frame_width(editing.frame(inside, (0, 0, 0), 0.1)) == pytest.approx(0.1, abs=0.025)
