"""The forecast in the report: read back as it was written, drawn where it says, and only with its own data."""

from __future__ import annotations

import contents
import pytest
from changed import replace
from report_example import EVIL, make_run

from curator.io.documents import as_document
from curator.report.html.curves import HEIGHT, LEFT, SPAN, TOP
from curator.report.html.forecast_chart import outlook
from curator.report.html.page import MAX_BYTES, render, with_forecast
from curator.types.document import Estimate
from curator.types.forecast import ClassForecast, Forecast, Needed, PairForecast, Point, ZeroShot

RUN = make_run()
FORECAST = Forecast(
    target=0.9,
    now=Point(40, 0.8, (0.75, 0.85)),
    needed=Needed(160, (90, None)),
    plateau=Estimate(0.96, (0.93, 0.99)),
    curve=(Point(10, 0.6, (0.5, 0.7)), Point(20, 0.7, (0.62, 0.78)), Point(40, 0.8, (0.75, 0.85))),
    expected=(Point(80, 0.86, (0.8, 0.9)), Point(160, 0.9, (0.84, 0.95))),
    per_class=(
        ClassForecast(EVIL, 40, 0.9, (0.8, 0.95), Needed(50, (40, 70))),
        ClassForecast("hen", 40, 0.7, (0.6, 0.8), Needed(None, (300, None))),
    ),
    confusable_pairs=(PairForecast("hen", EVIL, 0.8, (0.7, 0.9), Needed(120, (80, None))),),
    easiest_pair=None,
    zero_shot=ZeroShot(0.33, (0.27, 0.37), "the class names as prompts"),
    n_test=80,
    tested="a test split",
    encoder="e",
    seed=0,
    notes=(f"a note {EVIL}",),
    fingerprint=RUN.fingerprint,
)


def test_what_is_written_is_what_is_read() -> None:
    assert as_document(contents.of(FORECAST), Forecast) == FORECAST
    easy = replace(FORECAST, easiest_pair=FORECAST.confusable_pairs[0], zero_shot=None, fingerprint=None)
    assert as_document(contents.of(easy), Forecast) == easy


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": "curator.audit/1"},
        {"now": None},
        {"curve": [3]},
        {"plateau": {"value": "x", "ci": [0, 1]}},
        {"needed": {}},
    ],
)
def test_what_is_damaged_is_no_forecast(damage: dict[str, object]) -> None:
    for wrong in ({**contents.of(FORECAST), **damage}, {}):
        with pytest.raises(ValueError, match=r"expected|missing|nvalid"):
            as_document(wrong, Forecast)


def test_the_points_stand_where_they_are() -> None:
    panel = outlook(FORECAST).panel
    measured, expected = panel.lines
    # 10 to 160 is four doublings; from 50 % at the bottom to 100 %.
    assert [m.x for m in measured.marks] == pytest.approx([LEFT + SPAN * k / 4 for k in (0, 1, 2)], abs=0.01)
    assert [m.x for m in expected.marks] == pytest.approx([LEFT + SPAN * k / 4 for k in (2, 3, 4)], abs=0.01)
    assert [m.y for m in measured.marks] == pytest.approx([TOP + HEIGHT * (1 - v) for v in (0.2, 0.4, 0.6)], abs=0.1)
    assert (measured.marks[0].y_low, measured.marks[0].y_high) == (TOP + HEIGHT, pytest.approx(TOP + HEIGHT * 0.6))
    assert panel.goal == (pytest.approx(TOP + HEIGHT * 0.2), "target 90%")
    assert (measured.dashed, expected.dashed) == (False, True)
    assert "measured: 60% with 10, 70% with 20, 80% with 40; expected: 80% with 40" in panel.words
    assert [label for _, label in panel.x_ticks] == ["10", "20", "40", "80", "160"]


def test_the_worst_class_comes_first() -> None:
    found = outlook(FORECAST)
    assert [row.name for row in found.classes] == ["hen", EVIL]
    assert found.classes[0].needed == "out of sight"
    assert found.headline == "90% needs about 160 images of every class [90 or more]; there are 40."


def test_a_report_shows_the_forecast_it_is_given_and_takes_one_later() -> None:
    bare = render(RUN, lambda _: None)
    assert 'id="outlook"' not in bare
    later = with_forecast(bare, FORECAST)
    assert later == render(RUN, lambda _: None, forecast=FORECAST)
    assert later is not None
    assert later.count('id="outlook"') == later.count('href="#outlook"') == 1
    assert EVIL not in later
    better = with_forecast(later, replace(FORECAST, target=0.85, needed=Needed(70, (50, 90))))
    assert better is not None
    assert "85% needs about 70 images" in better
    assert "160 images of every class" not in better


def test_a_forecast_of_other_data_is_not_taken() -> None:
    bare = render(RUN, lambda _: None)
    assert with_forecast(bare, replace(FORECAST, fingerprint="sha256:other")) is None
    assert with_forecast(bare, replace(FORECAST, fingerprint=None)) is None
    assert with_forecast("<html></html>", FORECAST) is None
    assert with_forecast(bare + " " * MAX_BYTES, FORECAST) is None


def test_a_name_cannot_open_a_slot() -> None:
    named = replace(RUN, notes=("<!-- forecast --> <!-- /forecast -->",))
    page = render(named, lambda _: None)
    assert page.count("<!-- forecast -->") == 1
    assert with_forecast(page, FORECAST) is not None
