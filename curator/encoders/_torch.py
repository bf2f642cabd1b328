"""Access to torch: imports it late, explains failed imports with the command to fix them, and chooses devices."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.errors import InputError, MissingExtraError
from curator.types import Floats, Preprocessing

FIX_TORCH = "pip install --force-reinstall torch torchvision"
_MOST = 1 << 20
"""Images per batch, until a device runs out of memory."""

log = logging.getLogger("curator")


def explain_import_error(text: str) -> tuple[str, str]:
    """(what is wrong, the command that fixes it) for the text of a failed import of torch, torchvision or open_clip.

    The usual case is a torch and a torchvision of different builds: a CPU-only torch with the registry's CUDA torchvision,
    whose compiled operators then cannot register.
    """
    if re.search(r"operator torchvision::\w+ does not exist|Couldn't load custom C\+\+ ops", text):
        return "torch and torchvision are of different builds (torchvision's operators do not load)", FIX_TORCH
    missing = re.search(r"No module named '([\w.]+)'", text)
    if missing:
        package = {"open_clip": "open-clip-torch"}.get(missing[1].split(".")[0], missing[1].split(".")[0])
        return f"{missing[1]} is not installed", f"pip install {package}"
    last = next((line for line in reversed(text.strip().splitlines()) if line.strip()), "no message").strip()
    return f"the import failed: {last}", FIX_TORCH


def load(module: str) -> Any:
    """Import `module` (torch, timm or open_clip).

    Raises:
        MissingExtraError: it is not installed or its parts do not fit together. The message names the pip command.
    """
    try:
        return import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        wrong, fix = explain_import_error(str(error))
        raise MissingExtraError(f"{module} cannot be used: {wrong}; run `{fix}`.") from error


def choose_device(device: str) -> str:
    """`auto`, `cpu`, `cuda` or `cuda:N` -> the torch device to use. Imports torch only if there is a GPU driver.

    Raises:
        InputError: the device is unknown, or CUDA was requested but is missing.
    """
    if device == "cpu":
        return "cpu"
    if device != "auto" and not re.fullmatch(r"cuda(:\d+)?", device):
        raise InputError(f"no device is called {device!r}; choose auto, cpu or cuda.")
    driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()
    if driver:
        torch = load("torch")
        count = int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
        if device == "auto":
            return "cuda" if count else "cpu"
        if int(device.partition(":")[2] or 0) < count:
            return device
    if device == "auto":
        return "cpu"
    raise InputError(f"--device {device} does not exist on this machine; use --device cpu, or see `curator doctor`.")


@contextmanager
def exporting() -> Iterator[None]:
    """Compute attention with plain operators, which an exporter can translate, without gradients and without output.

    A failed export prints its whole graph from C++, and torch has no option against it. So the log is sent to stderr, and
    stderr is discarded during the export.
    """
    torch = load("torch")
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    with suppress(AttributeError):
        torch._C._jit_set_onnx_log_output_stream("stderr")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with quiet(), torch.no_grad():
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the warnings and log lines of exporters and model builders, which do not concern the user."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def normalising(forward: Callable[[Any], tuple[Any, ...]], owner: Any, preprocessing: Preprocessing) -> Any:
    """A torch module (b, size, size, 3) uint8 -> `forward` of the normalised (b, 3, size, size) float32.

    Normalising inside the graph reduces the input to a quarter of the bytes. `owner` is the module whose weights `forward`
    uses, so that moving the result to a device moves them too.
    """
    torch = load("torch")

    class Normalising(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.owner = owner
            self.register_buffer("mean", torch.tensor(preprocessing.mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(preprocessing.std).view(1, 3, 1, 1))

        def forward(self, pixels: Any) -> tuple[Any, ...]:
            x = pixels.permute(0, 3, 1, 2).to(torch.float32) / 255.0
            return forward((x - self.mean) / self.std)

    return Normalising().eval()


class TorchGraph:
    """Runs a module on a device. In bf16 and fp16 it uses autocast, which keeps sensitive operations in full precision."""

    def __init__(
        self, module: Any, outputs: tuple[str, ...], device: str, threads: int, precision: str = "fp32"
    ) -> None:
        self._torch = load("torch")
        self._half = {"bf16": self._torch.bfloat16, "fp16": self._torch.float16}.get(precision)
        self._module, self._outputs, self._device = module.to(device), outputs, device
        self._most = _MOST
        if device == "cpu" and threads:
            self._torch.set_num_threads(threads)

    def run(self, inputs: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[Floats, ...]:
        """The outputs called `names`, float32, for (b, size, size, 3) uint8.

        If the device has too little memory for a batch, this batch and the later ones are halved until they fit. A block of
        ViT-B/32 needs about 0.3 GB for 256 images by calculation, one of the largest models ten times as much.

        Raises: InputError if not even one image fits.
        """
        found: list[tuple[Floats, ...]] = []
        start = 0
        while start < len(inputs) or not found:
            part = self._forward(inputs[start : start + self._most], names)
            if part is not None:
                found.append(part)
                start += self._most
                continue
            # Outside the except clause, because an exception in flight keeps its objects in memory.
            if self._device.startswith("cuda"):
                self._torch.cuda.empty_cache()
            size = min(self._most, len(inputs) - start)
            if size <= 1:
                raise InputError(
                    f"one image does not fit into the memory of {self._device} beside this model; use a smaller --model, "
                    "--precision bf16, or --device cpu."
                )
            self._most = size // 2
            log.info("%s has too little memory for %d images at once; %d are tried.", self._device, size, self._most)
        return found[0] if len(found) == 1 else tuple(np.concatenate(out) for out in zip(*found, strict=True))

    def _forward(self, inputs: NDArray[np.uint8], names: tuple[str, ...]) -> tuple[Floats, ...] | None:
        """None if the device has too little memory."""
        torch = self._torch
        cuda = self._device.startswith("cuda")
        kind = "cuda" if cuda else "cpu"
        try:
            with torch.inference_mode(), torch.autocast(kind, dtype=self._half, enabled=self._half is not None):
                tensor = torch.from_numpy(np.array(inputs, copy=True))
                # The copy from pinned memory runs in parallel with the computation.
                tensor = tensor.pin_memory().to(self._device, non_blocking=True) if cuda else tensor
                found = dict(zip(self._outputs, self._module(tensor), strict=True))
            return tuple(found[name].float().cpu().numpy() for name in names)
        except torch.cuda.OutOfMemoryError:
            return None
