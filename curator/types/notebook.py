"""The table that a notebook shows of a result, without images, legible on light and dark backgrounds."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as _escape
from typing import TYPE_CHECKING

from curator.types.findings import is_shortcut

if TYPE_CHECKING:
    from curator.types.findings import Finding

MOST_ROWS = 10
_CELL = 'style="text-align:left;vertical-align:top"'
# Mid tones are legible on white and on black. The word beside the colour helps users who cannot see the colour.
_COLOURS = {"high": "#d1495b", "medium": "#b7791f", "low": "#7f8c8d"}


def audit_html(
    verdict: str,
    findings: Sequence[Finding],
    counts: str = "",
    notes: Sequence[str] = (),
    objects: bool = False,
) -> str:
    """The verdict, and each finding's severity and sentence, worst first. Names are escaped text.

    `objects`: also show findings about the objects themselves, which are no shortcuts.
    """
    shown = [f for f in findings if is_shortcut(f.kind, objects)]
    rows = "".join(_row(f) for f in shown[:MOST_ROWS])
    head = f"<tr><th {_CELL}>severity</th><th {_CELL}>finding</th><th {_CELL}>id</th></tr>"
    table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if rows else ""
    rest = len(findings) - min(len(shown), MOST_ROWS)
    more = f"<p>And {rest} more in <code>.findings</code>.</p>" if rest else ""
    list_of_notes = "".join(f"<p><em>{_text(note)}</em></p>" for note in notes)
    what = f"<br>{_text(counts)}" if counts else ""
    return f"<div><p><strong>{_text(verdict.capitalize())}</strong>{what}</p>{table}{more}{list_of_notes}</div>"


def _text(text: str) -> str:
    """The text made safe: markup is escaped, it can be encoded, and direction characters do not affect other text."""
    return f"<bdi>{_escape(text.encode('utf-8', 'backslashreplace').decode())}</bdi>"


def _row(finding: Finding) -> str:
    word = "known" if finding.intended else finding.severity
    colour = _COLOURS["low" if finding.intended else finding.severity]
    cells = (
        f'<strong style="color:{colour}">{word}</strong>',
        _text(finding.sentence),
        f"<code>{_text(finding.id)}</code>",
    )
    return f"<tr>{''.join(f'<td {_CELL}>{cell}</td>' for cell in cells)}</tr>"
