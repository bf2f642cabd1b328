"""The errors curator raises on purpose. Anything else that escapes is a bug and keeps its traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST, _KEPT = 1500, 700
"""Characters of a message, and of either end of one that is cut: a cell of a table or a list of names can be a megabyte."""


class CuratorError(Exception):
    """An error the user can act on: one line that says what was found, what is needed and what to do.

    >>> len(str(CuratorError("x" * 1_000_000)))
    1403
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message if len(message) <= _LONGEST else f"{message[:_KEPT]}...{message[-_KEPT:]}")


class InputError(CuratorError):
    """A setting, a flag or a file handed to curator is not of the form it needs."""


class DataError(CuratorError):
    """The images or the table cannot carry the question asked of them."""


class MissingExtraError(CuratorError):
    """A library, weights or a server that this step needs is not here."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a message about a name that is not known: the nearest one that is, or else what there is, `otherwise`.

    >>> did_you_mean("colur", ["colour", "light"], "there are: colour, light.")
    "did you mean 'colour'?"
    >>> did_you_mean("mass", ["colour", "light"], "there are: colour, light.")
    'there are: colour, light.'
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else otherwise
