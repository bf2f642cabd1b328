"""The curve of the proof, by hand: where its marks stand, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from changed import replace
from report.report_example import make_probe

from curator.report import wording
from curator.report.html.curves import HEIGHT, panels
from curator.types import CurvePoint


def point(n, worst, reliance, average=0.9):
    return CurvePoint(n, worst, (worst - 0.1, worst + 0.1), reliance, (reliance - 0.2, reliance + 0.1), average)


@pytest.fixture
def probe():
    curve = [point(0, 0.5, 0.4), point(10, 0.7, 0.2), point(20, 0.9, 0.0)]
    control = [point(0, 0.5, 0.4), point(10, 0.5, 0.4), point(20, 0.6, 0.3)]
    return replace(make_probe(), curve=tuple(replace(p, random=c) for p, c in zip(curve, control, strict=True)))


def test_marks_stand_where_the_numbers_are(probe):
    worst, reliance = panels(probe)
    bottom, top = worst.y_ticks[0][0], worst.y_ticks[-1][0]
    assert (bottom - top, worst.y_ticks[0][1], worst.y_ticks[-1][1]) == (HEIGHT, "0%", "100%")
    main, control = worst.lines
    assert (main.name, main.main, control.name, control.main) == ("recommended", True, "random", False)
    assert [m.y for m in main.marks] == pytest.approx([bottom - HEIGHT * v for v in (0.5, 0.7, 0.9)], abs=0.1)
    assert [m.y for m in control.marks] == pytest.approx([bottom - HEIGHT * v for v in (0.5, 0.5, 0.6)], abs=0.1)
    assert main.marks[1].y_low - main.marks[1].y_high == pytest.approx(0.2 * HEIGHT, abs=0.2)
    x = [m.x for m in main.marks]
    assert np.diff(x) == pytest.approx([(x[2] - x[0]) / 2] * 2, abs=0.02)
    assert [label for _, label in worst.x_ticks] == ["0", "10", "20"]
    assert reliance.y_ticks[0][1] == "−25%"
    of = {label: y for y, label in reliance.y_ticks}
    assert reliance.lines[0].marks[2].y == of["0%"]


def test_who_cannot_see_it_is_told(probe):
    worst, reliance = panels(probe)
    assert "recommended images: 50% after 0, 70% after 10, 90% after 20" in worst.words
    assert "random images: 50% after 0, 50% after 10, 60% after 20" in worst.words
    assert "+40 points after 0" in reliance.words


def test_what_the_test_set_cannot_show_is_not_drawn(probe):
    unseen = replace(
        probe, curve=(*probe.curve[:-1], replace(probe.curve[-1], reliance=float("nan"), reliance_ci=None))
    )
    assert [p.title for p in panels(unseen)] == ["Accuracy of the worst group"]
    assert wording.fading(unseen) == ""
    assert panels(replace(probe, curve=probe.curve[:1])) == []


def test_the_fading_and_the_average_in_words(probe):
    assert "+40 points [+20, +50] before, 0 points [−20, +10] now." in wording.fading(probe)
    assert "94% before, 94% with the recommended images (−1 point [−3, +2])." in wording.average_change(probe)
    assert wording.average_change(replace(probe, average_change=None)) == ""
