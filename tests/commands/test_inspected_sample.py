"""What is looked at closely of a large set, and what the App shows of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from report_example import make_run

from curator.commands._steps import inspected_sample
from curator.commands._steps.inspected_sample import for_app, part
from curator.config import Settings, settings_of
from curator.errors import InputError
from curator.probe.linear import CrossFit
from curator.shortcuts import indicators
from curator.types import Embedded, Finding


def flagged(run) -> set[str]:
    out = {i for f in run.audit.findings for i in (*f.example_ids, *f.counterexample_ids)}
    out |= {i for g in (*run.duplicates, *run.leaks) for i in g.ids} | {e.id for e in run.label_errors}
    return out & set(run.dataset.ids.tolist())


def limited(most: int, **more):
    return replace(make_run(), settings={"app": {"most_images": most}}, **more)


def test_a_small_set_is_shown_whole_and_as_it_is():
    run = limited(80)
    assert for_app(run) is run
    assert for_app(make_run()).dataset.ids.tolist() == make_run().dataset.ids.tolist()


def test_every_flagged_image_is_in_the_sample_and_the_note_counts():
    run = limited(70)
    shown = for_app(run)
    ids = shown.dataset.ids.tolist()
    assert len(ids) == 70
    assert flagged(run) <= set(ids)
    assert shown.notes[:-1] == run.notes
    assert shown.notes[-1].startswith(f"The App shows 70 of 80 images: all {len(flagged(run))} flagged images")
    assert (
        shown.embeddings.ids.tolist() == ids == [str(i) for i in shown.measures.frame.index] == list(shown.facts.index)
    )
    rows = np.flatnonzero(np.isin(run.dataset.ids, shown.dataset.ids))
    assert (shown.embeddings.vectors == run.embeddings.vectors[rows]).all()
    assert (shown.clusters.assignment == run.clusters.assignment[rows]).all()
    assert for_app(run).dataset.ids.tolist() == ids  # the same again


def test_the_others_are_as_large_a_part_of_each_class():
    none = replace(make_run().audit, findings=())
    run = limited(40, audit=none, duplicates=(), leaks=(), label_errors=())
    shown = for_app(run)
    assert np.bincount(shown.dataset.labels).tolist() == [10, 10, 10, 10]


def test_images_that_break_the_worst_finding_keep_their_share():
    run = make_run()
    n = len(run.dataset)
    frame = run.measures.frame.assign(**{"background.colour": np.where(np.arange(n) % 4 == 0, "grey", "green")})
    worst = next(f for f in run.audit.findings if f.attribute == "background.colour" and f.value == "green")
    worst = replace(worst, example_ids=(), counterexample_ids=())
    run = limited(
        40, measures=replace(run.measures, frame=frame), audit=replace(run.audit, findings=(worst,)),
        duplicates=(), leaks=(), label_errors=(),
    )  # fmt: skip
    shown = for_app(run)
    inside = shown.dataset.labels == run.dataset.classes.index(worst.class_name)
    grey = (shown.measures.frame["background.colour"] == "grey").to_numpy()
    assert (int((inside & grey).sum()), int((inside & ~grey).sum())) in ((2, 8), (3, 7), (2, 7), (3, 8))


def test_where_the_flagged_alone_are_more_they_are_all_there_is():
    run = limited(3)
    shown = for_app(run)
    assert set(shown.dataset.ids.tolist()) == flagged(run)
    assert len(shown.dataset) > 3


def test_the_threshold_is_a_setting():
    assert settings_of({"app": {"most_images": 500}}, "x").app.most_images == 500
    assert Settings().app.most_images == 100_000
    with pytest.raises(InputError, match="most_images = 0; at least 1"):
        settings_of({"app": {"most_images": 0}}, "x")


def large(monkeypatch, n: int = 3000):
    """Two classes, of which one in a hundred breaks the rule; `LARGE` is 400."""
    monkeypatch.setattr(inspected_sample, "LARGE", 400)
    run = make_run()
    rng = np.random.default_rng(3)
    ids = [f"{k:05d}" for k in range(n)]
    labels = rng.integers(0, 2, n).astype(np.int32)
    green = (labels == 0) ^ (rng.random(n) < 0.01)
    frame = pd.DataFrame({"background.colour": np.where(green, "green", "grey")}, index=ids)
    measures = replace(run.measures, frame=frame, columns=run.measures.columns[:1])
    data = replace(
        run.dataset, ids=np.array(ids), labels=labels, classes=("a", "b"), splits=np.full(n, ""),
        metadata=pd.DataFrame(index=ids), skipped=(),
    )  # fmt: skip
    vectors = replace(run.embeddings, ids=data.ids, vectors=rng.normal(size=(n, 4)).astype(np.float32))
    embedded = Embedded(data, vectors, frame[[]], frame[[]], 0, 0.0)
    finding: Finding = replace(run.audit.findings[0], class_name="a", attribute="background.colour", value="green")
    cross = CrossFit((), np.arange(n, dtype=np.int32) % 5, rng.random((n, 2)))
    return finding, embedded, labels, indicators.build(measures, ()), measures, cross, green


def test_what_is_rare_is_all_in_the_part_and_rows_stay_together(monkeypatch):
    finding, embedded, labels, table, measures, cross, green = large(monkeypatch)
    p = part([finding], embedded, labels, table, measures, cross, np.random.default_rng(0))
    ids = p.embedded.dataset.ids
    assert 300 < len(ids) < 1000
    rare = embedded.dataset.ids[(labels == 0) & ~green]
    assert 0 < len(rare) < 50
    assert set(rare) <= set(ids)
    rows = np.flatnonzero(np.isin(embedded.dataset.ids, ids))
    assert (p.labels == labels[rows]).all()
    assert (p.table.values == table.values[rows]).all()
    assert (p.cross.fold == cross.fold[rows]).all()
    assert (p.cross.probabilities == cross.probabilities[rows]).all()
    assert (p.embedded.embeddings.vectors == embedded.embeddings.vectors[rows]).all()
    assert p.measures.frame.index.tolist() == ids.tolist()
    assert p.whole is embedded


def test_of_a_small_set_the_part_is_the_set(monkeypatch):
    finding, embedded, labels, table, measures, cross, _ = large(monkeypatch)
    monkeypatch.setattr(inspected_sample, "LARGE", 3000)
    p = part([finding], embedded, labels, table, measures, cross, np.random.default_rng(0))
    assert p.embedded is embedded
    assert p.table is table
    assert p.cross is cross
