"""Shell completion: paths for data, and plug-ins by name. click itself completes commands, flags and choices.

Nothing is imported for it until Tab is pressed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

PLACES = ("data", "pool", "test")
"""Parameters that name images: a folder or a table."""


def with_completion(command: click.Command) -> click.Command:
    """The command, with completion for those text parameters that have known values."""
    for parameter in command.params:
        if type(parameter.type) is not StringParamType:
            continue
        if parameter.name in PLACES:
            parameter.type = _Place()
        elif parameter.name in _NAMES:
            parameter.type = _Named(_NAMES[parameter.name])
    return command


class _Place(StringParamType):
    """A path or another form of DATA; the completion of paths is left to the shell."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class _Named(StringParamType):
    """One of several names, which are looked up when they are needed."""

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self.names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(name) for name in self.names() if name.startswith(incomplete)]


def _models() -> Iterable[str]:
    from curator.encoders import REGISTRY

    return ("auto", *(n for n in REGISTRY.names() if n != "open_clip"))


def _strategies() -> Iterable[str]:
    from curator.recommenders import STRATEGIES

    return STRATEGIES.names()


def _formats() -> Iterable[str]:
    from curator.exporters import formats

    return formats()


_NAMES: dict[str | None, Callable[[], Iterable[str]]] = {
    "model": _models,
    "strategy": _strategies,
    "format_": _formats,
}
