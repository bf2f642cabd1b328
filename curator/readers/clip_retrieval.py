"""Read a folder that `clip-retrieval inference` wrote: embeddings in img_emb/, metadata of the images in metadata/, no images.

`img_emb/img_emb_0.npy` (n, d) float16 or float32 belongs to `metadata/metadata_0.parquet` (n rows: image_path and other
columns), `img_emb_1.npy` to `metadata_1.parquet`, and so on. `text_emb/` holds embeddings of the captions, if requested.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curator.errors import DataError, InputError
from curator.readers import Reader
from curator.types import UNLABELLED, Dataset, Floats

NOT_AUDITED = ("caption", "url", "key", "sha256", "md5")
"""Columns of the metadata that differ for nearly every image, so that they cannot predict a class."""
KEYS = ("sha256", "md5", "url")
"""Columns whose equal values mean that two images are the same file, the best column first."""
IN_MEMORY = 1 << 30
"""Up to this many bytes of float32, embeddings are held in memory. Above it, unit vectors are mapped from the cache."""
_DEFAULT_LABEL = "label"
_NUMBER = re.compile(r"_(\d+)\.(npy|parquet)$")
_BLOCK = 1 << 14


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether this is an output folder of clip-retrieval."""
    return all(os.path.isdir(os.path.join(path, name)) for name in ("img_emb", "metadata"))


def scan(path: str, *, label_column: str = _DEFAULT_LABEL) -> Dataset:
    """The images listed in the metadata, in the order of the embeddings. Neither embeddings nor images are read.

    An id is the image's path (or key) if all differ, otherwise shard and row. A column `split` gives splits; columns in
    `NOT_AUDITED` are ignored, and every other column is metadata. `skipped` later leaves out rows whose embedding is zero or
    not finite.

    Raises:
        InputError: the label column does not exist, or a file cannot be read.
        DataError: a shard has no partner, a different number of rows, or vectors of a different length.
    """
    frame = pd.concat([_table(table) for _, table in _shards(path)], ignore_index=True)
    frame.columns = pd.Index([str(c) for c in frame.columns])
    has_label = label_column in frame
    if not has_label and label_column != _DEFAULT_LABEL:
        listed = ", ".join(frame.columns)
        raise InputError(
            f"the metadata of {os.path.basename(path)} has no column {label_column!r}; there are: {listed}. "
            "Name the column of labels with --label-column."
        )
    n = len(frame)
    names = frame[label_column].map(_text) if has_label else pd.Series([""] * n)
    classes = tuple(sorted(set(names) - {""}))
    number = {name: k for k, name in enumerate(classes)} | {"": UNLABELLED}
    splits = frame["split"].map(_text) if "split" in frame and label_column != "split" else pd.Series([""] * n)
    ids = _ids(path, frame)
    left_out = {label_column if has_label else "", "split", "image_path", *NOT_AUDITED}
    metadata = frame[[c for c in frame.columns if c not in left_out]].set_axis(pd.Index(ids, name="id"))
    return Dataset(
        name=os.path.basename(os.path.normpath(path)) or "embeddings",
        root=path,
        ids=ids,
        labels=np.array([number[name] for name in names], np.int32),
        classes=classes,
        splits=np.asarray(splits, dtype=np.str_),
        metadata=metadata,
    )


def vectors(path: str, cache: Path) -> tuple[Floats, NDArray[np.bool_]]:
    """Read-only unit vectors (m, d) of the images with an embedding that is finite and not 0, and a mask (n,) of them.

    Above `IN_MEMORY` bytes they are written once to a file under `cache` and memory-mapped.
    """
    sources = [np.load(emb, mmap_mode="r", allow_pickle=False) for emb, _ in _shards(path)]
    n, dim = sum(len(s) for s in sources), sources[0].shape[1]
    if 4 * n * dim <= IN_MEMORY:
        out = np.empty((n, dim), np.float32)
        return _filled(out, sources)
    file = cache / "given" / f"{stamp(path).partition(':')[2][:24]}.npy"
    keep = file.with_suffix(".usable.npy")
    if not (file.exists() and keep.exists()):
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        try:
            mapped = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=(n, dim))
            usable = _filled(mapped, sources)[1]
            mapped.flush()
            del mapped
            np.save(keep, usable)
            os.replace(unfinished, file)
        finally:
            unfinished.unlink(missing_ok=True)
    usable = np.load(keep, allow_pickle=False)
    whole: Floats = np.load(file, mmap_mode="r", allow_pickle=False)
    return whole[: int(usable.sum())], usable


def keys(path: str) -> list[str]:
    """A key per image (n,), equal for the same file: a digest or an address, "" if missing. [] if there are no keys."""
    shards = _shards(path)
    name = next((k for k in KEYS if k in _columns(shards[0][1])), None)
    if name is None:
        return []
    return [_text(v) for _, table in shards for v in _read(table, [name])[name]]


def captions(path: str, n: int) -> tuple[list[str], Floats]:
    """Up to n captions and their text embeddings (m, d). Both are empty if the folder has no text_emb."""
    emb, table = _shards(path)[0]
    text = Path(path) / "text_emb" / Path(emb).name.replace("img_emb", "text_emb")
    if not text.exists() or "caption" not in _columns(table):
        return [], np.zeros((0, 0), np.float32)
    captions_ = [_text(v) for v in _read(table, ["caption"])["caption"]]
    rows = [i for i, words in enumerate(captions_) if words][:n]
    return [captions_[i] for i in rows], np.asarray(np.load(text, mmap_mode="r", allow_pickle=False)[rows], np.float32)


def stamp(path: str) -> str:
    """A digest of names, sizes and times, not of contents. It changes when a file of the folder is written again."""
    digest = hashlib.sha256()
    for pair in _shards(path):
        for file in pair:
            status = file.stat()
            digest.update(repr((file.name, status.st_size, status.st_mtime_ns)).encode("utf-8", "surrogateescape"))
    return f"sha256:{digest.hexdigest()}"


def _shards(path: str) -> list[tuple[Path, Path]]:
    """The embeddings file and the metadata file of each shard, by number."""
    found: list[dict[int, Path]] = []
    for folder, suffix in (("img_emb", ".npy"), ("metadata", ".parquet")):
        files = sorted(p for p in (Path(path) / folder).iterdir() if p.suffix == suffix and _NUMBER.search(p.name))
        found.append({int(m[1]): p for p in files if (m := _NUMBER.search(p.name))})
    emb, meta = found
    if not emb:
        raise DataError(f"{path}/img_emb has no img_emb_0.npy; give the output folder of clip-retrieval inference.")
    if alone := sorted(set(emb) ^ set(meta)):
        has, lacks = ("img_emb", "metadata") if alone[0] in emb else ("metadata", "img_emb")
        raise DataError(f"shard {alone[0]} of {path} is in {has} but not in {lacks}; copy the whole folder.")
    pairs = [(emb[k], meta[k]) for k in sorted(emb)]
    _check(pairs)
    return pairs


def _check(pairs: Sequence[tuple[Path, Path]]) -> None:
    dim = 0
    for emb, table in pairs:
        try:
            array = np.load(emb, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # numpy parses a header as Python text, and the tokenizer raises its own errors
            raise InputError(f"{emb.name} cannot be read as .npy ({' '.join(str(error).split())[:120]}).") from None
        if array.ndim != 2 or array.dtype.kind != "f":
            raise DataError(f"{emb.name} holds {array.shape} {array.dtype}; one row of numbers per image is needed.")
        dim = dim or array.shape[1]
        if array.shape[1] != dim:
            raise DataError(f"{emb.name} has vectors of {array.shape[1]} numbers, {pairs[0][0].name} of {dim}.")
        if len(array) != (rows := _n_rows(table)):
            raise DataError(
                f"{emb.name} has {len(array)} embeddings but {table.name} {rows} rows; they must be of the same images."
            )


def _parquet(table: Path) -> object:
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(table)
    except Exception as error:
        raise _unreadable(table, error) from None


def _read(table: Path, columns: list[str]) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(table, columns=columns).reset_index(drop=True)
        for column in range(frame.shape[1]):
            frame.iloc[:, column].tolist()  # text that is not UTF-8 raises an error only when it is read
    except Exception as error:
        raise _unreadable(table, error) from None
    return frame


def _unreadable(table: Path, error: Exception) -> InputError:
    # pyarrow and pandas raise many kinds of errors on a damaged file; the user needs one line.
    why = " ".join(str(error).split())[:120] or type(error).__name__
    return InputError(f"{table.name} cannot be read as .parquet ({why}). Run clip-retrieval again.")


def _n_rows(table: Path) -> int:
    return int(_parquet(table).metadata.num_rows)  # type: ignore[attr-defined]


def _columns(table: Path) -> list[str]:
    return [str(c) for c in _parquet(table).schema_arrow.names]  # type: ignore[attr-defined]


def _table(table: Path) -> pd.DataFrame:
    wanted = [c for c in _columns(table) if c not in NOT_AUDITED and not c.startswith("__index_level")]
    return _read(table, wanted)


def _ids(path: str, frame: pd.DataFrame) -> NDArray[np.str_]:
    if "image_path" in frame:
        paths = frame["image_path"].map(_text)
        if paths.is_unique and not (paths == "").any():
            return np.asarray(paths, dtype=np.str_)
    sizes = [_n_rows(table) for _, table in _shards(path)]
    return np.array([f"{k}/{i:07d}" for k, n in enumerate(sizes) for i in range(n)], dtype=np.str_)


def _filled(out: Floats, sources: Sequence[NDArray[np.floating]]) -> tuple[Floats, NDArray[np.bool_]]:
    """Fill `out` with the unit vectors of the usable rows, in order, and return it with a mask of these rows."""
    usable = []
    done = 0
    for block in _blocks(sources):
        length = np.linalg.norm(block, axis=1)
        good = np.isfinite(length) & (length > 0)
        rows = block[good] / length[good, None]
        out[done : done + len(rows)] = rows
        done += len(rows)
        usable.append(good)
    out = out[:done]
    out.flags.writeable = False
    return out, np.concatenate(usable)


def _blocks(sources: Sequence[NDArray[np.floating]]) -> Iterator[Floats]:
    for source in sources:
        for start in range(0, len(source), _BLOCK):
            yield np.asarray(source[start : start + _BLOCK], np.float32)


def _text(value: object) -> str:
    """A cell as text: "" if missing, "3" for 3.0 (a column of integers with gaps is read as floats)."""
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def skipped(dataset: Dataset, usable: NDArray[np.bool_]) -> Dataset:
    """The data set without the images that have no usable embedding; these are added to `skipped`."""
    return dataset.without({str(i): "the embedding is zero or not finite" for i in dataset.ids[~usable]})


READER = Reader(
    order=30,
    form="a folder of embeddings that clip-retrieval wrote",
    reads=lambda request: is_folder(request.path),
    read=lambda request: scan(request.path, label_column=request.label_column),
)
