"""Visual words: kinds of patches found in the data set itself, so that nobody has to name what to look for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.stats import rankdata

from curator.attributes import SetFamily, concepts, scenes
from curator.attributes.colour import NAMES, name_map
from curator.config import Settings
from curator.regions import visual_words
from curator.regions.visual_words import Vocabulary
from curator.shortcuts.indicators import natural_cut
from curator.types import Column, Embedded, Encoder, Kind, Mask, Measures, Patches, Salience

PRESENT = 2
"""Minimum number of places of a word in an image for the word to count as present. A single place is often a seam between two
other words. The reference's images may raise the number: see `_enough`."""
AROUND, ON_OBJECT = 0.15, 0.5
"""A word belongs to the surroundings if the salient object covers at most the first fraction of its places, and to the object
from the second on. In between it cannot be told. On seven real sets with masks drawn by hand, 80 words fell below the first:
none of them lay on the object and one partly on it, where the border prior alone had 36 of 96."""
FOUND, FEWEST_SEEN = 0.4, 3
"""It cannot be told either if a salient object was found in less than this fraction of the word's images, or in fewer images
than the second: a subject that fills the frame does not stand out, and neither does anything in an X-ray."""
BESIDE, NEAR, LIKELY = 4.0, 2, 90
"""It cannot be told either if the odds that a place of the word, off the object, is near it (within the second number of
places) are at least the first times those of any place: the features of a place see about three places around it, so the ground
beside a bird looks different from the ground beside a bunny. An object is where salience is at least the third number, of 255.
Without this rule 5 of 34 development sets without a shortcut had a false alarm, all by such words (ratios 30 to 250); the
known surroundings of real sets have at most 3."""
PARTLY = 0.25
"""In a single class, a word of the surroundings with more than this fraction of its places on the object is unclear."""
SPOT, STUCK, STUCK_ON = 4, 0.6, 0.3
"""A word sticks to a spot if this fraction of its places lies in one window of this many places each way. By the edge it
belongs to the surroundings up to the last fraction on the object, because a watermark stands out as an object does."""
_FLAT, _COARSE = 3.0, 8.0
"""Mean step between neighbouring pixels, in grey levels: below the first a patch is smooth, above the second coarse."""
_OF_ONE_COLOUR = 0.9
"""A word has a colour if at least this fraction of its places has it. Light changes colours, so few words have one."""
_MOSTLY = 0.7
"""A word lies in a part of the frame if this fraction of its places does."""
NAMED, AHEAD = 0.93, 0.1
"""A prompt names a word if its score predicts the word's presence with at least this AUC, and this much better than any other
prompt. On eight development sets with a small CLIP this named 33 of 419 words of the surroundings, all after their scene.
Without the second rule one name in ten was wrong. The prompts of `embedded` were right for 28 to 68 % at any limit, so they do
not name words."""
GROUND, AS_GOOD, LIKE_IT = 0.87, 0.05, 0.07
"""With `embedded`, a ground names a word of the surroundings if its score predicts the word's presence with at least the first
AUC; a second ground is named with it if its AUC is at most this much lower. The images with the word need a mean score of at
least the third number, because among drawings on white paper some ground always separates best. On six real sets this named 6
of 89 words, all correctly by their crops ("rocks", "rocks or sand", "grass or soil"); the next three at 0.84 to 0.85 had one
right."""
THING, OF_THING = 0.1, 0.9
"""A class name of the encoder names a word on the object if it has at least this mean probability in the images with the word,
and its probability predicts the word with at least this AUC. On twelve development sets this named three words, all
correctly."""
MOST_LEARNT = 10_000
"""Maximum number of images from which words, their looks, their kinds and their names are learnt. Larger sets are sampled. A
share of a tenth then has a standard error of 0.3 %."""
_BLOCK = 4096
_FEWEST = 5
"""Minimum number of images with a word, and without it, for computing an AUC."""


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    if reference.patches is not None and len(reference.patches) > MOST_LEARNT:
        reference = replace(reference.take(_sample(len(reference.patches))), patches=_usual(_Same(reference.patches)))
    patches, usual = embedded.patches, reference.patches
    if patches is None or usual is None or not len(usual):
        return Measures(pd.DataFrame(index=embedded.rows.index), ())
    learnt = _learn(_Key(usual))
    kinds = _kinds(learnt.words, usual, len(learnt.vocabulary))
    words = learnt.words if patches is usual else _spelt(learnt, _Same(patches))
    usually = _places(learnt.words, usual, kinds)
    enough = _enough(usually)
    present = (usually if patches is usual else _places(words, patches, kinds)) >= enough
    looks = _looks(learnt.words, usual, len(learnt.vocabulary))
    frame, columns = {}, []
    names = _names(looks, _meanings(usually >= enough, kinds, encoder, settings, reference))
    for k, name in enumerate(names):
        kind = kinds[k]
        attribute = f"words.{k}"
        frame[attribute] = present[:, k]
        columns.append(
            Column(
                attribute,
                "flag",
                kind,
                f"show {name}|do not show {name}",
                f"that do not show {name}",
                # Only presence can be a shortcut. Among thousands of absent things some differ by chance.
                absence=False,
                learnt=True,
                rank=1,
                place="word",
                word=k,
                edit="surroundings",
                planted_by=("tint", "patch"),
            )
        )
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns))


def spelling(embedded: Embedded, reference: Embedded) -> NDArray[np.uint8] | None:
    """The word at each place (n, g, g): k where `words.<k>` of `reference` is seen. None if there are no patches."""
    patches, usual = embedded.patches, reference.patches
    if patches is None or usual is None or not len(usual):
        return None
    usual = _usual(_Same(usual))
    learnt = _learn(_Key(usual))
    return learnt.words if patches is usual else _spelt(learnt, _Same(patches))


class _Same:
    """Cache key: patches by identity, not by content, because the content may be on the disk."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches

    def __hash__(self) -> int:
        return id(self.patches)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.patches is other.patches


def _sample(n: int) -> NDArray[np.intp]:
    return np.sort(np.random.default_rng(0).permutation(n)[:MOST_LEARNT])


@lru_cache(maxsize=2)
def _usual(of: _Same) -> Patches:
    """The patches from which words are learnt, in memory: all of a small set, a sample of a large one."""
    patches = of.patches
    if len(patches) <= MOST_LEARNT:
        return patches
    some = patches.take(_sample(len(patches)))
    return replace(some, features=some.features[:])


@lru_cache(maxsize=2)
def _spelt(learnt: _Learnt, of: _Same) -> NDArray[np.uint8]:
    return visual_words.spell(learnt.vocabulary, of.patches)


class _Key:
    """Cache key: patches by content, so that a pool and a test set are read with words that were learnt once."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches
        self.content = (patches.eye, patches.features.shape, hash(patches.features[:].tobytes()))

    def __hash__(self) -> int:
        return hash(self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.content == other.content


class _Learnt:
    def __init__(self, vocabulary_: Vocabulary, words: NDArray[np.uint8]) -> None:
        self.vocabulary, self.words = vocabulary_, words


@lru_cache(maxsize=2)
def _learn(key: _Key) -> _Learnt:
    learnt = visual_words.learn(key.patches, seed=0)
    return _Learnt(learnt, visual_words.spell(learnt, key.patches))


def _kinds(words: NDArray[np.uint8], patches: Patches, n_words: int) -> list[Kind]:
    """Whether each word lies on the object, around it, or cannot be told, by the salient objects of some of the images.

    Error: a salient object is not always what the class is about (a flower under a bee), and things that touch the object (a
    collar, a ruler beside a mole) are unclear.
    """
    seen = patches.salience
    if seen is None or not len(seen.rows):
        return ["unclear"] * n_words
    on, found = on_object(words[seen.rows], seen, n_words)
    stuck = _stuck_to_the_edge(words, n_words)
    beside = _beside_the_object(words[seen.rows], seen, n_words)
    out: list[Kind] = []
    for share, there, by_edge, at_rim in zip(on, found, stuck, beside, strict=True):
        if not there:
            out.append("unclear")
        elif share <= (STUCK_ON if by_edge else AROUND):
            out.append("unclear" if at_rim and not by_edge else "context")
        else:
            out.append("object" if share >= ON_OBJECT else "unclear")
    return out


def on_object(words: NDArray[np.uint8], seen: Salience, n_words: int) -> tuple[NDArray[np.float64], Mask]:
    """The fraction (n_words,) of each word's places that the salient object covers, and whether that can be told at all.

    `words` (m, g, g) are those of the images that were looked at. Images in which no object was found do not count.
    """
    places = np.stack([np.bincount(image.ravel(), minlength=n_words) for image in words])
    has = places >= PRESENT
    covered = np.bincount(words[seen.found].ravel(), seen.maps[seen.found].ravel() / 255, minlength=n_words)
    on = covered / np.maximum(places[seen.found].sum(0), 1)
    n, n_found = has.sum(0), has[seen.found].sum(0)
    return on, np.asarray((n_found >= FEWEST_SEEN) & (n_found >= FOUND * n), np.bool_)


def _beside_the_object(words: NDArray[np.uint8], seen: Salience, n_words: int) -> Mask:
    """The words (n_words,) that lie close to the object, much more often than other places off the object do.

    `words` (m, g, g) are those of the images that were looked at.
    """
    out = np.zeros(n_words, np.bool_)
    some = seen.found
    if not some.any():
        return out
    on = seen.maps[some] >= LIKELY
    near = binary_dilation(on, np.ones((1, 3, 3), np.bool_), iterations=NEAR) & ~on
    spelt, far = words[some], ~near & ~on
    for k in range(n_words):
        at = spelt == k
        has = at.sum((1, 2)) >= PRESENT
        # Half a place is added to each count, so that a word that is never far away has finite odds.
        odds = ((at & near).sum() + 0.5) / ((at & far).sum() + 0.5)
        usual = (near[has].sum() + 0.5) / (far[has].sum() + 0.5)
        out[k] = has.any() and odds >= BESIDE * usual
    return out


def _stuck_to_the_edge(words: NDArray[np.uint8], n_words: int) -> Mask:
    """The words that lie at one place by the edge of the frame in most images: a watermark, a date, a logo.

    They differ from the surroundings as an object does, but objects change their place.
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


def _places(words: NDArray[np.uint8], patches: Patches, kinds: Sequence[Kind]) -> NDArray[np.int32]:
    """(n, k): the number of places of each word in each image. Words of the surroundings are counted only off the object."""
    own = [k != "context" for k in kinds]
    out = np.empty((len(words), len(kinds)), np.int32)
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        around = ~patches.on_object_of(slice(start, start + _BLOCK))
        everywhere = visual_words.counts(block, np.ones_like(around), len(kinds))
        out[start : start + _BLOCK] = np.where(own, everywhere, visual_words.counts(block, around, len(kinds)))
    return out


def _enough(usually: NDArray[np.int32]) -> NDArray[np.float64]:
    """The minimum number of places (k,) at which each word is present, from the places (n, k) of the reference.

    A lawn has a hundred places of grass, and a floor may have three that look like it; a watermark has only two or three. So
    each word is cut between the images with many of its places and those with few (Otsu, on square roots, which make the
    spread of a count even).
    """
    cuts = [natural_cut(np.sqrt(column)) ** 2 if len(column) > 1 else 0.0 for column in usually.T.astype(float)]
    return np.maximum(cuts, PRESENT)


def _meanings(
    present: Mask, kinds: Sequence[Kind], encoder: Encoder, settings: Settings, reference: Embedded
) -> dict[int, str]:
    """Names of words by number: a prompt if the encoder's prompts are reliable, else a ground of `scenes`, or a class name of
    the encoder for what lies on the object."""
    out: dict[int, str] = {}
    believed = encoder.info.text and not concepts.bias(encoder)
    asked = concepts.kept(encoder, settings, reference) if believed else []
    surround = reference.embeddings.surround
    grounds = scenes.scores(surround, "ground") if encoder.info.kind == "embedded" and surround is not None else {}
    things, scores = encoder.concepts(reference.embeddings.vectors)
    for k, kind in enumerate(kinds):
        has, of_object = present[:, k], kind == "object"
        if min(has.sum(), (~has).sum()) < _FEWEST:
            continue
        ranked = sorted(((_auc(has, s), name) for name, o, s in asked if o == of_object), key=lambda x: -x[0])
        if ranked and ranked[0][0] >= max(NAMED, (ranked[1][0] if len(ranked) > 1 else 0.5) + AHEAD):
            out[k] = ranked[0][1]
        elif kind == "context" and grounds:
            fitting = [(_auc(has, score), name) for name, score in grounds.items() if score[has].mean() >= LIKE_IT]
            best = max(fitting, default=(0.0, ""))[0]
            if best >= GROUND:
                first = sorted(fitting, reverse=True)[:2]
                out[k] = " or ".join(sorted(name for auc, name in first if auc >= best - AS_GOOD))
        elif of_object and things:
            mean = scores[has].mean(0)
            likeliest = int(mean.argmax())
            if mean[likeliest] >= THING and _auc(has, scores[:, likeliest]) >= OF_THING:
                out[k] = things[likeliest]
    return out


def _auc(has: Mask, scores: NDArray[np.floating]) -> float:
    """The probability that an image with the word scores above an image without it; ties count half (Mann & Whitney 1947)."""
    n, m = int(has.sum()), int((~has).sum())
    return float((rankdata(scores)[has].sum() - n * (n + 1) / 2) / (n * m))


def _names(looks: list[str], meanings: dict[int, str]) -> list[str]:
    """The names of words: "grass (pattern C, green, lower half)", or "pattern C (green, lower half)" if it has no name."""
    out = []
    for k, look in enumerate(looks):
        pattern = f"pattern {letters(k)}"
        if k in meanings:
            out.append(f"{meanings[k]} ({', '.join(filter(None, (pattern, look)))})")
        else:
            out.append(f"{pattern} ({look})" if look else pattern)
    return out


def letters(k: int) -> str:
    """A to Z, then AA, AB, ..., for the number of a word.

    >>> letters(0), letters(25), letters(26), letters(63)
    ('A', 'Z', 'AA', 'BL')
    """
    first, last = divmod(k, 26)
    return (chr(ord("A") + first - 1) if first else "") + chr(ord("A") + last)


def _looks(words: NDArray[np.uint8], patches: Patches, n_words: int) -> list[str]:
    """What each word looks like and where it lies: "green, coarse texture, lower half". Only what holds for nearly all of its
    places is said."""
    colour = name_map(patches.colour.reshape(len(patches), -1, 3)).reshape(words.shape)
    y, x = np.mgrid[: patches.grid, : patches.grid] / (patches.grid - 1)
    rows, columns = np.broadcast_to(y, words.shape), np.broadcast_to(x, words.shape)
    out: list[str] = []
    for k in range(n_words):
        at = words == k
        shares = np.bincount(colour[at], minlength=len(NAMES)) / max(int(at.sum()), 1)
        tint = NAMES[int(shares.argmax())] if shares.max() >= _OF_ONE_COLOUR else ""
        step = float(np.median(patches.texture[at])) if at.any() else 0.0
        grain = "smooth" if step < _FLAT else "coarse texture" if step > _COARSE else "fine texture"
        out.append(", ".join(filter(None, (tint, grain, _place(rows[at], columns[at])))))
    return out


def _place(rows: NDArray[np.float64], columns: NDArray[np.float64]) -> str:
    """The part of the frame that holds most of the places, or "" if none does."""
    if not len(rows):
        return ""
    parts = {
        "top left": (rows < 1 / 3) & (columns < 1 / 3), "top right": (rows < 1 / 3) & (columns > 2 / 3),
        "bottom left": (rows > 2 / 3) & (columns < 1 / 3), "bottom right": (rows > 2 / 3) & (columns > 2 / 3),
        "upper half": rows < 0.5, "lower half": rows > 0.5, "left half": columns < 0.5, "right half": columns > 0.5,
    }  # fmt: skip
    return next((name for name, mask in parts.items() if mask.mean() >= _MOSTLY), "")


FAMILY = SetFamily(_derive)
