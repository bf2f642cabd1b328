"""What curator's own code never does: unpickle, evaluate, start a shell, or open a port to others."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import curator

HOME = Path(curator.__file__).parent
FORBIDDEN_MODULES = {
    "pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "yaml", "telnetlib", "ftplib", "smtplib",
    "http.server", "socketserver", "requests", "httpx", "aiohttp", "xmlrpc", "pty", "imp",
}  # fmt: skip
ALLOWED_MODULES = {
    # To ask how many processors there are: `test_joblib_counts_processors_and_nothing_else`.
    "encoders/_onnx.py": {"joblib"},
    "encoders/_lettering.py": {"joblib"},
    "encoders/_saliency.py": {"joblib"},
    "engines/local.py": {"joblib"},
    "probe/refits.py": {"joblib"},
    # A Ray cluster runs what it is given anyway: what its workers send back is as trusted as they are.
    "engines/ray.py": {"pickle"},
}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "pd.read_pickle", "torch.jit.load",
    "tempfile.mktemp", "os.execv", "os.execvp", "os.startfile",
}  # fmt: skip
WEB = {"encoders/_hub.py"}
"""The one module that opens a URL: for weights, when they are asked for. `io/remote.py` leaves it to fsspec."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(HOME.rglob("*.py")):
        yield path.relative_to(HOME).as_posix(), ast.parse(path.read_text("utf-8"))


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_nothing_dangerous_is_imported() -> None:
    n = 0
    for name, tree in trees():
        found = {
            m
            for m in imported(tree)
            if m in FORBIDDEN_MODULES or m.partition(".")[0] in FORBIDDEN_MODULES - {"http.server"}
        } - {"joblib.cpu_count"}
        assert found <= ALLOWED_MODULES.get(name, set()), name
        if name not in WEB:
            assert not {
                m for m in imported(tree) if m.startswith("urllib.request") and m != "urllib.request.url2pathname"
            } - ({"urllib.request"} if "urllib.request.url2pathname" in imported(tree) else set()), name
        n += 1
    assert n > 150


def test_joblib_counts_processors_and_nothing_else() -> None:
    for name, tree in trees():
        assert {m for m in imported(tree) if m.startswith("joblib.")} <= {"joblib.cpu_count"}, name


def test_nothing_dangerous_is_called() -> None:
    for name, tree in trees():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            called, given = dotted(call.func), {k.arg: k.value for k in call.keywords}
            where = f"{name}:{call.lineno} {called}"
            assert called not in FORBIDDEN_CALLS, where
            for flag in ("shell", "allow_pickle", "trust_remote_code"):
                value = given.get(flag)
                assert value is None or (isinstance(value, ast.Constant) and value.value is False), where
            if called in ("np.load", "numpy.load"):
                assert "allow_pickle" in given, where
            if called == "torch.load":
                value = given.get("weights_only")
                assert isinstance(value, ast.Constant), where
                assert value.value is True, where


def test_no_module_listens_to_others() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func).endswith((".listen", ".serve_forever", "HTTPServer")):
                pytest.fail(f"{name}:{node.lineno} opens a port")


def test_no_template_marks_text_of_the_data_as_safe() -> None:
    for path in sorted(HOME.rglob("*.j2")):
        # Of our own making: a JPEG as a data: URI, in base64.
        text = path.read_text("utf-8").replace("{{ uri|safe }}", "")
        for door in ("|safe", "| safe", "autoescape false", "Markup"):
            assert door not in text, path.name


def _encode(model: str, cache: Path) -> None:
    from curator.encoders import resolve

    resolve(model, cache=cache, device="cpu")[0].encode(np.zeros((1, 224, 224, 3), np.uint8))


def test_a_checkpoint_that_runs_code_is_refused(tmp_path: Path) -> None:
    from curator.errors import CuratorError

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(tmp_path / "pwned"), "w")

    torch = pytest.importorskip("torch")
    for name in ("plain.pt", "zipped.pt", "lying.safetensors"):
        path = tmp_path / name
        if name == "zipped.pt":
            torch.save({"visual.conv1.weight": Evil()}, path)
        else:
            path.write_bytes(pickle.dumps({"state_dict": Evil()}))
        with pytest.raises(CuratorError):
            _encode(f"ViT-B-32:{path}", tmp_path / "cache")
        assert not (tmp_path / "pwned").exists()
