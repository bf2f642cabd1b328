"""The tables of README.md: each stands between two comments that name it, and only its benchmark writes there."""

from __future__ import annotations

import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def marks(name: str) -> tuple[str, str]:
    """What stands before and after the table called `name`."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def placed(readme: str, name: str, body: str) -> str:
    """The README with `body` as the table called `name`. Raises: SystemExit if it has no place for it."""
    begin, end = marks(name)
    head, is_there, rest = readme.partition(begin)
    _, ends, tail = rest.partition(end)
    if not is_there or not ends:
        raise SystemExit(f"Error: README.md has no {begin} and {end}; put them where the table belongs.")
    return f"{head}{begin}\n{body}\n{end}{tail}"


def keep(name: str, body: str, *, check: bool = False) -> None:
    """Write the table, or with `check` only see that it is there. Raises: SystemExit if it is not what README.md says."""
    old = README.read_text(encoding="utf-8")
    new = placed(old, name, body)
    if check and new != old:
        raise SystemExit(f"Error: the table {name} of README.md is not what the results say; run {sys.argv[0]}.")
    if not check:
        README.write_text(new, encoding="utf-8")
