"""Write the result files of `curator recommend`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curator.commands._steps import review as reviews
from curator.commands._steps.results import PLAN, Written, save, write_report
from curator.commands.recommend import Advice
from curator.commands.session import Session
from curator.report import without_pool
from curator.report.json import recommend_document, recommendation_csv, shopping_csv
from curator.selection.decisions import Review
from curator.selection.synthesis import FOLDER
from curator.types.documents import RecommendDocument
from curator.types.documents.plans import ReviewSummary, SyntheticImages

TABLE, SHOPPING = "recommendation.csv", "shopping_list.csv"


def plan_document(
    advice: Advice, session: Session, *, notes: Sequence[str] = (), review: Review | None = None, n_synthetic: int = 0
) -> RecommendDocument:
    """What recommend.json holds. `notes` are added to those of the audit and the advice.

    `review` is the one that the advice follows, and `n_synthetic` the number of counter-examples that were made for it.
    """
    more: dict[str, Any] = {}
    if review is not None:
        more["review"] = ReviewSummary(
            source=review.source, accepted=len(review.accepted), rejected=len(review.rejected)
        )
    if advice.unaided is not None:
        more["without_new_images"] = without_pool.summary(advice.unaided)
    if n_synthetic:
        more["synthetic"] = SyntheticImages(folder=FOLDER, manifest=f"{FOLDER}/manifest.csv", n=n_synthetic)
    said = list(dict.fromkeys((*advice.run.notes, *advice.notes, *notes)))
    root = advice.pool.dataset.root
    return recommend_document(advice.recommendation, root, run=advice.run, seed=session.seed, notes=said, **more)


def write_recommendation(
    advice: Advice, document: RecommendDocument, out: Path, session: Session, *, table: Review | None = None
) -> Written:
    """Write the files of a recommendation to the folder `out`: plan, tables and report.

    The decisions in tables that are already there, and those of `table`, are kept in review.csv first.
    """
    rec, root, data_root = advice.recommendation, advice.pool.dataset.root, advice.run.dataset.root
    reviews.keep(reviews.earlier(out).then(table or Review()), out)
    paths = [save(PLAN, document, out), out / TABLE]
    recommendation_csv(rec, root, out / TABLE, data_root=data_root, decisions=True)
    if rec.shopping_list:
        shopping_csv(rec, out / SHOPPING)
        paths.append(out / SHOPPING)
    else:
        (out / SHOPPING).unlink(missing_ok=True)  # the file of an earlier run could be mistaken for this run's
    if advice.unaided is not None:
        without_pool.write_unaided(advice.unaided, data_root, out)
        paths += [out / without_pool.SUBSET, out / without_pool.WEIGHTS]
    report, said = write_report(
        advice.run, out, recommendation=rec, pool=advice.pool.dataset, progress=session.progress
    )
    return Written((*paths, report), said)
