"""Tables of small pictures in which only a column can be a shortcut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

STRIPES = {"cat": np.s_[::2, :], "dog": np.s_[:, ::2]}


NORTH = "metadata.site=north"


def table(folder: Path, rows: list[tuple], columns: tuple[str, ...] = ("label", "site"), shows=None, seed=0) -> Path:
    """A table of as many pictures: a mosaic of any colours, with the stripes of the class in its middle.

    Nothing that is measured (not even the size of a file) tells stripes across from stripes along, so that only the
    columns can be a shortcut. `shows` says what the pictures show where that is not their label.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows, columns=list(columns))
    frame.insert(0, "path", [f"p{i:03d}.bmp" for i in range(len(rows))])
    for i, path in enumerate(frame["path"]):
        picture = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        what = shows[i] if shows is not None else frame["label"][i]
        if what in STRIPES:
            middle = picture[8:40, 8:40].reshape(16, 2, 16, 2, 3).transpose(0, 2, 1, 3, 4)
            middle[:] = rng.integers(0, 256, 3)
            middle[STRIPES[what]] = rng.integers(0, 256, 3)
            picture[8:40, 8:40] = middle.transpose(0, 2, 1, 3, 4).reshape(32, 32, 3)
        Image.fromarray(picture).save(folder / path)
    frame.to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def counts(**cells: int) -> list[tuple[str, str]]:
    """Rows by cell: counts(cat_north=3) is three cats of the north."""
    return [tuple(cell.split("_")) for cell, n in cells.items() for _ in range(n)]  # type: ignore[misc]


BIASED = counts(cat_north=27, cat_south=3, dog_north=3, dog_south=27)


SHARED = counts(cat_north=30, cat_south=12, dog_north=11, dog_south=30)


POOL = counts(cat_north=10, cat_south=10, dog_north=10, dog_south=10)
