"""Adds the error of the measure itself to the interval of an effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from curator import stats
from curator.shortcuts.association import Hit
from curator.shortcuts.indicators import Indicators
from curator.types import Ints


def widened(hit: Hit, indicators: Indicators, labels: Ints) -> Hit:
    """The hit with an interval that also covers the error of the measure.

    Each alternative reading of the value (another template of a prompt, another draw of its cut) gives its own effect. The
    variance B between these effects is added to the sampling variance W as in multiple imputation: W + (1 + 1/T) B for T
    readings, separately for each side of the interval. A value without alternative readings keeps its interval.

    Error: covers only differences between the readings. An error that all readings share, such as a prompt that means
    something else, is not covered. Source: Rubin (1987), eq. 3.1.6 to 3.1.8.
    """
    readings = indicators.readings.get(hit.indicator)
    if readings is None or readings.shape[1] < 2:
        return hit
    known = indicators.known[:, hit.indicator]
    inside, outside = known & (labels == hit.class_idx), known & (labels >= 0) & (labels != hit.class_idx)
    if not inside.any() or not outside.any():  # happens if the hit comes from other images than the readings
        return hit
    effects = readings[inside].mean(0) - readings[outside].mean(0)
    between = (1 + 1 / len(effects)) * float(effects.var(ddof=1)) * stats.z_value() ** 2
    low, high = hit.effect_ci
    return replace(
        hit,
        effect_ci=(
            max(-1.0, hit.effect - float(np.hypot(hit.effect - low, between**0.5))),
            min(1.0, hit.effect + float(np.hypot(high - hit.effect, between**0.5))),
        ),
    )
