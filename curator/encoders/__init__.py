"""What makes vectors of pictures. One file per encoder: it joins by exporting `FACTORY`, and `--model` takes its name."""

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
    """Makes an encoder, lightly: weights wait for the first picture. `argument` is what follows `NAME:` in --model.

    It may take `precision` ("auto", "fp32", ...), too; one that does not is exact, and is not asked for anything else.
    """

    def __call__(self, argument: str, *, cache: Path, device: str = "auto", jobs: int = 0) -> Encoder: ...


REGISTRY: Registry[Factory] = Registry("curator.encoders", "FACTORY", "encoder")
BRING_CLIP = (
    f"To have CLIP, run `curator audit DATA --model {DEFAULT}` once with a network, or copy its checkpoint here and pass "
    f"--model {DEFAULT.partition('/')[0]}:/path/to/open_clip_model.safetensors."
)


def resolve(
    model: str, *, cache: Path, device: str = "auto", jobs: int = 0, precision: str = "auto"
) -> tuple[Encoder, tuple[str, ...]]:
    """The encoder that `--model` means, and sentences the user must see (another encoder stood in; what that loses; a
    precision that is slow on this processor).

    `model` is `auto`, an encoder's own name (`embedded`, `pixels`; `NAME:ARGUMENT` where it takes one), or else a CLIP:
    `ARCH/PRETRAINED`, `hf-hub:ORG/REPO`, `ARCH:/path/checkpoint`. `cache` is the folder for exports, made when needed;
    `jobs` threads, 0 = every core. `precision` is `auto` (fp32 on a CPU, half of it on a GPU), `fp32`, `bf16`, `fp16` or
    `int8`; the fingerprint tells them apart.

    Raises:
        InputError: no such model, tag, file, device or precision.
        MissingExtraError: weights that were asked for by name are neither here nor to be had.
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
        raise InputError(f"--model {name} knows no --precision {precision}; leave it out.")
    return factory(argument, cache=cache, device=device, jobs=jobs)


def eye_of(encoder: Encoder, *, cache: Path, device: str = "auto", jobs: int = 0) -> Eye | None:
    """What sees places for the encoder: itself where it can, else the embedded network, which pip brings with it.

    None for `pixels`, which is for runs without any weights, and where the embedded weights are not installed. One eye
    for all encoders: fifth-block features of a small network tell textures apart well, were measured here, and make
    words mean the same whichever CLIP stands beside them.
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
            f"CLIP ({DEFAULT}) is not used: {str(error).rstrip('.')}. The embedded EfficientNet-Lite0 stands in; what that "
            f"loses: text prompts are read less well, and names go no further than ImageNet's 1000. {BRING_CLIP}"
        )
    return _make("embedded", "", cache, device, jobs, precision), (note,)
