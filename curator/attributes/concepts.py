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
    path = Path(settings.audit.concepts) if settings.audit.concepts else VOCABULARY
    prompts = read_vocabulary(path)
    texts = [template.format(prompt) for prompt, _ in prompts for template in TEMPLATES]
    towers = unit(encoder.encode_text(texts)).reshape(len(prompts), len(TEMPLATES), -1)
    mean = unit(towers.mean(1))
    scores, usual = _scores(embedded, mean, mean), _scores(reference, mean, mean)
    n = len(usual)
    frame, columns, readings = {}, [], {}
    for j, (prompt, kind) in enumerate(prompts):
        fitted = split(usual[:, j])
        if fitted is None or not fitted.separates(n):
            continue
        attribute = f"concept.{prompt}"
        frame[attribute] = fitted.read(scores[:, j])
        readings[attribute] = _readings(fitted, prompt, towers, j, embedded, reference)
        columns.append(
            Column(attribute, "flag", kind, f"show {prompt}|do not show {prompt}", f"that do not show {prompt}")
        )
    if not columns:
        return nothing
    return Measures(pd.DataFrame(frame, index=embedded.rows.index), tuple(columns), readings)


def _readings(fitted: Split, prompt: str, towers: Floats, j: int, embedded: Embedded, reference: Embedded) -> Mask:
    """(n, t) readings of one flag: each template by itself, its cut fitted to images drawn anew, `DRAWS` times."""
    # The draws belong to the prompt, not to the run: a pool is read by the very cuts of the data set.
    rng = np.random.default_rng(list(prompt.encode()))
    out = []
    for k in range(len(TEMPLATES)):
        mine, every = towers[[j], k], towers[:, k]
        scores, usual = _scores(embedded, mine, every)[:, 0], _scores(reference, mine, every)[:, 0]
        for _ in range(DRAWS):
            out.append(fitted.again(usual, rng.integers(0, len(usual), len(usual))).read(scores))
    return np.stack(out, axis=1)


def _scores(embedded: Embedded, towers: Floats, every: Floats) -> Scores:
    """(n, m) agreement with `towers`, less each image's mean over `every`: how wordy it looks, not what it shows."""
    return np.asarray(embedded.embeddings.vectors @ (towers - every.mean(0)).T, np.float64)


FAMILY = SetFamily(_derive)
