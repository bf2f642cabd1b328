"""Labels are doubted only where the probe knows the classes, and an image that breaks a rule is said to be one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from changed import replace
from photos import embedded

from curator.commands._steps.doubtful_labels import doubtful
from curator.probe.linear import CrossFit
from curator.shortcuts import indicators
from curator.types import Column, Finding, Measures

N = 40
LABELS = np.repeat([0, 1], N // 2).astype(np.int32)


def cross(right: float, wrong_rows: tuple[int, ...] = ()) -> CrossFit:
    """A probe that is right in this fraction of each class, and sure of the other class at `wrong_rows`."""
    own = np.zeros(N)
    for k in (0, 1):
        rows = np.flatnonzero(k == LABELS)
        own[rows] = np.where(np.arange(len(rows)) < round(right * len(rows)), 0.9, 0.1)
    own[list(wrong_rows)] = 0.02
    probabilities = np.where(np.arange(2) == LABELS[:, None], own[:, None], 1 - own[:, None])
    return CrossFit((), np.zeros(N, np.int32), probabilities)


def world():
    """Two classes; nearly all of the first and few of the second have the flag."""
    these = embedded(np.ones((N, 4)))
    these = replace(these, dataset=replace(these.dataset, labels=LABELS, classes=("cat", "dog")))
    has = LABELS == 0
    has[[3, 25]] = ~has[[3, 25]]  # image 3 is a cat without it, image 25 a dog with it
    frame = pd.DataFrame({"a.b": has}, index=these.rows.index)
    table = indicators.build(Measures(frame, (Column("a.b", "flag", "context", "have it|lack it", ""),)), 4)
    finding = Finding(
        class_name="cat", attribute="a.b", value="yes", kind="context", severity="high", effect=0.9, p=1e-9, q=1e-8
    )
    return these, table, finding


@pytest.mark.parametrize(("right", "checked"), [(0.5, False), (0.7, False), (0.9, True)])
def test_labels_are_doubted_only_where_the_probe_knows_the_classes(right, checked):
    these, table, finding = world()
    errors, notes = doubtful(these, LABELS, cross(right, (3,)), [finding], table)
    assert bool(errors) == checked
    assert bool(notes) != checked


def test_an_image_of_either_side_that_breaks_a_rule_is_said_to_be_one():
    these, table, finding = world()
    errors, _ = doubtful(these, LABELS, cross(1.0, (3, 25, 7)), [finding], table)
    ids = [str(i) for i in these.dataset.ids]
    assert {e.id: e.breaks for e in errors} == {ids[3]: finding.id, ids[25]: finding.id, ids[7]: ""}
