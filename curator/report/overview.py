"""The table of findings for the terminal. It fits 80 columns; widths are counted in terminal cells, not characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from curator.report import wording
from curator.types import Finding

STYLES = {"high": "bold red", "medium": "yellow", "low": "dim"}
MOST_PATTERNS = 2
"""Patterns of one class that are listed before everything else was."""
FEWEST = 2
"""Number of findings from which the terminal shows a table."""
_HEAD = ("", "class", "what gives it away", "share", "others", "difference")
_CLASS = 12
"""Maximum number of terminal cells for the name of a class."""
_LEAST = 16
"""Below this number of terminal cells an attribute's shortened name is not recognisable, and no table is shown."""
_GAP = "  "

Line = tuple[str, str]
"""A rich style and the text."""


def table(findings: Sequence[Finding], width: int) -> list[Line]:
    """A header and a line for each tested finding, at most `width` cells wide. Empty if there is nothing to compare."""
    tested = [f for f in findings if f.effect is not None]
    if len(tested) < FEWEST:
        return []
    rows = [_HEAD, *(_cells(f) for f in tested)]
    wide = [max(cell_len(row[k]) for row in rows) for k in range(len(_HEAD))]
    wide[1] = min(wide[1], _CLASS)
    spare = width - sum(wide) + wide[2] - len(_GAP) * (len(_HEAD) - 1)
    if spare < min(_LEAST, wide[2]):
        return []
    wide[2] = min(wide[2], spare)
    styles = ["bold", *("dim" if f.intended else STYLES[f.severity] for f in tested)]
    return [(style, _line(row, wide)) for style, row in zip(styles, rows, strict=True)]


def _cells(finding: Finding) -> tuple[str, ...]:
    assert finding.effect is not None
    elsewhere = "" if finding.share_elsewhere is None else wording.percent(finding.share_elsewhere)
    difference = wording.points(finding.effect, finding.effect_ci).replace(" points", "").replace(" point", "")
    return (
        "known" if finding.intended else finding.severity,
        wording.visible(finding.class_name),
        wording.visible(_what(finding)),
        wording.percent(finding.share_in_class),
        elsewhere,
        difference.replace("−", "-"),  # has the width of a plus in every encoding
    )


def headline(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, worst first, but at most `MOST_PATTERNS` patterns of a class before all others have been listed."""
    seen: Counter[str] = Counter()
    first, later = list[Finding](), list[Finding]()
    for finding in findings:
        seen[finding.class_name] += finding.learnt
        (later if finding.learnt and seen[finding.class_name] > MOST_PATTERNS else first).append(finding)
    return [*first, *later]


def _what(finding: Finding) -> str:
    """What the images have, without the verb: "a green background"; attribute and value in an audit without phrases."""
    return wording.phrase(finding).partition(" ")[2] if finding.phrase else f"{finding.attribute}={finding.value}"


def _line(row: tuple[str, ...], wide: Sequence[int]) -> str:
    """One row: names are aligned left, numbers right."""
    cells = [
        _fit(text, n) if k < 3 else " " * (n - cell_len(text)) + text
        for k, (text, n) in enumerate(zip(row, wide, strict=True))
    ]
    return _GAP.join(cells).rstrip()


def _fit(text: str, n: int) -> str:
    """The text in n cells: padded, or cut in the middle, where names differ least."""
    if cell_len(text) <= n:
        return set_cell_size(text, n)
    kept = n
    while kept > 1 and cell_len(wording.visible(text, kept)) > n:
        kept -= 1
    return set_cell_size(wording.visible(text, kept), n)
