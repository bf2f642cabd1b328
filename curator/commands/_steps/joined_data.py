"""Join DATA and the images of plans into one data set, and record which images are synthetic and what they are made of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from curator.commands._steps.edited_tables import read_rows
from curator.errors import InputError
from curator.io.jsonfile import read_json
from curator.report.wording import notes as words
from curator.selection.decisions import REJECT
from curator.selection.synthesis import is_synthetic
from curator.types import Dataset

_GIVE = "give the recommendation.csv or recommend.json of `curator recommend`, or the manifest.csv of --synthesize."


@dataclass(frozen=True, slots=True)
class Joined:
    """The data set with the plans' images; `made_of` lists the sources of each synthetic image by id, `roots` all folders."""

    dataset: Dataset
    made_of: Mapping[str, tuple[str, ...]]
    roots: tuple[str, ...]
    notes: tuple[str, ...]


def refuse_synthetic(dataset: Dataset, what: str) -> None:
    """Raises InputError if a data set contains synthetic images; `what` names the set that must not contain any."""
    found = is_synthetic(dataset.ids, dataset.metadata)
    if found.any():
        raise InputError(
            f"{int(found.sum())} images of {what} are synthetic (the first: {dataset.ids[int(found.argmax())]}); only "
            "photographs are allowed here; remove them, and give their manifest.csv with --plan or --synthetic."
        )


def joined(dataset: Dataset, plans: Sequence[Path]) -> Joined:
    """The images of `dataset` and of the `plans`, with ids relative to the folder that contains all of them.

    Rejected rows are ignored, and images that a plan drops are removed. Images with a label that is not a class of the
    data, and images that are there already, are left out with a note.

    Raises:
        InputError: no such plan, an image of it that is not there, or remote images.
    """
    if not plans:
        return Joined(dataset, {}, (dataset.root,), ())
    if "://" in dataset.root:
        raise InputError(f"{dataset.root} is remote; a plan needs local files; copy the images here first.")
    rows = [row for plan in plans for row in _rows(plan)]
    add = [row for row in rows if row.get("action", "add") != "drop" and row.get("decision", "") != REJECT]
    for row in add:
        if not os.path.isfile(row["path"]):
            raise InputError(f"the plan names {row['path']}, which does not exist; make the plan again.")
    root = os.path.commonpath([os.path.abspath(dataset.root), *(os.path.dirname(row["path"]) for row in add)])
    way = Path(os.path.abspath(dataset.root)).relative_to(root).as_posix()
    prefix = "" if way == "." else f"{way}/"
    mine = [f"{prefix}{id}" for id in dataset.ids.tolist()]
    gone = {row["path"] for row in rows if row.get("action", "add") == "drop"}
    keep = np.array([f"{root}/{id}" not in gone for id in mine], np.bool_)
    there, index = set(mine), {name: k for k, name in enumerate(dataset.classes)}
    ids, labels, made_of = [], [], {}
    n_again = n_odd = n_predicted = 0
    for row in add:
        id = Path(row["path"]).relative_to(root).as_posix()
        label = index.get(row["label"], -1)
        n_again += id in there
        n_odd += id not in there and label < 0
        if id in there or label < 0:
            continue
        there.add(id)
        ids.append(id)
        labels.append(label)
        n_predicted += row.get("label_source") == "predicted"
        if row.get("label_source") == "synthetic":
            made_of[id] = tuple(f"{prefix}{row[name]}" for name in ("object_of", "background_of") if row.get(name))
    metadata = dataset.metadata[keep].set_axis([i for i, k in zip(mine, keep, strict=True) if k])
    split = "train" if "train" in dataset.splits else ""
    both = replace(
        dataset,
        root=root,
        ids=np.array([*metadata.index, *ids], np.str_),
        labels=np.concatenate([dataset.labels[keep], np.array(labels, np.int32)]),
        splits=np.array([*dataset.splits[keep].tolist(), *([split] * len(ids))], np.str_),
        metadata=pd.concat([metadata, pd.DataFrame(index=ids)]).reindex(columns=metadata.columns),
    )
    order = np.argsort(both.ids, kind="stable")
    n_removed = int((~keep).sum())
    notes = (
        words.unconfirmed_labels(n_predicted) if n_predicted else "",
        words.already_there(n_again) if n_again else "",
        words.planned_of_other_class(n_odd, dataset.classes) if n_odd else "",
        words.removed_by_plan(n_removed) if n_removed else "",
    )
    roots = (dataset.root, *sorted({os.path.dirname(row["path"]) for row in add}))
    return Joined(both.take(order), made_of, roots, tuple(note for note in notes if note))


def _rows(plan: Path) -> list[dict[str, str]]:
    """The rows of a plan with absolute paths; relative paths start at the folder of the table, as in DATA."""
    try:
        if plan.suffix.lower() == ".json":
            content = read_json(plan)
            rows = [{**row, "path": row["path"]} for row in content["images"]]
            rows = [{k: str(v) for k, v in row.items()} for row in rows]
            if content.get("removals"):
                raise InputError(f"{plan} leaves images out but has no paths for them; give the recommendation.csv.")
        else:
            rows = read_rows(plan)[1]
        return [
            {**row, "path": os.path.abspath(plan.absolute().parent / row["path"]), "label": row["label"],
             "decision": row.get("decision", "").strip().casefold()}
            for row in rows
        ]  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise InputError(f"cannot read the plan {plan} ({type(e).__name__}: {e}); {_GIVE}") from e
