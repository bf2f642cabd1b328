"""The error of the measure: nothing is added where all readings agree, and by hand where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from planted import indicators, labels

from curator.shortcuts.association import Hit
from curator.shortcuts.measurement_error import widened

CLASSES = labels(10, 20)
FLAG = np.r_[np.arange(10) < 8, np.arange(20) < 4]
HIT = Hit(0, 0, 0.0, 0.0, 0.6, (0.3, 0.8))


def read(*readings: np.ndarray) -> Hit:
    table = indicators({"concept.x": FLAG})
    return widened(HIT, replace(table, readings={0: np.stack(readings, axis=1)}), CLASSES)


def test_readings_that_agree_change_nothing():
    assert read(FLAG, FLAG, FLAG).effect_ci == pytest.approx(HIT.effect_ci)


def test_a_value_without_other_readings_keeps_its_interval():
    table = indicators({"concept.x": FLAG})
    assert widened(HIT, table, CLASSES) is HIT
    assert read(FLAG) is HIT


def test_readings_that_differ_widen_by_their_variance():
    """Effects 0.6, 0.5 and 0.4, whose variance is 0.01; with three readings B counts 4/3, and 1.95996^2 = 3.84146."""
    fewer, least = FLAG.copy(), FLAG.copy()
    fewer[7] = False
    least[6:8] = False
    out = read(FLAG, fewer, least)
    added = 4 / 3 * 0.01 * 3.84146
    assert out.effect == 0.6
    assert out.effect_ci == pytest.approx((0.6 - (0.09 + added) ** 0.5, 0.6 + (0.04 + added) ** 0.5), abs=1e-5)


def test_only_effects_count_not_what_all_classes_share():
    """A reading that is stricter in every class alike moves no effect, and widens nothing."""
    stricter = FLAG.copy()
    stricter[6:8] = False  # 2 of 10 fewer
    stricter[[10, 11, 12, 13]] = False  # 4 of 20 fewer
    assert read(FLAG, stricter).effect_ci == pytest.approx(HIT.effect_ci)


def test_unlabelled_images_are_left_out_and_no_interval_leaves_its_range():
    unlabelled = np.r_[CLASSES, -1, -1].astype(np.int32)
    table = indicators({"concept.x": np.r_[FLAG, True, True]})
    readings = np.stack([np.r_[FLAG, False, False], np.r_[FLAG, True, True]], axis=1)
    assert widened(HIT, replace(table, readings={0: readings}), unlabelled).effect_ci == pytest.approx(HIT.effect_ci)
    wild = read(FLAG, ~FLAG)
    assert wild.effect_ci == (-1.0, 1.0)


def test_of_a_class_that_no_image_shows_nothing_can_be_read_again():
    table = replace(indicators({"concept.x": FLAG}), readings={0: np.stack([FLAG, ~FLAG], axis=1)})
    assert widened(HIT, table, np.where(CLASSES == 0, -1, CLASSES)) is HIT
    assert widened(HIT, table, np.where(CLASSES == 1, -1, CLASSES)) is HIT
