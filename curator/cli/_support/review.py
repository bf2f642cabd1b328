"""What the flags of a review in the FiftyOne App need, for `curator recommend` and `curator audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curator.types import Dataset

_TABLE = "or decide without it: fill in the column decision of recommendation.csv and give it back with --review."


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
