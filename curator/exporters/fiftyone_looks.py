"""The appearance of an audited data set in the App: sidebar, colours, the map of its embeddings, and the workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import eigh

import curator
from curator.exporters.marked import Marked
from curator.exporters.marks import (
    ALIGNED,
    CONFLICTING,
    EMBEDDING,
    LABEL_FIELDS,
    RECOMMENDED,
    Field,
    FindingMark,
)
from curator.types import Floats

MAP_KEY, SIMILARITY_KEY = "curator_map", "curator_similarity"
WORKSPACE = "curator"
PANEL, MAP_PANEL = "curator_findings", "curator_map"
"""The panels of curator's plugin, by their names in a workspace."""
TEXT_MODEL = "curator-text"
"""The model in the plugin's manifest that turns the App's text searches into vectors."""
MAX_SIMILARITY = 50_000_000
"""Maximum of images x dimensions for sorting by similarity, because the App reads all these numbers on the first search."""
POOL = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Colours that colour-blind people can distinguish. Source: Okabe & Ito (2008), Color Universal Design."""
_FOLLOWS, _BREAKS, _ADD, _PLAIN = POOL[0], POOL[5], POOL[2], POOL[7]
_FIRST = ("tags", "labels", "findings", "recommendation", "audit")
_OPEN = ("tags", "labels", "findings", "recommendation")


def arrange(fo: Any, dataset: Any, fields: list[Field], classes: tuple[str, ...], named: list[Field]) -> None:
    """Arrange sidebar and colours.

    The sidebar groups attributes by family, with the fields `named` by findings first and open. Thumbnails show the labels,
    the finding and the attribute of the worst finding. Each value has a colour; aligned and conflicting keep theirs everywhere.
    """
    here = set(dataset.get_field_schema())
    groups: dict[str, list[str]] = {"tags": ["tags"], "labels": [name for name in LABEL_FIELDS if name in here]}
    for f in fields:
        groups.setdefault("findings" if f in named else f.group, []).append(f.name)
    hidden = {EMBEDDING}
    groups["metadata"] = [p for p in here if p not in hidden and not any(p in paths for paths in groups.values())]
    groups["metadata"].sort()
    dataset.app_config.sidebar_groups = [
        fo.SidebarGroupDocument(name=group, paths=paths, expanded=group in _OPEN)
        for group, paths in sorted(groups.items(), key=lambda g: _FIRST.index(g[0]) if g[0] in _FIRST else len(_FIRST))
    ]
    dataset.app_config.active_fields = fo.ActiveFields(
        paths=["ground_truth", "suggested", "finding", *(f.name for f in named[:1] if not f.is_shared)]
    )
    dataset.app_config.color_scheme = fo.ColorScheme(
        color_by="value",
        color_pool=list(POOL),
        fields=[{"path": "finding", "colorByAttribute": None, "valueColors": _finding_colours(dataset)}],
        opacity=0.5,
    )
    dataset.default_classes = list(classes)
    dataset.save()


def finding_colour(value: str) -> str:
    """The colour of a value of the field `finding`: one colour for aligned images and one for conflicting images."""
    kinds = {ALIGNED: _FOLLOWS, CONFLICTING: _BREAKS, RECOMMENDED: _ADD}
    return kinds.get(value.partition(":")[0], _PLAIN)


def _finding_colours(dataset: Any) -> list[dict[str, str]]:
    return [{"value": v, "color": finding_colour(v)} for v in sorted(v for v in dataset.distinct("finding") if v)]


def save_workspace(fo: Any, dataset: Any, findings: list[FindingMark], old: Mapping[str, Any]) -> str:
    """Save a workspace with images, findings and map as `WORKSPACE`. Returns "" if the user has one of that name."""
    if dataset.has_workspace(WORKSPACE):
        if old.get("workspace") != WORKSPACE:
            return ""
        dataset.delete_workspace(WORKSPACE)
    samples = _space(fo, fo.Panel(type="Samples", pinned=True))
    side = [_space(fo, fo.Panel(type=PANEL))]
    if dataset.has_brain_run(MAP_KEY):
        side.append(_space(fo, fo.Panel(type=MAP_PANEL), fo.Panel(type="Embeddings")))
    beside = fo.Space(children=side, orientation="vertical", sizes=[0.6, 0.4]) if len(side) > 1 else side[0]
    space = fo.Space(children=[samples, beside], orientation="horizontal", sizes=[0.45, 0.55])
    what = f"{len(findings)} findings, the images and the map of their embeddings"
    dataset.save_workspace(WORKSPACE, space, description=what)
    return WORKSPACE


def _space(fo: Any, *panels: Any) -> Any:
    """Panels as tabs of one space, with the first open. A space without an active child would stay empty."""
    return fo.Space(children=list(panels), active_child=panels[0].component_id)


def place_on_map(dataset: Any, images: list[Marked], text: Mapping[str, str] | None) -> None:
    """Add the two principal directions of the embeddings for the App's Embeddings panel, and an index for similarity search.

    With `text`, the model in the plugin's manifest reads search texts with the encoder that `text` names.
    """
    data = [image for image in images if image.source == "data" and image.vector is not None]
    pool = [image for image in images if image.source == "pool" and image.vector is not None]
    if len(data) < 3:
        return
    import fiftyone.brain as fob

    by_path = dict(zip(*dataset.values(["filepath", "id"]), strict=True))
    view = dataset.select([by_path[image.path] for image in (*data, *pool)], ordered=True)
    also = np.stack([v for image in pool if (v := image.vector) is not None]) if pool else None
    vectors = np.stack([v for image in data if (v := image.vector) is not None])
    plane = principal_plane(vectors, also)
    fob.compute_visualization(view, points=plane, brain_key=MAP_KEY, progress=False)
    if vectors.size + (0 if also is None else also.size) <= MAX_SIMILARITY:
        model = {"model": TEXT_MODEL, "model_kwargs": dict(text)} if text else {}
        fob.compute_similarity(view, embeddings=EMBEDDING, brain_key=SIMILARITY_KEY, progress=False, **model)


def offer_text_model(fo: Any) -> None:
    """Make the plugin's text model known by name to FiftyOne, in this process and in the App's server."""
    manifest = str(Path(curator.__file__).parent / "app" / "fiftyone_plugin" / "models.json")
    paths = [p for p in fo.config.model_zoo_manifest_paths or [] if p != manifest]
    fo.config.model_zoo_manifest_paths = [*paths, manifest]
    os.environ["FIFTYONE_MODEL_ZOO_MANIFEST_PATHS"] = ",".join([*paths, manifest])


def principal_plane(vectors: Floats, also: Floats | None = None) -> Floats:
    """(n, d), both at least 2 -> (n, 2): coordinates along the two principal axes; (n + m, 2) with those of `also` (m, d).

    The largest weight of each axis is positive, so that equal vectors always give the same map.
    """
    mean = vectors.mean(axis=0, keepdims=True)
    centred = (vectors - mean).astype(np.float64)
    is_wide = centred.shape[0] < centred.shape[1]  # if so, the smaller matrix, images x images, gives the axes
    square = centred @ centred.T if is_wide else centred.T @ centred
    _, found = eigh(square, subset_by_index=[len(square) - 2, len(square) - 1])
    axes = centred.T @ found if is_wide else found
    axes = axes[:, ::-1] / np.maximum(np.linalg.norm(axes[:, ::-1], axis=0), np.finfo(np.float64).tiny)
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)
    if also is not None:
        centred = np.concatenate([centred, also - mean])
    return np.asarray(centred @ axes, dtype=np.float32)
