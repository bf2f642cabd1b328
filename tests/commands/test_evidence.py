"""Which pictures are shown for a finding: that those that break the rule come surest first, and what reliance does to order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from planted import flag, indicators, measures
from scipy import stats as scipy_stats

from curator.commands._steps import conflicting_images, evidence
from curator.commands.session import Session
from curator.config import AuditSettings, Settings
from curator.shortcuts import detection
from curator.shortcuts.indicators import build
from curator.similarity.vectors import unit
from curator.types import Audit, Column, Dataset, Embedded, Embeddings, Finding, Patches

N_A = 60
MEASURED, NONE, MISSED = np.split(np.arange(N_A), [45, 53])
"""Of class a: grass was read off 45; 8 show none; on 7 the measure missed it."""


@pytest.fixture
def session(tmp_path) -> Session:
    audit = AuditSettings(n_permutations=0, n_splits=0, n_edited=0, n_examples=15)
    return Session.open("pixels", cache=tmp_path, settings=Settings(audit=audit))


class World:
    """60 images of class a, most of them on grass, and 60 of class b, 6 of them on grass, under shuffled names.

    The surroundings look like grass where there is some, measured or missed; what the whole picture looks like tells nothing
    of it. With `blind`, the surroundings tell nothing either.
    """

    def __init__(self, session: Session, seed: int = 0, blind: bool = False, surround: bool = True) -> None:
        rng = np.random.default_rng(seed)
        n = 2 * N_A
        self.session, self.labels = session, np.repeat([0, 1], N_A).astype(np.int32)
        measured, grassy = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        measured[MEASURED] = measured[N_A : N_A + 6] = True
        grassy[measured] = grassy[MISSED] = True
        self.grass = np.where(measured, rng.uniform(0.6, 1, n), rng.uniform(0, 0.4, n))
        self.measures = measures({"grass": measured}, [flag("grass")])
        self.table = build(self.measures, self.session.settings.audit.cuts)
        self.ids = np.array([f"{k:03d}.jpg" for k in rng.permutation(n)])
        looks = rng.normal(scale=0.1, size=(2, n, 8))
        looks[:, :, 0] += 2 * self.labels - 1
        looks[0, :, 1] += rng.choice([-1, 1], n)
        looks[1, :, 1] += rng.choice([-1, 1], n) if blind else 2 * grassy - 1
        whole, around = (unit(v.astype(np.float32)) for v in looks)
        about = pd.DataFrame(index=pd.Index(self.ids))
        dataset = Dataset("made", "/nowhere", self.ids, self.labels, ("a", "b"), np.array([""] * n), about)
        vectors = Embeddings(self.ids, whole, session.encoder.info, around if surround else None)
        self.embedded = Embedded(dataset, vectors, about, about, n, 0.0)

    def finding(self, **changed: object) -> Finding:
        """What the audit says of grass."""
        grass = indicators({"grass": self.table.values[:, self.table.index("grass", "yes")]}, [flag("grass")])
        settings = self.session.settings.audit
        found = detection.audit(grass, self.labels, ("a", "b"), settings, np.random.default_rng(0)).findings[0]
        assert found.id == "a:grass=yes"
        return replace(found, **changed)  # type: ignore[arg-type]

    def gather(self, *findings: Finding, verdict="shortcuts found") -> tuple[Finding, ...]:
        cross = evidence.cross_fit(self.embedded, self.labels, self.session)
        audit = Audit(findings, verdict, None, 1)
        found = evidence.gather(audit, self.embedded, self.labels, self.table, self.measures, cross, self.session)
        return found.findings

    def conflicting(self, **changed: object) -> list[int]:
        """Rows of the conflicting images, in the order in which they are shown."""
        (found,) = self.gather(self.finding(**changed))
        at = {name: k for k, name in enumerate(self.ids)}
        return [at[i] for i in found.counterexample_ids]


def groups(rows: list[int]) -> list[list[int]]:
    return [sorted(rows[: len(NONE)]), sorted(rows[len(NONE) :])]


IN_ORDER = [NONE.tolist(), MISSED.tolist()]


@pytest.mark.parametrize("seed", range(5))
def test_conflicting_images_that_look_least_like_it_come_first(session, seed):
    assert groups(World(session, seed).conflicting()) == IN_ORDER


def test_without_looks_to_learn_from_the_ranking_is_no_better_than_chance(session):
    """Null: of the 15, the first 8 hold as many of the right ones as any 8 would: 8 * 8 / 15."""
    right = [
        len(set(World(session, seed, blind=True).conflicting()[: len(NONE)]) & set(NONE.tolist()))
        for seed in range(100)
    ]
    one = scipy_stats.hypergeom(15, 8, 8)
    assert abs(np.mean(right) - one.mean()) < 3 * one.std() / np.sqrt(100)


def test_looks_are_those_of_the_whole_picture_where_nothing_tells_the_object_from_it(session):
    world = World(session, surround=False)
    rows = world.conflicting()
    looks = world.embedded.embeddings.vectors[:, 1]
    assert groups(rows) != IN_ORDER
    assert np.mean(looks[rows[:4]]) < np.mean(looks[rows[-4:]])


def test_a_small_thing_that_the_vectors_miss_is_seen_by_the_visual_words(session):
    """A mark in the corner: nothing in the vectors, one kind of patch in the corner. Some marks the measure missed."""
    world = World(session, blind=True)
    marked = world.table.values[:, world.table.index("grass", "yes")].copy()
    marked[MISSED] = True
    kinds = np.random.default_rng(1).choice([0, 1], (2 * N_A, 8, 8))
    kinds[marked, 0, 0:3] = 2
    features = (127 * np.eye(8)[kinds]).astype(np.int8)
    blank = np.zeros(kinds.shape, np.uint8)
    patches = Patches(world.ids, features, blank, np.zeros((*kinds.shape, 3), np.uint8), blank, "eye")
    world.embedded = replace(world.embedded, patches=patches)
    assert groups(world.conflicting()) == IN_ORDER


@pytest.mark.parametrize("side", ["below", "above"])
def test_of_a_number_the_furthest_from_the_cut_come_first(session, side):
    """Whatever the pictures look like: a number needs no probe to be sure."""
    world = World(session)
    grass = world.finding()
    number = world.grass if side == "above" else -world.grass
    world.measures = measures({"warmth": number}, [Column("warmth", "number", "image", "are {value}", "")])
    world.table = build(world.measures, world.session.settings.audit.cuts)
    names = [v for v in world.table.value_names if v.startswith("below") == (side == "below")]
    a = world.labels == 0
    value = max(names, key=lambda v: world.table.values[a, world.table.index("warmth", v)].sum() == len(MEASURED))
    finding = replace(grass, attribute="warmth", value=value, kind="image")
    (found,) = world.gather(finding)
    at = {name: k for k, name in enumerate(world.ids)}
    rows = [at[i] for i in found.counterexample_ids]
    lacking = [*NONE, *MISSED]
    assert rows == sorted(lacking, key=lambda i: world.grass[i])


@pytest.mark.parametrize("most", [30, 60, 100])
def test_images_beyond_those_that_are_learnt_from_are_ranked_too(session, most, monkeypatch):
    monkeypatch.setattr(conflicting_images, "_LARGEST", most)
    for seed in range(3):
        assert groups(World(session, seed).conflicting()) == IN_ORDER


@pytest.mark.parametrize("kind", ["file", "metadata", "object"])
def test_what_is_no_matter_of_the_surroundings_is_not_ranked_by_their_looks(session, kind):
    """A camera's name cannot be seen: by id."""
    world = World(session)
    assert world.conflicting(kind=kind) == sorted([*NONE, *MISSED], key=lambda i: world.ids[i])


def test_too_few_to_learn_from_is_no_error_and_ids_decide(session):
    world = World(session)
    few = np.zeros(2 * N_A, np.bool_)
    few[:4] = True
    finding = world.finding(same_as=())
    world.measures = measures({"grass": few}, [flag("grass")])
    world.table = build(world.measures, world.session.settings.audit.cuts)
    (found,) = world.gather(finding)
    assert list(found.counterexample_ids) == sorted(world.ids[4:N_A])[:15]


def test_examples_have_the_value_and_no_image_is_shown_twice(session):
    world = World(session)
    (found,) = world.gather(world.finding())
    of = set(world.ids[MEASURED])
    assert len(set(found.example_ids)) == 15
    assert set(found.example_ids) <= of
    assert not of & set(found.counterexample_ids)


def test_severity_is_judged_anew_and_the_order_follows(session):
    """The probe here needs no grass to tell the classes: the gap proves nothing, and association alone decides."""
    world = World(session)
    weak = world.finding(effect_ci=(0.1, 0.2), severity="high", class_name="b")
    strong = world.finding(effect_ci=(0.5, 0.7), severity="low")
    found = world.gather(weak, strong)
    assert [(f.class_name, f.severity) for f in found] == [("a", "high"), ("b", "low")]
    assert all(f.reliance.gap_ci[0] < world.session.settings.audit.leans for f in found)
    # Descriptions keep the order in which they were given.
    assert [f.class_name for f in world.gather(weak, strong, verdict="too few images to tell")] == ["b", "a"]


def test_a_cut_that_only_the_pool_has_stays_as_it_was(session):
    world = World(session)
    pooled = world.finding(value="below 3", severity="high")
    assert world.gather(pooled) == (pooled,)
