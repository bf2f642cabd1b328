"""The digest of a data set: stable, and changed by whatever is known of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed import replace

from curator.encoders import resolve
from curator.io import fingerprint as fingerprints
from curator.io.fingerprint import fingerprint
from curator.types import Dataset, Embedded, Embeddings


def embedded(n: int = 40) -> Embedded:
    rng = np.random.default_rng(0)
    ids = [f"a/{k:03d}'s é.jpg" for k in range(n)]
    mixed = np.array([1, True, 1.0, "1", None, np.nan, [2], 'é"'] * 5, dtype=object)
    meta = pd.DataFrame(
        {
            "site": rng.choice(["x", "y", "z'"], n), "night": rng.random(n) < 0.5, "n": rng.integers(0, 9, n),
            "x": rng.normal(size=n).round(2), "gaps": pd.Series(rng.choice([True, False, None], n), dtype=object),
            "mixed": mixed[:n], "day": pd.Categorical(rng.choice(["mon", "tue"], n)),
            "when": pd.to_datetime(rng.integers(0, 10**9, n), unit="s"), 'odd "name"': [None] * n,
        }
    )  # fmt: skip
    meta.loc[3, "x"] = np.nan
    meta.index = pd.Index(ids, name="id")
    data = Dataset(
        "a", "/r", np.array(ids), rng.integers(-1, 2, n).astype(np.int32), ("one", "two's"),
        np.array(["train"] * (n - 5) + [""] * 5), meta,
    )  # fmt: skip
    encoder, _ = resolve("pixels", cache=Path("unused"), device="cpu")
    facts = pd.DataFrame({"sha256": [f"{k:064x}" for k in range(n)]}, index=meta.index)
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    return Embedded(data, Embeddings(data.ids, vectors, encoder.info), meta[[]], facts, 0, 0.0)


def by_rows(e: Embedded) -> str:
    """The definition: one tuple of texts for each image."""
    data, digest = e.dataset, hashlib.sha256()
    digest.update(repr((list(data.metadata.columns), data.classes)).encode("utf-8", "surrogateescape"))
    names = data.label_names()
    for i, sha in enumerate(e.facts["sha256"]):
        cells = (str(data.metadata[c].iloc[i]) for c in data.metadata.columns)
        row = (str(data.ids[i]), names[i], str(data.splits[i]), str(sha), *cells)
        digest.update(repr(row).encode("utf-8", "surrogateescape"))
    return f"sha256:{digest.hexdigest()}"


@pytest.mark.parametrize("block", [1, 7, 8192])
def test_it_is_the_digest_of_a_tuple_of_texts_for_each_image(block, monkeypatch):
    monkeypatch.setattr(fingerprints, "_BLOCK", block)
    assert fingerprint(embedded()) == by_rows(embedded())


def test_any_change_changes_it():
    e = embedded()
    was = fingerprint(e)
    data = e.dataset
    meta = data.metadata.copy()
    meta.loc[meta.index[7], "site"] = "w"
    labels = data.labels.copy()
    labels[4] = 1 - max(0, labels[4])
    changed = [
        replace(e, dataset=replace(data, metadata=meta)),
        replace(e, dataset=replace(data, labels=labels)),
        replace(e, facts=e.facts.assign(sha256=e.facts["sha256"].to_numpy()[::-1])),
        replace(e, dataset=replace(data, splits=np.full(len(data), "train"))),
    ]
    assert len({was, *map(fingerprint, changed)}) == 5
    assert fingerprint(replace(e, dataset=replace(data, root="/elsewhere", name="b"))) == was


def test_without_pictures_the_numbers_of_the_embeddings_count():
    e = replace(embedded(), facts=embedded().facts[[]])
    vectors = e.embeddings.vectors.copy()
    vectors[11, 3] += 1e-3
    assert fingerprint(e) == fingerprint(e)
    assert fingerprint(replace(e, embeddings=replace(e.embeddings, vectors=vectors))) != fingerprint(e)
