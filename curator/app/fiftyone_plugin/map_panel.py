"""The map panel: every image is a point, coloured by its finding. The grid shows the images inside the lasso."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import numpy as np
from fiftyone.operators import types

from curator.exporters.fiftyone import MARK
from curator.exporters.fiftyone_looks import MAP_KEY, MAP_PANEL, finding_colour

MAX_POINTS = 20_000
"""Maximum number of points drawn, evenly spaced among more. A browser draws this many in well under a second."""
MAX_DRAWN = 3000
"""Up to this many points are drawn as SVG shapes. Without a graphics card a frame of WebGL takes seconds."""
_QUIET = ("no finding", "pool")


class Map(foo.Panel):  # type: ignore[misc]
    """A plot of the embeddings along their two directions of largest variance.

    FiftyOne's own Embeddings panel cannot be opened with preset colours.
    """

    @property
    def config(self) -> Any:
        return foo.PanelConfig(name=MAP_PANEL, label="curator map", icon="scatter_plot", surfaces="grid")

    def on_load(self, ctx: Any) -> None:
        ctx.panel.set_data("map", traces(ctx.dataset))

    def on_change_dataset(self, ctx: Any) -> None:
        self.on_load(ctx)

    def lassoed(self, ctx: Any) -> None:
        """Show only the images inside the lasso in the grid. An empty lasso shows all again."""
        ids = [point["id"] for point in ctx.params.get("data") or () if point.get("id")]
        if ids:
            ctx.ops.set_view(ctx.dataset.select(ids))
        else:
            ctx.ops.clear_view()

    def render(self, ctx: Any) -> Any:
        panel = types.Object()
        if ctx.dataset is None or not ctx.dataset.has_brain_run(MAP_KEY) or MARK not in ctx.dataset.info:
            panel.md("There is no map yet; it needs an audit of at least three images.", name="none")
            return types.Property(panel)
        plain = {"showgrid": False, "zeroline": False, "showticklabels": False}
        layout = {
            "height": 260,
            "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": "lasso",
            "hovermode": "closest",
            "showlegend": True,
            "legend": {"orientation": "h", "x": 0, "y": 1.15, "font": {"color": "#8f8f8f", "size": 11}},
            "xaxis": plain,
            "yaxis": plain,
        }
        panel.plot("map", layout=layout, config={"displaylogo": False}, on_selected=self.lassoed)
        return types.Property(panel)


def traces(dataset: Any) -> list[dict[str, Any]]:
    """Three plotly traces: images that follow a finding, images that break one, and the rest, which is drawn first."""
    if dataset is None or not dataset.has_brain_run(MAP_KEY) or not dataset.has_sample_field("finding"):
        return []
    results = dataset.load_brain_results(MAP_KEY)
    side_of = dict(zip(*dataset.values(["id", "finding"]), strict=True))
    names = dict(zip(*dataset.values(["id", "image_id"]), strict=True))
    ids, points = np.asarray(results.sample_ids), np.asarray(results.points)
    if len(ids) > MAX_POINTS:
        rows = np.linspace(0, len(ids) - 1, MAX_POINTS).round().astype(np.intp)
        ids, points = ids[rows], points[rows]
    here = np.array([id in side_of for id in ids], np.bool_)  # an image deleted since the audit is not drawn
    ids, points = ids[here], points[here]
    values = np.array([side_of[id] or _QUIET[0] for id in ids], dtype=np.str_)
    kinds = np.array([value.partition(":")[0] for value in values], dtype=np.str_)
    quiet_first = sorted(set(kinds.tolist()), key=lambda kind: (kind not in _QUIET, kind))
    return [
        {
            "type": "scatter" if len(ids) <= MAX_DRAWN else "scattergl",
            "mode": "markers",
            "name": kind,
            "ids": ids[kinds == kind].tolist(),
            "x": points[kinds == kind, 0].round(4).tolist(),
            "y": points[kinds == kind, 1].round(4).tolist(),
            "text": [
                f"{names[id]}<br>{value}" for id, value in zip(ids[kinds == kind], values[kinds == kind], strict=True)
            ],
            "hoverinfo": "text",
            "marker": {"color": finding_colour(kind), "size": 4 if kind in _QUIET else 7},
        }
        for kind in quiet_first
    ]
