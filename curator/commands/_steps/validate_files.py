"""Write the result files of `curator validate`."""

from __future__ import annotations

from pathlib import Path

from curator.commands._steps.results import PROOF, Written, digest_beside, save, write_report
from curator.commands.session import Session
from curator.commands.validate import Validation
from curator.report.json import recommend_document, validation_document
from curator.types import Recommendation
from curator.types.documents import ValidationDocument


def proof_document(done: Validation, out: Path, session: Session, plan: Path | None = None) -> ValidationDocument:
    """What validation.json in the folder `out` holds. `plan` is the table that was validated, if one was given."""
    advice, report = done
    tested = _tested(done, plan)
    root = advice.pool.dataset.root
    proved = None if tested is None else recommend_document(tested, root, run=advice.run, seed=session.seed)
    return validation_document(report, advice.run, proved, digest_beside(out))


def write_validation(
    done: Validation, document: ValidationDocument, out: Path, session: Session, plan: Path | None = None
) -> Written:
    """Write validation.json and report.html to the folder `out`."""
    advice, report = done
    path = save(PROOF, document, out)
    drawn, said = write_report(
        advice.run, out, recommendation=_tested(done, plan), probe=report, pool=advice.pool.dataset,
        progress=session.progress,
    )  # fmt: skip
    return Written((path, drawn), said)


def _tested(done: Validation, plan: Path | None) -> Recommendation | None:
    """The images that were added; None for a plan with only paths and labels, which has no cells to show."""
    tested = done.advice.recommendation
    return tested if tested.ids or plan is None else None
