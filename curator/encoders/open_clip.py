"""CLIP by open_clip: any architecture with a pretrained tag, a model of the hub, or a checkpoint on this machine.

The first use of a model stores its checkpoint hash, preprocessing, ONNX image tower and text vectors in the cache, so that a
later run needs neither torch nor open_clip.
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

# Of the public weights of ViT-B/32 at 224 px these are the best: 69.2 % zero-shot on ImageNet-1k; LAION-2B's have 66.6 % and
# OpenAI's 63.3 % (open_clip, docs/openclip_results.csv); MIT licence, safetensors. A B/32 is the largest CLIP that embeds
# thousands of images on a laptop's CPU within minutes.
DEFAULT = "ViT-B-32/datacomp_xl_s13b_b90k"
DEFAULT_REPO = "laion/CLIP-ViT-B-32-DataComp.XL-s13B-b90K"
SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
VERSION = 1  # increase it when the vectors change for any other reason than weights, architecture or preprocessing
TEXT_BATCH = 128


@dataclass(frozen=True, slots=True)
class Description:
    """All facts about a model that are needed before its weights are loaded. `name` is its name in open_clip."""

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
        """sha256 of weights, architecture, preprocessing and `VERSION`."""
        parts = ["open_clip", VERSION, self.sha256, self.model, asdict(self.preprocessing)]
        return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def is_current(self) -> bool:
        """Whether the checkpoint, and the configuration beside it, are unchanged."""
        try:
            stat = os.stat(self.checkpoint)
        except OSError:
            return False
        same = (stat.st_size, stat.st_mtime_ns) == (self.n_bytes, self.mtime_ns)
        return same and _config_mtime_ns(Path(self.checkpoint)) == self.config_mtime_ns


class OpenClip:
    """The image and text tower of one CLIP. On a CPU images use ONNX Runtime; the text tower always uses torch."""

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
        """(b, size, size, 3) uint8 -> (b, dim) float32 of unit norm. Raises InputError if the checkpoint is not valid."""
        size = self._info.preprocessing.size
        if inputs.ndim != 4 or inputs.shape[1:] != (size, size, 3) or inputs.dtype != np.uint8:
            raise InputError(
                f"this model got images of {inputs.shape} {inputs.dtype}; (n, {size}, {size}, 3) uint8 is needed."
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
        """(m,) prompts -> (m, dim) unit vectors, cached by prompt. Torch is loaded only for new prompts."""
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
        """No concepts, because a model with a text tower reads prompts."""
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
            # Some models take their tokenizer from the hub, whose client raises errors of several libraries.
            raise MissingExtraError(
                f"the tokenizer of {self._info.name} cannot be loaded ({error}); run again with a network."
            ) from error
        found = []
        with torch.inference_mode():
            for start in range(0, len(prompts), TEXT_BATCH):
                tokens = tokenizer(prompts[start : start + TEXT_BATCH]).to(self.device)
                found.append(model.encode_text(tokens).float().cpu().numpy())
        return _onnx.unit(np.concatenate(found))


def load_model(about: Description) -> Any:
    """The torch model in eval mode on the CPU, float32. Checkpoints are read as tensors only; pickled code is not run.

    Raises:
        InputError: the checkpoint cannot be read, contains other things than tensors, or has another architecture.
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
            f"{about.checkpoint} is not a checkpoint of {about.name} that can be read as tensors only ({line}); "
            "name its own architecture, or save its state dict as safetensors."
        ) from error
    return model.eval()


def describe(spec: str, cache: Path) -> Description:
    """Describe the model that `spec` (`ARCH/TAG`, `hf-hub:ORG/REPO` or `ARCH:/path/checkpoint`) names.

    Weights that are missing are downloaded. The description is cached while the checkpoint file is unchanged.

    Raises:
        InputError: the architecture, tag or file does not exist.
        MissingExtraError: the weights are not here and cannot be downloaded; without a network this takes up to 5 s.
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
            raise InputError(f"{spec!r} does not name a model of the hub; the form is hf-hub:ORGANISATION/NAME.")
        path = _hub.fetch(repo, (_hub.CONFIG,))
        config = _catalogue.read_config(path)
        if "model_cfg" not in config:
            raise InputError(f"{repo} is not an open_clip model (its {_hub.CONFIG} has no model_cfg); choose another.")
        _catalogue.check_clip(config["model_cfg"], path)
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
        model["quick_gelu"] = True  # these weights were trained with it, and open_clip only warns
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
        raise InputError(f"{file} is not a checkpoint; a name that ends in {', '.join(SUFFIXES)} is needed.")
    if not file.is_file():
        raise InputError(f"there is no checkpoint at {file}; check the path.")
    if config is not None:
        return name, model, config.get("preprocess_cfg", {}), file.absolute()
    # A checkpoint alone does not say its preprocessing. If all published weights of the architecture have the same (SigLIP:
    # another mean, squashed images), it is used, because open_clip's default would be wrong.
    keys = ("mean", "std", "interpolation", "resize_mode")
    options = [{k: entry[k] for k in keys if k in entry} for entry in _catalogue.tags(name).values()]
    return name, model, options[0] if options and all(o == options[0] for o in options) else {}, file.absolute()


def _config_mtime_ns(checkpoint: Path) -> int:
    """The modification time of the configuration beside a checkpoint; 0 if there is none."""
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
        return None  # a missing or damaged file of the cache is written anew


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
