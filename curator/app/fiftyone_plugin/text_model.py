"""The encoder of an audit as a FiftyOne model, for text search in the App."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fiftyone.core.models as fom
import numpy as np
from eta.core.config import Config

from curator import encoders
from curator.commands.session import default_cache
from curator.errors import InputError
from curator.types import Encoder


class TextModelConfig(Config):  # type: ignore[misc]  # FiftyOne finds it by this name
    """`encoder` is its name as for --model, `cache` its folder ("": the default), `fingerprint` its required fingerprint."""

    def __init__(self, d: dict[str, Any]) -> None:
        self.encoder = str(d.get("encoder", "auto"))
        self.cache = str(d.get("cache", ""))
        self.fingerprint = str(d.get("fingerprint", ""))


class TextModel(fom.Model, fom.PromptMixin):  # type: ignore[misc]
    """Turns text into a unit vector in the space of the images' embeddings. Weights are loaded with the first text."""

    def __init__(self, config: TextModelConfig) -> None:
        self.config = config
        self._encoder: Encoder | None = None

    @property
    def media_type(self) -> str:
        return "image"

    @property
    def can_embed_prompts(self) -> bool:
        return True

    def embed_prompt(self, arg: str) -> Any:
        """The vector (d,) float32 of one text."""
        return self.embed_prompts([arg])[0]

    def embed_prompts(self, args: Any) -> Any:
        """The vectors (m, d) float32 of m texts.

        Raises:
            InputError: the encoder of that name is not the one that made the images' embeddings.
        """
        if self._encoder is None:
            found, _ = encoders.resolve(self.config.encoder, cache=Path(self.config.cache or default_cache()))
            if self.config.fingerprint and found.info.fingerprint != self.config.fingerprint:
                raise InputError(f"{self.config.encoder} is not the encoder of this data set any more; audit it again.")
            self._encoder = found
        return np.asarray(self._encoder.encode_text([str(a) for a in args]), np.float32)
