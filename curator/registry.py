"""Plug-ins by name: the modules of a package that export the right attribute, and entry points."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module, metadata
from typing import Generic, TypeVar

from curator.errors import InputError, did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """The plug-ins of one kind.

    A module under `package` joins by defining `attribute` (such as `FAMILY`). An installed distribution joins by an entry
    point in the group `package`. A module that fails to import raises an error and is never skipped.
    """

    def __init__(self, package: str, attribute: str, noun: str) -> None:
        self.package, self.attribute, self.noun = package, attribute, noun
        self._found: dict[str, T] | None = None

    def _discover(self) -> dict[str, T]:
        if self._found is None:
            found: dict[str, T] = {}
            home = import_module(self.package)
            for module in sorted(info.name for info in pkgutil.iter_modules(home.__path__)):
                plugin = getattr(import_module(f"{self.package}.{module}"), self.attribute, None)
                if plugin is not None:
                    found[module] = plugin
            for point in sorted(metadata.entry_points(group=self.package), key=lambda p: p.name):
                found.setdefault(point.name, point.load())
            self._found = found
        return self._found

    def names(self) -> tuple[str, ...]:
        """The names, in alphabetical order."""
        return tuple(sorted(self._discover()))

    def get(self, name: str) -> T:
        """The plug-in called `name`.

        Raises:
            InputError: the name is unknown. The message names the most similar plug-in or lists all.
        """
        found = self._discover()
        if name in found:
            return found[name]
        hint = did_you_mean(name, found, f"choose one of: {', '.join(sorted(found))}.")
        raise InputError(f"no {self.noun} is called {name!r}; {hint}")

    def __iter__(self) -> Iterator[tuple[str, T]]:
        return iter(sorted(self._discover().items()))
