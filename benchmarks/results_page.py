"""The tables of docs/benchmarks.md: each stands between two comments that name it, and only its benchmark writes there."""

from __future__ import annotations

import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def marks(name: str) -> tuple[str, str]:
    """The comments before and after the table called `name`."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def placed(text: str, name: str, body: str) -> str:
    """The page `text` with `body` as the table called `name`. Raises: SystemExit if the page lacks the comments."""
    begin, end = marks(name)
    head, is_there, rest = text.partition(begin)
    _, ends, tail = rest.partition(end)
    if not is_there or not ends:
        raise SystemExit(f"Error: {PAGE.name} has no {begin} and {end}; put them where the table belongs.")
    return f"{head}{begin}\n{body}\n{end}{tail}"


def keep(name: str, body: str, *, check: bool = False) -> None:
    """Write the table, or with `check` only compare it. Raises: SystemExit if the page says anything else."""
    old = PAGE.read_text(encoding="utf-8")
    new = placed(old, name, body)
    if check and new != old:
        raise SystemExit(f"Error: the table {name} of {PAGE.name} differs from the results; run {sys.argv[0]}.")
    if not check:
        PAGE.write_text(new, encoding="utf-8")
