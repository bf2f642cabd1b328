"""open_clip's architectures, pretrained tags and preprocessing, read from its own files without importing torch."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import re
import sys
import types
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from curator.encoders import _hub
from curator.errors import InputError, MissingExtraError, did_you_mean
from curator.types import Preprocessing

Config = dict[str, Any]


@cache
def _folder() -> Path:
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("open_clip is not installed; run `pip install open-clip-torch`.")
    return Path(spec.submodule_search_locations[0])


@cache
def _light(module: str) -> Any:
    """Import one of open_clip's plain-data modules without open_clip's __init__, which imports torch."""
    parent = types.ModuleType("_curator_open_clip")
    parent.__path__ = [str(_folder())]
    sys.modules.setdefault(parent.__name__, parent)
    # pretrained.py imports safetensors.torch if it is installed, and that would import torch.
    halted = "safetensors.torch" not in sys.modules
    if halted:
        sys.modules["safetensors.torch"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module(f"{parent.__name__}.{module}")
    finally:
        if halted:
            sys.modules.pop("safetensors.torch", None)


def architectures() -> tuple[str, ...]:
    """The names of all architectures, including those added by `open_clip.add_model_config`."""
    loaded = sys.modules.get("open_clip")
    if loaded is not None:
        return tuple(loaded.list_models())
    return tuple(sorted(path.stem for path in (_folder() / "model_configs").glob("*.json")))


def architecture(name: str, others: Iterable[str] = ()) -> Config:
    """The model configuration of an architecture.

    Raises:
        InputError: the name is unknown. `others` are further names for the hint.
    """
    known = architectures()
    if name not in known:
        raise InputError(f"no model architecture is called {name!r}; {_meant(name, (*known, *others))}")
    loaded = sys.modules.get("open_clip")
    if loaded is not None:
        return dict(loaded.get_model_config(name))
    return dict(json.loads((_folder() / "model_configs" / f"{name}.json").read_text(encoding="utf-8")))


def beside(checkpoint: Path) -> Config | None:
    """The `open_clip_config.json` in the folder of a checkpoint, or None if it is missing.

    It has the hub's form: `model_cfg` is an architecture and `preprocess_cfg` says how images are prepared. Either may be
    missing.

    Raises:
        InputError: the file, or one of its two parts, is not a JSON object.
    """
    path = checkpoint.parent / _hub.CONFIG
    return read_config(path) if path.is_file() else None


def read_config(path: Path) -> Config:
    """An `open_clip_config.json`. Raises: InputError as in `beside`."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not a JSON object ({error}); model_cfg and preprocess_cfg are needed, as on the model hub."
        ) from error
    if not isinstance(config, dict):
        raise InputError(f"{path} is not a JSON object; model_cfg and preprocess_cfg are needed, as on the model hub.")
    for key in ("model_cfg", "preprocess_cfg"):
        if not isinstance(config.get(key, {}), dict):
            raise InputError(f"{path}: {key} is not a JSON object; correct it as on the model hub.")
    return config


def own_architecture(name: str, config: Config | None, checkpoint: Path) -> tuple[str, Config]:
    """(name for open_clip, model configuration) of an architecture that open_clip does not know; `config` from `beside`.

    The name gets a hash, because two checkpoints of one process may use the same name for different architectures.

    Raises:
        InputError: there is no configuration, or it does not describe a CLIP.
    """
    path = checkpoint.parent / _hub.CONFIG
    model = (config or {}).get("model_cfg")
    if model is None:
        missing = f"there is no {path}" if config is None else f"{path} has no model_cfg"
        raise InputError(
            f"no model architecture is called {name!r}, and {missing} to describe it; {_meant(name, architectures())}"
        )
    check_clip(model, path)
    digest = hashlib.sha256(json.dumps(model, sort_keys=True).encode()).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}-{digest[:8]}", model


def check_clip(model: Config, path: Path) -> None:
    """Raises InputError if the `model_cfg` in the file `path` does not describe a CLIP."""
    lacking = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in model]
    if lacking or not all(isinstance(model[key], dict) for key in ("vision_cfg", "text_cfg")):
        raise InputError(f"{path} does not describe a CLIP; its model_cfg needs embed_dim, vision_cfg and text_cfg.")


def tags(name: str) -> Mapping[str, Config]:
    """Pretrained tag -> location of its weights and preprocessing of its images, for one architecture."""
    return dict(_light("pretrained")._PRETRAINED.get(name, {}))


def tag(name: str, wanted: str) -> Config:
    """One entry of `tags`. Raises: InputError if the architecture has no such tag."""
    found = tags(name)
    key = wanted.lower().replace("-", "_")
    if key not in found:
        if not found:
            raise InputError(f"{name} has no pretrained weights; pass your own as --model {name}:/path/to/checkpoint.")
        raise InputError(f"{name} has no pretrained weights called {wanted!r}; {_meant(key, found)}")
    return found[key]


def preprocessing(model: Config, given: Config) -> Preprocessing:
    """The preprocessing of images: `given` over open_clip's defaults, at the size of the architecture `model`.

    Raises:
        InputError: the model takes images that are not square, which curator's decoder does not make, or an option is not a
            number although one is needed.
    """
    constants = _light("constants")
    size = model["vision_cfg"].get("image_size", 224)
    sides = tuple(size) if isinstance(size, (list, tuple)) else (size, size)
    if len(set(sides)) != 1:
        raise InputError(
            f"this model takes images of {sides[1]} x {sides[0]}; only square ones are supported; use another."
        )
    try:
        # open_clip uses bicubic for every interpolation except bilinear when it prepares images for a trained model.
        return Preprocessing(
            size=int(sides[0]),
            resize_to=int(sides[0]),
            mode=given.get("resize_mode") or "shortest",
            interpolation="bilinear" if given.get("interpolation") == "bilinear" else "bicubic",
            mean=_triple(given.get("mean") or constants.OPENAI_DATASET_MEAN),
            std=_triple(given.get("std") or constants.OPENAI_DATASET_STD),
            fill=int(given.get("fill_color") or 0),
        )
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the model's configuration cannot be used ({error}); image_size needs to be a number of pixels, mean and std "
            "three numbers each, fill_color 0 to 255."
        ) from error


def _triple(value: Any) -> tuple[float, float, float]:
    red, green, blue = value if isinstance(value, (list, tuple)) else (value,) * 3
    return float(red), float(green), float(blue)


def _meant(name: str, known: Iterable[str]) -> str:
    names = list(known)
    # Names of models differ in a few letters, so that one alone would often be a wrong guess.
    return did_you_mean(name, names, f"there are {len(names)}, such as {', '.join(names[:5])}.", n=3, cutoff=0.5)
