"""What the counts of all images add to the audit of a sample of them."""

from __future__ import annotations

import numpy as np
import planted
import pytest

from curator import association, counting, indicators
from curator.association import Table
from curator.auditing import audit
from curator.config import AuditSettings
from curator.types import Audit, Column, Measures

SETTINGS = AuditSettings()
CLASSES = ("bunny", "hen")
N = 20_000


def world(seed: int, share: float, elsewhere: float = 0.3) -> tuple[Measures, np.ndarray]:
    """Of the bunnies, `share` are on grass; five things that say nothing are there besides, and a number."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(planted.labels(N // 2, N // 2))
    columns = {"grass": planted.drawn(rng, labels, {0: share}, elsewhere)}
    columns |= {f"noise {k}": rng.random(N) < 0.3 for k in range(5)}
    columns["light"] = rng.random(N)
    number = Column("light", "number", "image", "have light {value}", "with light not {value}")
    return planted.measures(columns, [number]), labels


def sampled(
    measures: Measures, labels: np.ndarray, size: int, seed: int = 0
) -> tuple[Audit, indicators.Indicators, np.ndarray]:
    rows = np.sort(np.random.default_rng(seed).choice(len(labels), size, replace=False))
    table = indicators.build(measures.take(rows), SETTINGS.cuts)
    return audit(table, labels[rows], CLASSES, SETTINGS, np.random.default_rng(1)), table, labels[rows]


def counts(measures: Measures, labels: np.ndarray, table: indicators.Indicators, piece: int = 3000) -> Table:
    def pieces():
        for start in range(0, len(labels), piece):
            rows = np.arange(start, min(start + piece, len(labels)))
            yield association.count(indicators.like(measures.take(rows), table), labels[rows], len(CLASSES))

    return counting.total(pieces())


def all_of(seed: int, share: float, size: int) -> tuple[Audit, Audit, int, Measures, np.ndarray]:
    measures, labels = world(seed, share)
    found, table, drawn = sampled(measures, labels, size)
    whole, n_tests = counting.with_counts(found, counts(measures, labels, table), table, drawn, CLASSES, SETTINGS)
    return found, whole, n_tests, measures, labels


def test_the_counts_of_pieces_are_those_of_all_at_once():
    measures, labels = world(0, 0.6)
    _, table, _ = sampled(measures, labels, 500)
    at_once = association.count(indicators.like(measures, table), labels, len(CLASSES))
    for piece in (999, 4096, N):
        together = counts(measures, labels, table, piece)
        for part in ("with_", "known", "sizes"):
            assert np.array_equal(getattr(together, part), getattr(at_once, part))
    with pytest.raises(ValueError, match="nothing was counted"):
        counting.total([])


def test_a_finding_of_the_sample_tells_its_shares_in_all():
    found, whole, _, measures, labels = all_of(0, 0.8, 600)
    finding = next(f for f in whole.findings if f.id == "bunny:grass=yes")
    grass, bunny = measures.frame["grass"].to_numpy(bool), labels == 0
    assert finding.in_all is not None
    assert (finding.in_all.n_class, finding.in_all.n_with) == (bunny.sum(), (grass & bunny).sum())
    assert finding.in_all.share_in_class == grass[bunny].mean()
    assert finding.in_all.share_elsewhere == grass[~bunny].mean()
    low, high = finding.in_all.effect_ci
    assert low < 0.5 < high
    assert high - low < 0.04
    before = next(f for f in found.findings if f.id == finding.id)
    assert finding.effect_ci == before.effect_ci
    assert finding.sentence.startswith(before.sentence)
    assert finding.sentence.endswith(
        " In all 20,000 images: 80% [80, 81], against 30% [29, 31]."
    ) or finding.sentence.endswith(" In all 20,000 images: 81% [80, 81], against 30% [29, 31].")
    assert [f.id for f in whole.findings] == [f.id for f in found.findings]


@pytest.mark.parametrize("seed", range(5))
def test_a_shortcut_too_small_for_the_sample_comes_out_in_all(seed):
    found, whole, n_tests, *_ = all_of(seed, 0.42, 120)
    assert n_tests >= 6
    assert "bunny:grass=yes" not in {f.id for f in found.findings}
    new = [f for f in whole.findings if f.id not in {f.id for f in found.findings}]
    assert [f.id for f in new] in (["bunny:grass=yes"], ["hen:grass=no"])
    assert new[0].in_all is not None
    assert new[0].in_all.effect == pytest.approx(new[0].effect)
    assert new[0].sentence.endswith(" That is so in all 20,000 images; the 120 drawn are too few to tell.")
    assert whole.verdict == "shortcuts found"


@pytest.mark.parametrize("seed", range(10))
def test_where_nothing_is_nothing_comes_out_in_all(seed):
    found, whole, n_tests, *_ = all_of(seed, 0.3, 400)
    assert n_tests > 0
    assert {f.id for f in whole.findings} == {f.id for f in found.findings}
    assert whole.verdict == found.verdict


def test_what_is_told_is_not_told_twice():
    """A copy of the grass is folded into it in the sample; a number is cut elsewhere in all than in the sample."""
    measures, labels = world(3, 0.8)
    frame = measures.frame.copy()
    rng = np.random.default_rng(0)
    frame["lawn"] = np.where(rng.random(N) < 0.03, ~frame["grass"].to_numpy(bool), frame["grass"].to_numpy(bool))
    frame["light"] = rng.normal(0, 1, N) + (labels == 0)
    measures = Measures(frame, (*measures.columns, planted.flag("lawn")))
    found, table, drawn = sampled(measures, labels, 400)
    whole, _ = counting.with_counts(found, counts(measures, labels, table), table, drawn, CLASSES, SETTINGS)
    assert len(found.findings) >= 2
    assert [f.id for f in whole.findings] == [f.id for f in found.findings]


def test_a_class_that_was_not_drawn_and_a_lone_one_are_no_error():
    measures, labels = world(0, 0.6)
    found, table, drawn = sampled(measures, labels, 400)
    everywhere = counts(measures, labels, table)
    none, _ = counting.with_counts(found, everywhere, table, np.where(drawn == 1, -1, drawn), CLASSES, SETTINGS)
    assert len(none.findings) == len(found.findings)
    lone = Table(everywhere.with_ * [[1], [0]], everywhere.known * [[1], [0]], everywhere.sizes * [1, 0])
    alone, n_tests = counting.with_counts(found, lone, table, drawn, CLASSES, SETTINGS)
    assert n_tests == 0
    assert all(f.in_all is None for f in alone.findings)
