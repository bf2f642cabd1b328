"""The files recommend.json, validation.json and splits.json."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from curator.types.arrays import Interval
from curator.types.document import ABSENT, Document, Estimate, Optional
from curator.types.findings import Count, Difference, Name, Share

CLASS = {"class_name": "class"}


class RecommendedImage(Struct, frozen=True, kw_only=True, rename=CLASS):
    """An image to add: one row of recommendation.csv."""

    rank: Annotated[int, Meta(ge=1)]
    id: Name
    path: Name
    label: str
    label_source: Literal["given", "predicted", "confirmed"]
    class_name: str
    attribute: str
    value: str
    reason: str
    last_resort: Annotated[
        str, Meta(description="Defect of an image that is used only as a last resort; empty if it has none.")
    ] = ""


class PlannedCell(Struct, frozen=True, kw_only=True, rename=CLASS):
    """A class x value cell: images present, wanted, chosen and missing."""

    class_name: str
    attribute: Name
    value: Annotated[Name, Meta(description='"green", or "not green" for images that must not have it.')]
    have: Count
    want: Count
    got: Count
    missing: Count
    has_value: bool
    attribute_value: str
    available: Annotated[
        Count | None, Meta(description="Number of suitable images in the pool; null if there is no pool.")
    ]
    words: Annotated[Name, Meta(description="The images of the cell, in words.")]
    what: Annotated[str, Meta(description="What the images of the cell show, without the class.")] = ""


class ExpectedGain(Struct, frozen=True, kw_only=True):
    """The expected accuracy of the worst group after adding the first `n_added` images, and its gain."""

    n_added: Count
    worst_group: Share
    gain: Difference
    ci: Interval


class RemovedImage(Struct, frozen=True, kw_only=True, rename=CLASS):
    """An image of the data to leave out."""

    rank: Annotated[int, Meta(ge=1)]
    id: Name
    class_name: str
    attribute: str
    value: str
    reason: str


class ReviewSummary(Struct, frozen=True, kw_only=True):
    """A person's decisions that the list follows: their source and their number."""

    source: Name
    accepted: Count
    rejected: Count


class RemedyFile(Struct, frozen=True, kw_only=True):
    """A file that changes how the present images are used."""

    file: Name
    n: Count
    use: Name


class Group(Struct, frozen=True, kw_only=True, rename=CLASS):
    """A class x value group of test images and the accuracy (`value`) on it; null if it has no test images."""

    value: Share | None
    ci: Interval | None
    class_name: str
    value_of_attribute: str
    n: Count


class RemedyProbe(Struct, frozen=True, kw_only=True):
    """A probe trained on all images as they are, on the subset or with the weights, cross-validated."""

    name: Literal["as it is", "subset", "weights"]
    n: Count
    worst_group: Group
    gain: Estimate


class WithoutNewImages(Struct, frozen=True, kw_only=True, rename=CLASS):
    """Without a pool: a group-balanced subset and sample weights of the training images, and what a probe gains by each."""

    class_name: str
    attribute: Name
    value: str
    subset: RemedyFile
    weights: RemedyFile
    probe: Annotated[
        tuple[RemedyProbe, ...], Meta(description="Probes with each remedy; empty if the groups are too small.")
    ]


class SyntheticImages(Struct, frozen=True, kw_only=True):
    """Synthetic counter-examples made from the data itself (--synthesize)."""

    folder: Name
    manifest: Name
    n: Annotated[int, Meta(ge=1)]


class RecommendDocument(Document, frozen=True, kw_only=True, tag="curator.recommend/1"):
    """Which images to add, and which are missing in the pool."""

    pool: str
    seed: int | None
    fingerprint: Annotated[str | None, Meta(description="Fingerprint of the data, as in audit.json.")] = None
    encoder_fingerprint: Annotated[str | None, Meta(description="Fingerprint of the encoder, as in audit.json.")] = None
    images: tuple[RecommendedImage, ...]
    plan: tuple[PlannedCell, ...]
    shopping_list: Annotated[tuple[Name, ...], Meta(description="The images that the pool lacks, in words.")]
    expected_worst_group_gain: Estimate | None
    expected_curve: tuple[ExpectedGain, ...]
    enough: Annotated[
        Count | None,
        Meta(description="Number of images after which the rest should add less than three points; null if unknown."),
    ]
    removals: tuple[RemovedImage, ...]
    review: ReviewSummary | Optional = ABSENT
    notes: Annotated[
        tuple[str, ...], Meta(description="Notes for the user: what was left out, limited or predicted.")
    ] = ()
    without_new_images: WithoutNewImages | Optional = ABSENT
    synthetic: SyntheticImages | Optional = ABSENT


class ArmResult(Struct, frozen=True, kw_only=True):
    """One way of training the probe, and its result."""

    n_train: Count
    accuracy: Share
    average_accuracy: Annotated[
        Share | None, Meta(description="Average accuracy, with the groups weighted by their size in the training set.")
    ]
    balanced_accuracy: Share
    worst_group: Group
    groups: tuple[Group, ...]
    accuracy_ci: Interval


class CurveControl(Struct, frozen=True, kw_only=True):
    """Worst-group accuracy and reliance after `n_added` images."""

    n_added: Count
    worst_group: Share
    ci: Interval
    reliance: Annotated[
        Difference | None,
        Meta(description="Accuracy on images that follow the rule minus that on images that break it."),
    ]
    reliance_ci: Interval | None
    average_accuracy: Share | None


class CurvePointResult(CurveControl, frozen=True, kw_only=True):
    """The same with as many random images of the pool; null if none are added."""

    random: CurveControl | None


class ValidationDocument(Document, frozen=True, kw_only=True, tag="curator.validation/1"):
    """The linear probe without and with the recommended images, and its controls."""

    fingerprint: Annotated[str | None, Meta(description="Fingerprint of the data, as in audit.json.")] = None
    encoder_fingerprint: Annotated[str | None, Meta(description="Fingerprint of the encoder, as in audit.json.")] = None
    recommendation: Annotated[RecommendDocument | None, Meta(description="The plan that was validated.")] = None
    beside: Annotated[
        str | None, Meta(description="SHA-256 of the recommend.json in the same folder; null if there was none.")
    ] = None
    arms: Annotated[
        dict[str, ArmResult],
        Meta(
            description="Results by arm: before, recommended, random, reweighted; also oracle and synthetic, if there were any."
        ),
    ]
    gain_over_random: Annotated[
        Estimate | None,
        Meta(
            description="Accuracy of the group that was worst before: recommended arm minus the mean of the random sets."
        ),
    ]
    average_change: Annotated[
        Estimate | None, Meta(description="Change of the average accuracy caused by the recommended images.")
    ]
    curve: tuple[CurvePointResult, ...]
    verdict: Literal["fixed", "improved", "no evidence of improvement"]
    c: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Inverse regularisation of the probe, the same in every arm."),
    ]
    attribute: str
    value: str
    notes: tuple[str, ...]


class SplitCell(Struct, frozen=True, kw_only=True, rename=CLASS):
    """Wanted and actual number of images of a class x value cell, by split."""

    class_name: str
    value: str
    asked: dict[str, float | None]
    got: dict[str, Count]


class SplitsDocument(Document, frozen=True, kw_only=True, tag="curator.splits/1"):
    """The split of each image."""

    n_images: Count
    splits: dict[str, Count]
    cells: tuple[SplitCell, ...]
    assignment: dict[str, Name]
    left_out: Annotated[
        tuple[str, ...] | Optional, Meta(description="Images left out to balance the training split.")
    ] = ABSENT
    weights: Annotated[
        dict[str, Annotated[float, Meta(gt=0)]] | Optional,
        Meta(description="Weights of the images of the training split; all others weigh 1."),
    ] = ABSENT
    shopping_list: Annotated[
        tuple[str, ...] | Optional, Meta(description="Images to add for a balanced training split.")
    ] = ABSENT
    notes: Annotated[
        tuple[str, ...] | Optional, Meta(description="Differences from what was asked for, and their reasons.")
    ] = ABSENT
