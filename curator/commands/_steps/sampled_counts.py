"""Draw a sample of a data set that is too large to audit completely, and count its values in all images.

The values (visual words, cuts, common names) and how they occur together are learnt from the sample. How often each class has
each value is then counted in all images. The images are counted in independent pieces, one after the other on this machine or
in parallel on a cluster. Only the counts are combined, so their size does not depend on the number of images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from curator import attributes
from curator.commands.session import Session
from curator.config import Settings
from curator.io.fingerprint import fingerprint
from curator.report.wording import notes as words
from curator.shortcuts import association, indicators
from curator.shortcuts.association import Table
from curator.shortcuts.indicators import Indicators
from curator.types import Dataset, Embedded, Encoder, EncoderInfo, Floats, Ints, Leak
from curator.types.results import Whole

PIECE = 4096
"""Images per piece, about 100 MB with places. Every piece computes the sample's thresholds again, so with a larger sample the
pieces have up to twice as many images."""
FLOOR = 50
"""Fewest images drawn from every class, if it has that many and the sample has room. Examples come from the sample."""

Piece = tuple[Embedded, Ints]
Counts = tuple[Table, str]
"""The counts of a piece, and its fingerprint."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A `sample` of the images in `dataset`; `part(rows)` returns any other images.

    Images with equal `contents` (n,) are the same file; `contents` is [] if that is unknown.
    """

    sample: Embedded
    dataset: Dataset
    part: Callable[[NDArray[np.intp]], Embedded]
    contents: Sequence[str] | NDArray[np.bytes_]


def of_images(dataset: Dataset, session: Session) -> Drawn:
    """Embed a whole data set and draw a sample. Raises the errors of `Session.fill`."""
    stored = session.fill(dataset)
    part = session.recaller(stored)
    sample = replace(part(rows(stored.dataset, session)), n_new=stored.n_new, seconds=stored.seconds)
    return Drawn(sample, stored.dataset, part, stored.keys)


def of_embeddings(given: Embedded, session: Session) -> Drawn:
    """Draw a sample from existing embeddings."""
    keys = list(given.facts["key"]) if "key" in given.facts else []
    return Drawn(given.take(rows(given.dataset, session)), given.dataset, given.take, keys)


def rows(dataset: Dataset, session: Session) -> NDArray[np.intp]:
    """The rows that are drawn, in order.

    Images that findings are about are drawn first, up to `FLOOR` of every class; the rest are drawn from all images. Images
    with the smallest digest of seed and id are chosen, so adding or removing one image changes one place of the sample.
    """
    labels = dataset.train_labels()
    can = np.flatnonzero(labels >= 0)
    ids = dataset.ids[can].tolist()
    lot = np.array([_lot(f"{session.seed}/{i}") for i in ids], np.uint64)
    order = can[np.argsort(lot, kind="stable")]
    size = session.settings.audit.sample
    floor = min(FLOOR, size // (2 * max(1, len(dataset.classes))))
    by_class = order[np.argsort(labels[order], kind="stable")]
    starts = np.searchsorted(labels[by_class], np.arange(len(dataset.classes) + 1))
    first = [by_class[start : min(start + floor, end)] for start, end in pairwise(starts)]
    surely = np.concatenate([np.zeros(0, np.intp), *first])
    rest = order[~np.isin(order, surely)]
    return np.sort(np.concatenate([surely, rest[: max(0, size - len(surely))]])).astype(np.intp)


def _lot(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


def count(drawn: Drawn, table: Indicators, session: Session) -> tuple[Table, Whole, list[str]]:
    """Counts over all images by class and value of the sample's `table`, a summary of all images, and notes."""
    data = drawn.dataset
    n, labels = len(data), data.train_labels()
    digest = hashlib.sha256()

    def tables(counted: Iterator[Counts]) -> Iterator[Table]:
        for counts, print_ in counted:
            digest.update(print_.encode())
            yield counts

    with closing(_counted(drawn, table, labels, session)) as counted:
        everywhere = association.total(tables(counted))
    # Lettering is looked for in images of the sample only.
    inside = association.count(table, drawn.sample.dataset.train_labels(), len(data.classes))
    only_there = (everywhere.known.sum(0) == 0) & (inside.known.sum(0) > 0)
    everywhere = Table(
        np.where(only_there, inside.with_, everywhere.with_),
        np.where(only_there, inside.known, everywhere.known),
        everywhere.sizes,
    )
    whole = Whole(n, f"sha256:{digest.hexdigest()}", _leaks(drawn))
    n_train = int((labels >= 0).sum())
    notes = [words.counted(n, n_train, "train" in data.splits, len(drawn.sample.dataset), session.seed)]
    if whole.leaks:
        notes.append(words.identical_in_two_splits(n, [leak.ids for leak in whole.leaks]))
    return everywhere, whole, notes


def _counted(drawn: Drawn, table: Indicators, labels: Ints, session: Session) -> Generator[Counts]:
    size = max(PIECE, min(len(drawn.sample.dataset), 2 * PIECE))
    values, n = table.take(np.zeros(0, np.intp)), len(labels)
    travels = session.engine == "ray"
    encoder: Encoder = _Recorded.of(session.encoder, drawn.sample, session.settings) if travels else session.encoder
    reference = _held(drawn.sample) if travels else drawn.sample
    work = _Counting(encoder, session.settings, reference, values, len(drawn.dataset.classes))

    def pieces() -> Iterator[Piece]:
        for start in range(0, n, size):
            some = np.arange(start, min(start + size, n))
            part = drawn.part(some)
            yield _held(part) if travels else part, labels[some]

    with closing(session.each(work, pieces())) as counted:
        for k, counts in enumerate(counted):
            yield counts
            session.progress("counting", min(n, (k + 1) * size), n)


@dataclass(frozen=True, slots=True)
class _Counting:
    """Counts the sample's `values` in a piece; images are measured with the thresholds of `reference`, the sample."""

    encoder: Encoder
    settings: Settings
    reference: Embedded
    values: Indicators
    n_classes: int

    def __call__(self, piece: Piece) -> Counts:
        embedded, labels = piece
        measures = attributes.measures(embedded, self.encoder, self.settings, self.reference)
        return association.count(indicators.like(measures, self.values), labels, self.n_classes), fingerprint(embedded)


@dataclass(slots=True)
class _Recorded:
    """Recorded outputs of an encoder for the sample, which can be sent to other machines.

    They then need no encoder and cannot get slightly different values.
    """

    info: EncoderInfo
    said: Mapping[str, Floats] = field(default_factory=dict)
    encoder: Encoder | None = None

    @classmethod
    def of(cls, encoder: Encoder, sample: Embedded, settings: Settings) -> _Recorded:
        """Record everything that measuring with the thresholds of `sample` asks of the encoder."""
        asked = cls(encoder.info, {}, encoder)
        attributes.measures(sample.take(np.arange(1)), asked, settings, sample)
        return cls(encoder.info, asked.said)

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        raise NotImplementedError("images were encoded before")

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        if self.encoder is not None:
            self.said = {**self.said, **dict(zip(prompts, self.encoder.encode_text(prompts), strict=True))}
        return np.stack([self.said[p] for p in prompts])

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """No concepts: the names of visual words are not needed for counting."""
        return (), np.zeros((len(vectors), 0), np.float32)


def _held(embedded: Embedded) -> Embedded:
    """The same with everything in memory and without data about other images, so that it can be sent elsewhere."""
    patches, data = embedded.patches, replace(embedded.dataset, skipped=())
    held = patches if patches is None else replace(patches, features=patches.features[:])
    return replace(embedded, dataset=data, patches=held)


def _leaks(drawn: Drawn) -> tuple[Leak, ...]:
    """Groups of identical files in more than one split, sorted by their first id."""
    data = drawn.dataset
    if not len(drawn.contents) or len(np.unique(data.splits)) < 2:
        return ()
    _, of, size = np.unique(np.asarray(drawn.contents), return_inverse=True, return_counts=True)
    several = np.flatnonzero((size > 1)[of])
    order = several[np.argsort(of[several], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(of[order])) + 1) if len(order) else []
    found = [Leak(tuple(data.ids[g].tolist()), tuple(sorted(set(data.splits[g].tolist())))) for g in groups]
    return tuple(sorted((leak for leak in found if len(leak.splits) > 1), key=lambda leak: leak.ids))
