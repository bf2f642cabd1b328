"""The door of the Python functions: the types of their arguments, and errors that name arguments instead of flags."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

from curator.commands.session import Session
from curator.errors import CuratorError, InputError

P = ParamSpec("P")
R = TypeVar("R")

_PATH = (str, Path)
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "session": ((Session,), "a curator.Session"),
    "attribute": ((str,), "a text CLASS:ATTRIBUTE=VALUE"),
    "strategy": ((str,), "the name of a strategy"),
    "budget": ((int,), "a whole number"),
    "sample": ((int,), "a whole number"),
    "target": ((int, float), "a number"),
    "format": ((str,), "the name of a format"),
    "out": (_PATH, "the path of a folder"),
    "destination": (_PATH, "the path of a folder"),
    "plan": (_PATH, "the path of a file"),
    "concepts": (_PATH, "the path of a file"),
    "compare": (_PATH, "the path of a file"),
}
"""What the arguments of the functions must be, by name; a default of None may always be given."""
_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)(?![\w-])")


def in_python(names: Collection[str]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check a function's arguments before it runs, and let its errors name arguments: `path_column` for --path-column.

    `names` are further keywords of the function. A flag that is no keyword of it keeps its name.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters
        known = {*parameters, *names}

        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            given = dict(zip(parameters, args, strict=False)) | kwargs
            for name in _KINDS.keys() & parameters.keys() & given.keys():
                _check(name, given[name], parameters[name].default)
            try:
                return function(*args, **kwargs)
            except CuratorError as error:
                error.args = (in_words(str(error), known),)
                raise

        return wrapped

    return decorate


def _check(name: str, value: object, default: object) -> None:
    kinds, needed = _KINDS[name]
    if value is None and default is None:
        return
    if not isinstance(value, kinds) or isinstance(value, bool):
        found = repr(value) if isinstance(value, int | float | str | None) else f"a {type(value).__name__}"
        raise InputError(f"{name} is {found}; {needed} is needed.")


def in_words(message: str, names: Collection[str]) -> str:
    """The message with the flags that are keywords in Python written as these.

    >>> in_words("Name it with --path-column, or see --help.", {"path_column"})
    'Name it with path_column, or see --help.'
    """

    def word(flag: re.Match[str]) -> str:
        name = flag[1].replace("-", "_")
        return name if name in names else flag[0]

    return _FLAG.sub(word, message)
