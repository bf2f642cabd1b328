"""curator's operators and panels for the FiftyOne App. FiftyOne's plugin folder needs only this file and fiftyone.yml."""

from __future__ import annotations

from typing import Any


def register(plugin: Any) -> None:
    """Register the operators and the panels. FiftyOne calls this when the App starts."""
    from curator.app.fiftyone_plugin.map_panel import Map
    from curator.app.fiftyone_plugin.operators import OPERATORS
    from curator.app.fiftyone_plugin.panel import Findings

    for each in (*OPERATORS, Findings, Map):
        plugin.register(each)
