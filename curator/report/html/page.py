"""The HTML report: one file that needs no network and no other file. Its only script controls the map."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

import jinja2
from markupsafe import Markup

from curator.report import overview, wording
from curator.report.ci import gate
from curator.report.comparison import NAME as COMPARISON
from curator.report.html import ladder, views
from curator.report.html.album import Album, Thumbnails
from curator.report.html.curves import panels
from curator.report.html.forecast_chart import Outlook, outlook
from curator.report.html.map import embedding_map
from curator.report.html.places import Sight
from curator.report.html.views import Limits
from curator.report.html.views import advice as advice
from curator.report.wording import checks, findings, plans, probes
from curator.report.wording import comparison as changes
from curator.report.wording import forecast as forecasts
from curator.shortcuts.comparison import Comparison
from curator.types import AuditRun, ProbeReport, Recommendation
from curator.types.forecast import Forecast

MAX_BYTES = 5_000_000
LONGEST_TEXT = 600
MAP_SIDE = 80
"""Pixels of the longer side of an image that only the map shows: 400 of them take 1 MB."""
FALSE_DISCOVERIES = 0.05
"""The false-discovery rate of an audit whose settings do not name one."""
_INTERVAL = re.compile(r"(\[[+−]?\d+, [+−]?\d+\])")
_SLOTS = ("forecast-link", "forecast")
"""Parts of the page that a later command fills, each between two comments. Names are escaped, so no name can form one."""

# Tried in this order until the page is small enough, because thousands of long names can exceed the first limits.
_LIMITS = (
    Limits(),
    Limits(
        findings=15,
        rows=60,
        strip=6,
        groups=8,
        recommended=30,
        image_bytes=2_000_000,
        dots=200,
        map_image_bytes=500_000,
    ),
    Limits(
        findings=5, rows=15, strip=4, groups=4, recommended=8, image_bytes=600_000, dots=60, map_image_bytes=100_000
    ),
)


def render(
    run: AuditRun,
    thumbnails: Thumbnails,
    *,
    recommendation: Recommendation | None = None,
    probe: ProbeReport | None = None,
    pool_thumbnails: Thumbnails | None = None,
    map_thumbnails: Thumbnails | None = None,
    sights: Mapping[str, Sight] | None = None,
    forecast: Forecast | None = None,
    comparison: Comparison | None = None,
) -> str:
    """The whole report as one HTML text of at most 5 MB, the same for the same input.

    `thumbnails` returns a small JPEG or PNG for an id of the data set, `map_thumbnails` a smaller one for the map (default:
    the same), and `pool_thumbnails` one for an id of the pool. None, a `CuratorError` or an `OSError` becomes a
    placeholder. `sights` are by finding id. Where the page leaves something out to save space, it says how much. The text
    can always be encoded as UTF-8.
    """
    page = ""
    for limits in _LIMITS:
        album = Album(limits.image_bytes)
        context = {
            **_found(run, thumbnails, album, limits, sights or {}),
            "plan": recommendation and views.plan(recommendation, pool_thumbnails, album, limits),
            "rec": recommendation,
            "probe": probe,
            "examined": _examined(run, probe) if probe else "",
            "groups": probe and views.groups(probe)[: limits.rows],
            "curves": panels(probe) if probe else [],
            "average": wording.average_change(probe) if probe else "",
            "outlook": outlook(forecast) if forecast else None,
            "comparison": comparison,
        }
        # The map comes last, so that it reuses images that are already embedded and does not use up the others' budget.
        album.budget += limits.map_image_bytes
        shortcuts = context["shortcuts"]
        context["map"] = embedding_map(run, shortcuts, album, thumbnails, map_thumbnails or thumbnails, limits.dots)
        page = _environment().get_template("report.html.j2").render(context)
        if len(page.encode()) <= MAX_BYTES:
            break
    return page


def with_forecast(page: str, forecast: Forecast) -> str | None:
    """The report with this forecast instead of an earlier one. None if the report is of other data or too large."""
    if not forecast.fingerprint or f'<meta name="curator:data" content="{forecast.fingerprint}">' not in page:
        return None
    made: Outlook = outlook(forecast)
    for slot in _SLOTS:
        start, end = f"<!-- {slot} -->", f"<!-- /{slot} -->"
        if page.count(start) != 1 or page.count(end) != 1:
            return None
        text = _environment().get_template(f"{slot}.html.j2").render(outlook=made)
        page = page[: page.index(start) + len(start)] + text + page[page.index(end) :]
    return page if len(page.encode()) <= MAX_BYTES else None


def _found(
    run: AuditRun, thumbnails: Thumbnails, album: Album, limits: Limits, sights: Mapping[str, Sight]
) -> dict[str, Any]:
    """The values that the templates show of the audit itself."""
    audit = run.audit
    shortcuts = overview.headline([f for f in audit.findings if gate.is_shortcut(f.kind, run.counts_objects)])
    alpha = float(run.settings.get("audit", {}).get("alpha", FALSE_DISCOVERIES))
    return {
        "run": run,
        "data": run.dataset,
        "audit": audit,
        "views": [
            views.finding(run, i, f, thumbnails, album, limits, sights.get(f.id), alpha)
            for i, f in enumerate(shortcuts[: limits.findings], start=1)
        ],
        "shortcuts": shortcuts,
        "other_findings": shortcuts[limits.findings : limits.findings + limits.rows],
        "n_unlisted": max(0, len(shortcuts) - limits.findings - limits.rows),
        "objects": [f for f in audit.findings if f.kind == "object" and not run.counts_objects],
        "unclear": [f for f in audit.findings if f.kind == "unclear"],
        "verdict": views.verdict(run),
        "alone": run.surroundings_alone,
        "notes": list(dict.fromkeys(n for n in (run.encoder.note, *run.notes) if n))[: limits.groups],
        "counts": list(islice(run.dataset.class_counts().items(), limits.rows)),
        "patterns": views.patterns(run, thumbnails, album, limits),
        "clusters": views.clusters(run, thumbnails, album, limits),
        "every_leak": run.every_leak,
        "leaks": [(g, album.strip(g.ids, thumbnails, 4, str)) for g in run.leaks[: limits.groups]],
        "duplicates": [(g, album.strip(g.ids, thumbnails, 4, str)) for g in run.duplicates[: limits.groups]],
        "sentences": {f.id: findings.phrase(f) for f in audit.findings},
        "label_errors": [(e, album.shot(e.id, thumbnails)) for e in run.label_errors[: 2 * limits.groups]],
        "skipped": run.dataset.skipped[: limits.rows],
        "settings": _flat(run.settings)[: limits.rows],
        "limits": limits,
        "album": album,
    }


def _examined(run: AuditRun, probe: ProbeReport) -> str:
    """The meaning of the visual word that the probe is about; "" if the attribute's name already says it."""
    if probe.attribute not in run.measures.frame:
        return ""
    return wording.spelt_out(run.measures.column(probe.attribute), probe.value)


def _flat(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names and their values."""
    out: list[tuple[str, str]] = []
    for key, value in settings.items():
        if isinstance(value, dict):
            out += _flat(value, f"{prefix}{key}.")
        else:
            out.append((f"{prefix}{key}", str(value)))
    return out


def _inert(value: Any) -> Any:
    """Make a value safe before it is escaped, so that no name can hide, reorder or flood the page."""
    return wording.visible(value, LONGEST_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _quiet(sentence: str) -> Markup:
    """A finding's sentence with its intervals in a smaller style, so that the sentence reads without them."""
    parts = _INTERVAL.split(wording.visible(sentence, LONGEST_TEXT))
    return Markup("").join(Markup('<span class="ci">{}</span>').format(p) if i % 2 else p for i, p in enumerate(parts))


def _breakable(path: str) -> Markup:
    """A path that wraps after a folder rather than inside a name."""
    return Markup("/<wbr>").join(wording.visible(path, LONGEST_TEXT).split("/"))


@cache
def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("curator.report.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (wording.percent, wording.with_interval, wording.points, wording.odds, wording.probability)
    env.filters |= {f.__name__: f for f in words}
    env.filters |= {"quiet": _quiet, "breakable": _breakable}
    env.filters["n"] = lambda number: f"{number:,}"
    env.globals |= {"count": wording.count, "arm_words": wording.arm_words}
    env.globals |= {"alone_words": wording.surroundings_alone}
    env.globals |= {
        "headline": wording.headline,
        "phrase": lambda f: wording.phrase(f) or f"have {f.attribute} = {f.value}",
        "intervals": wording.intervals,
        "known": wording.known,
        "facts": wording.facts,
    }
    env.globals |= {"cell_words": wording.cell, "untested_words": wording.untested}
    env.globals |= {"confirming": ladder.confirming, "harm": checks.harm, "no_shortcut": findings.no_shortcut}
    env.globals |= {"changes": changes, "plans": plans, "probes": probes, "forecasts": forecasts}
    env.globals |= {"changes_file": COMPARISON}
    for name in ("style.css", "map.js"):
        # Marked safe because the file is ours and must stay unchanged: the page's security policy holds its hash.
        text = files("curator.report.html").joinpath("templates", name).read_text("utf-8")
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
        kind = name.rpartition(".")[2]
        env.globals |= {kind: Markup(text), f"{kind}_hash": f"sha256-{digest}"}  # nosec B704
    return env
