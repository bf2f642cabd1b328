"""Every sentence that curator writes about a result. Terminal, report, CI files, App and notes take their sentences here.

The names below are used everywhere. Sentences about one kind of result are in the module that is named after it.
"""

from curator.report.wording import notes as notes
from curator.report.wording.alone import surroundings_alone
from curator.report.wording.checks import adjusted, confirmation, intervention, reliance
from curator.report.wording.findings import (
    facts,
    headline,
    intervals,
    known,
    phrase,
    seen_as,
    sentence,
    spelt_out,
    untested,
    worded,
)
from curator.report.wording.plans import cell, expected_gain, reason, removal, shopping
from curator.report.wording.probes import arm_words, average_change, fading, nothing_wrong
from curator.report.wording.text import chart, count, odds, percent, points, probability, visible, with_interval

__all__ = [
    "adjusted", "arm_words", "average_change", "cell", "chart", "confirmation", "count", "expected_gain", "facts",
    "fading", "headline", "intervals", "intervention", "known", "nothing_wrong", "odds", "percent", "phrase", "points",
    "probability", "reason", "reliance", "removal", "seen_as", "sentence", "shopping", "spelt_out",
    "surroundings_alone", "untested", "visible",
    "with_interval", "worded",
]  # fmt: skip
