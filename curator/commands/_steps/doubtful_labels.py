"""Find doubtful labels, unless the probe knows too little, and mark those that may be counter-examples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from curator.probe import linear
from curator.probe.linear import CrossFit
from curator.report.wording import notes
from curator.shortcuts import detection
from curator.shortcuts.indicators import Indicators
from curator.types import Embedded, Finding, Ints, LabelError
from curator.types.findings import is_shortcut

KNOWS = 0.5
"""A probe may doubt a label if its balanced accuracy has come at least this far from chance to 1. Below it most of its surest
answers are wrong: with random labels on 1000 photographs it doubted 420, on 200 pictures of skin 56."""


def doubtful(
    embedded: Embedded, labels: Ints, cross: CrossFit, findings: Sequence[Finding], table: Indicators
) -> tuple[tuple[LabelError, ...], list[str]]:
    """The doubtful labels, most doubtful first, each with a shortcut that the image may break; and notes.

    `labels` (n,) are the classes, -1 for images that do not count; `findings` are the audit's.

    Error: balanced accuracy is that of the cross-validated probe, and the limit is sharp.
    """
    rows = np.flatnonzero(cross.fold >= 0)
    if not len(rows):
        return (), []
    data, given = embedded.dataset, labels[rows]
    right = cross.probabilities[rows].argmax(1) == given
    accuracy = float(np.mean([right[given == k].mean() for k in np.unique(given)]))
    chance = 1 / len(np.unique(given))
    if accuracy < chance + KNOWS * (1 - chance):
        return (), [notes.labels_unchecked(accuracy, chance)]
    ids = [str(i) for i in data.ids[rows]]
    errors = linear.label_errors(ids, given, data.classes, cross.probabilities[rows])
    wanted, at = {e.id for e in errors}, {str(i): k for k, i in enumerate(data.ids)}
    breaks: dict[str, str] = {}
    values = set(zip(table.attribute, table.value_names, strict=True))
    for finding in findings:
        if not is_shortcut(finding.kind, False) or (finding.attribute, finding.value) not in values:
            continue
        if not finding.is_confirmed:
            continue
        # An image breaks the rule if it is of the class and lacks the value, or of another class and has it.
        _, without = detection.members(finding, table, labels, data.classes)
        has = table.values[:, table.index(finding.attribute, finding.value)]
        others = (labels >= 0) & (labels != data.classes.index(finding.class_name)) & has
        for id in wanted - breaks.keys():
            if without[at[id]] or others[at[id]]:
                breaks[id] = finding.id
    return tuple(replace(e, breaks=breaks.get(e.id, "")) for e in errors), []
