"""Lettering by the edge of an image: watermarks, dates, captions, the R and L of X-rays."""

from __future__ import annotations

import pandas as pd

from curator.attributes import SetFamily
from curator.config import Settings
from curator.types import LETTERING, Column, Embedded, Encoder, Measures

EDGE, CORNER = 0.12, 0.2
"""Lettering is by the edge if its middle is at most the first fraction of the image from it, and in a corner if it is at most
the second fraction from two edges."""
THICKEST = 0.1
"""Larger things that look like lettering, as a fraction of the image, are mostly none, or are the object. A line may be as
long as its edge."""
_WHOLE = 255

Line = tuple[float, float, float, float]


def marks(lines: str) -> list[Line]:
    """Lines by the edge (left, top, right, bottom, 0..1) of an image with these lines; none if more lines lie elsewhere.

    A newspaper and a box have lettering everywhere, which is the object and no mark.

    >>> [tuple(round(x, 2) for x in line) for line in marks("10 240 60 248;100 120 150 130")]
    [(0.04, 0.94, 0.24, 0.97)]
    >>> marks("10 240 60 248;100 120 150 130;100 150 150 160")
    []
    """
    every = [_line(line) for line in lines.split(";") if line]
    by_edge = [line for line in every if _is_by_edge(line)]
    return by_edge if 2 * len(by_edge) >= len(every) else []


def _line(text: str) -> Line:
    left, top, right, bottom = (int(number) / _WHOLE for number in text.split())
    return left, top, right, bottom


def _is_by_edge(line: Line) -> bool:
    left, top, right, bottom = line
    x, y = _middle(line)
    if min(y, 1 - y) <= EDGE and bottom - top <= THICKEST:
        return True
    return min(x, 1 - x) <= EDGE and min(right - left, bottom - top) <= THICKEST


def _middle(line: Line) -> tuple[float, float]:
    left, top, right, bottom = line
    return (left + right) / 2, (top + bottom) / 2


def place(line: Line) -> str:
    """Which corner or edge a line is at.

    >>> place((0.02, 0.02, 0.06, 0.06)), place((0.02, 0.5, 0.06, 0.54)), place((0.4, 0.95, 0.6, 0.98))
    ('top left corner', 'left edge', 'bottom edge')
    """
    x, y = _middle(line)
    across = "left" if x <= CORNER else "right" if x >= 1 - CORNER else ""
    along = "top" if y <= CORNER else "bottom" if y >= 1 - CORNER else ""
    return f"{along} {across} corner" if along and across else f"{along or across} edge"


def _derive(embedded: Embedded, encoder: Encoder, settings: Settings, reference: Embedded) -> Measures:
    """Whether an image has lettering by its edge, where, and how high. Unknown for images that were not read again."""
    if LETTERING not in reference.facts:
        return Measures(pd.DataFrame(index=embedded.rows.index), ())
    lines = embedded.facts.get(LETTERING, pd.Series(None, index=embedded.facts.index, dtype=object))
    found = [marks(text) if isinstance(text, str) else None for text in lines]
    frame = {
        "lettering.by_edge": [None if m is None else bool(m) for m in found],
        "lettering.place": [None if m is None else "|".join(sorted({place(line) for line in m})) for m in found],
        "lettering.height": [max(line[3] - line[1] for line in m) if m else None for m in found],
    }
    columns = (
        Column(
            "lettering.by_edge",
            "flag",
            "context",
            "have lettering by the edge|have no lettering by the edge",
            "that have none, or have some",
            place="lettering",
            planted_by=("patch",),
        ),
        Column(
            "lettering.place",
            "tags",
            "context",
            "have lettering at the {value}",
            "without lettering at the {value}",
            place="lettering",
            planted_by=("patch",),
        ),
        Column(
            "lettering.height",
            "number",
            "context",
            "have lettering of height {value}",
            "with lettering of another height than {value}",
            "fraction of the image's height",
            place="lettering",
            sides=("have small lettering by the edge", "have large lettering by the edge"),
        ),
    )
    out = pd.DataFrame(frame, index=embedded.rows.index)
    out["lettering.by_edge"] = out["lettering.by_edge"].astype(object)
    out["lettering.height"] = pd.to_numeric(out["lettering.height"])
    return Measures(out, columns)


FAMILY = SetFamily(_derive)
