"""Reads a person's decisions back from the FiftyOne App: the tags on images, and the decisions on findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curator.errors import InputError
from curator.exporters.fiftyone import MARK
from curator.io.fiftyone import load_fiftyone
from curator.selection.decisions import DECISIONS, INTENDED, Shown, Tagged

ENTRIES = "curator_review"
"""The key of `dataset.info` with the decisions on findings, which a rebuild keeps: [id, decision, reason] each."""


def read_images(name: str) -> list[Tagged]:
    """Every image of the data set `name` with its tags and its displayed label.

    The label is the one that the reviewer saw or entered: the given one, else the suggested one.

    Raises:
        InputError: the data set does not exist, or curator did not make it. MissingExtraError: FiftyOne or MongoDB is missing.
    """
    dataset = _open(name)
    schema = dataset.get_field_schema()
    columns = ["filepath", "tags"]
    columns += [f"{field}.label" for field in ("ground_truth", "suggested") if field in schema]
    columns += ["source"] if "source" in schema else []
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*dataset.values(columns), strict=True)]
    return [
        Tagged(
            row["filepath"],
            row.get("ground_truth.label") or row.get("suggested.label") or "",
            tuple(row["tags"] or ()),
            row.get("source") or "",
        )
        for row in rows
    ]


def read_findings(name: str) -> tuple[list[Shown], dict[str, Mapping[str, str]]]:
    """The findings that the data set shows, and the decisions on findings by id (keys decision, reason).

    Raises: as `read_images`.
    """
    dataset = _open(name)
    shown = [Shown(f["id"], f["name"], f["aligned_tag"]) for f in dataset.info[MARK].get("findings", ())]
    entries: dict[str, Mapping[str, str]] = {
        id: {"decision": decision, "reason": why} for id, decision, why in dataset.info.get(ENTRIES, ())
    }
    return shown, entries


def decide(name: str, finding_id: str, decision: str, reason: str = "") -> None:
    """Store a decision on a finding in the data set: "intended", "accept" or "reject". "" removes an earlier decision.

    Raises:
        InputError: the decision is unknown. Else as `read_images`.
    """
    if decision not in ("", INTENDED, *DECISIONS):
        raise InputError(
            f"{decision!r} is not a decision on a finding; use one of: {INTENDED}, {', '.join(DECISIONS)}."
        )
    dataset = _open(name)
    kept = [list(entry) for entry in dataset.info.get(ENTRIES, ()) if entry[0] != finding_id]
    # A list, because a key of a MongoDB document cannot contain the dots of an id.
    dataset.info[ENTRIES] = [*kept, *([[finding_id, decision, reason]] if decision else [])]
    dataset.save()


def _open(name: str) -> Any:
    fo = load_fiftyone()
    if not fo.dataset_exists(name):
        raise InputError(
            f"FiftyOne has no data set {name!r} to read decisions from; make it with `curator browse DATA`, or with "
            "`curator recommend DATA --pool POOL --confirm`, and tag images in the App."
        )
    dataset = fo.load_dataset(name)
    if MARK not in dataset.info:
        raise InputError(f"curator did not make FiftyOne's data set {name!r}; give the name of one that it made.")
    return dataset
