"""The image tower in ONNX Runtime: exported once into the cache, checked against torch, then run without torch."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray

from curator.encoders import _precision, _torch
from curator.encoders._precision import Precision
from curator.errors import InputError
from curator.io.atomic import write_whole
from curator.types import Floats, Preprocessing

log = logging.getLogger("curator")

CPU_BATCH, GPU_BATCH = 8, 256
"""Images per batch. On a CPU the output of a layer should still be in the processor's cache for the next layer: 8 took a fifth
less time than 32 with EfficientNet-Lite0, as much with ViT-B/32, and gave the same bits. On a GPU large batches are faster."""

PARITY = 0.9999  # cosine; float32 rounding alone stays above 0.999999, a mistranslated operator falls far below
OPSET = 17  # the newest that the TorchScript exporter writes completely; has LayerNormalization
MAX_PROTOBUF_BYTES = 1_900_000_000  # an ONNX file with its weights inside is limited to 2 GiB


class Graph(Protocol):
    """A loaded image tower."""

    def run(self, inputs: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[Floats, ...]:
        """The outputs called `names`, float32, for (b, size, size, 3) uint8."""
        ...


class OnnxGraph:
    """An exported tower on the CPU. `threads` = 0 uses every available processor. `alone`: one image at a time.

    With eight bits an image must be alone. The scale of a layer is taken from the whole batch, so the vector would otherwise
    depend on the other images. In full precision it does not, to the bit.
    """

    def __init__(self, path: Path, threads: int, alone: bool = False) -> None:
        import onnxruntime

        self._alone = alone
        onnxruntime.disable_telemetry_events()  # Windows has no variable for this; `curator/__init__.py` sets the others
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or cpu_count()
        options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        # Threads that spin while waiting take processors from decoding: a third more work and no more images.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(self, inputs: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[Floats, ...]:
        batch = np.ascontiguousarray(inputs)
        parts = [batch[k : k + 1] for k in range(len(batch))] if self._alone and len(batch) else [batch]
        found = zip(*(self._session.run(list(names), {"pixels": part}) for part in parts), strict=True)
        return tuple(np.asarray(np.concatenate(out) if len(out) > 1 else out[0], dtype=np.float32) for out in found)


def image_tower(
    path: Path,
    build: Callable[[], Any],
    outputs: tuple[str, ...],
    preprocessing: Preprocessing,
    device: str,
    threads: int,
    precision: Precision = "fp32",
) -> Graph:
    """The tower of the torch module that `build` makes: in ONNX Runtime on a CPU, in torch on a GPU and in bf16.

    `path` is the place of the export. `build` (and with it torch) is called only if there is no usable export. If the export
    or the parity check fails, torch runs the tower instead, and a log line says so.

    Raises: InputError if eight bits are requested but not accurate enough, see `_precision.eight_bits`.
    """
    if device != "cpu" or precision not in ("fp32", "int8"):
        return _torch.TorchGraph(build(), outputs, device, threads, precision)
    if precision == "int8":
        exact = image_tower(path, build, outputs, preprocessing, device, threads)
        if not isinstance(exact, OnnxGraph):
            raise InputError("this model has no ONNX export, which --precision int8 needs; use fp32 or bf16.")
        small = _precision.eight_bits(
            path,
            trial_images(preprocessing.size),
            lambda file, shown: OnnxGraph(file, threads, alone=True).run(shown, outputs),
        )
        return OnnxGraph(small, threads, alone=True)
    if path.exists():
        try:
            return OnnxGraph(path, threads)
        except Exception as error:
            # ONNX Runtime has a dozen exception types. Whichever it is, a new export replaces the bad file.
            log.warning("the cached export %s cannot be read (%s); it is made again.", path, _first_line(error))
    module = build()
    failed = path.with_suffix(".failed")
    if failed.exists():
        log.info("ONNX export failed before (%s); torch runs the image tower.", failed.read_text(encoding="utf-8"))
        return _torch.TorchGraph(module, outputs, device, threads)
    try:
        export(module, path, outputs, preprocessing.size)
        return OnnxGraph(path, threads)
    except Exception as error:
        # Exporting fails normally if an architecture has an operator that the exporter does not support.
        log.warning(
            "this model has no ONNX export (%s); torch runs the image tower, which is slower.", _first_line(error)
        )
        with contextlib.suppress(OSError):
            failed.write_text(_first_line(error), encoding="utf-8")
        return _torch.TorchGraph(module, outputs, device, threads)


def export(module: Any, path: Path, outputs: tuple[str, ...], size: int) -> None:
    """Write `module` (uint8 pixels -> a tuple of outputs) to `path`, completely or not at all, for any batch size.

    Raises:
        ValueError: the module is too large for one file, or the export disagrees with torch (cosine below `PARITY`).
    """
    torch = _torch.load("torch")
    n_bytes = sum(p.numel() * p.element_size() for p in module.parameters())
    if n_bytes > MAX_PROTOBUF_BYTES:
        raise ValueError(f"{n_bytes / 1e9:.1f} GB of weights; one ONNX file holds 2 GB")

    def write(name: str) -> None:
        # The TorchScript exporter is part of torch. The newer exporter needs another package (onnxscript).
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
    """The smallest cosine between the export at `path` and `module`, over three test images and every output."""
    batch = trial_images(size)
    ours = OnnxGraph(path, 0).run(batch, outputs)
    torchs = _torch.TorchGraph(module, outputs, "cpu", 0).run(batch, outputs)
    return min(_precision.cosine(a, b) for a, b in zip(ours, torchs, strict=True))


def trial_images(size: int) -> NDArray[np.uint8]:
    """Three images (3, size, size, 3) for comparing towers. They contain patches like objects, not only noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    zoom = -(-size // 8)
    batch = np.repeat(np.repeat(coarse, zoom, axis=1), zoom, axis=2)[:, :size, :size]
    noisy = np.clip(batch.astype(np.int16) + rng.integers(-20, 21, batch.shape), 0, 255)
    return np.asarray(noisy, np.uint8)


def unit(vectors: NDArray[Any]) -> Floats:
    """Rows scaled to length 1, float32. A row of zeros stays zero."""
    out = np.asarray(vectors, dtype=np.float32)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(out / np.maximum(norms, 1e-12), dtype=np.float32)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
