"""Write result files: JSON documents, and the report with the plan and the validation in the same folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from curator.commands._steps.finding_places import sights
from curator.commands.session import Progress, silent
from curator.errors import CuratorError
from curator.io.decoding.images import thumbnail
from curator.io.documents import as_document
from curator.io.jsonfile import read_json
from curator.report.html.page import MAP_SIDE, render
from curator.report.json import dump, probe_of, recommendation_of
from curator.report.serialise import write_text
from curator.report.wording import notes as words
from curator.shortcuts.comparison import Comparison
from curator.types import AuditRun, Dataset, ProbeReport, Recommendation
from curator.types.document import Document
from curator.types.documents import Forecast, RecommendDocument, ValidationDocument

REPORT, PLAN, PROOF = "report.html", "recommend.json", "validation.json"
D = TypeVar("D", bound=Document)
Pictures = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Written:
    """The files that a command wrote, the report last. `said` is a line for the user, "" for none."""

    paths: tuple[Path, ...]
    said: str = ""


def save(name: str, document: Document, out: Path) -> Path:
    """Write one JSON result file."""
    dump(document, out / name)
    return out / name


def beside(out: Path, name: str, kind: type[D]) -> D | None:
    """A document that an earlier command wrote to the folder `out`; None if there is none or it is damaged."""
    try:
        return as_document(read_json(out / name), kind)
    except (OSError, ValueError):
        return None


def pictures(data: Dataset, side: int | None = None) -> Pictures:
    """A function from ids of the data set to thumbnails; it returns None for an unknown id."""
    position = {str(i): k for k, i in enumerate(data.ids)}

    def picture(id: str) -> bytes | None:
        if id not in position:
            return None
        path = data.path(position[id])
        return thumbnail(path) if side is None else thumbnail(path, side)

    return picture


def write_report(
    run: AuditRun,
    out: Path,
    *,
    recommendation: Recommendation | None = None,
    probe: ProbeReport | None = None,
    pool: Dataset | None = None,
    comparison: Comparison | None = None,
    progress: Progress = silent,
) -> tuple[Path, str]:
    """Write report.html. Returns its path and a line about an earlier plan or validation that was left out ("" for none).

    The images of `recommendation` and `probe` are from `pool`. If they are not given, they are read from recommend.json
    and validation.json, provided that these are about the same data and the same encoder.
    """
    progress("drawing the report", 0, 1)
    shown, said = Shown(recommendation, probe, None if pool is None else pictures(pool)), ""
    if probe is None:
        shown, said = _with_earlier(shown, run, out)
    page = render(
        run,
        pictures(run.dataset),
        map_thumbnails=pictures(run.dataset, MAP_SIDE),
        sights=sights(run, run.audit.findings),
        forecast=_forecast(run, out),
        recommendation=shown.recommendation,
        probe=shown.probe,
        pool_thumbnails=shown.pictures,
        comparison=comparison,
    )
    write_text(page, out / REPORT)
    return out / REPORT, said


@dataclass(frozen=True, slots=True)
class Shown:
    """What a report shows from other commands: a plan, a validation, and thumbnails of the plan's images."""

    recommendation: Recommendation | None
    probe: ProbeReport | None
    pictures: Pictures | None


def digest_beside(out: Path) -> str | None:
    """The digest of recommend.json, None if there is none. A validation stores it, so that a newer plan is noticed."""
    try:
        return hashlib.sha256((out / PLAN).read_bytes()).hexdigest()
    except OSError:
        return None


def _with_earlier(shown: Shown, run: AuditRun, out: Path) -> tuple[Shown, str]:
    """Fill in a missing plan and validation from earlier commands, and say why one is left out."""
    plan = beside(out, PLAN, RecommendDocument) if shown.recommendation is None else None
    proof = beside(out, PROOF, ValidationDocument)
    for one in (plan, proof):
        if one is not None and (one.fingerprint, one.encoder_fingerprint) != (run.fingerprint, run.encoder.fingerprint):
            why = "from other data" if one.fingerprint != run.fingerprint else "with another encoder"
            return shown, words.report_without(f"an earlier plan or validation made {why}", "recommend and validate")
    if proof is not None and proof.beside == digest_beside(out):
        known = plan if proof.recommendation is None else proof.recommendation
        made = shown.recommendation or (None if known is None else recommendation_of(known))
        return Shown(made, probe_of(proof), shown.pictures or _pictures_of(known)), ""
    note = words.report_without("a validation of an earlier plan", "validate") if proof else ""
    if plan is not None:
        shown = Shown(recommendation_of(plan), None, _pictures_of(plan))
    return shown, note


def _pictures_of(plan: RecommendDocument | None) -> Pictures:
    """Thumbnails of the plan's images, if they are still at the paths in the plan."""
    paths = {image.id: image.path for image in plan.images} if plan else {}

    def picture(id: str) -> bytes | None:
        try:
            return thumbnail(paths[id]) if id in paths else None
        except CuratorError:  # the pool was moved
            return None

    return picture


def _forecast(run: AuditRun, out: Path) -> Forecast | None:
    """The forecast that an earlier `curator forecast` wrote for the same data, or None."""
    found = beside(out, "forecast.json", Forecast)
    return found if found and found.fingerprint == run.fingerprint else None
