"""The findings panel: a table of findings, and for one of them its aligned and conflicting images side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fiftyone.operators as foo
from fiftyone import ViewField
from fiftyone.operators import types

from curator.app.fiftyone_plugin.installing import NAME
from curator.exporters import fiftyone_review
from curator.exporters.fiftyone import MARK
from curator.exporters.fiftyone_looks import PANEL
from curator.report.wording import app, arm_words, percent, visible, with_interval

_STRIP, _HEIGHT = 3, "72px"
"""Number and size of the images shown on each side: both sides fit next to each other in half a laptop screen."""
_COLUMNS = (
    ("severity", "Severity"),
    ("finding", "Finding"),
    ("share", "In class, others"),
    ("conflicting", "Break it"),
)


class Findings(foo.Panel):  # type: ignore[misc]
    """The findings of the audit, next to the images."""

    @property
    def config(self) -> Any:
        return foo.PanelConfig(name=PANEL, label="curator findings", icon="troubleshoot", surfaces="grid")

    def on_load(self, ctx: Any) -> None:
        ctx.panel.set_state("at", 0)
        self._fill(ctx)

    def on_change_dataset(self, ctx: Any) -> None:
        self.on_load(ctx)

    def _fill(self, ctx: Any) -> None:
        """Send the rows of the table and the images of the selected finding."""
        found = _found(ctx)
        ctx.panel.set_data("findings", [_row(entry) for entry in found])
        if found:
            for side, tag in (("aligned", "aligned_tag"), ("conflicting", "conflicting_tag")):
                paths = _pictures(ctx.dataset, found[_at(ctx)], tag, side)
                for k in range(_STRIP):
                    ctx.panel.set_data(f"sides.{side}.strip.p{k}", _url(paths[k]) if k < len(paths) else None)

    def look(self, ctx: Any) -> None:
        """A row's first button: show the finding's images in the panel and its saved view in the grid."""
        ctx.panel.set_state("at", int(ctx.params.get("row", 0)))
        self._fill(ctx)
        _show(ctx, "view")

    def conflicting(self, ctx: Any) -> None:
        """A row's second button: show only the images that break the finding."""
        ctx.panel.set_state("at", int(ctx.params.get("row", 0)))
        self._fill(ctx)
        _show(ctx, "conflicting_view")

    def all_images(self, ctx: Any) -> None:
        ctx.ops.clear_view()

    def recommended(self, ctx: Any) -> None:
        ctx.ops.set_view(name="recommended")

    def accept(self, ctx: Any) -> None:
        """Tag the selected images "accept"; `curator recommend --from-app` reads the tag."""
        _decide(ctx, "accept", "reject")

    def reject(self, ctx: Any) -> None:
        _decide(ctx, "reject", "accept")

    def intended(self, ctx: Any) -> None:
        """Mark the selected finding as intended; `curator audit --from-app` reads the mark."""
        entry = _found(ctx)[_at(ctx)]
        fiftyone_review.decide(ctx.dataset.name, entry["id"], "intended")
        ctx.ops.notify(app.intended(entry["name"]), variant="success")

    def audit(self, ctx: Any) -> None:
        ctx.prompt(f"{NAME}/audit")

    def recommend(self, ctx: Any) -> None:
        ctx.prompt(f"{NAME}/recommend")

    def validate(self, ctx: Any) -> None:
        ctx.prompt(f"{NAME}/validate")

    def render(self, ctx: Any) -> Any:
        panel, found = types.Object(), _found(ctx)
        mark = (ctx.dataset.info.get(MARK) or {}) if ctx.dataset else {}
        buttons = panel.h_stack("buttons", gap=1)
        buttons.btn("audit", label="Audit", on_click=self.audit, variant="contained")
        buttons.btn("recommend", label="Recommend", on_click=self.recommend, variant="outlined")
        buttons.btn("validate", label="Validate", on_click=self.validate, variant="outlined")
        buttons.btn("all_images", label="All images", on_click=self.all_images, variant="outlined")
        if any(what == "recommended" for what, _ in mark.get("view_of", ())):
            buttons.btn("recommended", label="Recommended", on_click=self.recommended, variant="outlined")
        panel.md(f"**{inert(_headline(mark))}**", name="headline")
        review = panel.h_stack("review", gap=1)
        review.btn("accept", label="Accept", on_click=self.accept, variant="outlined")
        review.btn("reject", label="Reject", on_click=self.reject, variant="outlined")
        if found:
            review.btn("intended", label="Finding is intended", on_click=self.intended, variant="outlined")
            self._sides(panel, found[_at(ctx)])
            table = types.TableView()
            for key, label in _COLUMNS:
                table.add_column(key, label=label)
            table.add_row_action("look", self.look, label="Show", icon="visibility")
            table.add_row_action("conflicting", self.conflicting, label="Conflicting only", icon="call_split")
            panel.list("findings", types.Object(), view=table)
        if validation := mark.get("validation"):
            panel.md(_validated(validation), name="validation")
        return types.Property(panel, view=types.GridView(orientation="vertical", gap=1, width=96, align_x="left"))

    def _sides(self, panel: Any, entry: dict[str, Any]) -> None:
        facts = f"({entry['facts']})" if entry.get("facts") else ""
        text = " ".join(filter(None, (entry["sentence"], facts, entry.get("reliance", ""))))
        panel.md(f"**{inert(entry['name'])}**: {inert(text)}", name="sentence")
        sides = panel.h_stack("sides", gap=2)
        for side, n in (("aligned", entry["n_aligned"]), ("conflicting", entry["n_conflicting"])):
            half = sides.v_stack(side, gap=0.5)
            half.md(f"{side} ({n})", name="title")
            strip = half.h_stack("strip", gap=0.5)
            for k in range(min(_STRIP, n)):
                strip.str(f"p{k}", view=types.ImageView(height=_HEIGHT, width=_HEIGHT, alt=side), read_only=True)


def inert(text: str) -> str:
    r"""The text escaped for Markdown. Otherwise a class called ![](http://...) would load an image.

    >>> inert("![a](http://b) <img> *c*")
    '\\!\\[a\\]\\(http://b\\) \\<img\\> \\*c\\*'
    """
    return re.sub(r"([!\\`*_{}\[\]()<>#|~&])", r"\\\1", visible(" ".join(text.split())))


def _found(ctx: Any) -> list[dict[str, Any]]:
    return list((ctx.dataset.info.get(MARK) or {}).get("findings", ())) if ctx.dataset else []


def _at(ctx: Any) -> int:
    at = ctx.panel.get_state("at")
    return int(at) if at and 0 <= int(at) < len(_found(ctx)) else 0


def _show(ctx: Any, which: str) -> None:
    name = _found(ctx)[_at(ctx)][which]
    if name:
        ctx.ops.set_view(name=name)
    else:
        ctx.ops.notify(app.NOTHING_BREAKS_IT, variant="info")


def _decide(ctx: Any, tag: str, other: str) -> None:
    """Add the tag to the selected images and remove the opposite one."""
    if not ctx.selected:
        ctx.ops.notify(app.NOTHING_SELECTED, variant="info")
        return
    chosen = ctx.dataset.select(ctx.selected)
    chosen.untag_samples(other)
    chosen.tag_samples(tag)
    ctx.ops.clear_selected_samples()
    ctx.ops.reload_samples()
    ctx.ops.notify(app.tagged(len(ctx.selected), tag), variant="success")


def _row(entry: dict[str, Any]) -> dict[str, str]:
    elsewhere = entry["elsewhere"]
    return {
        "severity": "intended" if entry["intended"] else entry["severity"],
        "finding": entry["name"],
        "share": f"{percent(entry['share'])}, {'-' if elsewhere is None else percent(elsewhere)}",
        "conflicting": str(entry["n_conflicting"]),
    }


def _pictures(dataset: Any, entry: dict[str, Any], tag: str, side: str) -> list[str]:
    """Paths of the images that the audit chose for this side, then of other images with the tag."""
    chosen = entry["example_ids" if side == "aligned" else "counterexample_ids"]
    tagged = dataset.match_tags(entry[tag])
    first = tagged.match(ViewField("image_id").is_in(chosen[:_STRIP]))
    ids, paths = first.values(["image_id", "filepath"])
    found = [path for _, path in sorted(zip(ids, paths, strict=True), key=lambda pair: chosen.index(pair[0]))]
    others = tagged.limit(2 * _STRIP).values("filepath")
    return list(dict.fromkeys((*found, *others)))[:_STRIP]


def _url(path: str) -> str:
    """The URL of the image on the App's server."""
    return f"/media?filepath={quote(Path(path).as_posix())}"


def _headline(mark: dict[str, Any]) -> str:
    if not mark:
        return app.NOT_AUDITED
    return app.headline(str(mark.get("verdict", "")), len(mark.get("findings", ())))


def _validated(validation: dict[str, Any]) -> str:
    title = app.validated(inert(validation["about"]), validation["verdict"])
    lines = [f"**{title}**", "", "| probe | images | worst group |", "| --- | --- | --- |"]
    for arm in validation["arms"]:
        low, high = arm["worst_group_ci"]
        worst = f"{with_interval(arm['worst_group'], (low, high))} {inert(arm['group'])}"
        lines.append(f"| {arm_words(arm['name'])} | {arm['n_train']} | {worst} |")
    return "\n".join(lines)
