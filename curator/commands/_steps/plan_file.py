"""Read a recommendation.csv: which images of the pool it names, and which shortcuts it is about."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from curator.commands._steps.edited_tables import read_rows
from curator.commands._steps.targets import named
from curator.errors import InputError
from curator.selection.decisions import REJECT
from curator.types import AuditRun, Embedded, Finding


@dataclass(frozen=True, slots=True)
class Line:
    """One image of a plan: its row in the pool, and what the plan says about it ("" if it says nothing).

    `cell` is class, attribute and value. The value is as written in the plan: "green" or "not green".
    """

    row: int
    label: str
    source: str
    cell: tuple[str, str, str]
    reason: str


Wanted = list[Line]


def read_plan(plan: Path, pool: Embedded) -> Wanted:
    """The lines of a recommendation.csv, which may have been edited. Only path and label are required.

    Raises:
        InputError: there is no such table, it holds no images to add, or it names an image that is not in the pool.
    """
    try:
        columns, rows = read_rows(plan)
    except (OSError, ValueError) as e:
        raise InputError(
            f"cannot read the plan {plan} ({e}); give the recommendation.csv that `curator recommend` wrote."
        ) from e
    if not {"path", "label"} <= set(columns):
        raise InputError(
            f"{plan} has no columns path and label; give the recommendation.csv that `curator recommend` wrote."
        )
    if any(row.get("action") == "drop" for row in rows):
        raise InputError(
            f"{plan} leaves out images of the data; validate only tests added images; make the plan with --mode add."
        )
    by_path = {os.path.realpath(pool.dataset.path(i)): i for i in range(len(pool.dataset))}
    lines = []
    for said in rows:
        if said.get("decision", "").strip().casefold() == REJECT:
            continue
        row = by_path.get(os.path.realpath(said["path"]))
        if row is None:
            raise InputError(
                f"{plan} names {said['path']}, which is not in the pool; give the --pool that the plan was made from."
            )
        cell = said.get("class", ""), said.get("attribute", ""), said.get("value", "")
        lines.append(Line(row, said["label"], said.get("label_source", "predicted"), cell, said.get("reason", "")))
    if not lines:
        found = f"every image of {plan} is rejected" if rows else f"{plan} holds no images"
        raise InputError(
            f"{found}, so there is nothing to validate; give a plan with images: the shopping list of `curator recommend` "
            "says which ones the pool lacks."
        )
    return lines


def findings_of(wanted: Wanted, run: AuditRun) -> list[Finding]:
    """The shortcuts that the plan undoes, in its order; empty if the plan does not name any.

    The class of a shortcut follows from its cells: cells of that class lack the value, and cells of other classes have it.
    """
    found: dict[str, Finding] = {}
    for class_name, attribute, value in dict.fromkeys(line.cell for line in wanted):
        about = [f for f in run.audit.findings if f.attribute == attribute]
        mine = [f for f in about if f.class_name == class_name and f"not {f.value}" == value]
        others = [f for f in about if f.class_name != class_name and f.value == value]
        for finding in (mine or others)[:1]:
            found.setdefault(finding.id, finding)
    if found:
        return list(found.values())
    # A shortcut that the user named may not be a finding. Its class is then known only from the class's own cell.
    for class_name, attribute, value in dict.fromkeys(line.cell for line in wanted):
        if class_name in run.dataset.classes and attribute in run.measures.frame and value.startswith("not "):
            return [named(f"{class_name}:{attribute}={value.removeprefix('not ')}", run)]
    return []
