"""The image tower through ONNX Runtime: exported once into the cache, checked against torch, then run without torch."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from curator.encoders import _torch
from curator.types import Floats, Preprocessing
from curator.writing import write_whole

log = logging.getLogger("curator")

PARITY = 0.9999  # cosine; float32 rounding alone stays above 0.999999, a mistranslated operator falls far below
OPSET = 17  # the newest the TorchScript exporter writes in full; has LayerNormalization
MAX_PROTOBUF_BYTES = 1_900_000_000  # an ONNX file with its weights inside cannot pass 2 GiB


class Graph(Protocol):
    """A loaded image tower."""

    def run(self, inputs: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[Floats, ...]:
        """The outputs called `names`, float32, for (b, size, size, 3) uint8."""
        ...


class OnnxGraph:
    """An exported tower on the CPU; `threads` = 0 takes every core."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, inputs: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[Floats, ...]:
        found = self._session.run(list(names), {"pixels": np.ascontiguousarray(inputs)})
        return tuple(np.asarray(out, dtype=np.float32) for out in found)


def image_tower(
    path: Path,
    build: Callable[[], Any],
    outputs: tuple[str, ...],
    preprocessing: Preprocessing,
    device: str,
    threads: int,
) -> Graph:
    """The tower of the torch module that `build` makes: by ONNX Runtime on a CPU, by torch on a GPU.

    `path` is where the export lies or will lie. `build` (and with it torch) is called only without a usable export.
    Where export or parity check fails, torch runs the tower instead, and a log line says so.
    """
    if device != "cpu":
        return _torch.TorchGraph(build(), outputs, device, threads)
    if path.exists():
        try:
            return OnnxGraph(path, threads)
        except Exception as error:
            # ONNX Runtime has a dozen exception types of its own; whichever it is, a new export mends a bad file.
            log.warning("the cached export %s cannot be read (%s); it is made anew.", path, _first_line(error))
    module = build()
    failed = path.with_suffix(".failed")
    if failed.exists():
        log.info("ONNX export failed before (%s); torch runs the image tower.", failed.read_text(encoding="utf-8"))
        return _torch.TorchGraph(module, outputs, device, threads)
    try:
        export(module, path, outputs, preprocessing.size)
        return OnnxGraph(path, threads)
    except Exception as error:
        # The exporter meets whatever operators an architecture has; failing is its normal way to say "not this one".
        log.warning("no ONNX export of this model (%s); torch runs the image tower, slower.", _first_line(error))
        with contextlib.suppress(OSError):
            failed.write_text(_first_line(error), encoding="utf-8")
        return _torch.TorchGraph(module, outputs, device, threads)


def export(module: Any, path: Path, outputs: tuple[str, ...], size: int) -> None:
    """Write `module` (uint8 pixels -> a tuple of outputs) to `path`, whole or not at all, any batch size.

    Raises:
        ValueError: too large for one file, or the export disagrees with torch (cosine below `PARITY`).
    """
    torch = _torch.load("torch")
    n_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
    if n_bytes > MAX_PROTOBUF_BYTES:
        raise ValueError(f"{n_bytes / 1e9:.1f} GB of weights; one ONNX file holds 2 GB")

    def write(name: str) -> None:
        # The TorchScript exporter: it is in torch itself, while the newer one needs one more package (onnxscript).
        with _torch.exporting():
            torch.onnx.export(
                module,
                (torch.zeros(2, size, size, 3, dtype=torch.uint8),),
                name,
                dynamo=False,
                input_names=["pixels"],
                output_names=list(outputs),
                dynamic_axes={axis: {0: "batch"} for axis in ("pixels", *outputs)},
                opset_version=OPSET,
            )
        agreement = parity(module, Path(name), outputs, size)
        if not agreement >= PARITY:
            raise ValueError(f"the export disagrees with torch: cosine {agreement:.6f}, {PARITY} needed")

    write_whole(path, lambda part: write(str(part)))


def parity(module: Any, path: Path, outputs: tuple[str, ...], size: int) -> float:
    """The smallest cosine between the export at `path` and `module`, over three test pictures and every output."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)  # patches like objects, not only noise
    zoom = -(-size // 8)
    pictures = np.repeat(np.repeat(coarse, zoom, axis=1), zoom, axis=2)[:, :size, :size]
    pictures = np.clip(pictures.astype(np.int16) + rng.integers(-20, 21, pictures.shape), 0, 255).astype(np.uint8)
    ours = OnnxGraph(path, 0).run(pictures, outputs)
    torchs = _torch.TorchGraph(module, outputs, "cpu", 0).run(pictures, outputs)
    worst = 1.0
    for a, b in zip(ours, torchs, strict=True):
        a, b = a.reshape(len(a), -1).astype(np.float64), b.reshape(len(b), -1).astype(np.float64)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        worst = min(worst, float(((a * b).sum(axis=1) / np.maximum(lengths, 1e-30)).min()))
    return worst


def unit(vectors: NDArray[Any]) -> Floats:
    """Rows scaled to length 1, float32; a row of zeros stays zero."""
    out = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(out / np.maximum(norms, 1e-12), dtype=np.float32)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
