"""Draw docs/pictures/data-flow.svg, how DATA becomes a report; `--check` exits with 1 if the picture is another.

Boxes are types that travel, arrows the folders of curator/ that make them. Plain SVG: no font and no script is loaded.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

PICTURE = Path(__file__).parent / "pictures" / "data-flow.svg"
WIDE, HIGH = 1162, 375
BOX = (150, 46)  # width and height of a box, pixels
INK, PALE, WARM = "#1f3b4d", "#e3f1ef", "#fdf0dc"

# name -> column, row, what stands below the name, and whether it comes from or goes to the user
BOXES = {
    "DATA": (0, 0, "folder, table", True),
    "Dataset": (1, 0, "ids, labels, splits", False),
    "Embedded": (2, 0, "vectors, facts, patches", False),
    "Measures": (3, 0, "one column per attribute", False),
    "the store": (1, 1, "by SHA-256 of the bytes", False),
    "Forecast": (2, 1, "how many are needed", False),
    "AuditRun": (3, 1, "findings, clusters", False),
    "report, JSON, App": (4, 1, "for people and for CI", True),
    "POOL": (1, 2, "images to choose from", True),
    "Recommendation": (2, 2, "what to add, what is missing", False),
    "SplitPlan": (4, 2, "leak-free, balanced", False),
    "ProbeReport": (2, 3, "did it help?", False),
    "exported files": (4, 3, "folders, tables, shards", True),
}
ARROWS = [
    ("DATA", "Dataset", "readers"),
    ("Dataset", "Embedded", "engines"),
    ("Embedded", "Measures", "attributes"),
    ("Embedded", "the store", ""),
    ("Embedded", "Forecast", "probe"),
    ("Measures", "AuditRun", "shortcuts"),
    ("AuditRun", "report, JSON, App", "report"),
    ("AuditRun", "Recommendation", ""),
    ("AuditRun", "SplitPlan", ""),
    ("POOL", "Recommendation", "selection"),
    ("Recommendation", "ProbeReport", "probe"),
    ("SplitPlan", "exported files", "exporters"),
]


def corner(name: str) -> tuple[float, float]:
    """The upper left corner of a box."""
    column, row, _, _ = BOXES[name]
    return 20 + column * (BOX[0] + 93), 20 + row * 96


def _middle(name: str) -> tuple[float, float]:
    x, y = corner(name)
    return x + BOX[0] / 2, y + BOX[1] / 2


def edge(name: str, towards: str) -> tuple[float, float]:
    """Where the line from the middle of a box to that of another leaves it.

    >>> edge("DATA", "Dataset")
    (170.0, 43.0)
    """
    (x, y), (u, v) = _middle(name), _middle(towards)
    dx, dy = u - x, v - y
    scale = min(BOX[0] / 2 / abs(dx) if dx else 9e9, BOX[1] / 2 / abs(dy) if dy else 9e9)
    return round(x + dx * scale, 1), round(y + dy * scale, 1)


def _box(name: str) -> str:
    x, y = corner(name)
    _, _, below, outside = BOXES[name]
    fill, mid = (WARM if outside else PALE), x + BOX[0] / 2
    return (
        f'<rect x="{x}" y="{y}" width="{BOX[0]}" height="{BOX[1]}" rx="7" fill="{fill}" stroke="{INK}"/>'
        f'<text x="{mid}" y="{y + 20}" font-weight="bold">{escape(name)}</text>'
        f'<text x="{mid}" y="{y + 36}" font-size="11">{escape(below)}</text>'
    )


def _arrow(start: str, end: str, words: str) -> str:
    (x, y), (u, v) = edge(start, end), edge(end, start)
    line = f'<line x1="{x}" y1="{y}" x2="{u}" y2="{v}" stroke="{INK}" stroke-width="1.5" marker-end="url(#tip)"/>'
    if not words:
        return line
    # Beside the line where it falls, above it where it is level.
    level = abs(v - y) < abs(u - x)
    x_mid, y_mid = (x + u) / 2, (y + v) / 2
    at = f'x="{x_mid}" y="{y_mid - 7}"' if level else f'x="{x_mid - 8}" y="{y_mid + 4}" text-anchor="end"'
    return f'{line}<text {at} font-size="11" font-style="italic">{escape(words)}</text>'


def picture() -> str:
    """The whole picture. The background is white, so that it can be read on a dark page too."""
    arrows, boxes = "\n".join(_arrow(*a) for a in ARROWS), "\n".join(map(_box, BOXES))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-labelledby="what" '
        f'font-family="sans-serif" font-size="13" fill="{INK}" text-anchor="middle">\n'
        '<title id="what">DATA is read, embedded and measured; its audit feeds report, recommendation, validation and splits'
        "</title>\n"
        f'<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>\n'
        f'<rect width="{WIDE}" height="{HIGH}" fill="white"/>\n{arrows}\n{boxes}\n</svg>\n'
    )


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        if not PICTURE.is_file() or PICTURE.read_text(encoding="utf-8") != picture():
            sys.exit(f"{PICTURE} is not what the script draws; run `python docs/make_figure.py`.")
    else:
        PICTURE.write_text(picture(), encoding="utf-8", newline="\n")
