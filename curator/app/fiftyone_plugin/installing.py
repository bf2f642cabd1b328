"""Putting curator's plugin where FiftyOne looks for plugins. Imports neither FiftyOne nor curator's pipeline."""

from __future__ import annotations

import contextlib
from pathlib import Path

NAME = "@curator/audit"
FILES = ("fiftyone.yml", "__init__.py")
"""What is copied: the rest is imported from the installed package, so that a copy is never out of date."""


def install(plugins_dir: str | Path) -> Path | None:
    """Copy the plugin into FiftyOne's folder, unless it is there. Returns its folder; None where it cannot be written.

    A folder of that name that holds some other plugin is left alone (None).
    """
    here, there = Path(__file__).parent, Path(plugins_dir) / NAME
    if there.is_symlink():
        return there  # somebody who works on the plugin has linked it
    with contextlib.suppress(OSError):
        if (there / FILES[0]).is_file() and f'name: "{NAME}"' not in (there / FILES[0]).read_text(encoding="utf-8"):
            return None
        there.mkdir(parents=True, exist_ok=True)
        for name in reversed(FILES):  # fiftyone.yml last: it is what makes a folder a plugin
            content = (here / name).read_bytes()
            if not (there / name).is_file() or (there / name).read_bytes() != content:
                part = there / f".{name}.part"
                part.write_bytes(content)
                part.replace(there / name)
        return there
    return None
