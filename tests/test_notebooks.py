"""The notebooks run from top to bottom, in a kernel, and print what they were committed with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the test extra brings nbclient and ipykernel")
nbclient = pytest.importorskip("nbclient", reason="the test extra brings nbclient and ipykernel")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def said(notebook: nbformat.NotebookNode) -> list[str]:
    """What each output shows as text, without its numbers, which differ a little between processors."""
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = output.get("text") or data.get("text/html") or data.get("text/plain", "")
            # Which weak findings follow the first hangs on the last bit of a feature.
            text = re.sub(r"</tr>(<tr>.*?</tr>)+", "</tr>", "".join(text).split("</tbody>")[0], count=1)
            shown.append(re.sub(r"\d+(\.\d+)?(e-\d+)?", "#", text))
    return shown


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    committed = said(notebook)
    nbclient.NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    assert said(notebook)
    if committed:  # `jupyter execute --inplace` writes the outputs into the file
        assert said(notebook) == committed


def test_there_is_a_notebook_and_it_is_small() -> None:
    assert NOTEBOOKS
    assert all(path.stat().st_size < 500_000 for path in NOTEBOOKS)
