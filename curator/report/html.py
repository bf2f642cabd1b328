"""The report a person reads: one HTML file that needs no network, no script and no other file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import jinja2
from markupsafe import Markup

from curator.errors import InputError
from curator.indicators import instead, phrase
from curator.report import gate, wording
from curator.report.curves import panels
from curator.report.json import clusters_json
from curator.report.pictures import Album, Shot, Strip, Thumbnails
from curator.types import AuditRun, Finding, GroupAccuracy, Interval, ProbeReport, Recommendation, SharedPattern

MAX_BYTES = 5_000_000
LONGEST_TEXT = 600
CROPS = 4
"""Pictures shown of a pattern: one row of half a page."""
_INTERVAL = re.compile(r"(\[\d+, \d+\])")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each section is shown: counts of items, `pictures` in bytes of base64."""

    findings: int = 30
    rows: int = 200
    strip: int = 8
    groups: int = 16
    recommended: int = 60
    pictures: int = 3_600_000


# Tried in this order until the page is small enough: thousands of long names can outgrow the first.
_LIMITS = (
    Limits(),
    Limits(findings=15, rows=60, strip=6, groups=8, recommended=30, pictures=2_000_000),
    Limits(findings=5, rows=15, strip=4, groups=4, recommended=8, pictures=600_000),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A share with its interval; `main` is the class itself, drawn in the accent colour."""

    label: str
    share: float
    ci: Interval | None
    main: bool


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding and what stands beside it."""

    number: int
    finding: Finding
    bars: tuple[Bar, ...]
    advice: str
    examples: Strip
    rule_breakers: Strip


@dataclass(frozen=True, slots=True)
class PatternView:
    """Something most images of a class share, and where it is seen in some of them."""

    pattern: SharedPattern
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class ClassView:
    """What the `n` images of a class have in common: on the object, around it, and of the picture as a whole."""

    name: str
    n: int
    on_object: tuple[PatternView, ...]
    around: tuple[PatternView, ...]
    whole: tuple[SharedPattern, ...]


def render(
    run: AuditRun,
    thumbnails: Thumbnails,
    *,
    recommendation: Recommendation | None = None,
    probe: ProbeReport | None = None,
    pool_thumbnails: Thumbnails | None = None,
) -> str:
    """The whole report as one HTML text of at most 5 MB, the same for the same input.

    `thumbnails` gives a small JPEG or PNG for an id of the data set, `pool_thumbnails` for one of the recommended; None,
    a `CuratorError` or an `OSError` becomes a placeholder. What is left out for size is counted in place. The text can
    be encoded as UTF-8 whatever the names hold.
    """
    page = ""
    for limits in _LIMITS:
        page = _page(run, thumbnails, recommendation, probe, pool_thumbnails, limits)
        if len(page.encode()) <= MAX_BYTES:
            break
    return page


def _page(
    run: AuditRun,
    thumbnails: Thumbnails,
    recommendation: Recommendation | None,
    probe: ProbeReport | None,
    pool_thumbnails: Thumbnails | None,
    limits: Limits,
) -> str:
    album = Album(limits.pictures)
    audit = run.audit
    shortcuts = [f for f in audit.findings if gate.is_shortcut(f.kind, run.settings)]
    objects = [f for f in audit.findings if not gate.is_shortcut(f.kind, run.settings)]
    context = {
        "run": run,
        "data": run.dataset,
        "audit": audit,
        "views": [_finding(run, i, f, thumbnails, album, limits) for i, f in _first(shortcuts, limits.findings)],
        "shortcuts": shortcuts,
        "other_findings": shortcuts[limits.findings : limits.findings + limits.rows],
        "n_unlisted": max(0, len(shortcuts) - limits.findings - limits.rows),
        "objects": objects,
        "verdict": verdict_words(run),
        "notes": list(dict.fromkeys(n for n in (run.encoder.note, *run.notes) if n))[: limits.groups],
        "counts": list(islice(run.dataset.class_counts().items(), limits.rows)),
        "plan": recommendation and _plan(recommendation, pool_thumbnails, album, limits),
        "rec": recommendation,
        "probe": probe,
        "groups": probe and _groups(probe)[: limits.rows],
        "curves": panels(probe) if probe else [],
        "average": wording.average_change(probe) if probe else "",
        "patterns": _patterns(run, thumbnails, album, limits),
        "clusters": _clusters(run, thumbnails, album, limits),
        "leaks": [(g, album.strip(g.ids, thumbnails, 4, str)) for g in run.leaks[: limits.groups]],
        "duplicates": [(g, album.strip(g.ids, thumbnails, 4, str)) for g in run.duplicates[: limits.groups]],
        "label_errors": [(e, album.shot(e.id, thumbnails)) for e in run.label_errors[: 2 * limits.groups]],
        "skipped": run.dataset.skipped[: limits.rows],
        "settings": _flat(run.settings)[: limits.rows],
        "limits": limits,
        "album": album,
    }
    return _environment().get_template("report.html.j2").render(context)


def verdict_words(run: AuditRun) -> str:
    """The verdict as a headline.

    "3 shortcuts found", "No shortcut found", "Too few images to tell".
    """
    if run.audit.verdict == "shortcuts found":
        n = sum(not f.intended and f.borne_out and gate.is_shortcut(f.kind, run.settings) for f in run.audit.findings)
        return f"{wording.count(n, 'shortcut')} found"
    return "No shortcut found" if run.audit.verdict == "none found" else "Too few images to tell"


def _first(findings: Sequence[Finding], n: int) -> list[tuple[int, Finding]]:
    return list(enumerate(findings[:n], start=1))


def _finding(
    run: AuditRun, number: int, f: Finding, thumbnails: Thumbnails, album: Album, limits: Limits
) -> FindingView:
    bars = [Bar(f.class_name, f.share_in_class, f.share_in_class_ci, True)]
    if f.share_elsewhere is not None:
        bars.append(Bar("elsewhere", f.share_elsewhere, f.share_elsewhere_ci, False))
    return FindingView(
        number,
        f,
        tuple(bars),
        advice(run, f),
        album.strip(f.example_ids, thumbnails, limits.strip, total=f.n_with),
        album.strip(f.counterexample_ids, thumbnails, limits.strip, total=f.n_class - f.n_with),
    )


def advice(run: AuditRun, f: Finding) -> str:
    """What to add against the finding, as a sentence: "Add bunny photographs on something other than green.".

    Where most of the class lack the value, it is the others that must show it: "Add cat photographs that show a lawn.".
    """
    try:
        column = run.measures.column(f.attribute)
    except InputError:
        return f"Add {f.class_name} photographs without {f.value}."
    if f.share_elsewhere is None or f.share_in_class >= 0.5:
        return f"Add {f.class_name} photographs {instead(column, f.value)}."
    others = [name for name in run.dataset.classes if name != f.class_name]
    whose = f"{others[0]} photographs" if len(others) == 1 else "photographs of the other classes"
    return f"Add {whose} that {phrase(column, f.value)}."


def _plan(rec: Recommendation, thumbnails: Thumbnails | None, album: Album, limits: Limits) -> list[dict[str, Any]]:
    """Each cell of the plan with the pictures chosen for it; the images of no cell come last, without one."""
    out: list[dict[str, Any]] = []
    room = limits.recommended
    for k, cell in [*enumerate(rec.plan), (-1, None)]:
        rows = [i for i, c in enumerate(rec.cells) if c == k]
        if cell is None and not rows:
            continue
        reasons = {rec.ids[i]: rec.reasons[i] for i in rows}
        shared = len(set(reasons.values())) == 1
        strip = album.strip([rec.ids[i] for i in rows], thumbnails, room, None if shared else reasons.__getitem__)
        room -= len(strip.shots)
        predicted = sum(rec.label_sources[i] == "predicted" for i in rows)
        why = next(iter(reasons.values())) if shared else ""
        out.append({"cell": cell, "strip": strip, "why": why, "n_predicted": predicted, "n": len(rows)})
    return out


def _groups(probe: ProbeReport) -> list[tuple[str, str, int, list[GroupAccuracy | None]]]:
    """Class, value, test images and the accuracy in each arm; the group that was worst before comes first."""
    table: dict[tuple[str, str], dict[str, GroupAccuracy]] = {}
    for name, arm in probe.arms.items():
        for g in arm.groups:
            table.setdefault((g.class_name, g.value), {})[name] = g
    rows = [(c, v, next(iter(by.values())).n, [by.get(a) for a in probe.arms]) for (c, v), by in table.items()]

    def at_first(row: tuple[str, str, int, list[GroupAccuracy | None]]) -> tuple[bool, float]:
        g = row[3][0]
        return (True, 0.0) if g is None or not g.n else (False, g.accuracy)

    return sorted(rows, key=at_first)


def _patterns(run: AuditRun, thumbnails: Thumbnails, album: Album, limits: Limits) -> list[ClassView]:
    sizes = run.sizes()

    def view(pattern: SharedPattern) -> PatternView:
        boxes = pattern.boxes or (None,) * len(pattern.example_ids)
        pairs = list(zip(pattern.example_ids, boxes, strict=True))[:CROPS]
        return PatternView(pattern, tuple(album.crop(i, thumbnails, box, sizes.get(i)) for i, box in pairs))

    out = []
    for name, patterns in islice(run.audit.shared_patterns.items(), limits.groups):
        on_object, around = (tuple(view(p) for p in patterns if p.kind == kind) for kind in ("object", "context"))
        whole = tuple(p for p in patterns if p.kind not in ("object", "context"))
        out.append(ClassView(name, run.dataset.class_counts().get(name, 0), on_object, around, whole))
    return out


def _clusters(
    run: AuditRun, thumbnails: Thumbnails, album: Album, limits: Limits
) -> list[tuple[dict[str, Any], Strip]]:
    largest = sorted(clusters_json(run), key=lambda c: (-c["n"], c["id"]))
    out = []
    for c in largest[: limits.groups]:
        c["classes"] = sorted(c["classes"].items(), key=lambda item: -item[1])
        out.append((c, album.strip(c["example_ids"][:5], thumbnails, limits.strip)))
    return out


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
    """Applied to everything a template prints, before escaping: no name may hide, reorder or flood the page."""
    return wording.visible(value, LONGEST_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value


def _quiet(sentence: str) -> Markup:
    """A finding's sentence with its intervals set back: they are there to be looked up, not read aloud."""
    parts = _INTERVAL.split(wording.visible(sentence, LONGEST_TEXT))
    return Markup("").join(Markup('<span class="ci">{}</span>').format(p) if i % 2 else p for i, p in enumerate(parts))


def _breakable(path: str) -> Markup:
    """A path that breaks after its folders before it breaks within a name."""
    return Markup("/<wbr>").join(wording.visible(path, LONGEST_TEXT).split("/"))


@cache
def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("curator.report"),
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
    env.globals |= {"count": wording.count, "arm_words": wording.arm_words, "expected_gain": wording.expected_gain}
    env.globals["intervention"] = wording.intervention
    env.globals |= {"confirmation": wording.confirmation, "adjusted": wording.adjusted}
    return env
