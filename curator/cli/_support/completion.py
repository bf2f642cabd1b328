"""What the shell offers after Tab: files for data, plug-ins by name. Commands, flags and choices click offers itself.

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
    """The command, whose free text can be completed where something is known of it."""
    for parameter in command.params:
        if type(parameter.type) is not StringParamType:
            continue
        if parameter.name in PLACES:
            parameter.type = _Place()
        elif parameter.name in _NAMES:
            parameter.type = _Named(_NAMES[parameter.name])
    return command


class _Place(StringParamType):
    """A path or something else that DATA may be; the shell completes paths better than we could."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class _Named(StringParamType):
    """One of some names, which are found when they are asked for."""

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
