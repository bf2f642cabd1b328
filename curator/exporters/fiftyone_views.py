"""Saved views: one per finding, one of its conflicting images, and lists of images that a person should look at."""

from __future__ import annotations

from typing import Any

from curator.exporters.fiftyone_looks import POOL
from curator.exporters.marks import (
    DUPLICATE,
    LABEL_ERROR,
    LEAK,
    RECOMMENDED,
    FindingMark,
)

COLOURS = {"high": POOL[5], "medium": POOL[1], "low": POOL[6]}
OTHER, ADD = POOL[7], POOL[2]
CORRECTED = "wrong before, right after"


def save_views(fo: Any, dataset: Any, findings: list[FindingMark], tags: list[str]) -> dict[str, str]:
    """Save the views. Returns view key -> name, in order. The keys are: a finding's id (images of its class, conflicting ones
    first), "conflicting ID" (only those), "recommended", "corrected", "duplicates", "leaks", "label errors".

    Views are defined by tags and fields, not by fixed ids, so images that the user tags later appear in them at once.
    """
    here, has_tag = fo.ViewField, fo.ViewField("tags")
    views: list[tuple[str, str, Any, str, str]] = []
    for mark in findings:
        of_class = dataset.match(
            (here("ground_truth.label") == mark.finding.class_name) & (here("source") == "data")
        ).sort_by([(has_tag.contains([mark.conflicting_tag]), -1), ("filepath", 1)])
        views.append((mark.finding.id, mark.name, of_class, mark.finding.sentence, COLOURS[mark.finding.severity]))
        if mark.conflicting.any():
            broken = dataset.match_tags(mark.conflicting_tag).sort_by("filepath")
            what = "Images of the class that break the rule."
            views.append((f"conflicting {mark.finding.id}", f"{mark.name} · conflicting", broken, what, OTHER))
    if RECOMMENDED in tags:
        best = dataset.match_tags(RECOMMENDED).sort_by("rank")
        views.append(("recommended", RECOMMENDED, best, "Images to add, the best first.", ADD))
    if dataset.has_sample_field("prediction_after"):
        label = here("ground_truth.label")
        corrected = dataset.match(
            label.exists() & (here("prediction_before.label") != label) & (here("prediction_after.label") == label)
        ).sort_by("filepath")
        if len(corrected):
            what = "Images that the probe gets right once the recommended ones are added."
            views.append(("corrected", CORRECTED, corrected, what, ADD))
    if DUPLICATE in tags or LEAK in tags:
        twins = dataset.match_tags([DUPLICATE, LEAK]).sort_by([("duplicate_group", 1), ("filepath", 1)])
        what = "The same image more than once, or in two splits."
        views.append(("duplicates", "duplicates and leaks", twins, what, OTHER))
    if LEAK in tags:
        leaks = dataset.match_tags(LEAK).sort_by([("duplicate_group", 1), ("split", 1), ("filepath", 1)])
        views.append(("leaks", "leaks", leaks, "The same image in two splits.", OTHER))
    if LABEL_ERROR in tags:
        doubtful = dataset.match_tags(LABEL_ERROR).sort_by("suggested.confidence", reverse=True)
        what = "Labels that the probe doubts, the most doubtful first."
        views.append(("label errors", "label errors", doubtful, what, OTHER))
    return {of: name for k, (of, *view) in enumerate(views, 1) if (name := _save(dataset, view, k, len(views)))}


def _save(dataset: Any, view: list[Any], k: int, n: int) -> str:
    """The name that the view got, or "" if it could not be saved."""
    name, stages, description, colour = view
    # The App addresses a view by the ASCII part of its name, which may be empty or equal another view's.
    for attempt in (name, f"{name} ({k})", f"curator view {k}", f"curator view {k} of {n}"):
        try:
            dataset.save_view(attempt, stages, description=description, color=colour)
        except ValueError:
            continue
        return str(attempt)
    return ""
