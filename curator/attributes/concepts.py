"""What an image shows in words, if the encoder has a text tower: prompts from an editable vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.attributes import SetFamily
from curator.attributes import _usual_colours as usual_colours
from curator.attributes._splitting import Scores, Split, split
from curator.config import Settings
from curator.errors import InputError
from curator.similarity.vectors import unit
from curator.types import Column, Embedded, Encoder, Floats, Kind, Mask, Measures

VOCABULARY = Path(__file__).with_name("concepts.txt")
TEMPLATES = ("a photo of {}.", "a photo with {} in it.", "{}.", "a picture that shows {}.", "there is {} here.")
"""Averaged per prompt. For the error each is read alone, because wording alone changes CLIP's answers by tens of points."""
DRAWS = 2
"""Draws of the cut per template. The ten readings in total give their spread to about a quarter."""
GAP = 0.5
"""A prompt is kept if its own score differs between its two sides by at least this fraction of the largest difference of any
prompt. If a data set has few kinds of scene, every direction splits in two, and only this gap separates "sand" from "an
aquarium". The spread is not used instead, because it is smaller for rarer scenes."""
ALIKE = 0.95
"""Two prompts that agree on this fraction of the images count as the same."""
BORROWED_BIAS = 0.4
"""Bias of prompts of the encoder `embedded`. Its text tower maps sentences to an ImageNet classifier and is sometimes wrong.
It reads only prompts that the user wrote, and such a finding alone gets low weight."""
COLOUR_WEIGHT = 0.25
"""Weight of matching colours relative to a matching vector, both as products of unit vectors. Of 0.1 to 0.8, the weights from
0.2 to 0.4 did best on development photographs and hardly differ. Only the text tower of `embedded` needs colours."""
_KINDS: dict[str, Kind] = {"objects": "object", "people": "object", "media": "image", "viewpoints": "image"}


def read_vocabulary(path: Path) -> list[tuple[str, Kind]]:
    """The prompts of a vocabulary file and their kinds, in order. `[group]` lines set the kind; `#` lines are skipped.

    Raises:
        InputError: the file does not exist or has no prompts.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(
            f"cannot read the vocabulary {path} ({e}); a text file with one prompt per line is needed; check the path."
        ) from e
    group, prompts = "", dict[str, Kind]()
    for line in (raw.strip() for raw in lines):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip().lower()
        elif line and not line.startswith("#"):
            prompts.setdefault(line, _KINDS.get(group, "context"))
    if not prompts:
        raise InputError(f"the vocabulary {path} has no prompts; write one prompt per line.")
    return list(prompts.items())


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    frame, columns, readings = {}, [], {}
    for side in _sides(encoder, settings, reference) if len(embedded.embeddings) else ():
        mean = unit(side.towers.mean(1))
        judge = _Judge(embedded, reference, side.around, mean, side.colours)
        scores, _ = judge.scores(mean, mean)
        for column, fitted in side.fits.items():
            prompt, kind = side.asked[column]
            attribute = f"concept.{prompt}"
            frame[attribute] = fitted.read(scores[:, column])
            readings[attribute] = _readings(fitted, prompt, side.towers, column, judge)
            columns.append(_column(attribute, prompt, kind, encoder))
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns), readings)


def unanswered(measures: Measures, settings: Settings) -> list[str]:
    """The user's prompts that were not kept for these images, in their order; none if the user gave no prompts."""
    if not settings.audit.concepts:
        return []
    kept = {column.name for column in measures.columns}
    return [p for p, _ in read_vocabulary(Path(settings.audit.concepts)) if f"concept.{p}" not in kept]


def agreement(prompts: tuple[str, ...], encoder: Encoder, reference: Embedded) -> Scores:
    """(n, m): how well the reference's images fit prompts about their surroundings, as scored by an audit before any cut."""
    own: list[tuple[str, Kind]] = [(prompt, "context") for prompt in prompts]
    around = _learn(_Key(encoder, reference, tuple(dict.fromkeys([*own, *read_vocabulary(VOCABULARY)])), len(own)))[0]
    return around.known[:, [around.asked.index(prompt) for prompt in own]]


def kept(encoder: Encoder, settings: Settings, reference: Embedded) -> list[tuple[str, bool, Scores]]:
    """The prompts that are kept for the reference's images: words, whether they name objects, scores (n,)."""
    return [
        (side.asked[column][0], not side.around, side.known[:, column])
        for side in _sides(encoder, settings, reference)
        for column in side.fits
    ]


@dataclass(frozen=True, slots=True)
class _Side:
    """The prompts for whole images, or for what is `around` the object.

    `towers` (m, t, d) are their vectors by template. `colours` (m, 11) are their implied colours, if colours are used.
    `known` (n, m) are their scores on the reference's images. `fits` are the cuts of the prompts that are kept.
    """

    around: bool
    asked: tuple[tuple[str, Kind], ...]
    towers: Floats
    colours: Floats | None
    known: Scores
    fits: dict[int, Split]


def _sides(encoder: Encoder, settings: Settings, reference: Embedded) -> tuple[_Side, ...]:
    if not encoder.info.text or not len(reference.embeddings):
        return ()
    if bias(encoder) and not settings.audit.concepts:
        # The user gave no prompts, and half of the names that this encoder gives are wrong: a cat is "a bed sheet".
        return ()
    usual = read_vocabulary(VOCABULARY)
    prompts = read_vocabulary(Path(settings.audit.concepts)) if settings.audit.concepts else usual
    return _learn(_Key(encoder, reference, tuple(dict.fromkeys([*prompts, *usual])), len(prompts)))


class _Key:
    """Cache key: an encoder, images by their content, and prompts, of which only the first `n_own` may be kept."""

    def __init__(self, encoder: Encoder, reference: Embedded, every: tuple[tuple[str, Kind], ...], n_own: int) -> None:
        self.encoder, self.reference, self.every, self.n_own = encoder, reference, every, n_own
        e = reference.embeddings
        parts: list[NDArray[Any]] = [e.vectors] if e.surround is None else [e.vectors, e.surround]
        if reference.patches is not None:
            parts += [reference.patches.colour, reference.patches.foreground]
        self.content = tuple(hash(part.tobytes()) for part in parts), every, n_own

    def __hash__(self) -> int:
        return hash(self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.encoder is other.encoder and self.content == other.content


@lru_cache(maxsize=2)
def _learn(key: _Key) -> tuple[_Side, ...]:
    texts = [template.format(prompt) for prompt, _ in key.every for template in TEMPLATES]
    towers = unit(key.encoder.encode_text(texts)).reshape(len(key.every), len(TEMPLATES), -1)
    out = []
    for around in (True, False):
        of = [j for j, (_, kind) in enumerate(key.every) if (kind != "object") == around]
        if not of:
            continue
        mean = unit(towers[of].mean(1))
        colours = _colours(mean, key.encoder) if around and bias(key.encoder) else None
        judge = _Judge(key.reference, key.reference, around, mean, colours)
        known = judge.scores(mean, mean)[1]
        fits = {
            column: fitted
            for column in range(len(of))
            if (fitted := split(known[:, column])) is not None and fitted.separates(len(known))
        }
        own = {column for column, j in enumerate(of) if j < key.n_own}
        out.append(
            _Side(
                around,
                tuple(key.every[j] for j in of),
                towers[of],
                colours,
                known,
                _distinct(fits, own, known, judge.plain(mean)),
            )
        )
    return tuple(out)


def _distinct(fits: dict[int, Split], own: set[int], known: Scores, plain: Scores) -> dict[int, Split]:
    """The prompts that split the images by something visible. Of several prompts with the same split, the one with the largest
    gap is kept.

    `plain` (n, m) are the prompts' own scores. "A lawn" and "a meadow" split the images alike, and one name is enough. A gap
    is compared with those of all prompts, so that a short list of the user's own prompts is not compared only with itself.
    """
    flags = {k: fitted.read(known[:, k]) for k, fitted in fits.items()}
    gap = {k: float(plain[flag, k].mean() - plain[~flag, k].mean()) for k, flag in flags.items()}
    least = GAP * max(gap.values(), default=0.0)
    chosen: list[int] = []
    for k in sorted(own & set(fits), key=lambda k: (-round(gap[k], 9), k)):
        if gap[k] >= least and all((flags[k] == flags[other]).mean() < ALIKE for other in chosen):
            chosen.append(k)
    return {k: fits[k] for k in sorted(chosen)}


def _colours(towers: Floats, encoder: Encoder) -> Floats:
    words, shares = usual_colours.table()
    texts = encoder.encode_text([template.format(word) for word in words for template in TEMPLATES])
    return usual_colours.expected(towers, unit(unit(texts).reshape(len(words), len(TEMPLATES), -1).mean(1)), shares)


def bias(encoder: Encoder) -> float:
    """The effect (0..1) that misread prompts of this encoder may cause; 0 for CLIP."""
    return BORROWED_BIAS if encoder.info.kind == "embedded" else 0.0


def _column(attribute: str, prompt: str, kind: Kind, encoder: Encoder) -> Column:
    return Column(
        attribute,
        "flag",
        kind,
        f"show {prompt}|do not show {prompt}",
        f"that do not show {prompt}",
        absence=False,
        bias=bias(encoder),
        needs_text=True,
        rank=-1,
        edit="surroundings",
        planted_by=("tint", "patch"),
    )


def _readings(fitted: Split, prompt: str, towers: Floats, j: int, judge: _Judge) -> Mask:
    """(n, t) readings of one flag: each template separately, with its cut fitted to resampled images, `DRAWS` times."""
    # Seeded by the prompt, not by the run, so that a pool is read with the same cuts as the data set.
    rng = np.random.default_rng(list(prompt.encode()))
    out = []
    for k in range(len(TEMPLATES)):
        scores, known = (s[:, 0] for s in judge.scores(towers[[j], k], towers[:, k], j))
        for _ in range(DRAWS):
            out.append(fitted.again(known, rng.integers(0, len(known), len(known))).read(scores))
    return np.stack(out, axis=1)


class _Judge:
    """Scores how well prompts fit images. `around`: prompts are compared with the image without its object.

    The prompt is then multiplied by the covariance of the data set's surroundings. This keeps the part of its meaning in which
    these images differ; the rest is noise. If the prompts' `colours` (m, 11) are given, they are compared with the colours off
    the object. `every` (m, d) are all prompts, whose mean is subtracted.
    """

    def __init__(
        self, embedded: Embedded, reference: Embedded, around: bool, every: Floats, colours: Floats | None
    ) -> None:
        mine, usual = (_vectors(e, around) for e in (embedded, reference))
        self.mine, self.usual = mine - usual.mean(0), usual - usual.mean(0)
        self.varied = around
        self.tints: tuple[Scores, Scores] | None = None
        if colours is not None and embedded.patches is not None and reference.patches is not None:
            seen = [usual_colours.seen(e.patches).astype(np.float64) for e in (embedded, reference) if e.patches]
            fits = [COLOUR_WEIGHT * (s - seen[1].mean(0)) @ (colours - colours.mean(0)).T for s in seen]
            self.tints = fits[0], fits[1]
            # The covariance shrinks all scores, so the colours are scaled down to keep their weight.
            plain = self.usual @ self._directions(every, every)
            self.shrinks = float(self._seen(every, every)[1].std() / max(plain.std(), 1e-12))

    def scores(self, towers: Floats, every: Floats, column: int | None = None) -> tuple[Scores, Scores]:
        """(n, m) agreement of the images, and of the reference's images, with `towers` (m, d) minus their mean over `every`.

        `column` is the position of a single prompt; by default the colours of all prompts are used.
        """
        found = self._seen(towers, every)
        if self.tints is None:
            return found
        which = slice(None) if column is None else slice(column, column + 1)
        mine, usual = (s + self.shrinks * tint[:, which] for s, tint in zip(found, self.tints, strict=True))
        return mine, usual

    def plain(self, towers: Floats) -> Scores:
        """(n, m) agreement of the reference's images with the prompts, without the covariance."""
        found = np.asarray(self.usual @ self._directions(towers, towers))
        return found if self.tints is None else found + self.tints[1]

    def _seen(self, towers: Floats, every: Floats) -> tuple[Scores, Scores]:
        directions = self._directions(towers, every)
        if self.varied:
            directions = self.usual.T @ (self.usual @ directions) / len(self.usual)
        return self.mine @ directions, self.usual @ directions

    def _directions(self, towers: Floats, every: Floats) -> Scores:
        return np.asarray((towers - every.mean(0)).T, np.float64)


def _vectors(embedded: Embedded, around: bool) -> Scores:
    e = embedded.embeddings
    return np.asarray(e.surround if around and e.surround is not None else e.vectors, np.float64)


FAMILY = SetFamily(_derive)
