"""An audit whose counts are of all images, while a sample tells what needs images one by one."""

from __future__ import annotations

import numpy as np
import planted
import pytest

from curator.config import AuditSettings
from curator.shortcuts import association, indicators
from curator.shortcuts.association import Table
from curator.shortcuts.detection import audit
from curator.types import Audit, Column, Measures

SETTINGS = AuditSettings(n_permutations=2)
CLASSES = ("bunny", "hen")
N = 20_000
DESCRIBED = [
    Column("light", "number", "image", "have light {value}", "with light not {value}"),
    Column("site", "category", "metadata", "have site {value}", "with site other than {value}"),
    Column("colour", "tags", "context", "have a {value} background", "on something other than {value}"),
]


def world(seed: int, share: float, elsewhere: float = 0.3, n_noise: int = 5) -> tuple[Measures, np.ndarray]:
    """Of the bunnies, `share` are on grass; beside it things that say nothing, of every form, some of them with gaps."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(planted.labels(N // 2, N // 2))
    columns: dict[str, object] = {"grass": planted.drawn(rng, labels, {0: share}, elsewhere)}
    columns |= {f"noise {k}": rng.random(N) < 0.3 for k in range(n_noise)}
    columns["light"] = np.where(rng.random(N) < 0.1, np.nan, rng.random(N))
    columns["site"] = np.where(rng.random(N) < 0.4, None, rng.choice(["a", "b", "c"], N).astype(object))
    columns["colour"] = np.where(
        rng.random(N) < 0.2, None, rng.choice(["red", "red|blue", "green", ""], N).astype(object)
    )
    return planted.measures(columns, DESCRIBED), labels


def drawn(n: int, size: int, seed: int = 0) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))


def counts(measures: Measures, labels: np.ndarray, table: indicators.Indicators, piece: int = 3000) -> Table:
    def pieces():
        for start in range(0, len(labels), piece):
            rows = np.arange(start, min(start + piece, len(labels)))
            yield association.count(indicators.like(measures.take(rows), table), labels[rows], len(CLASSES))

    return association.total(pieces())


def sampled(measures: Measures, labels: np.ndarray, size: int, seed: int = 0, **more) -> tuple[Audit, Audit]:
    """The audit of a sample alone, and with the counts of all."""
    rows = drawn(len(labels), size, seed)
    table = indicators.build(measures.take(rows), SETTINGS.cuts)
    alone, whole = (
        audit(table, labels[rows], CLASSES, SETTINGS, np.random.default_rng(1), counts=of)
        for of in (None, counts(measures, labels, table))
    )
    return alone, whole


def test_the_counts_of_pieces_are_those_of_all_at_once_in_every_form():
    measures, labels = world(0, 0.6)
    table = indicators.build(measures, SETTINGS.cuts)
    straight = association.count(table, labels, len(CLASSES))
    assert (straight.known < straight.sizes[:, None]).any()  # there are gaps
    assert {c.form for c in table.columns} == {"flag", "number", "category", "tags"}
    for piece in (999, 4096, N):
        together = counts(measures, labels, table, piece)
        for part in ("with_", "known", "sizes"):
            assert np.array_equal(getattr(together, part), getattr(straight, part)), (part, piece)
    with pytest.raises(ValueError, match="no counts to add up"):
        association.total([])


def test_shares_tests_and_severity_are_of_all():
    measures, labels = world(0, 0.8)
    alone, whole = sampled(measures, labels, 300)
    (finding,) = whole.findings
    grass, bunny = measures.frame["grass"].to_numpy(bool), labels == 0
    assert (finding.attribute, finding.severity) == ("grass", "high")
    of = bunny if finding.class_name == "bunny" else ~bunny
    has = grass if finding.value == "yes" else ~grass
    assert (finding.n_class, finding.n_with) == (of.sum(), (has & of).sum())
    assert (finding.share_in_class, finding.share_elsewhere) == (has[of].mean(), has[~of].mean())
    low, high = finding.effect_ci
    assert low < 0.5 < high < low + 0.04
    assert finding.p < 1e-300 <= min(f.p for f in alone.findings)
    assert finding.confirmation.confirmed > 0  # of the sample


@pytest.mark.parametrize("seed", range(5))
def test_a_shortcut_too_small_for_the_sample_comes_out(seed):
    measures, labels = world(seed, 0.55)
    alone, whole = sampled(measures, labels, 110)
    assert whole.verdict == "shortcuts found"
    assert [(f.attribute, f.severity) for f in whole.findings] == [("grass", "medium")]
    assert alone.verdict != "shortcuts found" or alone.findings[0].severity == "low"


@pytest.mark.parametrize("seed", range(20))
def test_what_only_the_sample_shows_is_no_finding(seed):
    """Forty things that say nothing, and one image in a hundred and thirty: some samples show something, all images do not."""
    measures, labels = world(seed, 0.3, n_noise=40)
    _, whole = sampled(measures, labels, 150, seed)
    assert (whole.verdict, whole.findings) == ("none found", ())


def test_the_samples_above_do_show_something_by_themselves():
    """Or the test above could not fail."""
    some = [bool(sampled(*world(seed, 0.3, n_noise=40), 150, seed)[0].findings) for seed in range(20)]
    assert any(some)


def test_what_all_of_a_class_have_comes_out():
    """No image of the class is without it, in the sample or elsewhere."""
    measures, labels = world(1, 1.0, 0.88)
    _, whole = sampled(measures, labels, 120)
    assert [f.attribute for f in whole.findings] == ["grass"]
    assert {1.0, 0.0} & {whole.findings[0].share_in_class, whole.findings[0].share_elsewhere}


def test_a_class_of_which_none_was_drawn_is_no_error():
    measures, labels = world(0, 0.8)
    rows = drawn(N, 300)
    rows = rows[labels[rows] == 1]
    table = indicators.build(measures.take(rows), SETTINGS.cuts)
    readings = {table.index("grass", "yes"): np.zeros((len(rows), 4), np.bool_)}
    table = indicators.replace(table, readings=readings)
    everywhere = counts(measures, labels, table)
    found = audit(table, labels[rows], CLASSES, SETTINGS, np.random.default_rng(1), counts=everywhere)
    assert "grass" in {f.attribute for f in found.findings}


def test_too_few_were_drawn_to_tell_is_not_too_few_to_tell():
    measures, labels = world(0, 0.3)
    alone, whole = sampled(measures, labels, 8)
    assert (alone.verdict, whole.verdict) == ("too few images to tell", "none found")


def test_a_lone_class_of_many_is_not_called_too_few_for_its_sample():
    measures, _ = world(0, 0.8)
    rows = drawn(N, 100)
    table = indicators.build(measures.take(rows), SETTINGS.cuts)
    everywhere = association.count(indicators.like(measures, table), np.zeros(N, np.int32), 1)
    found = audit(table, np.zeros(100, np.int32), ("bunny",), SETTINGS, np.random.default_rng(1), counts=everywhere)
    assert found.verdict == "too few images to tell"  # there is nothing to compare with
    assert {f.n_class for f in found.findings} <= set(everywhere.known.ravel().tolist())
