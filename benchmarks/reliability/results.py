"""benchmarks/results/reliability.json: each part of the benchmark has a key of its own and leaves the others alone."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "results" / "reliability.json"


def read() -> dict[str, Any]:
    """All parts that were measured so far."""
    return dict(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else {"schema": "reliability/1"}


def put(part: str, figures: dict[str, Any]) -> None:
    """Put one part in place of what it was before."""
    import numpy
    import PIL

    about = {"python": platform.python_version(), "pillow": PIL.__version__, "numpy": numpy.__version__}
    content = {**read(), part: {**figures, "versions": about}}
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    waiting = FILE.with_suffix(".part")
    waiting.write_text(text.encode("utf-8", "backslashreplace").decode(), encoding="utf-8")
    os.replace(waiting, FILE)
