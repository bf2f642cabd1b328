"""What each source is made of: a planted source is found in its own row only, and what is missing is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace

from curator.commands._steps import surroundings_alone as alone
from curator.commands.session import Session
from curator.similarity.vectors import unit
from curator.types import Dataset, Embedded, Embeddings, Patches
from curator.types.surroundings_alone import SurroundingsAlone

N, GRID, DIM = 160, 14, 16


@pytest.fixture
def session(tmp_path) -> Session:
    return Session.open("pixels", cache=tmp_path)


def world(session: Session, seed: int = 0, n: int = N, n_classes: int = 2) -> Embedded:
    """Images in which nothing goes with the class."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"{k:04d}.jpg" for k in range(n)])
    labels = rng.permutation(np.arange(n) % n_classes).astype(np.int32)
    whole, around = (unit(rng.normal(size=(n, DIM)).astype(np.float32)) for _ in range(2))
    facts = pd.DataFrame(
        {
            "width": rng.integers(200, 900, n),
            "height": rng.integers(200, 900, n),
            "n_bytes": rng.integers(9_000, 90_000, n),
            "jpeg_quality": rng.choice([75.0, 90.0, np.nan], n),
            "format": rng.choice(["JPEG", "PNG"], n),
            "mode": "RGB",
            "camera": rng.choice(["", "Kodak"], n),
        },
        index=pd.Index(ids),
    )
    places = n, GRID, GRID
    patches = Patches(
        ids,
        rng.integers(-127, 128, (*places, 6)).astype(np.int8),
        np.zeros(places, np.uint8),
        rng.integers(0, 256, (*places, 3)).astype(np.uint8),
        rng.integers(0, 99, places).astype(np.uint8),
        "eye",
    )
    names = tuple(f"class {k}" for k in range(n_classes))
    dataset = Dataset("made", "/nowhere", ids, labels, names, np.array([""] * n), pd.DataFrame(index=pd.Index(ids)))
    vectors = Embeddings(ids, whole, session.encoder.info, around)
    return Embedded(dataset, vectors, pd.DataFrame(index=pd.Index(ids)), facts, n, 0.0, patches)


def measure(
    embedded: Embedded, session: Session, pictures: np.ndarray | None = None, **changed
) -> SurroundingsAlone | None:
    n = len(embedded.dataset)
    shown = np.arange(n, dtype=np.int32) if pictures is None else pictures.astype(np.int32)
    labels = changed.pop("labels", embedded.dataset.labels)
    unclear = changed.pop("unclear", np.zeros(len(embedded.dataset.classes), np.bool_))
    return alone.measure(embedded, labels, shown, unclear, session)


def told(found: SurroundingsAlone | None) -> dict[str, bool | None]:
    """Whether each source is far above chance."""
    assert found is not None
    return {s.source: None if s.accuracy is None else found.gives_away(s.source) for s in found.sources}


SOURCES = ("whole image", "surroundings", "corners", "mean colours", "file facts")


def only(*given: str) -> dict[str, bool]:
    return {s: s in given for s in SOURCES}


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_goes_with_the_class_nothing_is_told(session, seed):
    found = measure(world(session, seed), session)
    assert told(found) == only()
    assert found.chance == 0.5
    assert found.n_images == N


def with_patches(embedded: Embedded, **changed) -> Embedded:
    return replace(embedded, patches=replace(embedded.patches, **changed))


def test_the_colour_of_one_corner_is_found_in_the_corners_only(session):
    plain = world(session)
    colour = np.array(plain.patches.colour)
    colour[plain.dataset.labels == 1, :2, -2:] = (200, 30, 30)
    found = measure(with_patches(plain, colour=colour), session)
    assert told(found) == only("corners")
    assert found.of("corners").accuracy > 0.97
    assert found.of("corners").auc["class 1"] > 0.99


def test_the_texture_and_the_features_of_the_corners_count_and_the_middle_does_not(session):
    plain = world(session)
    one = plain.dataset.labels == 1
    texture, features = np.array(plain.patches.texture), np.array(plain.patches.features)
    texture[one, :2, :2] = 250
    assert told(measure(with_patches(plain, texture=texture), session)) == only("corners")
    features[one, -2:, :2, 3] = 127
    assert told(measure(with_patches(plain, features=features), session)) == only("corners")
    middle = np.array(plain.patches.features)
    middle[one, 2:-2, 2:-2] = 127
    assert told(measure(with_patches(plain, features=middle), session)) == only()


def test_a_tint_of_the_whole_image_is_found_in_the_mean_colours(session):
    plain = world(session)
    colour = np.array(plain.patches.colour, int)
    colour[plain.dataset.labels == 1, 2:-2, 2:-2, 0] += 40
    found = measure(with_patches(plain, colour=colour.clip(0, 255).astype(np.uint8)), session)
    assert told(found) == only("mean colours")


@pytest.mark.parametrize(
    "planted",
    [
        {"width": (500, 501)},
        {"jpeg_quality": (80.0, np.nan)},
        {"format": ("JPEG", "PNG")},
        {"mode": ("RGB", "L")},
        {"camera": ("", "Kodak")},
        {"camera": (None, "Kodak")},
        {"n_bytes": (9_000, 20_000)},
    ],
    ids=lambda p: next(iter(p)),
)
def test_a_fact_of_the_file_is_found_in_the_file_facts_only(session, planted):
    plain = world(session)
    ((name, values),) = planted.items()
    facts = plain.facts.assign(**{name: [values[k] for k in plain.dataset.labels]})
    found = measure(replace(plain, facts=facts), session)
    assert told(found) == only("file facts")
    assert found.of("file facts").accuracy > 0.97


@pytest.mark.parametrize("source", ["whole image", "surroundings"])
def test_each_vector_is_read_in_its_own_source(session, source):
    plain = world(session)
    moved = np.array(plain.embeddings.vectors if source == "whole image" else plain.embeddings.surround)
    moved[:, 0] += 2 * plain.dataset.labels
    name = "vectors" if source == "whole image" else "surround"
    embedded = replace(plain, embeddings=replace(plain.embeddings, **{name: unit(moved)}))
    assert told(measure(embedded, session)) == only(source)


def test_copies_share_a_fold_and_do_not_give_the_class_away(session):
    """40 pictures, each four times: every source is the same in all copies, and labels are random by picture."""
    plain = world(session, n=40)
    copies = np.repeat(np.arange(40), 4)
    many = world(session, n=160)
    embedded = replace(
        many,
        dataset=replace(many.dataset, labels=plain.dataset.labels[copies]),
        embeddings=replace(
            many.embeddings, vectors=plain.embeddings.vectors[copies], surround=plain.embeddings.surround[copies]
        ),
        facts=plain.facts.iloc[copies].set_index(many.facts.index),
        patches=replace(many.patches, **{
            name: getattr(plain.patches, name)[copies] for name in ("features", "foreground", "colour", "texture")
        }),
    )  # fmt: skip
    assert told(measure(embedded, session, copies)) == only()
    assert any(told(measure(embedded, session)).values())


def test_what_is_missing_is_said_and_gets_no_number(session):
    plain = world(session)
    bare = replace(
        plain,
        embeddings=replace(plain.embeddings, surround=None),
        patches=None,
        facts=pd.DataFrame(index=plain.facts.index),
    )
    found = measure(bare, session)
    assert told(found) == {
        "whole image": False,
        "surroundings": None,
        "corners": None,
        "mean colours": None,
        "file facts": None,
    }
    assert {s.source: s.reason for s in found.sources if s.accuracy is None} == {
        "surroundings": "this encoder locates no objects",
        "corners": "no features of places were computed",
        "mean colours": "no features of places were computed",
        "file facts": "there are no files",
    }
    assert all(s.ci is None and not s.auc for s in found.sources if s.accuracy is None)


def test_small_classes_and_classes_of_copies_are_left_out(session):
    plain = world(session, n_classes=3)
    labels = np.array(plain.dataset.labels)
    labels[np.flatnonzero(labels == 2)[9:]] = -1
    found = measure(plain, session, labels=labels)
    assert found.classes == ("class 0", "class 1")
    assert found.left_out_classes == {"class 2": "fewer than 10 different images"}
    assert found.n_images == int((labels >= 0).sum()) - 9
    pictures = np.arange(N)
    pictures[plain.dataset.labels == 2] = 2
    assert measure(plain, session, pictures).classes == ("class 0", "class 1")
    assert measure(plain, session, labels=np.where(labels == 0, labels, -1)) is None


def test_with_too_many_classes_or_images_the_largest_and_a_sample_are_used(session, monkeypatch):
    monkeypatch.setattr(alone, "MOST_CLASSES", 2)
    monkeypatch.setattr(alone, "MOST", 100)
    plain = world(session, n=400, n_classes=3)
    labels = np.array(plain.dataset.labels)
    labels[np.flatnonzero(labels == 1)[:50]] = -1
    found = measure(plain, session, labels=labels)
    assert found.classes == ("class 0", "class 2")
    assert found.left_out_classes == {"class 1": "not one of the 2 largest classes"}
    assert 100 <= found.n_images <= 102
    assert measure(plain, session, labels=labels) == found


def test_classes_whose_object_cannot_be_located_are_named(session):
    found = measure(world(session), session, unclear=np.array([False, True]))
    assert found.not_located == ("class 1",)
