"""A plan in words: its cells, the reason for each image, the expected gain, and what to do without new images."""

from __future__ import annotations

from curator.report.wording.text import count, points, visible, with_interval
from curator.types import Cell, Recommendation
from curator.types.without_pool import Remedy, Unaided


def cell(c: Cell) -> str:
    """The images of a class x value cell, in words: "bunny images on something other than green"."""
    return f"{c.class_name} images {c.words}" if c.words else f"{c.class_name}, {c.value_name}"


def reason(c: Cell, sure: float | None, caveat: str) -> str:
    """Why an image is recommended: its cell, the confidence of its predicted label (None: given), and what is wrong with it.

    >>> reason(Cell("bunny", "background.colour", "green", False, 3, 17, 14, 14, "on a floor"), 0.9, "")
    'adds to bunny images on a floor, of which the set has 3; looks like bunny, 90% sure'
    """
    guess = "" if sure is None else f"; looks like {c.class_name}, {sure:.0%} sure"
    last = f"; last resort: {caveat}" if caveat else ""
    return f"adds to {cell(c)}, of which the set has {c.have}{guess}{last}"


def removal(sure: float) -> str:
    """Why an image is left out: its group is large, and a probe that was not trained on it knows its class."""
    return f"one of many; a probe that was not trained on it is {sure:.0%} sure of its class"


def shopping(c: Cell) -> str:
    """The images of a cell that are missing in the pool.

    >>> shopping(Cell("bunny", "background.colour", "green", False, 3, 18, 6, words="on a floor"))
    '12 bunny images on a floor'
    """
    return f"{c.missing} {c.class_name} {'image' if c.missing == 1 else 'images'} {c.words}"


def expected_gain(recommendation: Recommendation) -> str:
    """The expected rise of the worst group's accuracy, as a sentence; "" if none was estimated."""
    if recommendation.expected_gain is None:
        return ""
    value, ci = recommendation.expected_gain
    gain = f"Expected gain of the worst group's accuracy: {points(value, ci)}."
    n = max(len(recommendation.ids), len(recommendation.removals))
    if recommendation.enough is not None and recommendation.enough < n:
        gain += f" The first {recommendation.enough} images should reach the same, within three points."
    return gain


def step(c: Cell) -> str:
    """A cell of the plan with its number of images now, planned and chosen, and how many suitable images the pool has.

    >>> step(Cell("bunny", "background.colour", "green", False, 3, 17, 14, 40, "on a floor"))
    '14 of 17 bunny images on a floor (there are 3), of 40 in the pool'
    """
    pool = "" if c.available is None else f", of {c.available} in the pool"
    return f"{c.got} of {c.want} {visible(cell(c), 100)} (there are {c.have}){pool}"


def totals(r: Recommendation) -> str:
    """How many images to add and to leave out."""
    missing = sum(c.missing for c in r.plan)
    lacking = f"; {count(missing, 'image')} the pool does not have" if missing else ""
    parts = [f"{count(len(r.ids), 'image')} to add{lacking}"] if r.plan or not r.removals else []
    if r.removals:
        parts.append(f"{count(len(r.removals), 'image')} to leave out")
    return "; ".join(parts)


def cautions(r: Recommendation) -> list[str]:
    """What to check before the recommended images are added, as sentences."""
    n_predicted, n_last = r.label_sources.count("predicted"), sum(map(bool, r.last_resorts))
    out = []
    if n_predicted:
        out.append(f"The labels of {n_predicted:,} of them are predicted: check before you add.")
    if n_last:
        out.append(f"Doubtful or poor images, used only because no others fill their cell: {n_last:,}.")
    return out


def predicted(n_predicted: int, n: int) -> str:
    """How many of the `n` images of a cell have a predicted label: "all labels are predicted: check ..."; "" for none."""
    if not n_predicted:
        return ""
    labels = "all labels are" if n_predicted == n else count(n_predicted, "label is", "labels are")
    return f"{'its label is' if n == 1 else labels} predicted: check the images before you add them"


def added(r: Recommendation) -> str:
    """What a plan adds and leaves out, as sentences for the report."""
    out = [f"{count(len(r.ids), 'image')} of the pool, chosen to fill the groups that are too small in the data."]
    if r.removals:
        out.append(f"{count(len(r.removals), 'image')} of the data should be left out; recommendation.csv lists them.")
    return " ".join(filter(None, (*out, expected_gain(r))))


MISSING = "Missing in the pool; collect these:"


def recommended(n: int) -> str:
    """The number of recommended images, as a sentence."""
    return f"{count(n, 'image')} recommended."


def synthetic(n: int, folder: str) -> str:
    """What `--synthesize` made, as sentences."""
    return (
        f"{count(n, 'synthetic counter-example')}, in {folder}/ with {folder}/manifest.csv. They are composed, not real, "
        "and help less than real images (docs/limits.md): check them, and add them to a training set only."
    )


def to_review(n: int, title: str, data: str, pool: str | None) -> str:
    """How to review the recommended images in the App, as sentences."""
    return (
        f"To review: {count(n, 'image')} in the FiftyOne data set {title!r}. Open it with "
        f"`curator browse {data} --pool {pool}`, tag images accept or reject in the saved view `recommended`, and run this "
        "again with --from-app."
    )


SUBSET_USE = "train on these images only; the file can be given as DATA (with --allow-outside)"
WEIGHTS_USE = "multiply each image's loss by its weight, or draw images by weight (in PyTorch, WeightedRandomSampler)"
WITHOUT_NEW_IMAGES = "Without new images:"


def without_new_images(found: Unaided, subset_file: str, weights_file: str) -> list[str]:
    """What a subset and weights of the present images are, and the worst group of a probe with each."""
    subset = count(int(found.subset.sum()), "image")
    lines = [
        f"{subset_file}: a subset of {subset} in which every class has as many with {found.value} as without; {SUBSET_USE}.",
        f"{weights_file}: sample weights with which every group counts equally; {WEIGHTS_USE}.",
    ]
    if not found.remedies:
        return [*lines, "The effect of both is unknown: the groups are too small to test a probe on."]
    for r in found.remedies:
        share = with_interval(r.worst_group, r.ci)
        gain = "" if r is found.remedies[0] else f", {points(r.gain, r.gain_ci)}"
        group = f"{found.classes[r.class_idx]}, {value_of(found, r)} (n = {r.n_group:,})"
        lines.append(f"Worst group of a probe, {_REMEDIES.get(r.name, r.name)}: {share}{gain}; {group}.")
    return lines


_REMEDIES = {"subset": "on the subset", "weights": "with the weights"}


def value_of(found: Unaided, remedy: Remedy) -> str:
    """The value of the worst group: "green" or "not green"."""
    return found.value if remedy.has_value else f"not {found.value}"
