"""Copy curator's plugin to FiftyOne's plugin folder. This module imports neither FiftyOne nor curator's pipeline."""

from __future__ import annotations

import contextlib
from pathlib import Path

NAME = "@curator/audit"
FILES = ("fiftyone.yml", "__init__.py")
"""The files that are copied. The rest is imported from the installed package, so that a copy is never out of date."""


def install(plugins_dir: str | Path) -> Path | None:
    """Copy the plugin into FiftyOne's folder, unless it is there. Returns its folder, or None if it cannot be written.

    A folder of that name with another plugin is not changed (None).
    """
    here, there = Path(__file__).parent, Path(plugins_dir) / NAME
    if there.is_symlink():
        return there  # a developer of the plugin has linked it
    with contextlib.suppress(OSError):
        if (there / FILES[0]).is_file() and f'name: "{NAME}"' not in (there / FILES[0]).read_text(encoding="utf-8"):
            return None
        there.mkdir(parents=True, exist_ok=True)
        for name in reversed(FILES):  # fiftyone.yml comes last, because it makes the folder a plugin
            content = (here / name).read_bytes()
            if not (there / name).is_file() or (there / name).read_bytes() != content:
                part = there / f".{name}.part"
                part.write_bytes(content)
                part.replace(there / name)
        return there
    return None
