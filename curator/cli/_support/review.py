"""A person's decisions, from the FiftyOne App or a table, for `curator recommend` and `curator audit`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curator.cli._support.options import Common
    from curator.commands import Advice
    from curator.config import Settings
    from curator.selection.decisions import Review
    from curator.types import Dataset

_TABLE = "or decide without it: fill in the column decision of recommendation.csv and give it back with --review."


def results(common: Common, dataset: Dataset) -> Path:
    """The result folder of DATA, whether or not it exists."""
    return common.out or Path("curator-out") / dataset.name


def title(dataset: Dataset, name: str | None) -> str:
    """The name of the FiftyOne data set of DATA."""
    return name or f"curator-{dataset.name}"


def need_database(*, has_table: bool) -> None:
    """Raises MissingExtraError, before any work is done, if there is no MongoDB for the review."""
    from curator.app import browse
    from curator.errors import MissingExtraError

    try:
        browse.find_database()
    except MissingExtraError as error:
        if not has_table:
            raise
        raise MissingExtraError(f"{str(error).rstrip('.')}; {_TABLE}") from error


def of_pool(out: Path, name: str, *, from_app: bool, table: Path | None) -> tuple[Review | None, list[str]]:
    """The decisions on recommended images that this run uses, and notes; None if the user did not ask to use any.

    Decisions from earlier tables are kept in review.csv of the result folder `out` in any case.
    """
    from curator.commands._steps import review
    from curator.exporters import fiftyone_review
    from curator.report import wording
    from curator.selection.decisions import of_tags

    before = review.earlier(out)
    if from_app:
        return of_tags(fiftyone_review.read_images(name), f"FiftyOne data set {name}"), []
    if table is not None:
        return before.then(review.read_review(table)), []
    if before.accepted or before.rejected:
        return None, [wording.notes.earlier_decisions(str(out / review.LEDGER))]
    return None, []


def keep(out: Path, decisions: Review | None) -> None:
    """Save the decisions in the tables before the tables are overwritten."""
    from curator.commands._steps import review

    review.keep(review.earlier(out).then(decisions) if decisions is not None else review.earlier(out), out)


def write(advice: Advice, name: str) -> int:
    """Write the recommendation as a FiftyOne data set for review. Returns the number of recommended images."""
    from curator.exporters.fiftyone import to_fiftyone

    to_fiftyone(
        advice.run, name,
        recommendation=advice.recommendation, pool=advice.pool.dataset, pool_measures=advice.pool_measures,
    )  # fmt: skip
    return len(advice.recommendation.ids)


def with_intended(settings: Settings, name: str) -> tuple[Settings, tuple[str, ...]]:
    """The settings with the findings that were accepted in the App, and notes on tags that match no finding."""
    from curator.exporters import fiftyone_review
    from curator.selection.decisions import intended_by_tags

    shown, entries = fiftyone_review.read_findings(name)
    found, notes = intended_by_tags(fiftyone_review.read_images(name), shown, entries)
    listed = {entry.finding for entry in settings.audit.intended}
    added = tuple(entry for entry in found if entry.finding not in listed)
    return replace(settings, audit=replace(settings.audit, intended=(*settings.audit.intended, *added))), notes
