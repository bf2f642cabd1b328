"""Exports an audit as a FiftyOne data set with fields, tags and one saved view per finding.

A rebuild keeps everything that the user added to the data set: tags, fields, views, samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import curator
from curator.errors import InputError
from curator.exporters import fiftyone_looks, marked, marks
from curator.exporters.fiftyone_views import save_views
from curator.exporters.marked import Marked
from curator.exporters.marks import EMBEDDING, LABEL_FIELDS, Extras, Field, FindingMark
from curator.io.fiftyone import load_fiftyone
from curator.report import wording
from curator.types import AuditRun, Dataset, EncoderInfo, Measures, Recommendation

MARK = "curator"
"""The key of `dataset.info` that marks data sets made by curator."""


def to_fiftyone(
    run: AuditRun,
    name: str,
    *,
    recommendation: Recommendation | None = None,
    pool: Dataset | None = None,
    pool_measures: Measures | None = None,
    overwrite: bool = True,
    extras: Extras | None = None,
) -> Any:
    """Make a persistent FiftyOne data set called `name` of the audited images, and of the pool if there is a recommendation.

    An existing data set of that name that curator made is updated (`overwrite`). It keeps what the user added: tags, fields,
    saved views, and every image with a tag of theirs. Other data sets of that name are not touched. `extras` contains results
    beyond the audit: guesses of the probe, where patterns are seen, how to run again.

    Raises:
        InputError: a data set of that name was not made by curator, the name is invalid, or images are remote.
        MissingExtraError: FiftyOne or MongoDB is missing.
    """
    fo = load_fiftyone()
    extras = extras or Extras()
    dataset = _open(fo, name, overwrite)
    old = dict(dataset.info[MARK])
    with_pool = recommendation is not None and pool is not None
    columns = run.measures.columns + (pool_measures.columns if with_pool and pool_measures is not None else ())
    theirs = set(dataset.get_field_schema()) - set(old.get("fields", ()))
    needed = {f.name for f in marks.own_fields(with_pool)} | {EMBEDDING, *LABEL_FIELDS}
    if clash := theirs & needed:
        raise InputError(f"your field {min(clash)!r} in {name!r} has a name that curator needs; rename it in FiftyOne.")
    fields = marks.attribute_fields(columns, theirs)
    findings = marks.finding_marks(run)
    images = marked.audited_images(run, findings, fields, extras)
    if recommendation is not None and pool is not None:
        here = {image.path for image in images}
        offered = marked.pool_images(recommendation, pool, pool_measures, fields, extras)
        images += [i for i in offered if i.path not in here]
    present = {name for image in images for name in image.fields}
    all_fields = [f for f in dict.fromkeys((*marks.own_fields(with_pool), *fields.values())) if f.name in present]
    tags = sorted({tag for image in images for tag in image.tags})

    _drop_gone(dataset, old, {image.path for image in images})
    label_tags = _clear(dataset, old)
    labels = _label_fields(images)
    names = [*(f.name for f in all_fields), *labels, EMBEDDING]
    dataset.info[MARK] = {"version": curator.__version__, "fields": names, "tags": tags, "views": []}
    dataset.save()
    _declare(fo, dataset, all_fields, labels, run.encoder)
    _write(fo, dataset, images, label_tags)
    views = save_views(fo, dataset, findings, tags)
    named = dict.fromkeys(fields[mark.finding.attribute] for mark in findings)
    fiftyone_looks.arrange(fo, dataset, all_fields, run.dataset.classes, [f for f in named if f.name in present])
    if extras.text:
        fiftyone_looks.offer_text_model(fo)
    fiftyone_looks.place_on_map(dataset, images, extras.text)
    dataset.info[MARK] = {
        **dataset.info[MARK],
        "views": list(views.values()),
        "view_of": [
            [of, view] for of, view in views.items()
        ],  # a list, because names may contain dots and keys may not
        "workspace": fiftyone_looks.save_workspace(fo, dataset, findings, old),
        "findings": [_summary(mark, views) for mark in findings],
        "verdict": run.audit.verdict,
        "fingerprint": run.fingerprint,
        "root": run.dataset.root,
        "origin": dict(extras.origin) or old.get("origin", {}),
        "validation": old.get("validation") if old.get("fingerprint") == run.fingerprint else None,
    }
    dataset.persistent = True
    dataset.save()
    return dataset


def _summary(mark: FindingMark, views: Mapping[str, str]) -> dict[str, Any]:
    """A finding as plain values, for the panel and for reading tags back."""
    f = mark.finding
    return {
        "id": f.id,
        "name": mark.name,
        "class": f.class_name,
        "attribute": f.attribute,
        "value": f.value,
        "kind": f.kind,
        "severity": f.severity,
        "sentence": f.sentence,
        "facts": "; ".join(wording.facts(f)),
        "reliance": wording.reliance(f.reliance),
        "intended": f.intended,
        "share": f.share_in_class,
        "elsewhere": f.share_elsewhere,
        "effect": f.effect,
        "gap": f.reliance.gap if f.reliance else None,
        "n_aligned": int(mark.aligned.sum()),
        "n_conflicting": int(mark.conflicting.sum()),
        "aligned_tag": mark.aligned_tag,
        "conflicting_tag": mark.conflicting_tag,
        "view": views.get(f.id, ""),
        "conflicting_view": views.get(f"conflicting {f.id}", ""),
        "example_ids": list(f.example_ids),
        "counterexample_ids": list(f.counterexample_ids),
    }


def _label_fields(images: list[Marked]) -> list[str]:
    """The label fields that are not empty, and always the given and the suggested label."""
    return [
        name
        for name in LABEL_FIELDS
        if name in ("ground_truth", "suggested")
        or (name == "prediction_before" and any(image.before for image in images))
        or (name == "prediction_after" and any(image.after for image in images))
        or (name == "patterns" and any(image.spots for image in images))
    ]


def _open(fo: Any, name: str, overwrite: bool) -> Any:
    """The data set of that name if curator made it, or a new one with curator's mark."""
    if fo.dataset_exists(name):
        dataset = fo.load_dataset(name)
        if MARK not in dataset.info:
            raise InputError(f"FiftyOne has a data set {name!r} that curator did not make; choose another name.")
        if not overwrite:
            raise InputError(f"FiftyOne has a data set {name!r} already; choose another name, or allow overwriting.")
        return dataset
    # Marked before it is named. If the process ends here, no unmarked data set of that name blocks the next run.
    dataset = fo.Dataset()
    dataset.info[MARK] = {}
    dataset.save()
    try:
        dataset.name = name
    except ValueError as error:
        dataset.delete()
        raise InputError(f"{name!r} cannot be the name of a FiftyOne data set ({error}); choose another.") from error
    return dataset


def _drop_gone(dataset: Any, old: Mapping[str, Any], paths: set[str]) -> None:
    """Delete samples of an earlier build that are no longer in the data or the pool, unless the user tagged them."""
    if "source" not in old.get("fields", ()) or not dataset.has_sample_field("source"):
        return
    ours = set(old["tags"])
    rows = zip(*dataset.values(["id", "filepath", "tags", "source"]), strict=True)
    gone = [id for id, path, tags, source in rows if source and path not in paths and not set(tags) - ours]
    if gone:
        dataset.delete_samples(gone)


def _clear(dataset: Any, old: Mapping[str, Any]) -> dict[str, list[str]]:
    """Remove what an earlier build made. Returns the user's tags on labels, by path, for the new labels."""
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
    for key in (fiftyone_looks.MAP_KEY, fiftyone_looks.SIMILARITY_KEY):
        if dataset.has_brain_run(key):
            dataset.delete_brain_run(key)
    return label_tags


def _declare(fo: Any, dataset: Any, fields: list[Field], labels: list[str], encoder: EncoderInfo) -> None:
    """Declare the type of every field, because FiftyOne would otherwise guess it from first values, which may be missing."""
    kinds = {"category": fo.StringField, "number": fo.FloatField, "flag": fo.BooleanField}
    for f in fields:
        if f.form == "tags":
            dataset.add_sample_field(f.name, fo.ListField, subfield=fo.StringField)
        else:
            dataset.add_sample_field(f.name, kinds[f.form])
    for name in labels:
        form = fo.Detections if name == "patterns" else fo.Classification
        dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=form)
    about = {"encoder": encoder.name, "fingerprint": encoder.fingerprint}
    dataset.add_sample_field(EMBEDDING, fo.VectorField, description=f"embedding by {encoder.name}", info=about)


def _write(fo: Any, dataset: Any, images: list[Marked], label_tags: Mapping[str, list[str]]) -> None:
    """Write all samples in one bulk operation: new ones are added, known ones (by path) updated, and user tags kept."""

    def samples() -> Iterator[Any]:
        for image in images:
            labels: dict[str, Any] = {}
            if image.label:
                labels["ground_truth"] = fo.Classification(label=image.label, tags=label_tags.get(image.path, []))
            if image.suggested:
                labels["suggested"] = fo.Classification(label=image.suggested[0], confidence=image.suggested[1])
            for name, guess in (("prediction_before", image.before), ("prediction_after", image.after)):
                if guess:
                    labels[name] = fo.Classification(label=guess[0], confidence=guess[1])
            if image.spots:
                labels["patterns"] = fo.Detections(
                    detections=[fo.Detection(label=s.label, bounding_box=list(s.box), mask=s.mask) for s in image.spots]
                )
            if image.vector is not None:
                labels[EMBEDDING] = image.vector
            yield fo.Sample(filepath=image.path, tags=image.tags, **image.fields, **labels)

    if len(dataset):
        dataset.merge_samples(samples(), key_field="filepath", expand_schema=False, progress=False)
    else:
        dataset.add_samples(samples(), expand_schema=False, progress=False, num_samples=len(images))
