"""An audit as a FiftyOne data set: fields, tags and one saved view per finding.

A data set that is built again keeps everything the user put into it: tags, fields, views, samples.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

import curator
from curator.errors import CuratorError, InputError, MissingExtraError
from curator.exporters import marks
from curator.exporters.marks import DUPLICATE, LABEL_ERROR, LEAK, RECOMMENDED, Field, FindingMark, Marked
from curator.exporters.mongodb import Database, find_database
from curator.types import AuditRun, Dataset, Floats, Measures, Recommendation

MARK = "curator"
"""The key of `dataset.info` by which a data set made here is known."""
MAP_KEY, SIMILARITY_KEY = "curator_map", "curator_similarity"
MAX_SIMILARITY = 1_000_000
"""Numbers (images x dimensions) up to which the App can sort by similarity: FiftyOne keeps them as text, about 3 s."""
COLOURS = {"high": "#d62728", "medium": "#ff7f0e", "low": "#e5c100"}
OTHER, ADD = "#7f7f7f", "#2ca02c"
_CONNECT_TIMEOUT_MS = 5000


def load_fiftyone() -> Any:
    """The `fiftyone` module, connected to a MongoDB that answers, with usage tracking off and its chatter kept quiet.

    Raises:
        MissingExtraError: no FiftyOne, no MongoDB, or one that does not answer.
    """
    if find_spec("fiftyone") is None:
        raise MissingExtraError("FiftyOne is not installed; run `pip install fiftyone`.")
    database = find_database()
    os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
    if "fiftyone" not in sys.modules:
        os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")  # it talks on stdout, where the result belongs
    import fiftyone as fo

    fo.config.do_not_track = True
    try:
        _connect(fo, database)
    except CuratorError:
        raise
    except Exception as error:  # pymongo, psutil, FiftyOne and the OS each have their own
        said = str(error).strip().splitlines()
        log = os.path.join(fo.config.database_dir or "", "log", "mongo.log")
        where = "FIFTYONE_DATABASE_URI" if database.source == "uri" else f"{database.where} (its log: {log})"
        raise MissingExtraError(
            f"the MongoDB of {where} did not start or answer: {said[0] if said else type(error).__name__}."
        ) from error
    return fo


def _connect(fo: Any, database: Database) -> None:
    if database.source == "uri":
        import pymongo

        # FiftyOne waits half a minute for a server that is not there.
        client: Any = pymongo.MongoClient(database.where, serverSelectionTimeoutMS=_CONNECT_TIMEOUT_MS)
        try:
            client.admin.command("ping")
        except pymongo.errors.ServerSelectionTimeoutError as error:
            raise MissingExtraError(
                "the MongoDB of FIFTYONE_DATABASE_URI does not answer; start it, or unset the variable."
            ) from error
        finally:
            client.close()
    elif database.source == "path":
        from fiftyone.core.service import DatabaseService

        # FiftyOne looks only in its own folder; the rest of its service (one mongod per user, dies with us) is as it was.
        DatabaseService.find_mongod = staticmethod(lambda: database.where)
    fo.list_datasets()


def to_fiftyone(
    run: AuditRun,
    name: str,
    *,
    recommendation: Recommendation | None = None,
    pool: Dataset | None = None,
    pool_measures: Measures | None = None,
    overwrite: bool = True,
) -> Any:
    """A persistent FiftyOne data set called `name` of the audited images, and of the pool where something was recommended.

    A data set of that name that curator made is brought up to date (`overwrite`), and keeps whatever the user added:
    tags, fields, saved views, and every image that carries a tag of theirs. Nothing else of that name is ever touched.

    Raises:
        InputError: the name is taken by a data set that curator did not make, or cannot be a name, or images are remote.
        MissingExtraError: no FiftyOne or MongoDB.
    """
    fo = load_fiftyone()
    dataset = _open(fo, name, overwrite)
    old = dict(dataset.info[MARK])
    with_pool = recommendation is not None and pool is not None
    columns = run.measures.columns + (pool_measures.columns if with_pool and pool_measures is not None else ())
    theirs = set(dataset.get_field_schema()) - set(old.get("fields", ()))
    if clash := theirs & {f.name for f in marks.own_fields(with_pool)}:
        raise InputError(f"your field {min(clash)!r} in {name!r} has a name that curator needs; rename it in FiftyOne.")
    fields = marks.attribute_fields(columns, theirs)
    findings = marks.finding_marks(run)
    images = marks.audited_images(run, findings, fields)
    if recommendation is not None and pool is not None:
        here = {image.path for image in images}
        images += [i for i in marks.pool_images(recommendation, pool, pool_measures, fields) if i.path not in here]
    present = {name for image in images for name in image.fields}
    all_fields = [f for f in dict.fromkeys((*marks.own_fields(with_pool), *fields.values())) if f.name in present]
    tags = sorted({tag for image in images for tag in image.tags})

    _drop_gone(dataset, old, {image.path for image in images})
    label_tags = _clear(dataset, old)
    names = [f.name for f in all_fields] + ["ground_truth", "suggested"]
    dataset.info[MARK] = {"version": curator.__version__, "fields": names, "tags": tags, "views": []}
    dataset.save()
    _declare(fo, dataset, all_fields)
    _write(fo, dataset, images, label_tags)
    views = _save_views(fo, dataset, findings, tags)
    dataset.info[MARK] = {
        **dataset.info[MARK],
        "views": views,
        "fingerprint": run.fingerprint,
        "root": run.dataset.root,
    }
    worst = [fields[finding.attribute].name for finding in run.audit.findings[:1]]
    _arrange(fo, dataset, all_fields, run.dataset.classes, [name for name in worst if name in present])
    _map(dataset, [image.path for image in images[: len(run.dataset)]], run.embeddings.vectors)
    dataset.persistent = True
    return dataset


def _open(fo: Any, name: str, overwrite: bool) -> Any:
    """The data set of that name if it is ours, or a new one with our mark."""
    if fo.dataset_exists(name):
        dataset = fo.load_dataset(name)
        if MARK not in dataset.info:
            raise InputError(f"FiftyOne has a data set {name!r} that curator did not make; choose another name.")
        if not overwrite:
            raise InputError(f"FiftyOne has a data set {name!r} already; choose another name, or allow overwriting.")
        return dataset
    try:
        dataset = fo.Dataset(name)
    except ValueError as error:
        raise InputError(f"{name!r} cannot be the name of a FiftyOne data set ({error}); choose another.") from error
    dataset.info[MARK] = {}
    dataset.save()
    return dataset


def _drop_gone(dataset: Any, old: Mapping[str, Any], paths: set[str]) -> None:
    """Drop the samples of an earlier build that are in neither the data nor the pool now, unless the user tagged them."""
    if "source" not in old.get("fields", ()) or not dataset.has_sample_field("source"):
        return
    ours = set(old["tags"])
    rows = zip(*dataset.values(["id", "filepath", "tags", "source"]), strict=True)
    gone = [id for id, path, tags, source in rows if source and path not in paths and not set(tags) - ours]
    if gone:
        dataset.delete_samples(gone)


def _clear(dataset: Any, old: Mapping[str, Any]) -> dict[str, list[str]]:
    """Take away what an earlier build made. Returns the tags a user gave to labels, by path, for the new labels."""
    schema = dataset.get_field_schema()
    label_tags: dict[str, list[str]] = {}
    if "ground_truth" in schema:
        paths, given = dataset.values(["filepath", "ground_truth.tags"])
        label_tags = {path: tags for path, tags in zip(paths, given, strict=True) if tags}
    stale = [name for name in old.get("fields", ()) if name in schema]
    if stale:
        dataset.delete_sample_fields(stale)
    if old.get("tags"):
        dataset.untag_samples(list(old["tags"]))
    for view in old.get("views", ()):
        if dataset.has_saved_view(view):
            dataset.delete_saved_view(view)
    for key in (MAP_KEY, SIMILARITY_KEY):
        if dataset.has_brain_run(key):
            dataset.delete_brain_run(key)
    return label_tags


def _declare(fo: Any, dataset: Any, fields: list[Field]) -> None:
    """Give every field its type, so that a column whose first values are missing has the right one."""
    kinds = {"category": fo.StringField, "number": fo.FloatField, "flag": fo.BooleanField}
    for f in fields:
        if f.form == "tags":
            dataset.add_sample_field(f.name, fo.ListField, subfield=fo.StringField)
        else:
            dataset.add_sample_field(f.name, kinds[f.form])
    for name in ("ground_truth", "suggested"):
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)


def _write(fo: Any, dataset: Any, images: list[Marked], label_tags: Mapping[str, list[str]]) -> None:
    """All samples in one bulk write: new ones are added, known ones (by path) updated, their own tags kept."""

    def samples() -> Iterator[Any]:
        for image in images:
            labels = {}
            if image.label:
                labels["ground_truth"] = fo.Classification(label=image.label, tags=label_tags.get(image.path, []))
            if image.suggested:
                labels["suggested"] = fo.Classification(label=image.suggested[0], confidence=image.suggested[1])
            yield fo.Sample(filepath=image.path, tags=image.tags, **image.fields, **labels)

    if len(dataset):
        dataset.merge_samples(samples(), key_field="filepath", expand_schema=False, progress=False)
    else:
        dataset.add_samples(samples(), expand_schema=False, progress=False, num_samples=len(images))


def _save_views(fo: Any, dataset: Any, findings: list[FindingMark], tags: list[str]) -> list[str]:
    """One view per finding (its class, conflicting images first), one of its conflicting images, and the other lists.

    Views follow tags and fields, not fixed ids: what the user tags next is in them at once.
    """
    here, has_tag = fo.ViewField, fo.ViewField("tags")
    views: list[tuple[str, Any, str, str]] = []
    for mark in findings:
        of_class = dataset.match(
            (here("ground_truth.label") == mark.finding.class_name) & (here("source") == "data")
        ).sort_by([(has_tag.contains([mark.conflicting_tag]), -1), ("filepath", 1)])
        views.append((mark.name, of_class, mark.finding.sentence, COLOURS[mark.finding.severity]))
        if mark.conflicting.any():
            broken = dataset.match_tags(mark.conflicting_tag).sort_by("filepath")
            views.append((f"{mark.name} · conflicting", broken, "Images of the class that break the shortcut.", OTHER))
    if RECOMMENDED in tags:
        views.append(
            ("recommended", dataset.match_tags(RECOMMENDED).sort_by("rank"), "What to add, the best first.", ADD)
        )
    if DUPLICATE in tags or LEAK in tags:
        twins = dataset.match_tags([DUPLICATE, LEAK]).sort_by([("duplicate_group", 1), ("filepath", 1)])
        views.append(("duplicates and leaks", twins, "The same picture more than once, or in two splits.", OTHER))
    if LABEL_ERROR in tags:
        doubtful = dataset.match_tags(LABEL_ERROR).sort_by("suggested.confidence", reverse=True)
        views.append(("label errors", doubtful, "Labels that the probe doubts, the most doubtful first.", OTHER))
    saved: list[str] = []
    for k, (name, view, description, colour) in enumerate(views, start=1):
        # The App addresses a view by the ASCII part of its name, which another may have or which may be empty.
        for attempt in (name, f"{name} ({k})", f"curator view {k}", f"curator view {k} of {len(views)}"):
            try:
                dataset.save_view(attempt, view, description=description, color=colour)
            except ValueError:
                continue
            saved.append(attempt)
            break
    return saved


def _arrange(fo: Any, dataset: Any, fields: list[Field], classes: tuple[str, ...], shown: list[str]) -> None:
    """The sidebar by families of attributes, only the first groups open; on the thumbnails the labels and the fields
    `shown`, one colour per value."""
    groups: dict[str, list[str]] = {"tags": ["tags"], "labels": ["ground_truth", "suggested"]}
    for f in fields:
        groups.setdefault(f.group, []).append(f.name)
    groups["metadata"] = [p for p in dataset.get_field_schema() if not any(p in paths for paths in groups.values())]
    first = ("tags", "labels", "audit", "recommendation")
    dataset.app_config.sidebar_groups = [
        fo.SidebarGroupDocument(name=group, paths=paths, expanded=group in first)
        for group, paths in sorted(groups.items(), key=lambda g: first.index(g[0]) if g[0] in first else len(first))
    ]
    dataset.app_config.active_fields = fo.ActiveFields(paths=["ground_truth", "suggested", *shown])
    dataset.app_config.color_scheme = fo.ColorScheme(color_by="value")
    dataset.default_classes = list(classes)
    dataset.save()


def _map(dataset: Any, paths: list[str], vectors: Floats) -> None:
    """The two widest directions of the embeddings, for the App's Embeddings panel; an index for its similarity search."""
    if len(paths) < 3:
        return
    import fiftyone.brain as fob

    by_path = dict(zip(*dataset.values(["filepath", "id"]), strict=True))
    ids = [by_path[path] for path in paths]
    view = dataset.select(ids, ordered=True)
    fob.compute_visualization(view, points=marks.principal_plane(vectors), brain_key=MAP_KEY, progress=False)
    if vectors.size <= MAX_SIMILARITY:
        fob.compute_similarity(view, embeddings=vectors.astype(np.float32), brain_key=SIMILARITY_KEY, progress=False)
