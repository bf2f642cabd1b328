"""The data set, its vectors and its measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.errors import DataError, InputError, did_you_mean
from curator.types.arrays import UNLABELLED, Floats, Ids, Ints, Kind, Mask, as_ids, readonly

_ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Skipped:
    """A skipped image, and the reason."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """The list of images with labels, splits and metadata, before any image is opened.

    `ids` (n,) are posix paths relative to `root`; `labels` (n,) index `classes`, -1 is unlabelled; `splits` (n,) is "" if
    no split is given; `metadata` has one row per image (index = ids) and the user's own columns.
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
        object.__setattr__(self, "labels", readonly(np.asarray(self.labels), np.int32, 1, "labels"))
        splits = np.asarray(self.splits, dtype=np.str_)
        object.__setattr__(self, "splits", readonly(splits, splits.dtype, 1, "splits"))
        n = len(self.ids)
        if not len(self.labels) == len(self.splits) == len(self.metadata) == n:
            raise DataError("ids, labels, splits and metadata of a data set differ in length.")
        if n and (self.labels.max() >= len(self.classes) or self.labels.min() < UNLABELLED):
            raise DataError("a label points at a class that does not exist.")

    def __len__(self) -> int:
        return len(self.ids)

    def path(self, i: int) -> str:
        """The path of image i: `root` joined with its id."""
        return f"{self.root.rstrip('/')}/{self.ids[i]}"

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        """The same data set with only these rows, in this order; `skipped` is kept."""
        idx = np.asarray(indices)
        return replace(
            self, ids=self.ids[idx], labels=self.labels[idx], splits=self.splits[idx], metadata=self.metadata.iloc[idx]
        )

    def without(self, failed: Mapping[str, str]) -> Self:
        """The same data set without the images in `failed` (id -> reason), which are added to `skipped`."""
        if not failed:
            return self
        keep = np.flatnonzero(~np.isin(self.ids, np.asarray(list(failed), dtype=np.str_)))
        gone = tuple(Skipped(id, reason) for id, reason in failed.items())
        return replace(self.take(keep), skipped=self.skipped + gone)

    def train_labels(self) -> Ints:
        """The labels (n,) that findings are about. If there is a split `train`, images of other splits have -1."""
        if "train" in self.splits and (self.splits != "train").any():
            return np.where(self.splits == "train", self.labels, UNLABELLED).astype(np.int32)
        return self.labels

    def label_names(self) -> list[str]:
        """The class name of each row, "" where unlabelled."""
        return [self.classes[k] if k >= 0 else "" for k in self.labels]

    def class_counts(self) -> dict[str, int]:
        """How many images each class has, in the order of `classes`."""
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))
        return {name: int(c) for name, c in zip(self.classes, counts, strict=True)}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a decoded image becomes an encoder's input. This is part of the encoder's fingerprint.

    `resize_to` is in pixels: with `mode` "shortest" the shorter side is scaled to it and the middle `size` x `size` is
    cropped; "longest" fits the whole image inside and pads with `fill` (0..255); "squash" ignores the aspect ratio.
    `mean` and `std` are in units of 0..1 and are applied by the encoder, not by the decoder.
    """

    size: int
    resize_to: int
    mode: Literal["shortest", "longest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear", "lanczos", "nearest", "box"] = "bicubic"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fill: int = 0

    def view(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of an image that the input shows: left, top, right, bottom as fractions of its width and height.

        They are below 0 or above 1 if the input is padded.

        >>> Preprocessing(size=224, resize_to=256).view(512, 256)
        (0.28125, 0.0625, 0.71875, 0.9375)
        """
        if self.mode == "squash":
            scaled = float(self.resize_to), float(self.resize_to)
        else:
            side = max(width, height) if self.mode == "longest" else min(width, height)
            scaled = width * self.resize_to / side, height * self.resize_to / side
        x, y = (0.5 - self.size / (2 * length) for length in scaled)
        return x, y, 1 - x, 1 - y


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Properties of the file. `width` and `height` are in pixels, after EXIF rotation; "" and None if unknown."""

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
    """One decoded image with everything that later steps need, so that it is decoded only once.

    `pixels` (h, w, 3) uint8 RGB is the image for measuring, longest side at most 256; `input` (size, size, 3) uint8 is the
    encoder's input before normalisation; `phash` is a 64-bit perceptual hash. `foreground` (h, w), the same size as
    `pixels`, is the probability that a pixel is on the object; None if it is not available.
    """

    facts: FileFacts
    pixels: NDArray[np.uint8]
    input: NDArray[np.uint8]
    phash: int
    foreground: Floats | None = None


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """The encoder that made the vectors.

    `fingerprint` changes when weights or preprocessing change; `text`: it has a text tower. With kind "given" only the
    vectors are available, not the encoder.
    """

    name: str
    kind: Literal["open_clip", "embedded", "pixels", "given"]
    dim: int
    text: bool
    fingerprint: str
    preprocessing: Preprocessing
    note: str = ""


class Encoder(Protocol):
    """Computes vectors of images. It is cheap to create; the first call of an encode method loads the weights."""

    @property
    def info(self) -> EncoderInfo: ...

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        """(b, size, size, 3) uint8 -> (b, dim) float32 of unit norm."""
        ...

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        """(m,) prompts -> (m, dim) unit vectors in the space of `encode`. Raises MissingExtraError without a text tower."""
        ...

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """Names that this encoder knows without text, and their scores (n, m) for the vectors; ((), (n, 0)) if none."""
        ...


class Eye(Protocol):
    """Computes patch features: the encoder itself, or another network for encoders that have none.

    `input_size` is the side of its inputs in pixels; `grid` is the number of places along each side.
    """

    input_size: int
    grid: int

    @property
    def info(self) -> EncoderInfo: ...

    def look(self, inputs: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """(b, size, size, 3) uint8 -> (b, dim) unit vectors as of `encode`, and (b, grid, grid, d) patch features."""
        ...


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One unit vector per image: `vectors` (n, d) float32, made by `encoder`.

    `surround` (n, d) are the vectors of the same images with the object covered; None if objects cannot be located.
    """

    ids: Ids
    vectors: Floats
    encoder: EncoderInfo
    surround: Floats | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", as_ids(self.ids))
        object.__setattr__(self, "vectors", readonly(self.vectors, np.float32, 2, "vectors"))
        if len(self.ids) != len(self.vectors):
            raise DataError(f"{len(self.ids)} ids but {len(self.vectors)} vectors.")
        if self.surround is not None:
            object.__setattr__(self, "surround", readonly(self.surround, np.float32, 2, "surround vectors"))
            if self.surround.shape != self.vectors.shape:
                raise DataError("there is not one surround vector per image.")
        # Checked in parts, because the result for a million vectors of 512 numbers takes half a gigabyte.
        if not all(np.isfinite(self.vectors[k : k + _ROWS]).all() for k in range(0, len(self.vectors), _ROWS)):
            raise DataError("an embedding is not finite; the encoder or its checkpoint is broken.")

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        idx = np.asarray(indices)
        surround = None if self.surround is None else self.surround[idx]
        return replace(self, ids=self.ids[idx], vectors=self.vectors[idx], surround=surround)


class PlaceFeatures(Protocol):
    """Behaves like an array (n, g, g, d) int8. It may be on disk; rows are read when they are accessed."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[np.int8]:
        """(m, g, g, d) for a slice or an array of m positions."""
        ...

    def take(self, indices: Any, /, axis: Literal[0] = 0) -> Any:
        """Some of them, without reading them."""
        ...


class PackedRows(Protocol):
    """Rows of bytes (n, b) on disk; they are read when they are accessed."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[np.uint8]:
        """(m, b) for a slice or an array of m positions."""
        ...

    def take(self, rows: Any, /) -> Self:
        """Some of them, without reading them."""
        ...

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8]]]:
        """All undamaged rows, some at a time and in any order: positions and rows."""
        ...


LETTERING = "lettering"
"""The column of `Embedded.facts` with the lines of lettering of each image, once someone has looked for them."""

SURELY_SALIENT = 179
"""An object was found if a place has at least this value of `Salience.maps` (0.7 of 255). A small animal covers two places."""


@dataclass(frozen=True, slots=True)
class Salience:
    """What a network for salient objects sees in some images of a data set.

    `rows` (m,) are the positions of these images, ascending. `maps` (m, g, g) uint8 is how much of each place the salient
    object covers, times 255.
    """

    rows: NDArray[np.intp]
    maps: NDArray[np.uint8]

    @property
    def found(self) -> Mask:
        """The images (m,) in which an object was found: one that surely covers most of a place."""
        return np.asarray((self.maps >= SURELY_SALIENT).any((1, 2)))

    def only(self, some: Mask) -> Salience:
        """What was seen in some of these images, a mask (m,)."""
        return Salience(self.rows[some], self.maps[some])

    def take(self, indices: NDArray[np.intp]) -> Salience:
        """What was seen in some of the data set's images, `indices` (k,) without repeats; their new positions are 0 to k-1."""
        where = {int(old): new for new, old in enumerate(indices)}
        kept = [(where[int(row)], m) for m, row in enumerate(self.rows) if int(row) in where]
        rows, at = (np.array(x, np.intp) for x in (zip(*sorted(kept), strict=True) if kept else ((), ())))
        return Salience(rows, self.maps[at])


@dataclass(frozen=True, slots=True)
class Patches:
    """Features of each of the g x g places of every encoder input.

    `features` (n, g, g, d) int8 are unit vectors times 127; they may be on disk, so read few at a time. `foreground`
    (n, g, g) uint8 is the probability times 255 that the object is there; `colour` (n, g, g, 3) uint8 is the mean RGB, and
    `texture` (n, g, g) uint8 the mean difference between neighbouring pixels, in grey levels. `eye` is the fingerprint of
    the network that computed them. `salience` is None until someone has looked for salient objects.
    """

    ids: Ids
    features: NDArray[np.int8] | PlaceFeatures
    foreground: NDArray[np.uint8]
    colour: NDArray[np.uint8]
    texture: NDArray[np.uint8]
    eye: str
    salience: Salience | None = None

    def __post_init__(self) -> None:
        n, g = self.features.shape[:2]
        shapes = self.features.shape[2], *self.foreground.shape, *self.colour.shape, *self.texture.shape
        if shapes != (g, n, g, g, n, g, g, 3, n, g, g) or len(self.ids) != n:
            raise DataError("the patches of a data set differ in number or grid.")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def grid(self) -> int:
        """The number of places along each side."""
        return int(self.features.shape[1])

    @property
    def on_object(self) -> Mask:
        """The places (n, g, g) that hold a part of the object with a probability above one half."""
        return self.on_object_of(slice(None))

    def on_object_of(self, rows: Any) -> Mask:
        """`on_object` of a slice or an array of m positions: (m, g, g)."""
        return np.asarray(self.foreground[rows] >= 128, np.bool_)

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        idx = np.asarray(indices)
        idx = np.flatnonzero(idx) if idx.dtype == np.bool_ else idx
        return replace(
            self,
            ids=self.ids[idx],
            features=self.features.take(idx, axis=0),
            foreground=self.foreground[idx],
            colour=self.colour[idx],
            texture=self.texture[idx],
            salience=self.salience and self.salience.take(idx),
        )


Form = Literal["tags", "category", "number", "flag"]


@dataclass(frozen=True, slots=True)
class Column:
    """Describes one measured attribute.

    `form`: "tags" (any number of values, joined by "|"), "category" (one value), "number", "flag" (yes/no).
    `phrase` follows "93% of bunny ..." and contains one {value}: "have a {value} background". `without` says which images
    to add instead: "on something other than {value}". `unit` is "" for names. `absence`: lacking a flag is a value too.
    `ratio`: a number is compared by ratios (such as light, in stops); all its values are positive.
    `quantiles`: a number is cut at quantiles as well as where it separates best.
    `sides`: a number that is low or high, in words ("are dark", "are bright"), compared with the other images.
    `marked`: the side of a number that people notice, such as blurred or dark rather than sharp or light; "" for neither.
    "outer" is the side away from 0, as a colour cast is away from neutral.
    `bias`: an effect up to this size (0..1) may come from the object's appearance disturbing the measure; severity takes
    that into account.
    `learnt`: a visual word, learnt from one data set; `word` is its number there. `nth` distinguishes columns with the same
    phrase (0: the phrase is unique). `needs_text`: only an encoder that reads prompts can measure it. `brought`: the user's
    own column. `in_header`: read from metadata in the file, which an export can remove.
    `around`: measured on what surrounds the object, so it describes the object where that cannot be located.
    `rank`: if several attributes describe one shortcut, the one with the lowest rank is reported; values in `reported_late`
    have a rank that is one higher. `follows`: it depends on other attributes and is reported only if none of them explains
    the shortcut.
    `place`: how to find where in an image a value is. `edit`: the edit that removes the value from an image or adds it (see
    `commands._steps.edits`), "" for none. `defect`: the name of the defect of images at the low end of the number.
    `planted_by`: the edits of the self-test that this attribute shows.
    """

    name: str
    form: Form
    kind: Kind
    phrase: str
    without: str
    unit: str = ""
    absence: bool = True
    bias: float = 0.0
    learnt: bool = False
    nth: int = 0
    needs_text: bool = False
    brought: bool = False
    in_header: bool = False
    around: bool = False
    rank: int = 0
    reported_late: tuple[str, ...] = ()
    follows: bool = False
    place: Literal["", "word", "colour", "lettering"] = ""
    word: int = -1
    edit: str = ""
    defect: str = ""
    planted_by: tuple[str, ...] = ()
    ratio: bool = False
    sides: tuple[str, str] = ("", "")
    marked: Literal["", "below", "above", "outer"] = ""
    quantiles: bool = True


@dataclass(frozen=True, slots=True)
class Measures:
    """One row per image (index = ids), one column per attribute, each described in `columns`.

    For flags that are estimates, `readings` holds (n, t) alternative measurements that are as good as the one in `frame`.
    The differences between them show the attribute's own error.
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    readings: Mapping[str, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if [c.name for c in self.columns] != list(self.frame.columns):
            raise DataError("the described columns are not the measured ones.")
        if any(name not in self.frame.columns or len(r) != len(self.frame) for name, r in self.readings.items()):
            raise DataError("the readings are of other attributes, or of other images, than the measures.")

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        idx = np.asarray(indices)
        return replace(self, frame=self.frame.iloc[idx], readings={k: r[idx] for k, r in self.readings.items()})

    def join(self, other: Measures) -> Measures:
        """These columns and the other's, for the same images."""
        frame = pd.concat([self.frame, other.frame], axis=1)
        return Measures(frame, self.columns + other.columns, {**self.readings, **other.readings})

    def column(self, name: str) -> Column:
        for c in self.columns:
            if c.name == name:
                return c
        known = [c.name for c in self.columns]
        hint = did_you_mean(name, known, f"there are: {', '.join(known)}.")
        raise InputError(f"no attribute is called {name!r}; {hint}")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A data set after decoding: vectors, measurements on the pixels, and properties of the files.

    `rows` (index = ids) holds the columns of every per-image attribute family; `facts` (index = ids) the fields of
    `FileFacts` and `phash` (uint64); `patches` is None if there are no patch features. All are in the order of
    `dataset.ids`. Images that could not be read are in `dataset.skipped`. `n_new` images were embedded in `seconds`; the
    rest came from the store.
    """

    dataset: Dataset
    embeddings: Embeddings
    rows: pd.DataFrame
    facts: pd.DataFrame
    n_new: int
    seconds: float
    patches: Patches | None = None

    def take(self, indices: NDArray[Any] | Sequence[int]) -> Self:
        idx = np.asarray(indices)
        return replace(
            self,
            dataset=self.dataset.take(idx),
            embeddings=self.embeddings.take(idx),
            rows=self.rows.iloc[idx],
            facts=self.facts.iloc[idx],
            patches=self.patches and self.patches.take(idx),
        )
