"""The interval of an effect: Newcombe's, and further down where the value was chosen for being the strongest of several."""

from __future__ import annotations

import numpy as np
import pytest
from planted import indicators, labels
from scipy.stats import norm

from curator import stats
from curator.config import AuditSettings
from curator.shortcuts.association import count, effect_interval, exact_tests, hits
from curator.types import Column

NUMBER = Column("sharpness", "number", "image", "have sharpness {value}", "with sharpness not {value}")
SETTINGS = AuditSettings(n_permutations=0)


def test_only_what_was_chosen_among_several_is_lowered():
    counts = np.array([[40, 40], [50, 50], [30, 30], [150, 150]])
    (plain, lowered), (top, same) = effect_interval(counts, np.array([False, True]))
    assert (plain, top) == pytest.approx(tuple(float(x) for x in stats.newcombe(40, 50, 30, 150)))
    assert same == top
    assert lowered == pytest.approx(float(stats.newcombe(40, 50, 30, 150, level=0.975)[0]))
    assert lowered < plain


def test_the_interval_of_a_numbers_best_cut_holds_the_effect_of_that_cut():
    """Two normals 1.05 apart, whose best cut differs by 0.4. Unwidened, the interval lies above the truth in 6 sets of 100."""
    rng, classes, above, held = np.random.default_rng(41), labels(50, 50, 50, 50), 0, []
    apart = 2 * norm.ppf(0.7)
    for _ in range(250):
        table = indicators({"sharpness": rng.normal(size=200) + apart * (classes == 0)}, [NUMBER])
        counts = count(table, classes, 4)
        for hit in [h for h in hits(counts, exact_tests(counts, 4, table, SETTINGS), SETTINGS) if h.class_idx == 0][:1]:
            cut = table.cuts[hit.indicator]
            true = float(norm.sf(cut - apart) - norm.sf(cut))
            held.append(hit.effect_ci[0] <= true <= hit.effect_ci[1])
            above += true < hit.effect_ci[0]
    assert len(held) > 230
    assert np.mean(held) >= 0.93
    assert above / len(held) <= 0.045
