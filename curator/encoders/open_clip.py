"""CLIP by open_clip: any architecture with a pretrained tag, a model of the hub, or a checkpoint on this machine.

What is learnt of a model on first use (checkpoint hash, preprocessing, its ONNX image tower, text vectors) is kept in
the cache, so that a later run needs neither torch nor open_clip.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.encoders import _cache, _catalogue, _hub, _onnx, _precision, _torch
from curator.errors import CuratorError, InputError, MissingExtraError
from curator.types import EncoderInfo, Floats, Preprocessing

# Of the ViT-B/32 at 224 px with open weights this one does best in public: 69.2 % zero-shot on ImageNet-1k, against
# 66.6 % of LAION-2B's and 63.3 % of OpenAI's (open_clip, docs/openclip_results.csv); MIT licence, safetensors. A B/32 is
# the largest CLIP that embeds thousands of photographs on a laptop's CPU within minutes.
DEFAULT = "ViT-B-32/datacomp_xl_s13b_b90k"
DEFAULT_REPO = "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K"
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
VERSION = 1  # raise it when the vectors change for any other reason than weights, architecture or preprocessing
TEXT_BATCH = 128


@dataclass(frozen=True, slots=True)
class Description:
    """All that must be known of a model before its weights are loaded. `name` is how open_clip is to call it."""

    name: str
    model: dict[str, Any]
    preprocessing: Preprocessing
    checkpoint: str
    n_bytes: int
    mtime_ns: int
    config_mtime_ns: int
    sha256: str

    @property
    def fingerprint(self) -> str:
        """sha256 of weights, architecture, preprocessing and our own version."""
        parts = ["open_clip", VERSION, self.sha256, self.model, asdict(self.preprocessing)]
        return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def is_current(self) -> bool:
        """Whether the checkpoint, and the configuration beside it, are still the files that were read."""
        try:
            stat = os.stat(self.checkpoint)
        except OSError:
            return False
        same = (stat.st_size, stat.st_mtime_ns) == (self.n_bytes, self.mtime_ns)
        return same and _config_mtime_ns(Path(self.checkpoint)) == self.config_mtime_ns


class OpenClip:
    """Image and text tower of one CLIP. On a CPU images go through ONNX Runtime; the text tower always through torch."""

    def __init__(self, spec: str, cache: Path, device: str = "auto", jobs: int = 0, precision: str = "fp32") -> None:
        self.device, self._jobs = _torch.choose_device(device), jobs
        self.precision = _precision.choose(precision, self.device)
        self.batch_size = _onnx.CPU_BATCH if self.device == "cpu" else _onnx.GPU_BATCH
        self._about = about = describe(spec, cache)
        self._folder = cache / "encoders" / f"open_clip-{about.fingerprint[7:23]}"
        self._graph: _onnx.Graph | None = None
        self._model: Any = None
        self._info = EncoderInfo(
            name=spec,
            kind="open_clip",
            dim=int(about.model["embed_dim"]),
            text=True,
            fingerprint=_precision.fingerprint(about.fingerprint, self.precision),
            preprocessing=about.preprocessing,
        )

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        """(b, size, size, 3) uint8 -> (b, dim) float32 of unit norm. Raises InputError for a checkpoint that is not one."""
        size = self._info.preprocessing.size
        if inputs.ndim != 4 or inputs.shape[1:] != (size, size, 3) or inputs.dtype != np.uint8:
            raise InputError(
                f"this model takes (n, {size}, {size}, 3) uint8 pictures, not {inputs.shape} {inputs.dtype}."
            )
        if not len(inputs):
            return np.empty((0, self._info.dim), np.float32)
        if self._graph is None:
            self._graph = _onnx.image_tower(
                self._folder / "image.onnx",
                self._tower,
                ("vector",),
                self._about.preprocessing,
                self.device,
                self._jobs,
                self.precision,
            )
        return _onnx.unit(self._graph.run(inputs, ("vector",))[0])

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        """(m,) prompts -> (m, dim) unit vectors, kept in the cache by prompt; torch is loaded for new prompts only."""
        path = self._folder / "text.npz"
        known = _read_text(path)
        new = sorted(set(prompts) - known.keys())
        if new:
            known |= dict(zip(new, self._encode_text(new), strict=True))
            _cache.try_to_write(
                path, lambda name: np.savez(name, prompts=np.array(list(known)), vectors=np.stack(list(known.values())))
            )
        return np.stack([known[p] for p in prompts]) if len(prompts) else np.empty((0, self._info.dim), np.float32)

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """None: a model with a text tower is asked by prompts."""
        return (), np.empty((len(vectors), 0), dtype=np.float32)

    def _load(self) -> Any:
        if self._model is None:
            self._model = load_model(self._about)
        return self._model

    def _tower(self) -> Any:
        model = self._load()
        return _torch.normalising(lambda x: (model.encode_image(x),), model.visual, self._about.preprocessing)

    def _encode_text(self, prompts: list[str]) -> Floats:
        torch, open_clip = _torch.load("torch"), _torch.load("open_clip")
        model = self._load().to(self.device)
        try:
            with _torch.quiet():
                tokenizer = open_clip.get_tokenizer(self._about.name)
        except Exception as error:
            # Some models take their tokenizer from the hub; its client raises errors of several libraries.
            raise MissingExtraError(f"the tokenizer of {self._info.name} cannot be had ({error}).") from error
        found = []
        with torch.inference_mode():
            for start in range(0, len(prompts), TEXT_BATCH):
                tokens = tokenizer(prompts[start : start + TEXT_BATCH]).to(self.device)
                found.append(model.encode_text(tokens).float().cpu().numpy())
        return _onnx.unit(np.concatenate(found))


def load_model(about: Description) -> Any:
    """The torch model in eval mode on the CPU, float32. Checkpoints are read as tensors only: no pickle is run.

    Raises:
        InputError: the checkpoint cannot be read, holds other things than tensors, or is of another architecture.
        MissingExtraError: torch or open_clip cannot be used.
    """
    open_clip = _torch.load("open_clip")
    if about.name not in open_clip.list_models():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{about.name}.json"
            path.write_text(json.dumps(about.model), encoding="utf-8")
            open_clip.add_model_config(path)
    try:
        with _torch.quiet():
            model = open_clip.create_model(
                about.name,
                pretrained=about.checkpoint,
                require_pretrained=True,
                weights_only=True,
                force_quick_gelu=bool(about.model.get("quick_gelu")),
            )
    except CuratorError:
        raise
    except Exception as error:
        line = " ".join(str(error).split())[:200]
        raise InputError(
            f"{about.checkpoint} is no checkpoint of {about.name} that can be read as tensors only ({line}); "
            "name its own architecture, or save its state dict as safetensors."
        ) from error
    return model.eval()


def describe(spec: str, cache: Path) -> Description:
    """The model that `spec` (`ARCH/TAG`, `hf-hub:ORG/REPO` or `ARCH:/path/checkpoint`) means; weights fetched if need be.

    Remembered in `cache` for as long as the checkpoint file is unchanged.

    Raises:
        InputError: no such architecture, tag or file.
        MissingExtraError: the weights are neither here nor to be had; said within 5 s when there is no network.
    """
    slug = re.sub(r"[^\w.-]+", "_", spec)[-60:]
    path = cache / "encoders" / f"{slug}-{hashlib.sha256(spec.encode()).hexdigest()[:8]}.json"
    remembered = _read_description(path)
    if remembered is not None and remembered.is_current():
        return remembered
    try:
        name, model, given, checkpoint = _find(spec)
    except MissingExtraError as error:
        raise MissingExtraError(
            f"{error} Run once with a network, or copy a checkpoint here and pass --model ARCH:/path/to/checkpoint, or use "
            "--model embedded (weaker text prompts)."
        ) from error
    stat = checkpoint.stat()
    with checkpoint.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    about = Description(
        name=name,
        model=model,
        preprocessing=_catalogue.preprocessing(model, given),
        checkpoint=str(checkpoint),
        n_bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
        config_mtime_ns=_config_mtime_ns(checkpoint),
        sha256=sha256,
    )
    text = json.dumps({"schema": "curator.encoder/1", **asdict(about)}, indent=1)
    _cache.try_to_write(path, lambda part: Path(part).write_text(text, encoding="utf-8"))
    return about


def _find(spec: str) -> tuple[str, dict[str, Any], dict[str, Any], Path]:
    """(name for open_clip, model configuration, preprocessing options, checkpoint file) of a model."""
    if spec.startswith("hf-hub:"):
        repo = spec.removeprefix("hf-hub:").strip("/")
        if repo.count("/") != 1:
            raise InputError(f"{spec!r} names no model of the hub; the form is hf-hub:ORGANISATION/NAME.")
        config = json.loads(_hub.fetch(repo, (_hub.CONFIG,)).read_text(encoding="utf-8"))
        if "model_cfg" not in config:
            raise InputError(f"{repo} is no open_clip model: its {_hub.CONFIG} has no model_cfg.")
        return repo.replace("/", "--"), config["model_cfg"], config.get("preprocess_cfg", {}), _hub.fetch(repo)
    if ":" in spec:
        name, _, file = spec.partition(":")
        return _find_local(name, Path(file).expanduser())
    name, _, wanted = spec.rpartition("/")
    name = name.replace("/", "-")
    if not name:
        name = wanted
        model = _catalogue.architecture(name, ("auto", "embedded", "pixels"))
        example = next(iter(_catalogue.tags(name)), "TAG")
        raise InputError(
            f"--model {name} needs a pretrained tag, as in {name}/{example}, or a checkpoint, {name}:/path."
        )
    model, entry = _catalogue.architecture(name), _catalogue.tag(name, wanted)
    if entry.get("quick_gelu"):
        model["quick_gelu"] = True  # these weights were trained with it; open_clip itself only warns
    repo, _, file = str(entry["hf_hub"]).rpartition("/")
    names = (re.sub(r"\.(bin|pth)$", ".safetensors", file), file) if file else _hub.WEIGHTS
    return name, model, entry, _hub.fetch(repo, tuple(dict.fromkeys(names)))


def _find_local(name: str, file: Path) -> tuple[str, dict[str, Any], dict[str, Any], Path]:
    if name in _catalogue.architectures():
        model = _catalogue.architecture(name)
        config = _catalogue.beside(file)
    else:
        config = _catalogue.beside(file)
        name, model = _catalogue.own_architecture(name, config, file)
    if file.suffix not in SUFFIXES:
        raise InputError(f"{file} is no checkpoint: its name must end in {', '.join(SUFFIXES)}.")
    if not file.is_file():
        raise InputError(f"there is no checkpoint at {file}.")
    if config is not None:
        return name, model, config.get("preprocess_cfg", {}), file.absolute()
    # A bare checkpoint says nothing of its preprocessing; where all published weights of the architecture agree
    # (SigLIP: another mean, squashed pictures), theirs is right, and open_clip's default is not.
    keys = ("mean", "std", "interpolation", "resize_mode")
    options = [{k: entry[k] for k in keys if k in entry} for entry in _catalogue.tags(name).values()]
    return name, model, options[0] if options and all(o == options[0] for o in options) else {}, file.absolute()


def _config_mtime_ns(checkpoint: Path) -> int:
    """When the configuration beside a checkpoint was last changed; 0 where there is none."""
    try:
        return (checkpoint.parent / _hub.CONFIG).stat().st_mtime_ns
    except OSError:
        return 0


def _read_description(path: Path) -> Description | None:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields.pop("schema") != "curator.encoder/1":
            return None
        prep = fields.pop("preprocessing")
        prep["mean"], prep["std"] = tuple(prep["mean"]), tuple(prep["std"])
        return Description(preprocessing=Preprocessing(**prep), **fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a note to ourselves that is missing or damaged is written anew


def _read_text(path: Path) -> dict[str, Floats]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(zip(file["prompts"].tolist(), file["vectors"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def create(argument: str, *, cache: Path, device: str = "auto", jobs: int = 0, precision: str = "fp32") -> OpenClip:
    """`--model ARCH/PRETRAINED`, `hf-hub:ORG/REPO` or `ARCH:/path/checkpoint`."""
    return OpenClip(argument, cache, device, jobs, precision)


FACTORY = create
