"""Encoders compute vectors of images, one file each. An encoder joins by exporting `FACTORY`; `--model` takes its name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Protocol

from curator.encoders import _hub, _precision, _torch
from curator.encoders.embedded import Embedded
from curator.encoders.open_clip import DEFAULT, DEFAULT_REPO
from curator.errors import InputError, MissingExtraError
from curator.registry import Registry
from curator.types import Encoder, Eye


class Factory(Protocol):
    """Makes an encoder quickly: weights are loaded with the first image. `argument` is the part after `NAME:` in --model.

    It may also take `precision` ("auto", "fp32", ...). A factory without it makes exact encoders only.
    """

    def __call__(self, argument: str, *, cache: Path, device: str = "auto", jobs: int = 0) -> Encoder: ...


REGISTRY: Registry[Factory] = Registry("curator.encoders", "FACTORY", "encoder")
BRING_CLIP = (
    f"To use CLIP, run `curator audit DATA --model {DEFAULT}` once with a network, or copy its checkpoint here and pass "
    f"--model {DEFAULT.partition('/')[0]}:/path/to/open_clip_model.safetensors."
)


def resolve(
    model: str, *, cache: Path, device: str = "auto", jobs: int = 0, precision: str = "auto"
) -> tuple[Encoder, tuple[str, ...]]:
    """The encoder that `--model` names, and notes for the user: on a replacement encoder and what it does worse, and on a
    precision that is slow on this processor.

    `model` is `auto`, an encoder's own name (`embedded`, `pixels`; `NAME:ARGUMENT` if it takes an argument), or a CLIP:
    `ARCH/PRETRAINED`, `hf-hub:ORG/REPO`, `ARCH:/path/checkpoint`. `cache` is the folder for exports, made when needed.
    `jobs` is the number of threads, 0 = every core. `precision` is `auto` (fp32 on a CPU, half precision on a GPU), `fp32`,
    `bf16`, `fp16` or `int8`; each has its own fingerprint.

    Raises:
        InputError: the model, tag, file, device or precision does not exist.
        MissingExtraError: weights that were requested by name are not here and cannot be downloaded.
    """
    chosen = _torch.choose_device(device)
    encoder, notes = _named(model, cache, chosen, jobs, precision)
    return encoder, (*notes, *_precision.warnings(getattr(encoder, "precision", "fp32"), chosen))


def _named(model: str, cache: Path, device: str, jobs: int, precision: str) -> tuple[Encoder, tuple[str, ...]]:
    if model == "auto":
        return _auto(cache, device, jobs, precision)
    name, _, argument = model.partition(":")
    if name in REGISTRY.names():
        return _make(name, argument, cache, device, jobs, precision), ()
    return _make("open_clip", model, cache, device, jobs, precision), ()


def _make(name: str, argument: str, cache: Path, device: str, jobs: int, precision: str) -> Encoder:
    exact = _precision.choose(precision, device) == "fp32"
    factory = REGISTRY.get(name)
    if "precision" in inspect.signature(factory).parameters:
        return factory(argument, cache=cache, device=device, jobs=jobs, precision=precision)  # type: ignore[call-arg]
    if not exact and precision != "auto":
        raise InputError(f"--model {name} does not support --precision {precision}; leave it out.")
    return factory(argument, cache=cache, device=device, jobs=jobs)


def eye_of(encoder: Encoder, *, cache: Path, device: str = "auto", jobs: int = 0) -> Eye | None:
    """The network that sees places for the encoder: the encoder itself if it can, else the embedded network of a pip package.

    None for `pixels`, which is for runs without weights, and if the embedded weights are not installed. All encoders use the
    same network: its fifth-block features distinguish textures well and were measured here, and visual words then mean the
    same with every CLIP.
    """
    if isinstance(encoder, Embedded) and encoder.precision == "fp32":
        return encoder
    if encoder.info.kind == "pixels":
        return None
    try:
        return Embedded(cache, device, jobs)
    except MissingExtraError:
        return None


def _auto(cache: Path, device: str, jobs: int, precision: str) -> tuple[Encoder, tuple[str, ...]]:
    try:
        _hub.fetch(DEFAULT_REPO)
        return _make("open_clip", DEFAULT, cache, device, jobs, precision), ()
    except MissingExtraError as error:
        note = (
            f"CLIP ({DEFAULT}) is not used: {str(error).rstrip('.')}. The embedded EfficientNet-Lite0 is used instead; it "
            f"reads text prompts less well and names only ImageNet's 1000 classes. {BRING_CLIP}"
        )
    return _make("embedded", "", cache, device, jobs, precision), (note,)
