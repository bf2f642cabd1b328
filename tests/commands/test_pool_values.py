"""A value read again by the looks of the surroundings: what a reading misses is found, and noise finds nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from changed import replace
from photos import Texts, embedded
from report_example import BUNNY, make_run

from curator.commands import Session
from curator.commands._steps.pool_values import by_looks, reread
from curator.selection.plan import Target
from curator.similarity.vectors import unit
from curator.types import Column


def pictures(rng, n, *, apart=1.0, noise=0.25):
    """Two scenes, the first of two kinds (a lawn near and far): vectors (n, 20), the scene (n,), the kind (n,)."""
    scene, kind = rng.random(n) < 0.4, rng.random(n) < 0.25
    x = noise * rng.normal(size=(n, 20))
    x[:, 0] += apart * np.where(scene, 1, -1)
    x[:, 1] += np.where(scene & kind, 0.5, 0)
    return unit(x.astype(np.float32)), scene, scene & kind


@pytest.mark.parametrize("seed", range(4))
def test_what_the_reading_misses_is_found_by_its_looks(seed):
    """The reading misses most of one kind of the scene and a tenth of all else, and finds a tenth too many."""
    rng = np.random.default_rng(seed)
    known, scene, odd = pictures(rng, 240)
    others, truth, _ = pictures(rng, 400)
    reading = np.where(rng.random(240) < np.where(odd, 0.7, 0.1), ~scene, scene)
    assert np.corrcoef(reading, scene)[0, 1] < 0.8
    seen = by_looks(known, reading, others, seed)
    assert np.corrcoef(seen, truth)[0, 1] > 0.97


def test_of_a_value_without_looks_nothing_is_seen():
    """The scene has no part in the vectors: what comes out does not go with it."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng(50 + seed)
        known, scene, _ = pictures(rng, 120, apart=0.0)
        others, truth, _ = pictures(rng, 200, apart=0.0)
        hidden = rng.permutation(scene)
        found.append((by_looks(known, hidden, others, seed) == rng.permutation(truth)).mean() - 0.5)
    assert abs(np.mean(found)) < 0.08


@pytest.mark.parametrize(("place", "as_read"), [("lettering", True), ("", False)])
def test_lettering_is_read_and_never_guessed_from_the_surroundings(place, as_read):
    """The value of the pool's images has no part in the looks of either set."""
    rng = np.random.default_rng(1)
    data, pool = (embedded(np.ones((n, 20))) for n in (80, 60))
    data, pool = (
        replace(e, embeddings=replace(e.embeddings, surround=pictures(rng, len(e.dataset))[0])) for e in (data, pool)
    )
    run = replace(make_run(), dataset=data.dataset, embeddings=data.embeddings)
    column = Column("lettering.by_edge", "flag", "context", "have some|have none", "", place=place)
    read = rng.random(60) < 0.5
    target = Target(0, column, "yes", rng.random(80) < 0.5, read, np.ones(60, np.bool_))
    again = reread(target, replace(BUNNY, kind="context"), run, pool, Session(Texts({}, 4), Path("/nowhere")))
    assert np.array_equal(again.pool_has, read) == as_read
