"""A validation in words: the linear probe before and after images are added."""

from __future__ import annotations

from math import isfinite

from curator.report.wording.checks import gap
from curator.report.wording.text import percent, points
from curator.types import ProbeReport


def arm_words(name: str) -> str:
    """The words for what an arm of the linear probe was trained on."""
    known = {
        "before": "before",
        "recommended": "recommended images",
        "random": "random images",
        "reweighted": "reweighted",
        "synthetic": "synthetic images",
        "oracle": "oracle",
    }
    return known.get(name, name)


def average_change(report: ProbeReport) -> str:
    """How the recommended images changed the average accuracy, as a sentence; "" if none were added."""
    before, after = (report.arms.get(name) for name in ("before", "recommended"))
    if report.average_change is None or before is None or after is None:
        return ""
    if before.average_accuracy is None or after.average_accuracy is None:
        return ""
    was, is_ = (percent(a) for a in (before.average_accuracy, after.average_accuracy))
    return (
        f"Average accuracy, weighted by the group sizes of the training set: {was} before, {is_} with the recommended "
        f"images ({points(*report.average_change)})."
    )


def nothing_wrong(report: ProbeReport) -> str:
    """A sentence for a probe that is already right on every test image, so that nothing can improve; "" otherwise."""
    group = report.arms["before"].worst_group
    if group.accuracy < 1:
        return ""
    return (
        "Before anything is added, the probe is already right on every test image of every group (the smallest group has "
        f"{group.n:,}), so nothing can improve. A larger or harder test set (--test) might show a difference."
    )


def fading(report: ProbeReport) -> str:
    """The accuracy gap of the probe before and after adding images, as a sentence; "" if unknown."""
    ends = [report.curve[0], report.curve[-1]] if len(report.curve) > 1 else []
    if not ends or not all(isfinite(p.reliance) for p in ends):
        return ""
    was, left = (points(p.reliance, p.reliance_ci) for p in ends)
    return f"{gap()}: {was} before, {left} now."


def gain_over_random(report: ProbeReport) -> str:
    """The worst group's gain over adding random images, as a sentence; "" if there are none to compare with."""
    if report.gain_over_random is None:
        return ""
    gain = points(*report.gain_over_random)
    return f"Gain over equally many random images: {gain}."


def results(report: ProbeReport) -> list[str]:
    """What the terminal shows of a validation before the arms, as sentences."""
    every = gain_over_random(report), fading(report), average_change(report), nothing_wrong(report)
    return [line for line in every if line]


def verdict(report: ProbeReport) -> str:
    """The verdict of a validation as a headline."""
    return _VERDICTS[report.verdict]


_VERDICTS = {
    "fixed": "Adding them fixes it",
    "improved": "Adding them helps",
    "no evidence of improvement": "No evidence that adding them helps",
}
WORST_GROUP = "Accuracy of the worst group"
RELIANCE = gap()
