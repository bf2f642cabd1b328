"""Visual words: kinds of patches found in the data set itself, so that nobody need know what to look for."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt

from curator import vocabulary
from curator.attributes import SetFamily
from curator.attributes.colour import NAMES, name_map
from curator.config import Settings
from curator.types import Column, Embedded, Encoder, Mask, Measures, Patches
from curator.vocabulary import Vocabulary

PRESENT = 2
"""Places of an image from which a word is in it: one alone is often a seam between two others."""
OF_OBJECT = 0.25
"""A word is the object's when this fraction of its places is."""
RIM, OF_RIM, MORE = 2, 0.75, 1.5
"""Places that far from the object still see some of it (a patch's feature is of more than the patch). A word is the
object's, too, when this fraction of its places lies so near, and this many times the fraction of all places."""
SPOT, STUCK = 4, 0.6
"""A word is stuck to a spot when this fraction of its places lies in one window of that many places each way."""
_LIKELY = 128
"""Foreground, of 255, from which a place is the object's."""
_FLAT, _COARSE = 3.0, 8.0
"""Mean step between neighbouring pixels, in grey levels, below which a patch is called smooth and above which coarse."""
_MOSTLY = 0.7
"""A word is said to lie in a part of the frame when this fraction of its places does."""


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    patches, usual = embedded.patches, reference.patches
    if patches is None or usual is None or not len(usual):
        return Measures(pd.DataFrame(index=embedded.rows.index), ())
    learnt = _learn(_Key(usual))
    on_object = _on_object(learnt.words, usual, len(learnt.vocabulary))
    words = learnt.words if patches is usual else vocabulary.spell(learnt.vocabulary, patches)
    around = patches.foreground < _LIKELY
    tally = np.where(
        on_object,
        vocabulary.counts(words, np.ones_like(around), len(learnt.vocabulary)),
        vocabulary.counts(words, around, len(learnt.vocabulary)),
    )
    frame, columns = {}, []
    for k, name in enumerate(_names(learnt.words, usual, len(learnt.vocabulary))):
        attribute = f"words.{k}"
        frame[attribute] = tally[:, k] >= PRESENT
        columns.append(
            Column(
                attribute,
                "flag",
                "object" if on_object[k] else "context",
                f"show {name}|do not show {name}",
                f"that do not show {name}",
                # What is there can be a shortcut; of thousands of things that are not, some always differ.
                absence=False,
            )
        )
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns))


def spelling(embedded: Embedded, reference: Embedded) -> NDArray[np.uint8] | None:
    """The word at each place (n, g, g): k where `words.<k>` of `reference` is seen; None where nothing sees places."""
    patches, usual = embedded.patches, reference.patches
    if patches is None or usual is None or not len(usual):
        return None
    learnt = _learn(_Key(usual))
    return learnt.words if patches is usual else vocabulary.spell(learnt.vocabulary, patches)


class _Key:
    """Patches by what they hold, so that a pool and a test set are read by words that were learnt once."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches
        self.content = (patches.eye, patches.features.shape, hash(patches.features.tobytes()))

    def __hash__(self) -> int:
        return hash(self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.content == other.content


class _Learnt:
    def __init__(self, vocabulary_: Vocabulary, words: NDArray[np.uint8]) -> None:
        self.vocabulary, self.words = vocabulary_, words


@lru_cache(maxsize=2)
def _learn(key: _Key) -> _Learnt:
    learnt = vocabulary.learn(key.patches, seed=0)
    return _Learnt(learnt, vocabulary.spell(learnt, key.patches))


def _on_object(words: NDArray[np.uint8], patches: Patches, n_words: int) -> Mask:
    """Which words are the object's own, or of its rim and shadow.

    On eleven development sets without a shortcut, words that the rim rule lets through went with a class no more often
    than chance has it; without the rule every other set had a rim word that did.
    """
    likely = patches.foreground >= _LIKELY
    near = np.stack([distance_transform_cdt(~m, "chessboard") <= RIM if m.any() else m for m in likely])
    of_all = np.maximum(np.bincount(words.ravel(), minlength=n_words), 1)
    inside = np.bincount(words[likely], minlength=n_words) / of_all
    beside = np.bincount(words[near], minlength=n_words) / of_all
    own = (inside > OF_OBJECT) | ((beside > OF_RIM) & (beside > MORE * near.mean()))
    return np.asarray(own & ~_stuck_to_the_edge(words, n_words), np.bool_)


def _stuck_to_the_edge(words: NDArray[np.uint8], n_words: int) -> Mask:
    """Which words lie at one place by the edge of the frame in most pictures: a watermark, a date, a logo.

    These differ from the surround as an object does, but objects move about.
    """
    grid = words.shape[1]
    out = np.zeros(n_words, np.bool_)
    for k in range(n_words):
        where = (words == k).sum(0)
        windows = sliding_window_view(where, (SPOT, SPOT)).sum((2, 3))
        y, x = np.unravel_index(int(windows.argmax()), windows.shape)
        at_edge = min(y, x) == 0 or max(y, x) == grid - SPOT
        out[k] = at_edge and windows[y, x] >= STUCK * max(where.sum(), 1)
    return out


def _names(words: NDArray[np.uint8], patches: Patches, n_words: int) -> list[str]:
    """What each word looks like and where: "green, coarse texture, lower half". Equal names get a number."""
    colour = name_map(patches.colour.reshape(len(patches), -1, 3)).reshape(words.shape)
    y, x = np.mgrid[: patches.grid, : patches.grid] / (patches.grid - 1)
    rows, columns = np.broadcast_to(y, words.shape), np.broadcast_to(x, words.shape)
    out: list[str] = []
    for k in range(n_words):
        at = words == k
        tint = NAMES[int(np.bincount(colour[at], minlength=len(NAMES)).argmax())]
        step = float(np.median(patches.texture[at])) if at.any() else 0.0
        grain = "smooth" if step < _FLAT else "coarse texture" if step > _COARSE else "fine texture"
        name = ", ".join(filter(None, (tint, grain, _place(rows[at], columns[at]))))
        same = sum(n == name or n.startswith(f"{name} (") for n in out)
        out.append(f"{name} ({same + 1})" if same else name)
    return out


def _place(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> str:
    """The part of the frame that holds most of the places; "" where none does."""
    if not len(rows):
        return ""
    parts = {
        "top left": (rows < 1 / 3) & (columns < 1 / 3), "top right": (rows < 1 / 3) & (columns > 2 / 3),
        "bottom left": (rows > 2 / 3) & (columns < 1 / 3), "bottom right": (rows > 2 / 3) & (columns > 2 / 3),
        "upper half": rows < 0.5, "lower half": rows > 0.5, "left half": columns < 0.5, "right half": columns > 0.5,
    }  # fmt: skip
    return next((name for name, mask in parts.items() if mask.mean() >= _MOSTLY), "")


FAMILY = SetFamily(_derive)
