"""What the report shows beside each finding, class and cluster: images, bars and advice, limited in number."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from curator.errors import InputError
from curator.report.ci import gate
from curator.report.html import ladder
from curator.report.html.album import Album, Shot, Strip, Thumbnails
from curator.report.html.ladder import Rung
from curator.report.html.places import Heat, Lit, Sight, heats, lit
from curator.report.json import cluster_summaries
from curator.report.wording import findings, plans
from curator.types import AuditRun, Finding, GroupAccuracy, Interval, ProbeReport, Recommendation, SharedPattern
from curator.types.documents.audit import ClusterSummary

CROPS = 4
"""Images shown for a pattern: one row of half a page."""
LIT = 4
"""Examples that show where a finding lies: two rows of a quarter of a page."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each section is shown: counts of items; `image_bytes` and `map_image_bytes` are in bytes of base64."""

    findings: int = 30
    rows: int = 200
    strip: int = 8
    groups: int = 16
    recommended: int = 60
    image_bytes: int = 3_000_000
    dots: int = 400
    map_image_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A share with its interval; `main` is the class itself, drawn in the accent colour."""

    label: str
    share: float
    ci: Interval | None
    main: bool


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding and what the report shows beside it."""

    number: int
    finding: Finding
    bars: tuple[Bar, ...]
    advice: str
    ladder: tuple[Rung, ...]
    examples: Strip
    rule_breakers: Strip
    lit: tuple[Lit, ...] = ()
    heats: tuple[Heat, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class PatternView:
    """A pattern that most images of a class share, and where it is seen in some of them."""

    pattern: SharedPattern
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class ClassView:
    """What the `n` images of a class have in common: on the object, around it, and in the whole image."""

    name: str
    n: int
    on_object: tuple[PatternView, ...]
    around: tuple[PatternView, ...]
    whole: tuple[SharedPattern, ...]


def verdict(run: AuditRun) -> str:
    """The verdict as a headline, with the number of confirmed shortcuts that are not accepted."""
    n = sum(
        not f.intended and f.is_confirmed and gate.is_shortcut(f.kind, run.counts_objects) for f in run.audit.findings
    )
    return findings.verdict(run.audit.verdict, n)


def finding(
    run: AuditRun,
    number: int,
    f: Finding,
    thumbnails: Thumbnails,
    album: Album,
    limits: Limits,
    sight: Sight | None = None,
    alpha: float = 0.05,
) -> FindingView:
    """A finding with its images. `sight` says where in them it is seen; `alpha` is the audit's false-discovery rate."""
    bars = [Bar(f.class_name, f.share_in_class, f.share_in_class_ci, True)]
    if f.share_elsewhere is not None:
        bars.append(
            Bar("the pool" if f.against == "pool" else "the others", f.share_elsewhere, f.share_elsewhere_ci, False)
        )
    examples = album.strip(f.example_ids, thumbnails, limits.strip, total=f.n_with)
    seen = [lit(sight, shot) for shot in examples.shots] if sight else []
    return FindingView(
        number,
        f,
        tuple(bars),
        advice(run, f),
        ladder.rungs(f, run.audit.n_tests, alpha),
        examples,
        album.strip(f.counterexample_ids, thumbnails, limits.strip, total=f.n_class - f.n_with),
        tuple(one for one in seen if one)[:LIT],
        heats(sight, f.class_name) if sight else (),
        sight is not None and sight.exact,
    )


def advice(run: AuditRun, f: Finding) -> str:
    """What to add against the finding, as a sentence."""
    try:
        column = run.measures.column(f.attribute)
    except InputError:
        column = None
    return findings.advice(f, column, run.dataset.classes)


def plan(rec: Recommendation, thumbnails: Thumbnails | None, album: Album, limits: Limits) -> list[dict[str, Any]]:
    """Each cell of the plan with the images chosen for it. Images without a cell come last."""
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
        caution = plans.predicted(predicted, len(rows))
        out.append({"cell": cell, "strip": strip, "why": " · ".join(filter(None, (why, caution))), "n": len(rows)})
    return out


def groups(probe: ProbeReport) -> list[tuple[str, str, int, list[GroupAccuracy | None]]]:
    """Class, value, number of test images and accuracy in each arm; the group that was worst before comes first."""
    table: dict[tuple[str, str], dict[str, GroupAccuracy]] = {}
    for name, arm in probe.arms.items():
        for g in arm.groups:
            table.setdefault((g.class_name, g.value), {})[name] = g
    rows = [(c, v, next(iter(by.values())).n, [by.get(a) for a in probe.arms]) for (c, v), by in table.items()]

    def at_first(row: tuple[str, str, int, list[GroupAccuracy | None]]) -> tuple[bool, float]:
        g = row[3][0]
        return (True, 0.0) if g is None or not g.n else (False, g.accuracy)

    return sorted(rows, key=at_first)


def patterns(run: AuditRun, thumbnails: Thumbnails, album: Album, limits: Limits) -> list[ClassView]:
    """What the images of each class have in common, with the places cut out of them."""
    sizes = run.sizes()

    def view(pattern: SharedPattern) -> PatternView:
        crops = pattern.example_crops[:CROPS]
        return PatternView(pattern, tuple(album.crop(c.id, thumbnails, c.box, sizes.get(c.id)) for c in crops))

    out = []
    for name, patterns in islice(run.audit.shared_patterns.items(), limits.groups):
        on_object, around = (tuple(view(p) for p in patterns if p.kind == kind) for kind in ("object", "context"))
        whole = tuple(p for p in patterns if p.kind not in ("object", "context"))
        out.append(ClassView(name, run.dataset.class_counts().get(name, 0), on_object, around, whole))
    return out


def clusters(run: AuditRun, thumbnails: Thumbnails, album: Album, limits: Limits) -> list[tuple[ClusterSummary, Strip]]:
    """The largest clusters, as in audit.json, each with images."""
    largest = sorted(cluster_summaries(run), key=lambda c: (-c.n, c.id))
    return [(c, album.strip(c.example_ids[:5], thumbnails, limits.strip)) for c in largest[: limits.groups]]
