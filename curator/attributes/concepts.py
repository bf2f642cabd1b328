"""What the picture shows in words, where the encoder has a text tower: prompts from an editable vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.attributes import SetFamily
from curator.config import Settings
from curator.errors import InputError
from curator.types import Column, Embedded, Encoder, Floats, Kind, Measures
from curator.vectors import unit

VOCABULARY = Path(__file__).with_name("concepts.txt")
TEMPLATES = ("a photo of {}.", "a photo with {} in it.", "{}.")
"""Averaged per prompt: prompt wording alone moves CLIP's answers by tens of points."""
_KINDS: dict[str, Kind] = {"objects": "object", "people": "object", "media": "image", "viewpoints": "image"}


def separated(n: int) -> float:
    """Share of a score's variance that a two-way split must explain before the prompt says something of n images.

    One Gaussian split at its mean explains 2 / pi; its best split explains more by chance, the less the more images there
    are. The term in sqrt(n) was read off 600 Gaussian samples at each of n = 20 to 4000: 1 % of them come out above.
    Error: a prompt that fits under about 15 % of the images seldom explains that much, and is left out.

    >>> round(separated(60), 3), round(separated(4000), 3)
    (0.746, 0.65)
    """
    return float(2 / np.pi + 0.85 / max(n, 1) ** 0.5)


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


def two_sides(scores: NDArray[np.float64]) -> tuple[float, float]:
    """The cut that splits the scores best, and the share of their variance that the split explains (0..1).

    Source: Otsu (1979), on the sorted values themselves rather than a histogram.

    >>> two_sides(np.array([0.0, 0.1, 0.2, 5.0, 5.1]))[0]
    2.6
    """
    x = np.sort(scores)
    n = len(x)
    if n < 2 or x[0] == x[-1]:
        return float("inf"), 0.0
    total = x.sum()
    left = np.cumsum(x)[:-1]
    k = np.arange(1, n)
    between = (total * k / n - left) ** 2 / (k * (n - k))
    best = int(between.argmax())
    return float((x[best] + x[best + 1]) / 2), float(between[best] / x.var())


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    nothing = Measures(pd.DataFrame(index=embedded.rows.index), ())
    if not encoder.info.text or not len(embedded.embeddings):
        return nothing
    path = Path(settings.audit.concepts) if settings.audit.concepts else VOCABULARY
    prompts = read_vocabulary(path)
    texts = [template.format(prompt) for prompt, _ in prompts for template in TEMPLATES]
    towers = unit(encoder.encode_text(texts).reshape(len(prompts), len(TEMPLATES), -1).mean(1))
    scores, usual = _scores(embedded, towers), _scores(reference, towers)
    frame, columns = {}, []
    for j, (prompt, kind) in enumerate(prompts):
        cut, explained = two_sides(usual[:, j].astype(float))
        if explained < separated(len(usual)):
            continue
        attribute = f"concept.{prompt}"
        frame[attribute] = scores[:, j] >= cut
        columns.append(
            Column(attribute, "flag", kind, f"show {prompt}|do not show {prompt}", f"that do not show {prompt}")
        )
    if not columns:
        return nothing
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns))


def _scores(embedded: Embedded, towers: Floats) -> Floats:
    scores = embedded.embeddings.vectors @ towers.T
    # Each image's mean over all prompts is how wordy it looks, not what it shows.
    return np.asarray(scores - scores.mean(1, keepdims=True), np.float32)


FAMILY = SetFamily(_derive)
