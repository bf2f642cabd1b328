"""Read a FiftyOne data set: paths, labels, splits, and the user's own fields as metadata. It is never written to."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.errors import DataError, InputError, did_you_mean
from curator.io.fiftyone import load_fiftyone
from curator.readers import Reader, Request
from curator.readers._rows import Row, Table, dataset
from curator.types import Dataset, Skipped

SPLIT_TAGS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""Sample tags that name splits if there is no field `split`. A sample with two of them has no split."""
_OWN = frozenset(("id", "filepath", "tags", "metadata", "created_at", "last_modified_at", "_media_type", "_rand"))
_DEFAULT_LABEL = "label"
_USUAL_LABEL = "ground_truth"


def read(name: str, *, label_field: str = _DEFAULT_LABEL) -> tuple[str, Table]:
    """The folder that contains all images of the data set, and its rows; ids are paths relative to that folder.

    Labels come from `label_field` if there is such a field, otherwise from ground_truth, otherwise from the only field
    with classifications. A sample without a label is unlabelled. Fields with one number, text or boolean per sample are
    metadata. If curator made the data set, only the audited images are read, without the fields that curator added.

    Raises:
        InputError: there is no such data set, it is not of images, or it has several label fields and none was chosen.
        DataError: it has no sample.
        MissingExtraError: FiftyOne or MongoDB is missing.
    """
    fo = load_fiftyone()
    if not fo.dataset_exists(name):
        known = [f"fiftyone:{other}" for other in fo.list_datasets()]
        hint = did_you_mean(f"fiftyone:{name}", known, "list them with `fiftyone datasets list`.")
        raise InputError(f"FiftyOne has no data set {name!r}; {hint}")
    dataset = fo.load_dataset(name)
    if len(dataset) and dataset.media_type != "image":
        raise InputError(
            f"FiftyOne's data set {name!r} holds {dataset.media_type}; images are needed; name another data set."
        )
    ours = (dataset.info.get("curator") or {}).get("fields", ())
    view = dataset.match(fo.ViewField("source") == "data") if "source" in ours else dataset.view()
    if not len(view):
        raise DataError(f"FiftyOne's data set {name!r} has no samples; add images or name another.")
    schema = dataset.get_field_schema()
    labels = _labels(fo, view, schema, label_field, name)
    paths, tags = view.values(["filepath", "tags"])
    splits = _splits(view, schema, tags)
    plain = {
        field: view.values(field)
        for field, kind in schema.items()
        if isinstance(kind, fo.StringField | fo.BooleanField | fo.IntField | fo.FloatField)
        and field not in {*_OWN, *ours, "split", label_field}
    }
    root = os.path.commonpath([os.path.dirname(path) for path in paths])
    rows: dict[str, int] = {}
    skipped = []
    for k, path in enumerate(paths):
        id = os.path.relpath(path, root).replace(os.sep, "/")
        if id in rows:
            skipped.append(Skipped(id, "a second sample of the same file"))
        else:
            rows[id] = k
    metadata = pd.DataFrame(
        {f: [column[k] for k in rows.values()] for f, column in plain.items()}, index=pd.Index(rows)
    )
    table = tuple(Row(id, labels[k] or None, splits[k]) for id, k in rows.items())
    return root, Table(table, tuple(skipped), metadata)


def vectors(name: str) -> list[tuple[str, dict[str, NDArray[Any]]]]:
    """Each field with vectors of the data set `name`, by the path of the image.

    Raises:
        MissingExtraError: FiftyOne or MongoDB is missing.
    """
    fo = load_fiftyone()
    dataset = fo.load_dataset(name)
    out = []
    for field in sorted(dataset.get_field_schema(ftype=(fo.VectorField, fo.ArrayField))):
        paths, rows = dataset.exists(field).values(["filepath", field])
        out.append((field, {path: np.ravel(row) for path, row in zip(paths, rows, strict=True)}))
    return out


def _labels(fo: Any, view: Any, schema: dict[str, Any], asked: str, name: str) -> list[str | None]:
    given = [f for f, kind in schema.items() if getattr(kind, "document_type", None) is fo.Classification]
    if asked in given:
        return list(view.values(f"{asked}.label"))
    if isinstance(schema.get(asked), fo.StringField):
        return list(view.values(asked))
    if asked != _DEFAULT_LABEL:
        there = f"; there are: {', '.join(given)}." if given else ", and no other field with classifications."
        raise InputError(f"FiftyOne's data set {name!r} has no label field {asked!r}{there}")
    if _USUAL_LABEL in given:
        return list(view.values(f"{_USUAL_LABEL}.label"))
    if len(given) > 1:
        raise InputError(
            f"FiftyOne's data set {name!r} has several fields with labels ({', '.join(given)}); name one with --label-column."
        )
    return list(view.values(f"{given[0]}.label")) if given else [None] * len(view)


def _splits(view: Any, schema: dict[str, Any], tags: list[list[str]]) -> list[str]:
    if "split" in schema:
        return [SPLIT_TAGS.get(str(s or "").lower(), str(s or "")) for s in view.values("split")]
    named = [{SPLIT_TAGS[t.lower()] for t in each if t.lower() in SPLIT_TAGS} for each in tags]
    return [found.pop() if len(found) == 1 else "" for found in named]


_PREFIX = "fiftyone:"


def _is_fiftyone(request: Request) -> bool:
    return isinstance(request.data, str) and request.data.lower().startswith(_PREFIX)


def _read(request: Request) -> Dataset:
    name = str(request.data)[len(_PREFIX) :].strip()
    root, table = read(name, label_field=request.label_column)
    return dataset(name.replace("/", "-"), root, table.rows, table.skipped, table.metadata)


READER = Reader(order=10, form="fiftyone:NAME", reads=_is_fiftyone, read=_read)
