"""Results as files: the JSON files of the contract, and the report, with the plan and the proof that lie beside it."""

from __future__ import annotations

from collections.abc import Callable
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
from curator.shortcuts.comparison import Comparison
from curator.types import AuditRun, Dataset, ProbeReport, Recommendation
from curator.types.document import Document
from curator.types.documents import Forecast, RecommendDocument, ValidationDocument

REPORT = "report.html"
D = TypeVar("D", bound=Document)
Pictures = Callable[[str], bytes | None]


def save(name: str, document: Document, out: Path) -> Path:
    """Write one JSON file of the contract."""
    dump(document, out / name)
    return out / name


def beside(out: Path, name: str, kind: type[D]) -> D | None:
    """A document that an earlier command left in the folder `out`; None where there is none, or it is damaged."""
    try:
        return as_document(read_json(out / name), kind)
    except (OSError, ValueError):
        return None


def pictures(data: Dataset, side: int | None = None) -> Pictures:
    """Thumbnails of a data set's images by id; None for an id that it does not have."""
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
    """Write report.html. Returns its path, and a line on an earlier plan or proof that had to be left out ("" for none).

    `recommendation` and `probe` come with the `pool` that their images are of. Without them the report shows the plan and
    the proof that recommend.json and validation.json hold, as long as they are of the same data and the same encoder.
    """
    progress("drawing the report", 0, 1)
    pool_pictures, said = None if pool is None else pictures(pool), ""
    earlier = beside(out, "recommend.json", RecommendDocument), beside(out, "validation.json", ValidationDocument)
    if recommendation is None and probe is None:
        recommendation, probe, pool_pictures, said = _earlier(run, *earlier)
    elif probe is None and earlier[1] is not None:
        said = "The proof in report.html was of an earlier plan and is left out; run validate again."
        (out / "validation.json").unlink(missing_ok=True)
    page = render(
        run,
        pictures(run.dataset),
        map_thumbnails=pictures(run.dataset, MAP_SIDE),
        sights=sights(run, run.audit.findings),
        forecast=_forecast(run, out),
        recommendation=recommendation,
        probe=probe,
        pool_thumbnails=pool_pictures,
        comparison=comparison,
    )
    write_text(page, out / REPORT)
    return out / REPORT, said


def _earlier(
    run: AuditRun, plan: RecommendDocument | None, proof: ValidationDocument | None
) -> tuple[Recommendation | None, ProbeReport | None, Pictures | None, str]:
    """The plan and the proof of earlier commands, thumbnails of the plan's images, and why one is left out."""
    said = ""
    for one in (plan, proof):
        if one is None:
            continue
        why = "of other data" if one.fingerprint != run.fingerprint else "by another encoder"
        if (one.fingerprint, one.encoder_fingerprint) != (run.fingerprint, run.encoder.fingerprint):
            said = f"The plan or proof in report.html was {why} and is left out; run recommend and validate again."
    if said:
        return None, None, None, said
    paths = {image.id: image.path for image in plan.images} if plan else {}

    def picture(id: str) -> bytes | None:
        try:
            return thumbnail(paths[id]) if id in paths else None
        except CuratorError:  # the pool has moved since
            return None

    shown = None if plan is None else recommendation_of(plan), None if proof is None else probe_of(proof)
    return *shown, picture, ""


def _forecast(run: AuditRun, out: Path) -> Forecast | None:
    """What an earlier `curator forecast` wrote of the same data, if it did."""
    found = beside(out, "forecast.json", Forecast)
    return found if found and found.fingerprint == run.fingerprint else None
