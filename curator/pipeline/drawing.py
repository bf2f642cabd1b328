"""A sample of a data set that is too large to be audited whole, and what the audit asked of it, counted in all images.

The counts are of pieces, each by itself, so they can be made wherever a piece is: one after the other on this machine, or on
those of a cluster. Only the counts come together, and the audit of them takes no longer for a billion images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from curator import association, attributes, counting, indicators
from curator.association import Table
from curator.config import Settings
from curator.fingerprints import fingerprint
from curator.indicators import Indicators
from curator.types import Audit, Dataset, Embedded, Encoder, Ints
from curator.types.results import Leak, Whole
from curator.workbench import Crew, Workbench, train_labels

PIECE = 4096
"""Images counted together: enough that reading the sample's thresholds anew is little beside them, some 100 MB with places."""

Piece = tuple[Embedded, Ints]
Counts = tuple[Table, str]
"""The counts of a piece, and its fingerprint."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A `sample` of the images in `dataset`, of which `part(rows)` gives any others; `contents` (n,) says which are the same
    file, [] where nothing does."""

    sample: Embedded
    dataset: Dataset
    part: Callable[[NDArray[np.intp]], Embedded]
    contents: Sequence[str] | NDArray[np.bytes_]


def of_images(dataset: Dataset, bench: Workbench) -> Drawn:
    """Embed all of a data set and draw from it. Raises: what `Workbench.fill` does."""
    stored = bench.fill(dataset)
    rows = _rows(len(stored.dataset), bench)
    sample = replace(bench.recall(stored, rows), n_new=stored.n_new, seconds=stored.seconds)
    return Drawn(sample, stored.dataset, lambda some: bench.recall(stored, some), stored.keys)


def of_embeddings(given: Embedded, bench: Workbench) -> Drawn:
    """Draw from embeddings that are there already."""
    keys = list(given.facts["key"]) if "key" in given.facts else []
    return Drawn(given.take(_rows(len(given.dataset), bench)), given.dataset, given.take, keys)


def _rows(n: int, bench: Workbench) -> NDArray[np.intp]:
    size = min(n, bench.settings.audit.sample)
    return np.sort(bench.rng("sample").choice(n, size, replace=False)).astype(np.intp)


def with_counts(
    found: Audit, drawn: Drawn, table: Indicators, labels: Ints, bench: Workbench
) -> tuple[Audit, Whole, list[str]]:
    """The sample's audit with what all images add (`counting.with_counts`), what is known of these, and what is to be said.

    `table` and `labels` (m,) are the sample's.
    """
    classes, n = drawn.dataset.classes, len(drawn.dataset)
    counted = [*_counts(drawn, table, bench)]
    everywhere = counting.total(counts for counts, _ in counted)
    found, n_tests = counting.with_counts(found, everywhere, table, labels, classes, bench.settings.audit)
    whole = Whole(n, _digest([print_ for _, print_ in counted]), n_tests, _leaks(drawn))
    notes = [
        f"The audit is of {len(labels):,} images, drawn at random (seed {bench.seed}) from {n:,}; what it asked of them was "
        "then counted in all. Duplicates and doubtful labels were looked for among those drawn, files that are the same "
        "in two splits among all."
    ]
    if whole.leaks:
        some = "; ".join(" = ".join(leak.ids[:2]) for leak in whole.leaks[:3])
        notes.append(f"Among all {n:,} images, files that are the same in two splits: {len(whole.leaks):,} ({some}).")
    return found, whole, notes


def _counts(drawn: Drawn, table: Indicators, bench: Workbench) -> Iterator[Counts]:
    values = table.take(np.zeros(0, np.intp))
    work = _Counting(bench.settings, drawn.sample, values, len(drawn.dataset.classes))
    done, n = 0, len(drawn.dataset)
    if bench.engine == "ray":
        work = replace(work, reference=_held(work.reference))
    for counts in bench.each(work.by, lambda piece: work(piece, bench.encoder), _pieces(drawn, bench.engine == "ray")):
        yield counts
        done = min(n, done + PIECE)
        bench.progress("counting", done, n)


def _pieces(drawn: Drawn, travels: bool) -> Iterator[Piece]:
    labels = train_labels(drawn.dataset)
    for start in range(0, len(labels), PIECE):
        rows = np.arange(start, min(start + PIECE, len(labels)))
        part = drawn.part(rows)
        yield _held(part) if travels else part, labels[rows]


@dataclass(frozen=True, slots=True)
class _Counting:
    """Counts the sample's `values` in a piece; images are read by the thresholds of `reference`, the sample."""

    settings: Settings
    reference: Embedded
    values: Indicators
    n_classes: int

    def __call__(self, piece: Piece, encoder: Encoder) -> Counts:
        embedded, labels = piece
        measures = attributes.measures(embedded, encoder, self.settings, self.reference)
        return association.count(indicators.like(measures, self.values), labels, self.n_classes), fingerprint(embedded)

    def by(self, crew: Crew) -> Callable[[Piece], Counts]:
        """What does it on another machine. Counting needs no GPU: only prompts are encoded."""
        encoder = _encoder(replace(crew, device="cpu"))
        return lambda piece: self(piece, encoder)


@lru_cache(maxsize=1)
def _encoder(crew: Crew) -> Encoder:
    return crew()[0]


def _held(embedded: Embedded) -> Embedded:
    """The same with everything in memory, so that it can travel."""
    patches = embedded.patches
    return embedded if patches is None else replace(embedded, patches=replace(patches, features=patches.features[:]))


def _digest(prints: Sequence[str]) -> str:
    return f"sha256:{hashlib.sha256(' '.join(prints).encode()).hexdigest()}"


def _leaks(drawn: Drawn) -> tuple[Leak, ...]:
    """Groups of identical files in more than one split, by their first."""
    data = drawn.dataset
    if not len(drawn.contents) or len(np.unique(data.splits)) < 2:
        return ()
    _, of, size = np.unique(np.asarray(drawn.contents), return_inverse=True, return_counts=True)
    several = np.flatnonzero((size > 1)[of])
    order = several[np.argsort(of[several], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(of[order])) + 1) if len(order) else []
    found = [Leak(tuple(data.ids[rows].tolist()), tuple(sorted(set(data.splits[rows].tolist())))) for rows in groups]
    return tuple(sorted((leak for leak in found if len(leak.splits) > 1), key=lambda leak: leak.ids))
