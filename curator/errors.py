"""The errors that curator raises on purpose. Any other exception is a bug and keeps its traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST, _KEPT = 1500, 700
"""Maximum length of a message, and the length kept of each end of a longer one. A table cell or a list can be a megabyte."""


class CuratorError(Exception):
    """An error that the user can act on: one line with what was found, what is needed and what to do.

    >>> len(str(CuratorError("x" * 1_000_000)))
    1403
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message if len(message) <= _LONGEST else f"{message[:_KEPT]}...{message[-_KEPT:]}")


class InputError(CuratorError):
    """A setting, a flag or a file does not have the required form."""


class DataError(CuratorError):
    """The images or the table are not sufficient for the requested step."""


class MissingExtraError(CuratorError):
    """A required library, weights file or server is missing."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str, n: int = 1, cutoff: float = 0.6) -> str:
    """The end of a message about an unknown name: the nearest known names, or else `otherwise`, which lists the names.

    `n` and `cutoff`: see `nearest`.

    >>> did_you_mean("colur", ["colour", "light"], "there are: colour, light.")
    "did you mean 'colour'?"
    >>> did_you_mean("mass", ["colour", "light"], "there are: colour, light.")
    'there are: colour, light.'
    """
    near = nearest(name, known, n, cutoff)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else otherwise


def nearest(name: str, known: Iterable[str], n: int = 1, cutoff: float = 0.6) -> list[str]:
    """Up to `n` known names that are most like `name` whatever their case, best first; likeness 0..1 of at least `cutoff`.

    >>> nearest("Colur", ["colour", "light"])
    ['colour']
    """
    folded = {k.casefold(): k for k in reversed(list(known))}
    return [folded[k] for k in difflib.get_close_matches(name.casefold(), folded, n=n, cutoff=cutoff)]
