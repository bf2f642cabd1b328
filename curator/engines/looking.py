"""Look closer at some of a data set's images: read them again, and store what is found under their contents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.errors import DataError
from curator.io.decoding import images
from curator.io.store.store import Store
from curator.types import Embedded, Photo, Preprocessing

_BATCH = 16


def sample(embedded: Embedded, most: int) -> NDArray[np.intp]:
    """At most `most` rows, ascending: up to an equal number of every class, those with the smallest content digest.

    Adding or removing an image changes at most one place of the sample.
    """
    data, facts = embedded.dataset, embedded.facts
    lot = facts["sha256"].to_numpy(str) if "sha256" in facts else data.ids
    labels = data.train_labels()
    # Images without a class count as one more class.
    order = np.lexsort((data.ids, lot, labels))
    starts = np.flatnonzero(np.r_[True, np.diff(labels[order]) != 0])
    groups = [order[a:b] for a, b in pairwise([*starts, len(order)])]
    left, out = most, []
    for k, group in enumerate(sorted(groups, key=len)):
        taken = group[: left // (len(groups) - k)]
        left -= len(taken)
        out.append(taken)
    return np.sort(np.concatenate(out)) if out else np.zeros(0, np.intp)


def look(
    embedded: Embedded,
    rows: NDArray[np.intp],
    see: Callable[[Sequence[Photo]], NDArray[np.uint8]],
    store: Store,
    preprocessing: Preprocessing,
    jobs: int,
    progress: Callable[[int, int], None],
) -> dict[int, NDArray[np.uint8]]:
    """What `see` returns (b, k) for the images in `rows`, by row. What is in the `store` is not computed again.

    An image that cannot be read again is left out.
    """
    contents = [str(k) for k in embedded.facts["sha256"].to_numpy()[rows]] if "sha256" in embedded.facts else []
    seen: dict[int, NDArray[np.uint8]] = {}
    if contents:
        found, stored, _ = store.read(contents)
        seen = dict(zip(rows[found].tolist(), stored, strict=True))
    missing = [int(row) for row in rows if int(row) not in seen]
    for start in range(0, len(missing), _BATCH):
        progress(start, len(missing))
        some = missing[start : start + _BATCH]
        with ThreadPoolExecutor(jobs or None) as threads:
            decoded = list(threads.map(lambda row: _photo(embedded, row, preprocessing), some))
        read = [(row, photo) for row, photo in zip(some, decoded, strict=True) if photo is not None]
        if not read:
            continue
        new = see([photo for _, photo in read])
        seen.update(zip((row for row, _ in read), new, strict=True))
        if contents:
            keys, first = np.unique([str(embedded.facts["sha256"].iloc[row]) for row, _ in read], return_index=True)
            store.append(keys.tolist(), new[first], pd.DataFrame(index=range(len(keys))))
    if missing:
        progress(len(missing), len(missing))
    return seen


def _photo(embedded: Embedded, row: int, preprocessing: Preprocessing) -> Photo | None:
    """The decoded image; None if it cannot be read again."""
    try:
        return images.decode(embedded.dataset.path(row), preprocessing)
    except DataError:
        return None
