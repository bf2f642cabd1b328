"""What is left out, by hand."""

from __future__ import annotations

import numpy as np
from planted import exactly, labels

from curator.selection.plan import Target
from curator.selection.removal import SMALLEST, removals
from curator.types import Column

COLOUR = Column("background.colour", "tags", "context", "have a {value} background", "on something other than {value}")


def dropped(classes, has, budget, ease=None):
    ids = np.array([f"{i:03d}" for i in range(len(classes))])
    aim = Target(0, COLOUR, "green", has, np.zeros(0, bool))
    return removals(ids, classes, ("bunny", "hen"), [aim], np.zeros(len(ids)) if ease is None else ease, budget)


def test_only_images_that_follow_the_rule_go_the_easiest_first():
    classes = labels(30, 30)
    has = exactly(classes, {0: 25, 1: 5})
    gone = dropped(classes, has, 6, np.linspace(0, 1, 60))
    mine = [int(r.id) for r in gone]
    assert mine == sorted(np.flatnonzero((classes == 0) & has).tolist(), reverse=True)[:6]
    assert {(r.class_name, r.value) for r in gone} == {("bunny", "green")}


def test_a_class_is_balanced_and_never_emptied():
    classes = labels(60, 30)
    assert len(dropped(classes, exactly(classes, {0: 40}), 100)) == 20
    assert len(dropped(classes, exactly(classes, {0: 59}), 100)) == 60 - SMALLEST
    assert dropped(classes, exactly(classes, {0: 30}), 100) == ()
    assert dropped(classes, exactly(classes, {0: 60}), 0) == ()
