"""Types for the result of an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from curator.types.arrays import Floats, Ints, readonly
from curator.types.data import Dataset, Embeddings, EncoderInfo, Measures, Patches
from curator.types.findings import DuplicateGroup, Finding, LabelError, Leak, SharedPattern, Untested, Verdict
from curator.types.notebook import audit_html
from curator.types.surroundings_alone import SurroundingsAlone


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
class Recall:
    """The recall of an approximate duplicate search: it found `n_found` of the `n_pairs` true pairs of `n_sampled` images."""

    n_sampled: int
    n_pairs: int
    n_found: int


@dataclass(frozen=True, slots=True)
class Audit:
    """The result of an audit; `findings` is sorted, worst first.

    `n_tests` is the number of tests in the multiple-testing correction. `untested` names attributes of which no value could
    have been significant, each with the reason.
    """

    findings: tuple[Finding, ...]
    verdict: Verdict
    expected_false_findings: float | None
    n_tests: int
    shared_patterns: Mapping[str, tuple[SharedPattern, ...]] = field(default_factory=dict)
    untested: tuple[Untested, ...] = ()

    def _repr_html_(self) -> str:
        return audit_html(self.verdict, self.findings)


@dataclass(frozen=True, slots=True)
class Whole:
    """Summary of all `n_images` that the sample was drawn from; `fingerprint` changes if any of them changes.

    `leaks` are of identical files only.
    """

    n_images: int
    fingerprint: str
    leaks: tuple[Leak, ...]


@dataclass(frozen=True, slots=True, repr=False)
class AuditRun:
    """Everything that one `curator audit` found: the input of the report, the JSON, the App and later commands.

    `leaks` are groups of duplicates that are in more than one split. `notes` are sentences that the user must see, for
    example that another encoder was used and what that means. `n_new` images were embedded in `seconds`. `patches` are the
    features that visual words were learnt from, so that a pool or a test set can be measured with the same words. `recall`
    is that of the duplicate search, None if all pairs were compared. `whole` describes the data set that a sample was drawn
    from, None if all images were audited. `surroundings_alone` says what a probe tells of the class without the object, None
    if that could not be measured.
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
    surroundings_alone: SurroundingsAlone | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict of `audit`: whether there is a shortcut."""
        return self.audit.verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of `audit`, worst first."""
        return self.audit.findings

    @property
    def counts_objects(self) -> bool:
        """Whether findings about the objects themselves count as shortcuts, as the user asked."""
        return bool(self.settings.get("audit", {}).get("objects", False))

    @property
    def n_images(self) -> int:
        """The number of images that shares and tests use. With a sample, all images that it was drawn from."""
        return self.whole.n_images if self.whole else len(self.dataset)

    @property
    def every_leak(self) -> tuple[Leak, ...]:
        """Leaks between splits. With a sample, the leaks of the whole data set are included, each group once."""
        split_of = dict(zip(self.dataset.ids.tolist(), self.dataset.splits.tolist(), strict=True)) if self.leaks else {}
        whole = self.whole.leaks if self.whole else ()
        of = {i: k for k, leak in enumerate(whole) for i in leak.ids}
        found = [Leak(g.ids, tuple(sorted({split_of.get(i, "") for i in g.ids}))) for g in self.leaks]
        return (
            *whole,
            *(leak for leak in found if len({of.get(i, -1) for i in leak.ids}) > 1 or leak.ids[0] not in of),
        )

    def __repr__(self) -> str:
        # The fields hold every vector and measure, which are too long to print.
        n = len(self.findings)
        return f"<{type(self).__name__} of {self.dataset.name}: {self.verdict}, {n} finding{'' if n == 1 else 's'}>"

    def _repr_html_(self) -> str:
        """The HTML that a notebook shows."""
        data, n = self.dataset, len(self.dataset.classes)
        counts = (
            f"{data.name}: {self.n_images:,} images, {n} class{'' if n == 1 else 'es'}; encoder {self.encoder.name}."
        )
        return audit_html(self.verdict, self.findings, counts, tuple(dict.fromkeys(self.notes)), self.counts_objects)

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Width and height in pixels by image id."""
        if "width" not in self.facts:
            return {}
        return {
            str(i): (int(w), int(h))
            for i, w, h in zip(self.facts.index, self.facts["width"], self.facts["height"], strict=True)
        }
