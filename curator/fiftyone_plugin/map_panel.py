"""The map: every image as a point, coloured by its finding; what is lassoed is shown in the grid."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import numpy as np
from fiftyone.operators import types

from curator.exporters.fiftyone import MARK
from curator.exporters.fiftyone_looks import MAP_KEY, MAP_PANEL, finding_colour

MAX_POINTS = 20_000
"""Points that are drawn, evenly spaced among more: a browser draws this many in well under a second."""


class Map(foo.Panel):  # type: ignore[misc]
    """The two widest directions of the embeddings. FiftyOne's own Embeddings panel cannot be opened with its colours set."""

    @property
    def config(self) -> Any:
        return foo.PanelConfig(name=MAP_PANEL, label="curator map", icon="scatter_plot", surfaces="grid")

    def on_load(self, ctx: Any) -> None:
        ctx.panel.set_data("map", traces(ctx.dataset))

    def on_change_dataset(self, ctx: Any) -> None:
        self.on_load(ctx)

    def lassoed(self, ctx: Any) -> None:
        """Only the images in the lasso, in the grid; an empty lasso takes it back."""
        ids = [point["id"] for point in ctx.params.get("data") or () if point.get("id")]
        if ids:
            ctx.ops.set_view(ctx.dataset.select(ids))
        else:
            ctx.ops.clear_view()

    def render(self, ctx: Any) -> Any:
        panel = types.Object()
        if ctx.dataset is None or not ctx.dataset.has_brain_run(MAP_KEY) or MARK not in ctx.dataset.info:
            panel.md("No map yet: it takes an audit of three images or more.", name="none")
            return types.Property(panel)
        plain = {"showgrid": False, "zeroline": False, "showticklabels": False}
        layout = {
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "dragmode": "lasso",
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.02},
            "xaxis": plain,
            "yaxis": plain,
        }
        panel.plot("map", layout=layout, config={"displaylogo": False}, on_selected=self.lassoed, height=90)
        return types.Property(panel)


def traces(dataset: Any) -> list[dict[str, Any]]:
    """One plotly trace for each value of the field `finding`, the findings that stand out drawn last."""
    if dataset is None or not dataset.has_brain_run(MAP_KEY) or not dataset.has_sample_field("finding"):
        return []
    results = dataset.load_brain_results(MAP_KEY)
    said = dict(zip(*dataset.values(["id", "finding"]), strict=True))
    names = dict(zip(*dataset.values(["id", "image_id"]), strict=True))
    ids, points = np.asarray(results.sample_ids), np.asarray(results.points)
    if len(ids) > MAX_POINTS:
        rows = np.linspace(0, len(ids) - 1, MAX_POINTS).round().astype(np.intp)
        ids, points = ids[rows], points[rows]
    here = np.array([id in said for id in ids], np.bool_)  # an image that was deleted since is not drawn
    ids, points = ids[here], points[here]
    values = np.array([said[id] or "no finding" for id in ids], dtype=np.str_)
    quiet_first = sorted(set(values.tolist()), key=lambda v: (v not in ("no finding", "pool"), v))
    return [
        {
            "type": "scattergl",
            "mode": "markers",
            "name": value,
            "ids": ids[values == value].tolist(),
            "x": points[values == value, 0].round(4).tolist(),
            "y": points[values == value, 1].round(4).tolist(),
            "text": [str(names[id]) for id in ids[values == value]],
            "hoverinfo": "text+name",
            "marker": {"color": finding_colour(value), "size": 4 if value in ("no finding", "pool") else 7},
        }
        for value in quiet_first
    ]
