"""Names in the App's own panels: Markdown shows them word for word, and fetches nothing for them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import curator

PLUGIN = Path(curator.__file__).parent / "app" / "fiftyone_plugin"
HOSTILE = (
    "![](http://127.0.0.1:9/x.png)", "[click](javascript:alert(1))", "<img src=x onerror=alert(1)>", "`code` *bold* __bold__",
    "| a | b |\n| --- | --- |", "# head", "&lt;script&gt;", "\x1b[2J\u202e", "<http://evil>", "~~gone~~", "\\",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_is_markdown(name: str) -> None:
    panel = pytest.importorskip("curator.app.fiftyone_plugin.panel")
    shown = panel.inert(name)
    # CommonMark: a backslash before punctuation makes it that character and nothing else.
    left = re.sub(r"\\[!-/:-@\\[-`{-~]", "", shown)
    assert not re.search(r"[!\\[\\]()<>`*_|~&\\\\]", left)
    assert "\n" not in shown
    assert "\x1b" not in shown


def test_every_text_of_a_panel_is_made_inert() -> None:
    """What goes into Markdown is a constant, or was put through `inert`, or is one of the two functions that do it inside."""
    n = 0
    for path in sorted(PLUGIN.glob("*.py")):
        for call in (c for c in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(c, ast.Call)):
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "md"):
                continue
            n += 1
            text = ast.unparse(call.args[0])
            inside = [ast.unparse(v.value) for v in ast.walk(call.args[0]) if isinstance(v, ast.FormattedValue)]
            assert isinstance(call.args[0], ast.Constant) or text.startswith("_validated(") or inside, (path.name, text)
            for value in inside:
                assert value.startswith("inert(") or value in ("leans", "side", "n"), (path.name, value)
    assert n >= 4
