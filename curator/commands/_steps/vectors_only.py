"""Read DATA that is already embeddings: a folder of clip-retrieval, audited without opening an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from curator.commands.session import Session
from curator.encoders import given
from curator.errors import DataError, InputError
from curator.readers import clip_retrieval
from curator.report.wording import notes as words
from curator.similarity.vectors import unit
from curator.types import Dataset, Embedded, Embeddings, Encoder

NO_ENCODER = "pixels"
"""The encoder to open if none is needed: its weights need no download."""
_SAME = 0.99
"""Smallest cosine similarity at which a text embedding counts as the named encoder's own: half precision changes it by less
than 0.001."""
_ASKED = 16


def model_for(model: str, data: object) -> str:
    """The encoder to open for `data`. Existing embeddings need none unless it is named, so none is downloaded."""
    is_embedded = isinstance(data, (str, Path)) and clip_retrieval.is_folder(str(data))
    return NO_ENCODER if model == "auto" and is_embedded else model


def is_given(dataset: Dataset) -> bool:
    """Whether only the embeddings of these images are available."""
    return clip_retrieval.is_folder(dataset.root)


def read(dataset: Dataset, session: Session) -> tuple[Embedded, Session]:
    """The embeddings of a scanned folder, and the session with the encoder that made them.

    That is the encoder of `session` if the user named it (`Session.named`), or if it gives the same text embeddings for the
    folder's captions. Otherwise it is a placeholder that knows only the length of the vectors.

    Raises:
        InputError: the named encoder did not make these vectors.
        DataError: more images than `max_skipped` have no usable embedding.
    """
    vectors, usable = clip_retrieval.vectors(dataset.root, session.cache)
    keys = clip_retrieval.keys(dataset.root)
    data = clip_retrieval.skipped(dataset, usable)
    if not len(data) or len(data.skipped) > session.max_skipped * len(dataset):
        raise DataError(
            f"{len(data.skipped)} of {len(dataset)} embeddings are zero or not finite; at most {session.max_skipped:.0%} are "
            "allowed; compute them again or raise --max-skipped."
        )
    encoder = _maker(dataset.root, vectors.shape[1], session)
    index = pd.Index(data.ids, name="id")
    # A missing key matches no other key.
    known = [k or f"row {i}" for i, k in enumerate(keys)]
    facts = pd.DataFrame({"key": [known[i] for i in np.flatnonzero(usable)]} if keys else {}, index=index)
    embeddings = Embeddings(data.ids, vectors, encoder.info)
    notes = session.notes if encoder is session.encoder else ()
    if not dataset.classes:
        notes = (*notes, words.NO_LABEL_COLUMN)
    session = replace(session, encoder=encoder, notes=(*notes, given.NOTE) if encoder is session.encoder else notes)
    return Embedded(data, embeddings, pd.DataFrame(index=index), facts, 0, 0.0), session


def _maker(root: str, dim: int, session: Session) -> Encoder:
    info = session.encoder.info
    if info.dim != dim or not info.text or info.kind != "open_clip":
        if session.named and info.text and info.dim != dim:
            raise InputError(
                f"the embeddings have {dim} numbers, but {info.name} makes {info.dim}; the model that made them is needed; "
                "name it with --model, or leave --model out."
            )
        return given.Given(dim)
    said, theirs = clip_retrieval.captions(root, _ASKED)
    if said:
        agrees = np.einsum("nd,nd->n", session.encoder.encode_text(said), unit(theirs))
        if float(np.median(agrees)) >= _SAME:
            return session.encoder
        if session.named:
            raise InputError(
                f"{info.name} does not give the text embeddings of the folder (cosine {float(np.median(agrees)):.2f}); the "
                "model that made them is needed; name it with --model, or leave --model out."
            )
        return given.Given(dim)
    return session.encoder if session.named else given.Given(dim)
