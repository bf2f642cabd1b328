"""What makes vectors of pictures. One file per encoder: it joins by exporting `FACTORY`, and `--model` takes its name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from curator.encoders import _hub, _torch
from curator.encoders.embedded import Embedded
from curator.encoders.open_clip import DEFAULT, DEFAULT_REPO
from curator.errors import MissingExtraError
from curator.registry import Registry
from curator.types import Encoder, Eye


class Factory(Protocol):
    """Makes an encoder, lightly: weights wait for the first picture. `argument` is what follows `NAME:` in --model."""

    def __call__(self, argument: str, *, cache: Path, device: str = "auto", jobs: int = 0) -> Encoder: ...


REGISTRY: Registry[Factory] = Registry("curator.encoders", "FACTORY", "encoder")
BRING_CLIP = (
    f"To have CLIP, run `curator audit DATA --model {DEFAULT}` once with a network, or copy its checkpoint here and pass "
    f"--model {DEFAULT.partition('/')[0]}:/path/to/open_clip_model.safetensors."
)


def resolve(model: str, *, cache: Path, device: str = "auto", jobs: int = 0) -> tuple[Encoder, tuple[str, ...]]:
    """The encoder that `--model` means, and sentences the user must see (another encoder stood in; what that loses).

    `model` is `auto`, an encoder's own name (`embedded`, `pixels`; `NAME:ARGUMENT` where it takes one), or else a CLIP:
    `ARCH/PRETRAINED`, `hf-hub:ORG/REPO`, `ARCH:/path/checkpoint`. `cache` is the folder for exports, made when needed;
    `jobs` threads, 0 = every core.

    Raises:
        InputError: no such model, tag, file or device.
        MissingExtraError: weights that were asked for by name are neither here nor to be had.
    """
    chosen = _torch.choose_device(device)
    if model == "auto":
        return _auto(cache, chosen, jobs)
    name, _, argument = model.partition(":")
    if name in REGISTRY.names():
        return REGISTRY.get(name)(argument, cache=cache, device=chosen, jobs=jobs), ()
    return REGISTRY.get("open_clip")(model, cache=cache, device=chosen, jobs=jobs), ()


def eye_of(encoder: Encoder, *, cache: Path, device: str = "auto", jobs: int = 0) -> Eye | None:
    """What sees places for the encoder: itself where it can, else the embedded network, which pip brings with it.

    None for `pixels`, which is for runs without any weights, and where the embedded weights are not installed. One eye
    for all encoders: fifth-block features of a small network tell textures apart well, were measured here, and make
    words mean the same whichever CLIP stands beside them.
    """
    if isinstance(encoder, Embedded):
        return encoder
    if encoder.info.kind == "pixels":
        return None
    try:
        return Embedded(cache, device, jobs)
    except MissingExtraError:
        return None


def _auto(cache: Path, device: str, jobs: int) -> tuple[Encoder, tuple[str, ...]]:
    try:
        _hub.fetch(DEFAULT_REPO)
        return REGISTRY.get("open_clip")(DEFAULT, cache=cache, device=device, jobs=jobs), ()
    except MissingExtraError as error:
        note = (
            f"CLIP ({DEFAULT}) is not used: {str(error).rstrip('.')}. The embedded EfficientNet-Lite0 stands in; what that "
            f"loses: text prompts are read less well, and names go no further than ImageNet's 1000. {BRING_CLIP}"
        )
    return REGISTRY.get("embedded")("", cache=cache, device=device, jobs=jobs), (note,)
