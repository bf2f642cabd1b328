"""The encoder of an audit as a FiftyOne model, for searching by text in the App."""

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


class TextModelConfig(Config):  # type: ignore[misc]  # FiftyOne finds it by its name
    """`encoder` by the name that --model takes, `cache` its folder ("" = the user's), `fingerprint` what it must be."""

    def __init__(self, d: dict[str, Any]) -> None:
        self.encoder = str(d.get("encoder", "auto"))
        self.cache = str(d.get("cache", ""))
        self.fingerprint = str(d.get("fingerprint", ""))


class TextModel(fom.Model, fom.PromptMixin):  # type: ignore[misc]
    """Text -> a unit vector in the space of the images' embeddings. Weights are loaded with the first text."""

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
        """(d,) float32."""
        return self.embed_prompts([arg])[0]

    def embed_prompts(self, args: Any) -> Any:
        """(m, d) float32.

        Raises:
            InputError: the encoder of that name is no longer the one that made the images' embeddings.
        """
        if self._encoder is None:
            found, _ = encoders.resolve(self.config.encoder, cache=Path(self.config.cache or default_cache()))
            if self.config.fingerprint and found.info.fingerprint != self.config.fingerprint:
                raise InputError(f"{self.config.encoder} is not the encoder of this data set any more; audit it again.")
            self._encoder = found
        return np.asarray(self._encoder.encode_text([str(a) for a in args]), np.float32)
