"""Chooses images of the data set to leave out, for when no images can be added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from curator.report import wording
from curator.selection.plan import Target
from curator.types import Ids, Ints, Removal

SMALLEST = 10
"""Minimum number of images that a class keeps. With fewer, a probe cannot learn the class."""


def removals(
    ids: Ids, labels: Ints, classes: Sequence[str], targets: Sequence[Target], ease: NDArray[np.float64], budget: int
) -> tuple[Removal, ...]:
    """Choose up to `budget` images to drop, so that the class has as many images with the value as without it.

    Images of the class with the value are dropped in the order of `ease` (n,), highest first. `ease` is the probability of
    the image's own label from a probe that has not seen the image: such images teach the probe least. Several targets take
    turns.

    Error: a dropped image is also missing for separating the class from the others, so the gain is smaller than from adding.

    >>> from curator.types import Column
    >>> aim = Target(0, Column("background.colour", "tags", "context", "", ""), "green", np.arange(14) < 12, np.zeros(0, bool))
    >>> [r.id for r in removals(np.array(list("abcdefghijklmn")), np.zeros(14, int), ["bunny"], [aim], np.arange(14) / 14, 9)]
    ['l', 'k', 'j', 'i']
    """
    gone: dict[int, Removal] = {}
    queues = []
    for target in targets:
        mine = labels == target.class_idx
        with_value = np.flatnonzero(mine & target.has)
        room = min(len(with_value) - int((mine & ~target.has).sum()), int(mine.sum()) - SMALLEST)
        order = sorted(with_value, key=lambda i: (-ease[i], str(ids[i])))[: max(0, room)]
        queues.append((target, [int(i) for i in order]))
    while len(gone) < budget and any(queue for _, queue in queues):
        for target, queue in queues:
            if queue and len(gone) < budget:
                i = queue.pop(0)
                why = wording.removal(float(ease[i]))
                name = classes[target.class_idx]
                gone.setdefault(i, Removal(str(ids[i]), name, target.column.name, target.value, why))
    return tuple(gone.values())
