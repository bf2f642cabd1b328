"""The false-alarm rate: fast, and yet what a plain loop over shuffled labels gives."""

from __future__ import annotations

import numpy as np
import pytest
from planted import drawn, indicators, labels

from curator import stats
from curator.config import AuditSettings
from curator.shortcuts.association import count, count_many, exact_tests, hits, tellable
from curator.shortcuts.permutation import expected_false_findings
from curator.shortcuts.redundancy import fold
from curator.types import Column

NUMBER = Column("sharpness", "number", "image", "have sharpness {value}", "with sharpness not {value}")
# So lenient that shuffled labels have findings: an equality of zeros would show nothing.
LENIENT = AuditSettings(alpha=0.3, min_effect=0.01, n_permutations=40)


def table_of(rng, classes, n_flags=25):
    columns: dict[str, object] = {f"flag{k}": rng.random(len(classes)) < rng.uniform(0.05, 0.6) for k in range(n_flags)}
    # Copies come out together, and then p need not be small for q to be: the sums must not stop too early.
    columns |= {f"copy{k}": columns["flag0"] for k in range(n_flags)}
    columns["sharpness"] = rng.normal(size=len(classes))
    gaps = (rng.random(len(classes)) < 0.4).astype(object)
    gaps[rng.random(len(classes)) < 0.5] = None
    columns["sparse"] = gaps
    return indicators(columns, [NUMBER])


def plainly(table, classes, n_rows, n_classes, settings, rng) -> float:
    """One shuffle at a time, every p summed to its end."""
    total, known = 0, np.flatnonzero(classes >= 0)
    for _ in range(settings.n_permutations):
        shuffled = classes.copy()
        shuffled[known] = rng.permutation(classes[known])
        counts = count(table, shuffled, n_rows)
        found = hits(counts, exact_tests(counts, n_classes, table, settings), settings)
        total += len(fold(found, table, shuffled, settings))
    return total / settings.n_permutations


@pytest.mark.parametrize(
    ("sizes", "n_classes"), [((60, 60, 60), 3), ((150, 20, 10), 3), ((40, 200), 1), ((30,) * 8, 8)], ids=str
)
def test_the_fast_rate_is_the_plain_one(sizes, n_classes, monkeypatch):
    rng = np.random.default_rng(31)
    classes = labels(*sizes)
    classes[::17] = -1
    table = table_of(rng, classes)
    want = plainly(table, classes, len(sizes), n_classes, LENIENT, np.random.default_rng(5))
    assert want > 0
    for rows in (1, 7 * len(sizes), 4096):
        monkeypatch.setattr("curator.shortcuts.permutation._ROWS", rows)
        got = expected_false_findings(table, classes, len(sizes), n_classes, LENIENT, np.random.default_rng(5))
        assert got == want


def test_the_rate_is_that_of_sets_where_nothing_is_planted():
    """What shuffling one noise set gives is what fresh noise sets give, within four standard errors of either."""
    classes, settings = labels(50, 50, 50), AuditSettings(alpha=0.3, min_effect=0.01, n_permutations=200)
    rng = np.random.default_rng(32)
    shuffled = [
        expected_false_findings(table_of(rng, classes), classes, 3, 3, settings, np.random.default_rng(k))
        for k in range(4)
    ]
    fresh = []
    for _ in range(400):
        table = table_of(rng, classes)
        counts = count(table, classes, 3)
        fresh.append(
            len(fold(hits(counts, exact_tests(counts, 3, table, settings), settings), table, classes, settings))
        )
    error = np.hypot(np.std(fresh) / 20, np.std(fresh) / np.sqrt(800))
    assert abs(np.mean(shuffled) - np.mean(fresh)) < 4 * error
    assert np.mean(fresh) > 0.1


def test_many_labelings_are_counted_as_one_by_one():
    rng = np.random.default_rng(33)
    classes = labels(70, 30, 20)
    table = table_of(rng, classes)
    many = np.stack([np.where(rng.random(120) < 0.5, rng.permutation(classes), -1) for _ in range(6)]).astype(np.int32)
    for row, got in zip(many, count_many(table, many, 3), strict=True):
        for c in range(3):
            inside = row == c
            assert got.with_[c].tolist() == table.values[inside].sum(0).tolist()
            assert got.known[c].tolist() == table.known[inside].sum(0).tolist()
            assert got.sizes[c] == inside.sum()


def test_what_could_not_come_out_is_not_tested_and_everything_that_can_is():
    """Every way to deal the values over the classes: none that is ruled out would have been a finding."""
    settings = AuditSettings(n_permutations=0, alpha=0.05)
    classes = labels(12, 30)
    for k_all in range(1, 42):
        table = indicators({"x": np.arange(42) < k_all})
        yes = table.index("x", "yes")
        can = tellable(count(table, classes, 2), 2, settings)[:, yes]
        for c, n in enumerate((12, 30)):
            best = False
            for k in range(max(0, k_all - (42 - n)), min(n, k_all) + 1):
                p = float(stats.exact_greater(k, n, k_all, 42))
                low = float(stats.newcombe(k, n, k_all - k, 42 - n)[0])
                best |= p <= settings.alpha and low > settings.min_effect and 3 <= k_all <= 39
            assert can[c] == best


def test_a_value_too_rare_to_tell_costs_the_others_nothing():
    """A thousand values of two images each beside one shortcut: q is what it is alone."""
    classes, rng = labels(40, 40), np.random.default_rng(34)
    grass = drawn(rng, classes, {0: 0.6}, 0.1)
    rare = {f"rare{k}": np.isin(np.arange(80), rng.choice(80, 2, replace=False)) for k in range(100)}
    alone, crowded = (indicators(c) for c in ({"grass": grass}, {"grass": grass, **rare}))
    settings = AuditSettings(n_permutations=0)
    (a, b) = (exact_tests(count(t, classes, 2), 2, t, settings) for t in (alone, crowded))
    assert a.n_tests == b.n_tests == 4
    assert a.q.min() == b.q.min()
