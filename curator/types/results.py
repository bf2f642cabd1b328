"""What an audit finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from curator.errors import DataError
from curator.types.arrays import Box, Floats, Interval, Ints, Kind, Severity, readonly
from curator.types.data import Dataset, Embeddings, EncoderInfo, Measures, Patches
from curator.types.notebook import audit_html


@dataclass(frozen=True, slots=True)
class Clusters:
    """`assignment` (n,) is the cluster of each image, -1 = none; `centres` (k, d) unit vectors; `names` (k,)."""

    assignment: Ints
    centres: Floats
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "assignment", readonly(np.asarray(self.assignment), np.int32, 1, "assignment"))
        object.__setattr__(self, "centres", readonly(self.centres, np.float32, 2, "centres"))


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Images that show the same picture, and what says so."""

    kind: Literal["exact", "perceptual", "embedding"]
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """How many duplicates an approximate search has found: of `n_pairs` that `n_sampled` images really have, `n_found`."""

    n_sampled: int
    n_pairs: int
    n_found: int


@dataclass(frozen=True, slots=True)
class LabelError:
    """An image whose label the probe doubts; `score` 0..1, higher = more doubtful."""

    id: str
    given: str
    suggested: str
    score: float


@dataclass(frozen=True, slots=True)
class Reliance:
    """How far a probe leans on the attribute.

    `gap` is the cross-validated accuracy on images that obey the shortcut less that on images that break it (fractions); None
    where no image breaks it. `intervention_drop` is how much of the probability of the right class goes when the attribute is
    edited out of `n_edited` pictures (or into them), `control_drop` how much goes in the control edit, `excess_ci` the interval
    of the first less the second. `edit` and `control_edit` say what was done; where there is no drop, `edit` says why; "" where
    it was not tried.
    """

    gap: float | None
    gap_ci: Interval | None
    n_conflicting: int
    intervention_drop: float | None = None
    control_drop: float | None = None
    intervention_ci: Interval | None = None
    control_ci: Interval | None = None
    excess_ci: Interval | None = None
    n_edited: int = 0
    edit: str = ""
    control_edit: str = ""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """How a finding does on images that had no part in finding it.

    Of `n_splits` random halves, `discovered` found it by the same audit; of these, the other half bore it out in
    `confirmed`. `effect` and its interval are those of the other half: half the images, free of the choice. None where no
    half discovered it.
    """

    n_splits: int
    discovered: int
    confirmed: int
    effect: float | None
    effect_ci: Interval | None


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What is left of a finding with the values `held` ("attribute=value", other findings of its class) held still.

    None where they and the finding cannot be told apart: no images of the class and of the rest share a stratum.
    """

    held: tuple[str, ...]
    effect: float | None
    effect_ci: Interval | None
    p: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One shortcut: `share_in_class` of `class_name` have the value, against `share_elsewhere` of all other images.

    Shares and `effect` (their difference) are fractions with 95 % intervals; the statistics that need another class are
    None when there is none. `same_as` names the attributes folded into this one. `intended` is why the user accepts it, ""
    where it is not accepted. `bias` is the effect that the measure's own error may cause (see `Column`).
    """

    class_name: str
    attribute: str
    value: str
    kind: Kind
    n_class: int
    n_with: int
    share_in_class: float
    share_in_class_ci: Interval
    share_elsewhere: float | None
    share_elsewhere_ci: Interval | None
    effect: float | None
    effect_ci: Interval | None
    p: float | None
    q: float | None
    severity: Severity
    sentence: str
    example_ids: tuple[str, ...] = ()
    counterexample_ids: tuple[str, ...] = ()
    same_as: tuple[str, ...] = ()
    reliance: Reliance | None = None
    intended: str = ""
    confirmation: Confirmation | None = None
    adjusted: Adjusted | None = None
    bias: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.class_name}:{self.attribute}={self.value}"

    @property
    def borne_out(self) -> bool:
        """Whether it counts for the verdict: medium or high, or confirmed in the other half by at least one random half."""
        return self.severity != "low" or self.confirmation is None or self.confirmation.confirmed > 0


@dataclass(frozen=True, slots=True)
class SharedPattern:
    """Something most images of a class have in common; `share_elsewhere` is None with no other class to compare with.

    `boxes` has, for each of `example_ids`, where in the picture it is seen: left, top, right, bottom in pixels of the
    picture as it is shown (after EXIF rotation), None where its size is unknown.
    """

    name: str
    attribute: str
    value: str
    kind: Kind
    share: float
    example_ids: tuple[str, ...]
    boxes: tuple[Box | None, ...] = ()
    share_elsewhere: float | None = None

    def __post_init__(self) -> None:
        if len(self.boxes) not in (0, len(self.example_ids)):
            raise DataError("a shared pattern has not one box for each example.")


Verdict = Literal["shortcuts found", "none found", "too few images to tell"]


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit says of a data set; `findings` is sorted, worst first.

    `n_tests` were paid for. `untested` names attributes of which no value could have come out, each with the reason.
    """

    findings: tuple[Finding, ...]
    verdict: Verdict
    expected_false_findings: float | None
    n_tests: int
    shared_patterns: Mapping[str, tuple[SharedPattern, ...]] = field(default_factory=dict)
    untested: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return audit_html(self.verdict, self.findings)


@dataclass(frozen=True, slots=True)
class Leak:
    """Images that show the same picture and lie in more than one split."""

    ids: tuple[str, ...]
    splits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Whole:
    """What is known of all `n_images` that the audited ones were drawn from; `fingerprint` changes with any of them.

    `leaks` are of identical files only.
    """

    n_images: int
    fingerprint: str
    leaks: tuple[Leak, ...]


@dataclass(frozen=True, slots=True, repr=False)
class AuditRun:
    """Everything one `curator audit` found: what the report, the JSON, the App and later commands start from.

    `leaks` are groups of duplicates that lie in more than one split. `notes` are sentences the user must see (the encoder
    that stood in for another, what that loses). `n_new` images were embedded in `seconds`. `patches` are what visual words were
    learnt from, so that a pool or a test set can be read by the same words. `recall` is of the duplicates, None where all pairs
    were compared. `whole` is what a sample was drawn from, None where all images were audited.
    """

    dataset: Dataset
    encoder: EncoderInfo
    embeddings: Embeddings
    measures: Measures
    clusters: Clusters
    duplicates: tuple[DuplicateGroup, ...]
    leaks: tuple[DuplicateGroup, ...]
    label_errors: tuple[LabelError, ...]
    audit: Audit
    settings: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    fingerprint: str
    n_new: int
    seconds: float
    notes: tuple[str, ...] = ()
    facts: pd.DataFrame = field(default_factory=pd.DataFrame)
    patches: Patches | None = None
    recall: Recall | None = None
    whole: Whole | None = None

    @property
    def verdict(self) -> Verdict:
        """Whether there is a shortcut, in three words: that of `audit`."""
        return self.audit.verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of `audit`, worst first."""
        return self.audit.findings

    @property
    def n_images(self) -> int:
        """Images that shares and tests are of: where some were drawn, all that they were drawn from."""
        return self.whole.n_images if self.whole else len(self.dataset)

    @property
    def every_leak(self) -> tuple[Leak, ...]:
        """Images that are the same in more than one split; where some were drawn, those of all images, each once."""
        split_of = dict(zip(self.dataset.ids.tolist(), self.dataset.splits.tolist(), strict=True)) if self.leaks else {}
        whole = self.whole.leaks if self.whole else ()
        of = {i: k for k, leak in enumerate(whole) for i in leak.ids}
        found = [Leak(g.ids, tuple(sorted({split_of.get(i, "") for i in g.ids}))) for g in self.leaks]
        return (
            *whole,
            *(leak for leak in found if len({of.get(i, -1) for i in leak.ids}) > 1 or leak.ids[0] not in of),
        )

    def __repr__(self) -> str:
        # The fields hold every vector and measure; no one wants them on a screen.
        n = len(self.findings)
        return f"<AuditRun of {self.dataset.name}: {self.verdict}, {n} finding{'' if n == 1 else 's'}>"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        data, n = self.dataset, len(self.dataset.classes)
        counts = (
            f"{data.name}: {self.n_images:,} images, {n} class{'' if n == 1 else 'es'}; encoder {self.encoder.name}."
        )
        objects = bool(self.settings.get("audit", {}).get("objects"))
        return audit_html(self.verdict, self.findings, counts, tuple(dict.fromkeys(self.notes)), objects)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Width and height in pixels by image id."""
        if "width" not in self.facts:
            return {}
        return {
            str(i): (int(w), int(h))
            for i, w, h in zip(self.facts.index, self.facts["width"], self.facts["height"], strict=True)
        }
