"""Type names for the arrays in these types, and functions that check them and make them read-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from curator.errors import DataError

Ids = NDArray[np.str_]
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Mask = NDArray[np.bool_]
End = Annotated[float, Meta(ge=-2, le=2)]
Interval = tuple[End, End]
"""A 95 % interval of a share or of a difference of shares; ends beyond 1 leave room for rounding."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
Kind = Literal["context", "object", "image", "file", "metadata", "unclear"]
"""What an attribute is about. "unclear": it cannot be told whether it lies on the object or around it."""
Severity = Literal["high", "medium", "low"]
UNLABELLED = -1


def readonly(array: NDArray[Any], dtype: Any, ndim: int, name: str) -> NDArray[Any]:
    out = np.array(array, dtype=dtype, copy=True) if array.flags.writeable else np.asarray(array, dtype=dtype)
    if out.ndim != ndim:
        raise DataError(f"{name} has {out.ndim} dimensions; {ndim} needed.")
    out.flags.writeable = False
    return out


def as_ids(ids: Sequence[str] | NDArray[Any]) -> Ids:
    """The ids as one array; they must be unique."""
    out = np.asarray(ids, dtype=np.str_)
    if len(np.unique(out)) != len(out):
        raise DataError("the same image id occurs twice; every row of a data set needs its own path.")
    return readonly(out, out.dtype, 1, "ids")
