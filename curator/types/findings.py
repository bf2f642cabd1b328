"""Types for what an audit finds. audit.json, its schema and its reader are generated from these classes.

A new field here is written, described and read back without further code.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from curator.types.arrays import Box, Interval, Kind, Severity

Name = Annotated[str, Meta(min_length=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Difference = Annotated[float, Meta(ge=-1, le=1)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Reason = Literal["few differ", "no value is common"]
Against = Literal["others", "pool"]
Verdict = Literal["shortcuts found", "none found", "too few images to tell"]


def is_shortcut(kind: str, counts_objects: bool) -> bool:
    """Whether a finding of this kind counts as a shortcut. One about the object counts only if the user says so, because
    classes differ in looks anyway. One that may be about the object never counts."""
    return kind != "unclear" and (kind != "object" or counts_objects)


class DuplicateGroup(Struct, frozen=True):
    """Images that are duplicates, and the kind of evidence."""

    kind: Literal["exact", "perceptual", "embedding"]
    ids: tuple[Name, ...]


class Leak(Struct, frozen=True):
    """Duplicates that are in more than one split."""

    ids: tuple[Name, ...]
    splits: tuple[str, ...]


class LabelError(Struct, frozen=True):
    """An image with a doubtful label, according to the probe."""

    id: Name
    given: str
    suggested: str
    score: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Doubt about the given label; a higher score is more doubtful. It orders images and is no probability.",
        ),
    ]
    breaks: Annotated[
        str, Meta(description="Id of a finding that the image breaks: it may be a counter-example; empty if none.")
    ] = ""


class Reliance(Struct, frozen=True):
    """How much a probe relies on the attribute.

    `gap` is the cross-validated accuracy on images that follow the rule minus the accuracy on images that break it.
    `intervention_drop` is the drop in the probability of the right class when the attribute is removed from `n_edited`
    images (or added to them) by an edit. `control_drop` is the drop with the control edit, and `excess_ci` the interval of
    the difference of the two.
    """

    gap: Annotated[
        Difference | None,
        Meta(description="Probe accuracy on images that follow the rule minus that on images that break it."),
    ] = None
    gap_ci: Interval | None = None
    n_conflicting: Annotated[Count, Meta(description="Number of images that break the rule.")] = 0
    intervention_drop: Annotated[
        Difference | None,
        Meta(description="Drop of the mean probability of the right class when the attribute is edited."),
    ] = None
    control_drop: Annotated[Difference | None, Meta(description="Drop with the control edit.")] = None
    intervention_ci: Interval | None = None
    control_ci: Interval | None = None
    excess_ci: Annotated[
        Interval | None, Meta(description="Interval of intervention_drop minus control_drop, paired by image.")
    ] = None
    n_edited: Annotated[Count, Meta(description="Number of edited images.")] = 0
    edit: Annotated[
        str, Meta(description="The edit, in words; the reason if no image was edited; empty if it was not tried.")
    ] = ""
    control_edit: Annotated[str, Meta(description="The control edit, in words.")] = ""

    @property
    def tells_no_gap(self) -> bool:
        """Whether the gap is surely smaller than 15 points. An interval that is wider on both sides tells nothing."""
        return self.gap_ci is not None and self.gap_ci[0] <= 0 and self.gap_ci[1] < 0.15

    @property
    def is_moved(self) -> bool:
        """Whether the edit surely lowers the probability of the right class, by itself and beyond the control edit.

        A control edit that raises the probability makes a difference too, but says nothing about the attribute.
        """
        by_itself = self.intervention_ci is None or self.intervention_ci[0] > 0
        return by_itself and self.excess_ci is not None and self.excess_ci[0] > 0


class Confirmation(Struct, frozen=True):
    """Whether a finding holds on images that were not used to find it.

    The same audit found it in `discovered` of `n_splits` random halves; in `confirmed` of these the other half shows it
    too. `effect` and its interval come from the other half, so they are free of selection bias.
    """

    n_splits: Annotated[int, Meta(ge=1, description="Number of random halves in which findings were searched.")]
    discovered: Annotated[Count, Meta(description="Number of halves in which the audit found it.")]
    confirmed: Annotated[Count, Meta(description="Number of those halves for which the other half confirms it.")]
    effect: Annotated[Difference | None, Meta(description="Difference of the two shares in the other half.")]
    effect_ci: Interval | None


class Adjusted(Struct, frozen=True):
    """How much of a finding is left with the values `held` ("attribute=value", other findings of its class) held constant.

    `phrases` are these values in words.

    The numbers are None if the finding cannot be separated from these values: no stratum has images of the class and of
    the rest.
    """

    held: tuple[str, ...]
    effect: float | None
    effect_ci: Interval | None
    p: float | None
    phrases: tuple[str, ...] = ()


class Coverage(Struct, frozen=True):
    """For how many images of the class and of the others the attribute is known."""

    known: Count
    size: Count
    known_elsewhere: Count
    size_elsewhere: Count

    @property
    def is_whole(self) -> bool:
        return self.known == self.size and self.known_elsewhere == self.size_elsewhere


class Finding(Struct, frozen=True, kw_only=True, rename={"class_name": "class"}):
    """One shortcut: `share_in_class` of the images of `class_name` have the value, against `share_elsewhere` of the others.

    Shares and `effect` (their difference) are fractions with 95 % intervals; the statistics that need another class are
    None if there is none. `phrase` says what the images have: "have a green background". `same_as` names the attributes
    that describe the same shortcut and are merged into this finding. `intended` is why the user accepts it, "" if it is
    not accepted. `bias` is the effect that the measure's own error may cause (see `Column`). `learnt`: the value is a
    visual word; its number means something else in another data set. `against` says which images the class is compared
    with.
    """

    id: str = ""
    class_name: str
    attribute: Name
    value: str
    kind: Kind
    share_in_class: Share = 0.0
    share_in_class_ci: Interval = (0.0, 1.0)
    share_elsewhere: Share | None = None
    share_elsewhere_ci: Interval | None = None
    effect: Annotated[Difference | None, Meta(description="share_in_class minus share_elsewhere.")]
    effect_ci: Interval | None = None
    p: Probability | None
    q: Annotated[Probability | None, Meta(description="p corrected for all tests (Benjamini-Hochberg).")]
    reliance: Reliance | None = None
    severity: Severity
    same_as: Annotated[
        tuple[Name, ...],
        Meta(description="Other attributes that describe the same shortcut and are merged into this finding."),
    ] = ()
    also: Annotated[
        tuple[str, ...], Meta(description='`same_as` in words, in the same order: "have a green background".')
    ] = ()
    sentence: Annotated[str, Meta(description="The finding in words, with its intervals.")] = ""
    example_ids: Annotated[tuple[Name, ...], Meta(description="Images of the class that have the value.")] = ()
    counterexample_ids: Annotated[tuple[Name, ...], Meta(description="Images of the class that lack the value.")] = ()
    times: Annotated[
        float | None,
        Meta(description="share_in_class divided by share_elsewhere; null if no other image has the value."),
    ] = None
    n_class: Count = 0
    n_with: Count = 0
    confirmation: Annotated[
        Confirmation | None, Meta(description="Result on images that were not used to find it; null if not checked.")
    ] = None
    adjusted_for: Annotated[
        tuple[Name, ...],
        Meta(
            description="Other findings of the class that occur together with it; the adjusted values hold them constant."
        ),
    ] = ()
    adjusted_phrases: Annotated[tuple[str, ...], Meta(description="`adjusted_for` in words.")] = ()
    adjusted_effect: Annotated[
        Difference | None,
        Meta(
            description="Mantel-Haenszel risk difference with those findings held constant; null if they cannot be separated."
        ),
    ] = None
    adjusted_ci: Interval | None = None
    adjusted_p: Annotated[Probability | None, Meta(description="One-sided p of the Cochran-Mantel-Haenszel test.")] = (
        None
    )
    intended: Annotated[str, Meta(description="Why the user accepts the finding; empty if it is not accepted.")] = ""
    phrase: Annotated[str, Meta(description='What the images have: "have a green background".')] = ""
    nth: Annotated[
        Count, Meta(description="Number that distinguishes values with the same phrase; 0 if the phrase is unique.")
    ] = 0
    against: Against = "others"
    coverage: Annotated[
        Coverage | None, Meta(description="For how many images the attribute is known; null if for all.")
    ] = None
    bias: Share = 0.0
    learnt: Annotated[
        bool, Meta(description="Whether the value is a visual word, whose number is valid in this data set only.")
    ] = False
    brought: Annotated[bool, Meta(description="Whether the attribute is a column of the user's own.")] = False
    needs_text: Annotated[bool, Meta(description="Whether only an encoder that reads prompts can measure it.")] = False

    def __post_init__(self) -> None:
        # Always computed, so that a changed copy never keeps the id of its original.
        force_setattr(self, "id", f"{self.class_name}:{self.attribute}={self.value}")

    @property
    def adjusted(self) -> Adjusted | None:
        """How much of it is left with other findings held constant; None if no other finding occurs together with it."""
        if not self.adjusted_for:
            return None
        return Adjusted(
            self.adjusted_for, self.adjusted_effect, self.adjusted_ci, self.adjusted_p, self.adjusted_phrases
        )

    @property
    def has_name(self) -> bool:
        """Whether a person can say what it is: anything but a visual word that is only "pattern A"."""
        return not (self.learnt and self.phrase.startswith("show pattern "))

    @property
    def is_confirmed(self) -> bool:
        """Whether it counts for the verdict: medium or high, or confirmed in at least one held-out half."""
        return self.severity != "low" or self.confirmation is None or self.confirmation.confirmed > 0


class Crop(Struct, frozen=True):
    """An image and the box of what is seen in it: left, top, right, bottom in pixels.

    `box` is after EXIF rotation; None if the size of the image is unknown.
    """

    id: Name
    box: Box | None


class SharedPattern(Struct, frozen=True, kw_only=True):
    """A pattern that most images of a class share; `share_elsewhere` is None if there is no other class."""

    name: Name
    kind: Kind
    share: Share
    share_elsewhere: Annotated[
        Share | None, Meta(description="Share of all other images; null if there is no other class.")
    ] = None
    attribute: Name
    value: str
    learnt: Annotated[bool, Meta(description="Whether the pattern is a visual word.")] = False
    example_crops: tuple[Crop, ...] = ()

    @property
    def example_ids(self) -> tuple[str, ...]:
        return tuple(crop.id for crop in self.example_crops)

    @property
    def boxes(self) -> tuple[Box | None, ...]:
        return tuple(crop.box for crop in self.example_crops)


class Untested(Struct, frozen=True, kw_only=True):
    """An attribute that varies but has no value in enough images to be tested.

    "few differ": all but `n` of `n_known` images have the same value. "no value is common": no value is in more than `n`.
    """

    attribute: Name
    reason: Reason
    n: Count
    n_known: Count
    brought: Annotated[bool, Meta(description="Whether the attribute is a column of the user's own.")] = False
