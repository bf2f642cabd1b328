"""How well a probe names the class without seeing the object."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from curator.types.arrays import Interval
from curator.types.findings import Count, Share

Source = Literal["whole image", "surroundings", "corners", "mean colours", "file facts"]
FAR = 0.1
"""A source gives much of the class away if the lower end of its interval is more than this above chance."""


class SourceAccuracy(Struct, frozen=True, kw_only=True):
    """How well a probe names the class from one source alone. If `accuracy` is null, `reason` says why.

    The accuracy is balanced: the mean over the classes of the share of their images that get the right name. `auc` is by
    class: how often one of its images gets a higher score than an image of another class.
    """

    source: Source
    accuracy: Annotated[Share | None, Meta(description="On images that the probe has not seen.")] = None
    ci: Interval | None = None
    auc: dict[str, Share] = field(default_factory=dict)
    reason: str = ""


class SurroundingsAlone(Struct, frozen=True, kw_only=True):
    """What the surroundings, the corners, the mean colours and the file facts tell of the class, each without the object.

    `chance` is 1 / number of `classes`, which are those that the probes learn.
    """

    n_images: Count
    classes: tuple[str, ...]
    chance: Share
    sources: tuple[SourceAccuracy, ...]
    left_out_classes: Annotated[dict[str, str], Meta(description="Classes that the probes do not learn, and why.")] = (
        field(default_factory=dict)
    )
    not_located: Annotated[
        tuple[str, ...],
        Meta(description="Classes whose object cannot be located, so that their surroundings may show it."),
    ] = ()

    def of(self, source: Source) -> SourceAccuracy:
        """The result of one source."""
        return next(s for s in self.sources if s.source == source)

    def gives_away(self, source: Source) -> bool:
        """Whether a source is so far above chance that it gives much of the class away."""
        ci = self.of(source).ci
        return ci is not None and ci[0] > self.chance + FAR

    def tells_little(self, source: Source) -> bool:
        """Whether a source is near chance. With few images it may neither tell little nor give much away."""
        accuracy = self.of(source).accuracy
        return accuracy is not None and accuracy <= self.chance + FAR and not self.gives_away(source)
