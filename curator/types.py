"""The types that travel between the stages. Frozen, validated, arrays read-only; row i is the same image everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.errors import DataError, InputError

Ids = NDArray[np.str_]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]
Interval = tuple[float, float]
Kind = Literal["context", "object", "image", "file", "metadata"]
Severity = Literal["high", "medium", "low"]
UNLABELLED = -1


def _readonly(array: NDArray[Any], dtype: Any, ndim: int, name: str) -> NDArray[Any]:
    out = np.array(array, dtype=dtype, copy=True) if array.flags.writeable else np.asarray(array, dtype=dtype)
    if out.ndim != ndim:
        raise DataError(f"{name} has {out.ndim} dimensions; {ndim} needed.")
    out.flags.writeable = False
    return out


def as_ids(ids: Sequence[str] | NDArray[Any]) -> Ids:
    """The ids as one array; they must be unique."""
    out = np.asarray(ids, dtype=np.str_)
    if len(np.unique(out)) != len(out):
        raise DataError("the same image id occurs twice; every row of a data set needs its own path.")
    return _readonly(out, out.dtype, 1, "ids")


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that was left out, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is known of the images before one is opened.

    `ids` (n,) are posix paths relative to `root`; `labels` (n,) index `classes`, -1 is unlabelled; `splits` (n,) is ""
    where none is given; `metadata` has one row per image (index = ids) and the user's own columns.
    """

    name: str
    root: str
    ids: Ids
    labels: Ints
    classes: tuple[str, ...]
    splits: Ids
    metadata: pd.DataFrame
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", as_ids(self.ids))
        object.__setattr__(self, "labels", _readonly(np.asarray(self.labels), np.int32, 1, "labels"))
        splits = np.asarray(self.splits, dtype=np.str_)
        object.__setattr__(self, "splits", _readonly(splits, splits.dtype, 1, "splits"))
        n = len(self.ids)
        if not len(self.labels) == len(self.splits) == len(self.metadata) == n:
            raise DataError("ids, labels, splits and metadata of a data set differ in length.")
        if n and (self.labels.max() >= len(self.classes) or self.labels.min() < UNLABELLED):
            raise DataError("a label points at a class that does not exist.")

    def __len__(self) -> int:
        return len(self.ids)

    def path(self, i: int) -> str:
        """Where image i lies: `root` joined with its id."""
        return f"{self.root.rstrip('/')}/{self.ids[i]}"

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        """The same data set with only these rows, in this order; `skipped` is kept."""
        idx = np.asarray(indices)
        return replace(
            self, ids=self.ids[idx], labels=self.labels[idx], splits=self.splits[idx], metadata=self.metadata.iloc[idx]
        )

    def without(self, failed: Mapping[str, str]) -> Self:
        """The same data set less the images in `failed` (id -> reason), which join `skipped`."""
        if not failed:
            return self
        keep = np.flatnonzero(~np.isin(self.ids, np.asarray(list(failed), dtype=np.str_)))
        gone = tuple(Skipped(id, reason) for id, reason in failed.items())
        return replace(self.take(keep), skipped=self.skipped + gone)

    def label_names(self) -> list[str]:
        """The class name of each row, "" where unlabelled."""
        return [self.classes[k] if k >= 0 else "" for k in self.labels]

    def class_counts(self) -> dict[str, int]:
        """How many images each class has, in the order of `classes`."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))
        return {name: int(c) for name, c in zip(self.classes, counts, strict=True)}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a decoded picture becomes an encoder's input. Part of the encoder's fingerprint.

    `resize_to` is in pixels: with `mode` "shortest" the shorter side becomes that long and the middle `size` x `size` is
    cut out; "longest" fits the whole picture inside and pads with `fill` (0..255); "squash" ignores the aspect ratio.
    `mean` and `std` are in units of 0..1 and are applied by the encoder, not by the decoder.
    """

    size: int
    resize_to: int
    mode: Literal["shortest", "longest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear", "lanczos", "nearest", "box"] = "bicubic"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fill: int = 0


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the file says of itself. `width` and `height` in pixels, after EXIF rotation; "" and None where unknown."""

    format: str
    mode: str
    width: int
    height: int
    n_bytes: int
    sha256: str
    jpeg_quality: int | None = None
    camera: str = ""
    date: str = ""
    n_frames: int = 1


@dataclass(frozen=True, slots=True)
class Photo:
    """One decoded image: everything later steps need, from ONE decode.

    `pixels` (h, w, 3) uint8 RGB is the analysis picture, longest side at most 256; `input` (size, size, 3) uint8 is the
    encoder's input before normalisation; `phash` is a 64-bit perceptual hash.
    """

    facts: FileFacts
    pixels: NDArray[np.uint8]
    input: NDArray[np.uint8]
    phash: int


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """Who made the vectors. `fingerprint` changes when weights or preprocessing change; `text`: has a text tower."""

    name: str
    kind: Literal["open_clip", "embedded", "pixels"]
    dim: int
    text: bool
    fingerprint: str
    preprocessing: Preprocessing
    note: str = ""


class Encoder(Protocol):
    """What makes vectors of pictures. Light to create; weights are loaded on the first call of an encode method."""

    @property
    def info(self) -> EncoderInfo: ...

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        """(b, size, size, 3) uint8 -> (b, dim) float32 of unit norm."""
        ...

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        """(m,) prompts -> (m, dim) unit vectors in the space of `encode`. Raises MissingExtraError without a text tower."""
        ...

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """Names this encoder can give without text, and their scores (n, m) for the vectors; ((), (n, 0)) if none."""
        ...


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One unit vector per image: `vectors` (n, d) float32, made by `encoder`."""

    ids: Ids
    vectors: Floats
    encoder: EncoderInfo

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", as_ids(self.ids))
        object.__setattr__(self, "vectors", _readonly(self.vectors, np.float32, 2, "vectors"))
        if len(self.ids) != len(self.vectors):
            raise DataError(f"{len(self.ids)} ids but {len(self.vectors)} vectors.")
        if not np.isfinite(self.vectors).all():
            raise DataError("an embedding is not finite; the encoder or its checkpoint is broken.")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        idx = np.asarray(indices)
        return replace(self, ids=self.ids[idx], vectors=self.vectors[idx])


@dataclass(frozen=True, slots=True)
class Column:
    """What one measured attribute is.

    `form`: "tags" (any number of values, joined by "|"), "category" (one value), "number", "flag" (yes/no).
    `phrase` follows "93% of bunny ..." and holds one {value}: "have a {value} background". `without` says what to add
    instead: "on something other than {value}". `unit` is "" for names.
    """

    name: str
    form: Literal["tags", "category", "number", "flag"]
    kind: Kind
    phrase: str
    without: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Measures:
    """One row per image (index = ids), one column per attribute, each described in `columns`."""

    frame: pd.DataFrame
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if [c.name for c in self.columns] != list(self.frame.columns):
            raise DataError("the described columns are not the measured ones.")

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        return replace(self, frame=self.frame.iloc[np.asarray(indices)])

    def join(self, other: Measures) -> Measures:
        """These columns and the other's, for the same images."""
        return Measures(pd.concat([self.frame, other.frame], axis=1), self.columns + other.columns)

    def column(self, name: str) -> Column:
        for c in self.columns:
            if c.name == name:
                return c
        raise InputError(f"no attribute is called {name!r}; there are: {', '.join(self.frame.columns)}.")


@dataclass(frozen=True, slots=True)
class Clusters:
    """`assignment` (n,) is the cluster of each image, -1 = none; `centres` (k, d) unit vectors; `names` (k,)."""

    assignment: Ints
    centres: Floats
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "assignment", _readonly(np.asarray(self.assignment), np.int32, 1, "assignment"))
        object.__setattr__(self, "centres", _readonly(self.centres, np.float32, 2, "centres"))


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Images that show the same picture, and what says so."""

    kind: Literal["exact", "perceptual", "embedding"]
    ids: tuple[str, ...]


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

    `gap` is the cross-validated accuracy on images that obey the shortcut less that on images that break it (fractions).
    """

    gap: float
    gap_ci: Interval
    n_conflicting: int
    intervention_drop: float | None = None
    control_drop: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One shortcut: `share_in_class` of `class_name` have the value, against `share_elsewhere` of all other images.

    Shares and `effect` (their difference) are fractions with 95 % intervals; the statistics that need another class are
    None when there is none. `same_as` names the attributes folded into this one.
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

    @property
    def id(self) -> str:
        return f"{self.class_name}:{self.attribute}={self.value}"


@dataclass(frozen=True, slots=True)
class SharedPattern:
    """Something most images of a class have in common."""

    name: str
    attribute: str
    value: str
    kind: Kind
    share: float
    example_ids: tuple[str, ...]


Verdict = Literal["shortcuts found", "none found", "too few images to tell"]


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit says of a data set; `findings` is sorted, worst first."""

    findings: tuple[Finding, ...]
    verdict: Verdict
    expected_false_findings: float | None
    n_tests: int
    shared_patterns: Mapping[str, tuple[SharedPattern, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """One class x value cell of a recommendation: counts of images."""

    class_name: str
    attribute: str
    value: str
    has_value: bool
    have: int
    want: int
    got: int

    @property
    def missing(self) -> int:
        return max(0, self.want - self.got)

    @property
    def value_name(self) -> str:
        return self.value if self.has_value else f"not {self.value}"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Which pool images to add, in order, and the plan they fill. All per-row tuples have the same length."""

    ids: tuple[str, ...]
    labels: tuple[str, ...]
    label_sources: tuple[Literal["given", "predicted"], ...]
    cells: tuple[int, ...]
    reasons: tuple[str, ...]
    plan: tuple[Cell, ...]
    shopping_list: tuple[str, ...]
    expected_gain: tuple[float, Interval] | None = None

    def __post_init__(self) -> None:
        if len({len(getattr(self, f.name)) for f in fields(self)[:5]}) != 1:
            raise DataError("the columns of a recommendation differ in length.")


@dataclass(frozen=True, slots=True)
class GroupAccuracy:
    """Accuracy (0..1, 95 % interval) of a probe on one class x value group of `n` test images."""

    class_name: str
    value: str
    n: int
    accuracy: float
    ci: Interval


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of training the probe and how it did."""

    name: str
    n_train: int
    accuracy: float
    accuracy_ci: Interval
    balanced_accuracy: float
    worst_group: GroupAccuracy
    groups: tuple[GroupAccuracy, ...]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Worst-group accuracy and reliance after `n_added` images."""

    n_added: int
    worst_group: float
    ci: Interval
    reliance: float


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The linear probe before and after, with its controls."""

    arms: Mapping[str, Arm]
    gain_over_random: tuple[float, Interval] | None
    verdict: Literal["fixed", "improved", "no evidence of improvement"]
    attribute: str
    value: str
    curve: tuple[CurvePoint, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """The split of each image, and the counts asked for and got: cells (class, value) x splits."""

    assignment: Mapping[str, str]
    asked: pd.DataFrame
    got: pd.DataFrame
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A data set after its one decode: vectors, what was measured on the pixels, and what the files say.

    `rows` (index = ids) holds the columns of every per-image attribute family; `facts` (index = ids) the fields of
    `FileFacts` and `phash` (uint64). All three follow `dataset.ids`; images that could not be read are in
    `dataset.skipped`. `n_new` were embedded now (the rest came from the store) in `seconds`.
    """

    dataset: Dataset
    embeddings: Embeddings
    rows: pd.DataFrame
    facts: pd.DataFrame
    n_new: int
    seconds: float

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        idx = np.asarray(indices)
        return replace(
            self,
            dataset=self.dataset.take(idx),
            embeddings=self.embeddings.take(idx),
            rows=self.rows.iloc[idx],
            facts=self.facts.iloc[idx],
        )


@dataclass(frozen=True, slots=True)
class AuditRun:
    """Everything one `curator audit` found: what the report, the JSON, the App and later commands start from.

    `leaks` are groups of duplicates that lie in more than one split. `notes` are sentences the user must see (the encoder
    that stood in for another, what that loses). `images_per_second` covers decode, measure and embed of the new images.
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

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Width and height in pixels by image id."""
        if "width" not in self.facts:
            return {}
        return {
            str(i): (int(w), int(h))
            for i, w, h in zip(self.facts.index, self.facts["width"], self.facts["height"], strict=True)
        }
