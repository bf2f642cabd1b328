"""selftest.json: the result of a self-test."""

from __future__ import annotations

from curator.report.wording import selftest
from curator.types.documents.commands import FalseAlarms, PlantedResult, SelfTestDocument
from curator.types.selftest import SelfTest


def selftest_document(test: SelfTest, seed: int) -> SelfTestDocument:
    """The content of `selftest.json`."""
    return SelfTestDocument(
        n_images=test.n_images,
        classes=dict(test.classes),
        encoder=test.encoder,
        seed=seed,
        share_elsewhere=test.elsewhere,
        planted=tuple(
            PlantedResult(
                kind=p.kind,
                effect=p.effect,
                found=p.found,
                draws=p.draws,
                power=p.found / p.draws,
                ci=selftest.interval(p.found, p.draws),
            )
            for p in test.planted
        ),
        false_alarms=FalseAlarms(
            found=test.alarms,
            draws=test.n_null,
            rate=test.alarms / test.n_null,
            ci=selftest.interval(test.alarms, test.n_null),
        ),
        meaning=selftest.meaning(test),
        seconds=round(test.seconds, 1),
        notes=test.notes,
    )
