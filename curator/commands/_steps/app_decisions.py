"""A person's decisions, from the FiftyOne App or a table, for `curator recommend` and `curator audit`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from curator.commands._steps import review
from curator.config import Settings
from curator.exporters import fiftyone_review
from curator.report.wording import notes as words
from curator.selection.decisions import Review, intended_by_tags, of_tags

if TYPE_CHECKING:
    from curator.commands.recommend import Advice


def of_pool(out: Path, name: str, *, from_app: bool, table: Path | None) -> tuple[Review | None, list[str]]:
    """The decisions on recommended images that this run uses, and notes; None if the user did not ask to use any.

    Decisions from earlier tables are kept in review.csv of the result folder `out` in any case.
    """
    before = review.earlier(out)
    if from_app:
        return of_tags(fiftyone_review.read_images(name), f"FiftyOne data set {name}"), []
    if table is not None:
        return before.then(review.read_review(table)), []
    if before.accepted or before.rejected:
        return None, [words.earlier_decisions(str(out / review.LEDGER))]
    return None, []


def offer(advice: Advice, name: str) -> int:
    """Write the recommendation as a FiftyOne data set for review. Returns the number of recommended images."""
    from curator.exporters.fiftyone import to_fiftyone

    to_fiftyone(
        advice.run, name,
        recommendation=advice.recommendation, pool=advice.pool.dataset, pool_measures=advice.pool_measures,
    )  # fmt: skip
    return len(advice.recommendation.ids)


def with_intended(settings: Settings, name: str) -> tuple[Settings, tuple[str, ...]]:
    """The settings with the findings that were accepted in the App, and notes on tags that match no finding."""
    shown, entries = fiftyone_review.read_findings(name)
    found, notes = intended_by_tags(fiftyone_review.read_images(name), shown, entries)
    listed = {entry.finding for entry in settings.audit.intended}
    added = tuple(entry for entry in found if entry.finding not in listed)
    return replace(settings, audit=replace(settings.audit, intended=(*settings.audit.intended, *added))), notes
