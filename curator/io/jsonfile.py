"""Reads JSON files from outside and refuses content that would cause errors later."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

_DIGITS = 19
"""Maximum number of digits. No count or seed has more, and arithmetic on numbers of a thousand digits fails unexpectedly."""
_DEEPEST = 30
"""Maximum depth. audit.json, the deepest of curator's files, has a dozen levels."""


def read_json(path: Path) -> Any:
    """The content of a JSON file. All its numbers are finite, and its depth is limited to `_DEEPEST`.

    Raises:
        OSError: the file cannot be read. ValueError: the content is not acceptable, with the reason.
    """
    try:
        content = json.loads(
            path.read_text(encoding="utf-8"), parse_constant=_refuse, parse_int=_integer, parse_float=_number
        )
    except RecursionError:
        raise ValueError("too deep") from None
    _refuse_depth(content)
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not valid JSON")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:_DIGITS]} is too large")
    return number


def _refuse_depth(content: Any) -> None:
    level = [content]
    for _ in range(_DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    if level:
        raise ValueError("too deep")
