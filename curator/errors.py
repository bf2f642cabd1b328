"""The errors curator raises on purpose. Anything else that escapes is a bug and keeps its traceback."""

from __future__ import annotations


class CuratorError(Exception):
    """An error the user can act on: one line that says what was found, what is needed and what to do."""


class InputError(CuratorError):
    """A setting, a flag or a file handed to curator is not of the form it needs."""


class DataError(CuratorError):
    """The images or the table cannot carry the question asked of them."""


class MissingExtraError(CuratorError):
    """A library, weights or a server that this step needs is not here."""
