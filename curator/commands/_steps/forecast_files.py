"""Write the result files of `curator forecast`."""

from __future__ import annotations

from pathlib import Path

from curator.commands._steps.results import REPORT, Written, save
from curator.report.html.page import with_forecast
from curator.report.serialise import write_text
from curator.types.forecast import Forecast

NAME = "forecast.json"


def write_forecast(done: Forecast, out: Path) -> Written:
    """Write forecast.json to the folder `out`, and add the forecast to a report.html there that is of the same data."""
    path = save(NAME, done, out)
    try:
        page = with_forecast((out / REPORT).read_text(encoding="utf-8"), done)
    except (OSError, UnicodeDecodeError):
        page = None
    if page is None:
        return Written((path,))
    write_text(page, out / REPORT)
    return Written((path, out / REPORT))
