"""The sentences that the FiftyOne App shows."""

from __future__ import annotations

from curator.report.wording.text import count

NOT_AUDITED = "Not audited yet. Press Audit."
NOTHING_BREAKS_IT = "No image breaks the rule."
NOTHING_SELECTED = "Select images in the grid first."


def headline(verdict: str, n_findings: int) -> str:
    """The verdict of an audit and the number of its findings.

    >>> headline("shortcuts found", 1)
    'Shortcuts found: 1 finding.'
    """
    return f"{verdict.capitalize()}: {count(n_findings, 'finding')}."


def audited(n_findings: int, n_images: int) -> str:
    return f"{count(n_findings, 'finding')} in {count(n_images, 'image')}."


def validated(about: str, verdict: str) -> str:
    """What was validated, and the verdict."""
    return f"Validated on {about}: {verdict}."


def tagged(n: int, tag: str) -> str:
    return f"{count(n, 'image')} tagged {tag}."


def intended(name: str) -> str:
    """What the next audit does with a finding that the user accepts."""
    return f"{name} counts as intended from the next audit with --from-app on."
