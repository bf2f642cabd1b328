"""One shard of a store: vectors in a .npy file, and beside it a .parquet file with the key, the checksum and the row of each.

A shard is written once and never changed. Its name contains its number of rows and a checksum of its .parquet. The .parquet
contains a CRC-32 of every vector, so one flipped bit is detected when its row is read, without reading the whole file. The
.parquet is moved into place last, and readers look for it.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curator.io.atomic import write_whole
from curator.io.store.keys import KEY_BYTES, Keys

KEY, CRC = "__key__", "__crc__"
PATTERN = "shard-*.parquet"

Vectors = NDArray[Any]
"""(n, d), of the dtype of the store."""
Form = tuple[tuple[str, ...], int, str]
"""What the shards of one store have in common: the columns of their rows, d and dtype."""


class Damaged(Exception):
    """A shard differs from what was written."""


def checksums(vectors: Vectors) -> NDArray[np.uint32]:
    """CRC-32 (n,) of each row's bytes. It detects every flip of one bit."""
    rows = np.ascontiguousarray(vectors)
    return np.fromiter((zlib.crc32(row) for row in rows), np.uint32, len(rows))


def n_rows(name: str) -> int:
    """The number of rows of a shard, from its name."""
    return int(name.split("-")[1])


def make_table(keys: Keys, crc: NDArray[np.uint32], rows: pd.DataFrame) -> pa.Table:
    """The table of keys, checksums and rows, as it is written."""
    table = {KEY: _binary(keys), CRC: pa.array(crc)}
    if len(rows.columns):  # Arrow loses the number of rows of a table without columns
        given = pa.Table.from_pandas(rows, preserve_index=False)
        table.update(zip(given.column_names, given.columns, strict=True))
    return pa.table(table)


def write(folder: Path, table: pa.Table, blocks: Iterable[Vectors], dim: int, dtype: np.dtype[Any]) -> str:
    """Write the rows of `table`, with the vectors of `blocks` in order, and return the shard's name.

    Raises: OSError.
    """
    content = _parquet(table.replace_schema_metadata({"curator": json.dumps({"dim": dim, "dtype": dtype.str})}))
    # Random, so that no other process writes a shard of this name: it could be removing the one of the same content just now.
    digest = secrets.token_hex(16)
    name = f"shard-{table.num_rows:08d}-{digest}-{zlib.crc32(content):08x}"

    def vectors(part: Path) -> None:
        with open(part, "wb") as file:
            file.write(_header(table.num_rows, dim, dtype))
            for block in blocks:
                file.write(np.ascontiguousarray(block, dtype).data)

    def both(part: Path) -> None:
        part.write_bytes(content)
        write_whole(folder / f"{name}.npy", vectors, sync=True)

    write_whole(folder / f"{name}.parquet", both, sync=True)
    return name


def read_keys(folder: Path, name: str) -> tuple[Keys, Form]:
    """The keys of a shard and its form, without checking them: `read_table` does that.

    Raises: Damaged; FileNotFoundError if the shard was removed.
    """
    try:
        with open(folder / f"{name}.parquet", "rb") as file:
            parquet = pq.ParquetFile(file)
            keys = _keys(parquet.read(columns=[KEY], use_threads=False))
            found = keys, _form(parquet.schema_arrow)
    except (pa.ArrowException, ValueError, KeyError, TypeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise Damaged("damaged") from None
    if len(found[0]) != n_rows(name):
        raise Damaged("damaged")
    return found


def read_table(folder: Path, name: str, columns: Sequence[str] | None = None) -> tuple[pa.Table, Form]:
    """The rows of a shard (all columns by default), checked. Raises: Damaged; FileNotFoundError if it was removed."""
    content = (folder / f"{name}.parquet").read_bytes()
    if f"{zlib.crc32(content):08x}" != name.rpartition("-")[2]:
        raise Damaged("damaged")
    parquet = pq.ParquetFile(io.BytesIO(content))
    return parquet.read(columns=columns, use_threads=False), _form(parquet.schema_arrow)


def map_vectors(folder: Path, name: str, form: Form) -> Vectors:
    """The vectors of a shard as a memory map. The reader must check each vector against its CRC.

    Raises: Damaged; FileNotFoundError if the shard was removed.
    """
    n, (_, dim, code) = n_rows(name), form
    dtype = np.dtype(code)
    header = _header(n, dim, dtype)
    path = folder / f"{name}.npy"
    try:
        with open(path, "rb") as file:
            sound = file.read(len(header)) == header
            sound = sound and os.fstat(file.fileno()).st_size == len(header) + n * dim * dtype.itemsize
            if not sound:
                raise Damaged("damaged")
            return np.asarray(np.memmap(file, dtype, "r", len(header), (n, dim)))
    except FileNotFoundError:
        if not (folder / f"{name}.parquet").exists():
            raise
        raise Damaged("without its vectors") from None


def keys_of(table: pa.Table) -> Keys:
    """The keys of a table."""
    return _keys(table)


def _keys(table: pa.Table) -> Keys:
    column = table.column(KEY).combine_chunks()
    if column.type != pa.binary(KEY_BYTES):
        raise ValueError("the keys have another type")
    if isinstance(column, pa.ChunkedArray):  # with no chunks or several
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.binary(KEY_BYTES))
    if not len(column):
        return np.zeros(0, f"S{KEY_BYTES}")
    return np.frombuffer(column.buffers()[1], f"S{KEY_BYTES}")[column.offset : column.offset + len(column)]


def _binary(keys: Keys) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(KEY_BYTES), len(keys), [None, pa.py_buffer(np.ascontiguousarray(keys).tobytes())]
    )


def _form(schema: pa.Schema) -> Form:
    header = json.loads((schema.metadata or {})[b"curator"])
    return tuple(n for n in schema.names if n not in (KEY, CRC)), int(header["dim"]), str(header["dtype"])


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    plain = (KEY, CRC)  # practically random, so compression would not help
    others = [n for n in table.column_names if n not in plain]
    pq.write_table(
        table, out, use_dictionary=others or False,
        compression={n: "NONE" if n in plain else "ZSTD" for n in table.column_names},
    )  # fmt: skip
    return out.getvalue()


def _header(n: int, dim: int, dtype: np.dtype[Any]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype.str, "fortran_order": False, "shape": (n, dim)})
    return out.getvalue()
