"""Which values of which classes may describe the object instead of its surroundings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curator.attributes import words
from curator.shortcuts.indicators import Indicators
from curator.types import Embedded, Ints, Mask, Patches, Salience

LEAKS = 0.2
"""What counts as surroundings of a class may contain this much of the salient object."""
SHOWS_OBJECT = 1 / 3
"""In all images of the class, what counts as surroundings may consist of visual words that are covered by the salient object
this much elsewhere. Of 30 classes of seven real sets, X-rays of patients (0.40, 0.37) and cardboard that fills the frame (0.37)
have more; cats (0.30) and bees in a crop (0.28) come next, classes with surroundings have 0.09 to 0.25."""

SURELY_AROUND = 0.1
"""Where an object is found too seldom, as in blurred images, its class is located nevertheless if what counts as surroundings
consists of visual words that the salient object covers at most this much elsewhere: a blurred mouse on a blurred lawn."""


def mask(embedded: Embedded, labels: Ints, table: Indicators, not_located: Mask | None = None) -> Mask:
    """For each class and value (k, v): it cannot be told whether the value lies on the object or around it.

    `labels` (n,) are the classes, -1 for images that do not count. A visual word of the surroundings is unclear in a class
    if it lies on the object there in part of the images. Everything that is measured around the object is unclear in a class
    whose object cannot be located, and in a comparison with such classes only. Without places nothing is said. `not_located`
    (k,) is what `classes` returns, if the caller has computed it.
    """
    n_classes = len(embedded.dataset.classes)
    out = np.zeros((n_classes, len(table.columns)), np.bool_)
    seen = None if embedded.patches is None else embedded.patches.salience
    if seen is None or not len(seen.rows):
        return out
    spelt = words.spelling(embedded, embedded)
    if spelt is None or embedded.patches is None:
        return out
    n_words = int(spelt.max(initial=0)) + 1
    of = labels[seen.rows]
    if not_located is None:
        not_located = classes(embedded, labels)
    sizes = np.bincount(labels[labels >= 0], minlength=n_classes)
    around = np.array([column.around for column in table.columns], np.bool_)
    of_word = np.array([column.word if column.kind == "context" else -1 for column in table.columns], int)
    for c in range(n_classes):
        rest = np.delete(sizes, c)
        against = rest.sum() > 0 and rest[np.delete(not_located, c)].sum() > rest.sum() / 2
        out[c, around] = not_located[c] or against
        # What surrounds the objects of one class is missing in images that the objects of the others fill.
        out[c, of_word >= 0] |= against
        if (of == c).any() and n_words > of_word.max(initial=-1) >= 0:
            share, sure = words.on_object(spelt[seen.rows[of == c]], seen.only(of == c), n_words)
            out[c] |= (of_word >= 0) & (sure & (share > words.PARTLY))[of_word]
    return out


def classes(embedded: Embedded, labels: Ints) -> Mask:
    """The classes (k,) whose object cannot be located. Without places, or if nobody looked, none."""
    n_classes = len(embedded.dataset.classes)
    patches, spelt = embedded.patches, words.spelling(embedded, embedded)
    if patches is None or spelt is None or patches.salience is None or not len(patches.salience.rows):
        return np.zeros(n_classes, np.bool_)
    seen = patches.salience
    of = labels[seen.rows]
    on, told = words.on_object(spelt[seen.rows], seen, int(spelt.max(initial=0)) + 1)
    on = np.where(told, on, np.nan)
    rows = [np.flatnonzero(labels == c) for c in range(n_classes)]
    return np.array([_not_located(patches, seen.only(of == c), rows[c], on[spelt[rows[c]]]) for c in range(n_classes)])


def _not_located(patches: Patches, seen: Salience, rows: NDArray[np.intp], on: NDArray[np.float64]) -> bool:
    """Whether the object of a class cannot be located: found in too few images, or left in what counts as surroundings.

    `seen` is what was seen of the class, `rows` (m,) are its images, and `on` (m, g, g) is how much the salient object
    covers the word at each of their places, on average; nan if that cannot be told.
    """
    if len(seen.rows) < words.FEWEST_SEEN:
        return False  # too few images for a finding that says more than these images do
    everywhere = ~patches.on_object_of(rows)
    if not everywhere.any():
        return True
    told = on[everywhere & ~np.isnan(on)]
    covered = float(told.mean()) if 2 * len(told) > everywhere.sum() else np.nan
    if seen.found.mean() < words.FOUND:
        return not covered <= SURELY_AROUND
    here = ~patches.on_object_of(seen.rows[seen.found])
    leaks = float((seen.maps[seen.found] / 255 * here).sum()) / max(int(here.sum()), 1)
    return leaks > LEAKS or covered > SHOWS_OBJECT
