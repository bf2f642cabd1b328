"""What the picture shows in words, where the encoder has a text tower: prompts from an editable vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from curator.attributes import SetFamily
from curator.attributes._splitting import Scores, Split, split
from curator.config import Settings
from curator.errors import InputError
from curator.types import Column, Embedded, Encoder, Floats, Kind, Mask, Measures
from curator.vectors import unit

VOCABULARY = Path(__file__).with_name("concepts.txt")
TEMPLATES = ("a photo of {}.", "a photo with {} in it.", "{}.", "a picture that shows {}.", "there is {} here.")
"""Averaged per prompt, and read one by one for the error: wording alone moves CLIP's answers by tens of points."""
DRAWS = 2
"""Draws of the cut per template. Ten readings in all tell their spread to about a quarter."""
SPREAD = 0.5
"""A prompt says something of these images when its scores spread at least this far, as a fraction of the widest prompt's.
Where there are few kinds of scene, every direction falls in two; only the spread tells "sand" from "an aquarium"."""
ALIKE = 0.95
"""Two prompts that agree on this fraction of the images are one."""
BORROWED_BIAS = 0.4
"""The text tower of `embedded` is a map from sentences to an ImageNet classifier, not CLIP, and at times its word is wrong.
So its words name what else was found; alone they are no finding of weight."""
_KINDS: dict[str, Kind] = {"objects": "object", "people": "object", "media": "image", "viewpoints": "image"}


def read_vocabulary(path: Path) -> list[tuple[str, Kind]]:
    """The prompts of a vocabulary file and their kinds, in order; `[group]` lines set the kind, `#` lines are skipped.

    Raises:
        InputError: no such file, or no prompt in it.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise InputError(f"cannot read the vocabulary {path} ({e}); one prompt a line is needed.") from e
    group, prompts = "", dict[str, Kind]()
    for line in (raw.strip() for raw in lines):
        if line.startswith("[") and line.endswith("]"):
            group = line[1:-1].strip().lower()
        elif line and not line.startswith("#"):
            prompts.setdefault(line, _KINDS.get(group, "context"))
    if not prompts:
        raise InputError(f"the vocabulary {path} holds no prompt; write one a line.")
    return list(prompts.items())


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    nothing = Measures(pd.DataFrame(index=embedded.rows.index), ())
    if not encoder.info.text or not len(embedded.embeddings):
        return nothing
    usual = read_vocabulary(VOCABULARY)
    prompts = read_vocabulary(Path(settings.audit.concepts)) if settings.audit.concepts else usual
    every = list(dict.fromkeys([*prompts, *usual]))
    texts = [template.format(prompt) for prompt, _ in every for template in TEMPLATES]
    towers = unit(encoder.encode_text(texts)).reshape(len(every), len(TEMPLATES), -1)
    frame, columns, readings = {}, [], {}
    for of_object in (False, True):
        of = [j for j, (_, kind) in enumerate(every) if (kind == "object") == of_object]
        if not of:
            continue
        judge = _Judge(embedded, reference, around=not of_object)
        mean = unit(towers[of].mean(1))
        scores, known = judge.scores(mean, mean)
        spread = known.std(0)
        fits = {
            column: fitted
            for column, j in enumerate(of)
            if j < len(prompts) and spread[column] >= SPREAD * spread.max()
            if (fitted := split(known[:, column])) is not None and fitted.separates(len(known))
        }
        for column in _distinct(fits, known, judge.plain(mean)):
            (prompt, kind), fitted = every[of[column]], fits[column]
            attribute = f"concept.{prompt}"
            frame[attribute] = fitted.read(scores[:, column])
            readings[attribute] = _readings(fitted, prompt, towers[of], column, judge)
            columns.append(_column(attribute, prompt, kind, encoder))
    if not columns:
        return nothing
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns), readings)


def _distinct(fits: dict[int, Split], known: Scores, plain: Scores) -> list[int]:
    """Of prompts that part the images alike, the one that means the difference most, in the order of the vocabulary.

    `plain` (n, m) are the prompts' own scores: "a lawn" and "a meadow" part them alike, and one name is enough.
    """
    flags = {k: fitted.read(known[:, k]) for k, fitted in fits.items()}
    gap = {k: float(plain[flag, k].mean() - plain[~flag, k].mean()) for k, flag in flags.items()}
    kept: list[int] = []
    for k in sorted(fits, key=lambda k: (-round(gap[k], 9), k)):
        if all((flags[k] == flags[other]).mean() < ALIKE for other in kept):
            kept.append(k)
    return sorted(kept)


def _column(attribute: str, prompt: str, kind: Kind, encoder: Encoder) -> Column:
    bias = BORROWED_BIAS if encoder.info.kind == "embedded" else 0.0
    return Column(
        attribute,
        "flag",
        kind,
        f"show {prompt}|do not show {prompt}",
        f"that do not show {prompt}",
        absence=False,
        bias=bias,
    )


def _readings(fitted: Split, prompt: str, towers: Floats, j: int, judge: _Judge) -> Mask:
    """(n, t) readings of one flag: each template by itself, its cut fitted to images drawn anew, `DRAWS` times."""
    # The draws belong to the prompt, not to the run: a pool is read by the very cuts of the data set.
    rng = np.random.default_rng(list(prompt.encode()))
    out = []
    for k in range(len(TEMPLATES)):
        scores, known = (s[:, 0] for s in judge.scores(towers[[j], k], towers[:, k]))
        for _ in range(DRAWS):
            out.append(fitted.again(known, rng.integers(0, len(known), len(known))).read(scores))
    return np.stack(out, axis=1)


class _Judge:
    """How well prompts fit images. `around`: all but prompts of objects are asked of the picture without its object.

    There, the prompt is first multiplied by the covariance of the data set's surrounds: of what a prompt means, the part
    along which these pictures differ counts, and the rest is noise.
    """

    def __init__(self, embedded: Embedded, reference: Embedded, around: bool) -> None:
        mine, usual = (_vectors(e, around) for e in (embedded, reference))
        self.mine, self.usual = mine - usual.mean(0), usual - usual.mean(0)
        self.varied = around

    def scores(self, towers: Floats, every: Floats) -> tuple[Scores, Scores]:
        """(n, m) agreement of the images, and of the reference's, with `towers` (m, d), less their mean over `every`."""
        directions = (towers - every.mean(0)).T.astype(np.float64)
        if self.varied:
            directions = self.usual.T @ (self.usual @ directions) / len(self.usual)
        return self.mine @ directions, self.usual @ directions

    def plain(self, towers: Floats) -> Scores:
        """(n, m) agreement of the reference's images with the prompts as they are."""
        return np.asarray(self.usual @ (towers - towers.mean(0)).T.astype(np.float64))


def _vectors(embedded: Embedded, around: bool) -> Scores:
    e = embedded.embeddings
    return np.asarray(e.surround if around and e.surround is not None else e.vectors, np.float64)


FAMILY = SetFamily(_derive)
