"""The precision of an image tower: full, half, or eight bits if that is accurate enough."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from curator.encoders import _torch
from curator.errors import InputError
from curator.io import processors
from curator.io.atomic import write_whole
from curator.types import Floats

Precision = Literal["fp32", "bf16", "fp16", "int8"]
CHOICES = ("auto", "fp32", "bf16", "fp16", "int8")
CLOSE_ENOUGH = 0.99
"""Minimum cosine between the vectors of an image in eight bits and in full precision."""

HALF_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"})
"""Linux names of the instructions that compute in bf16: three of x86, one of ARM."""
HALF_COSTS = {"avx512f": 2, "": 20}
"""Processor time of bf16 relative to fp32 without those instructions, with and without AVX-512. Measured with
EfficientNet-Lite0 on one thread of an AMD EPYC (Zen 5), with oneDNN limited by ONEDNN_MAX_CPU_ISA. With all instructions it is
1.3."""


def choose(wanted: str, device: str) -> Precision:
    """The precision that `--precision` means on a device ("cpu", "cuda", "cuda:1").

    `auto` is fp32 on a CPU, where results stay equal to the bit, and half precision on a GPU.

    >>> choose("auto", "cpu"), choose("bf16", "cpu"), choose("fp16", "cuda")
    ('fp32', 'bf16', 'fp16')

    Raises: InputError: the precision is unknown, or the device does not support it.
    """
    if wanted not in CHOICES:
        raise InputError(f"no precision is called {wanted!r}; choose one of {', '.join(CHOICES)}.")
    if device == "cpu":
        if wanted == "fp16":
            raise InputError("--precision fp16 was given for a CPU; it needs a GPU; choose fp32, bf16 or int8.")
        return "fp32" if wanted == "auto" else wanted  # type: ignore[return-value]
    if wanted == "int8":
        raise InputError("--precision int8 was given for a GPU; it is for CPUs; choose bf16, fp16 or fp32.")
    if wanted == "auto":
        return "bf16" if _torch.load("torch").cuda.is_bf16_supported() else "fp16"
    return wanted  # type: ignore[return-value]


def warnings(precision: str, device: str, instructions: frozenset[str] | None = None) -> tuple[str, ...]:
    """Notes for the user on the time of a chosen precision. `instructions` are those of this processor by default.

    If the system does not list its instructions, the note is given too.

    >>> warnings("bf16", "cpu", frozenset({"avx2", "avx512f"}))[0].partition(": ")[2]
    '--precision bf16 took 2 times as long as fp32 where that was measured; use fp32.'
    >>> warnings("bf16", "cpu", frozenset({"avx2", "avx512f", "avx512_bf16"}))
    ()
    """
    if precision != "bf16" or device != "cpu":
        return ()
    has = processors.instructions() if instructions is None else instructions
    if has & HALF_INSTRUCTIONS:
        return ()
    times = HALF_COSTS["avx512f" if "avx512f" in has else ""]
    return (
        f"No bf16 instructions were found on this processor: --precision bf16 took {times} times as long as fp32 where "
        "that was measured; use fp32.",
    )


def fingerprint(exact: str, precision: Precision) -> str:
    """The fingerprint of an encoder at a precision. In full precision it is the encoder's own."""
    if precision == "fp32":
        return exact
    # Eight-bit vectors once depended on their batch, and later on the processor. The name separates them from today's.
    name = "int8/no overflow" if precision == "int8" else precision
    return "sha256:" + hashlib.sha256(f"{exact}/{name}".encode()).hexdigest()


def eight_bits(
    exact: Path, batch: NDArray[np.uint8], run: Callable[[Path, NDArray[np.uint8]], tuple[Floats, ...]]
) -> Path:
    """The tower at `exact` (an ONNX file) with its matrices in eight bits. The file is made beside `exact` if it is missing.

    Only matrix products are quantised: the weights per column, the activations at run time. Convolutions stay in full
    precision. `run(path, batch)` gives all outputs of a tower.

    Weights lie in -64..64, so that vectors are the same with and without VNNI instructions. A processor without them adds two
    products of an activation (0..255) and a weight in 16 bits: 2 * 255 * 64 = 32640 fits, 2 * 255 * 127 does not. The eighth
    bit matters little: in all-MiniLM-L6-v2 the median cosine to fp32 is 0.994 without it and 0.995 with it.

    Raises: InputError if a vector changes by more than `CLOSE_ENOUGH` allows, or if the model has no matrices to quantise.
    """
    path = exact.with_suffix(".int8-64.onnx")  # image.int8.onnx had weights up to 127
    if path.exists():
        return path
    from onnxruntime import quantization

    def write(part: Path) -> None:
        with _torch.quiet():
            quantization.quantize_dynamic(
                str(exact), str(part), per_channel=True, reduce_range=True, weight_type=quantization.QuantType.QInt8,
                op_types_to_quantize=["MatMul", "Gemm"],
            )  # fmt: skip
        agreement = min(cosine(a, b) for a, b in zip(run(exact, batch), run(part, batch), strict=True))
        if not agreement >= CLOSE_ENOUGH:
            raise InputError(
                f"--precision int8 changes the vectors of this model too much (cosine {agreement:.3f}, {CLOSE_ENOUGH} "
                "needed); use fp32 or bf16."
            )
        if part.stat().st_size > 0.9 * exact.stat().st_size:
            raise InputError("--precision int8 does not shrink this model, which consists of convolutions; use fp32.")

    write_whole(path, write)
    return path


def cosine(a: Floats, b: Floats) -> float:
    """The smallest cosine between the rows of two arrays (n, ...)."""
    left, right = a.reshape(len(a), -1).astype(np.float64), b.reshape(len(b), -1).astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / np.maximum(lengths, 1e-30)).min())
