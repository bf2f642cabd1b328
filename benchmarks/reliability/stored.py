"""More hostile input: the cache as a stranger or a failing disk left it, and a folder of clip-retrieval."""

from __future__ import annotations

import io
import logging
import random
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import texts

Run = Callable[[random.Random, int], tuple[str, Callable[[], object]]]
N, DIM = 6, 4


def cache(folder: Path) -> Run:
    """A store of which one file is damaged, cut short or exchanged: what is read is right, or counts as not stored."""
    import numpy as np
    import pandas as pd

    from curator.io.store.store import Store

    logging.getLogger("curator").setLevel(logging.ERROR)  # each damaged shard is a warning
    vectors = np.arange(N * DIM, dtype=np.float16).reshape(N, DIM)
    keys = [f"{k:064x}" for k in range(N)]
    rows = pd.DataFrame({"file.format": ["JPEG"] * N, "measure.x": np.arange(N) / 7})
    sound = folder / "sound"
    for part in (slice(0, 4), slice(4, N)):
        Store(sound).append(keys[part], vectors[part], rows[part].reset_index(drop=True))
    files = sorted(p.relative_to(sound) for p in sound.rglob("*") if p.is_file())

    def work(name: Path, data: bytes) -> None:
        place = folder / "work"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(sound, place)
        (place / name).write_bytes(data)
        store = Store(place)
        found, got, about = store.read(keys)
        # Nothing wrong may come out: the vectors and rows that are found are those that were stored.
        assert np.array_equal(got, vectors[found]) or not found.any()
        assert about["measure.x"].tolist() == rows["measure.x"][found].tolist() if found.any() else True
        store.append(keys, vectors, rows)
        again, got, _ = store.read(keys)
        assert again.all()
        assert np.array_equal(got, vectors)

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        name = rng.choice(files)
        data = (sound / name).read_bytes()
        data = (sound / rng.choice(files)).read_bytes() if rng.random() < 0.1 else texts.bytes_edited(rng, data)
        return f"{name.suffix or name.name} {len(data)} bytes", lambda: work(name, data)

    return run


def clip_folder(folder: Path) -> Run:
    """The .npy and .parquet of a clip-retrieval folder."""
    import numpy as np
    import pandas as pd

    from curator.readers import clip_retrieval

    warnings.simplefilter("ignore")  # of numpy: a header of Python 2, a vector of infinities
    place = folder / "clip"
    (place / "img_emb").mkdir(parents=True)
    (place / "metadata").mkdir()
    about = {
        "image_path": [f"/a/{k}.jpg" for k in range(N)],
        "caption": ["a"] * N,
        "label": ["x", "y"] * 3,
        "sha256": ["0"] * N,
    }
    emb, meta = io.BytesIO(), io.BytesIO()
    np.save(emb, np.random.default_rng(0).normal(size=(N, DIM)).astype(np.float16))
    pd.DataFrame(about).to_parquet(meta)

    def work(vectors: bytes, table: bytes) -> None:
        (place / "img_emb" / "img_emb_0.npy").write_bytes(vectors)
        (place / "metadata" / "metadata_0.parquet").write_bytes(table)
        dataset = clip_retrieval.scan(str(place))
        found, usable = clip_retrieval.vectors(str(place), folder / "cache")
        clip_retrieval.keys(str(place))
        assert len(usable) == len(dataset)
        assert np.isfinite(found).all()

    def run(rng: random.Random, k: int) -> tuple[str, Callable[[], object]]:
        vectors, table = emb.getvalue(), meta.getvalue()
        if k % 3 == 0:
            vectors = texts.bytes_edited(rng, vectors)
        elif k % 3 == 1:
            table = texts.bytes_edited(rng, table)
        else:
            from targets import odd_parquet

            table = odd_parquet(rng, tuple(about), [tuple(column[i] for column in about.values()) for i in range(3)])
            vectors = vectors[: -DIM * 2 * 3].replace(b"(6, 4)", b"(3, 4)")
        return f"clip-retrieval {len(table)} bytes", lambda: work(vectors, table)

    return run
